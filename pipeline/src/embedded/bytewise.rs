//! The letters that frames are written in: integers, lengths, names of topics and roles.

use bytes::Bytes;
use schemas::{Priority, Role, Shard, Slot, Topic};

use crate::record::TopicPartition;

/// Bytes that are read from the front; every step is `None` where there are too few.
pub(super) struct Bytewise<'a>(pub(super) &'a [u8]);

impl<'a> Bytewise<'a> {
    pub(super) fn take(&mut self, count: usize) -> Option<&'a [u8]> {
        let (head, rest) = self.0.split_at_checked(count)?;
        self.0 = rest;
        Some(head)
    }

    pub(super) fn array<const N: usize>(&mut self) -> Option<[u8; N]> {
        self.take(N)?.try_into().ok()
    }

    pub(super) fn u8(&mut self) -> Option<u8> {
        self.array().map(|[byte]| byte)
    }

    pub(super) fn u16(&mut self) -> Option<u16> {
        self.array().map(u16::from_le_bytes)
    }

    pub(super) fn u32(&mut self) -> Option<u32> {
        self.array().map(u32::from_le_bytes)
    }

    pub(super) fn i64(&mut self) -> Option<i64> {
        self.array().map(i64::from_le_bytes)
    }

    pub(super) fn at(&mut self) -> Option<TopicPartition> {
        let topic = topic_of(self.u16()?)?;
        Some(TopicPartition::new(topic, Shard(self.u16()?)))
    }

    pub(super) fn varint(&mut self) -> Option<u64> {
        let mut value = 0u64;
        for shift in (0..64).step_by(7) {
            let byte = self.u8()?;
            value |= u64::from(byte & 0x7f) << shift;
            if byte & 0x80 == 0 {
                return Some(value);
            }
        }
        None
    }

    pub(super) fn bytes(&mut self) -> Option<&'a [u8]> {
        let length = self.varint()?;
        self.take(usize::try_from(length).ok()?)
    }

    pub(super) fn optional(&mut self) -> Option<Option<Bytes>> {
        match self.varint()? {
            0 => Some(None),
            length => {
                let bytes = self.take(usize::try_from(length - 1).ok()?)?;
                Some(Some(Bytes::copy_from_slice(bytes)))
            }
        }
    }
}

pub(super) fn put_i64(buf: &mut Vec<u8>, number: i64) {
    buf.extend(number.to_le_bytes());
}

pub(super) fn put_at(buf: &mut Vec<u8>, at: TopicPartition) {
    buf.extend(topic_code(at.topic).to_le_bytes());
    buf.extend(at.shard.0.to_le_bytes());
}

pub(super) fn put_varint(buf: &mut Vec<u8>, mut number: u64) {
    while number >= 0x80 {
        buf.push((number & 0x7f) as u8 | 0x80);
        number >>= 7;
    }
    buf.push(number as u8);
}

pub(super) fn put_bytes(buf: &mut Vec<u8>, bytes: &[u8]) {
    put_varint(buf, bytes.len() as u64);
    buf.extend(bytes);
}

pub(super) fn put_optional(buf: &mut Vec<u8>, bytes: Option<&Bytes>) {
    match bytes {
        None => put_varint(buf, 0),
        Some(bytes) => {
            put_varint(buf, bytes.len() as u64 + 1);
            buf.extend(bytes);
        }
    }
}

pub(super) fn role_code(role: Role) -> u8 {
    match role {
        Role::Planner => 1,
        Role::Trigger => 2,
        Role::Dispatcher => 3,
        Role::Archive => 4,
    }
}

pub(super) fn role_of(code: u8) -> Option<Role> {
    Role::ALL.into_iter().find(|role| role_code(*role) == code)
}

const BUCKETS: u16 = 100;
const INTAKES: u16 = 1_000;

fn topic_code(topic: Topic) -> u16 {
    match topic {
        Topic::Registrations => 1,
        Topic::RegistrationsBulk => 2,
        Topic::Forwards => 3,
        Topic::Index => 4,
        Topic::Outcomes => 5,
        Topic::DispatchState => 6,
        Topic::DeadLetters => 7,
        Topic::Results => 8,
        Topic::Endpoints => 9,
        Topic::Tenants => 10,
        Topic::Calendars => 11,
        Topic::Owners => 12,
        Topic::Fires(Priority::High) => 20,
        Topic::Fires(Priority::Normal) => 21,
        Topic::Fires(Priority::Low) => 22,
        Topic::Bucket(slot) => BUCKETS + u16::from(slot.0),
        Topic::Intake(number) => INTAKES.saturating_add(number),
    }
}

fn topic_of(code: u16) -> Option<Topic> {
    match code {
        INTAKES.. => Some(Topic::Intake(code - INTAKES)),
        BUCKETS.. => u8::try_from(code - BUCKETS)
            .ok()
            .map(|n| Topic::Bucket(Slot(n))),
        _ => Topic::all().find(|topic| topic_code(*topic) == code),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_topic_and_role_has_a_code_of_its_own() {
        let intakes = [0, 1, 500].map(Topic::Intake);
        for topic in Topic::all().chain(intakes) {
            assert_eq!(topic_of(topic_code(topic)), Some(topic), "{topic:?}");
        }
        for role in Role::ALL {
            assert_eq!(role_of(role_code(role)), Some(role), "{role:?}");
        }
    }
}
