//! Keys of the table.

use bytes::{BufMut, Bytes, BytesMut};

use crate::calendar::CalendarKey;
use crate::id::{FiringPart, TaskId, TaskKey, TenantId};
use crate::shard::Shard;
use crate::slot::Slot;
use crate::topics::Topic;

/// The key of a row.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum TableKey {
    /// A task.
    Task(TaskKey),
    /// A task's definition, where it is kept apart.
    Definition(TaskKey),
    /// The definition of a task's wished plan, where it is kept apart.
    Plan(TaskKey),
    /// The definition of a task's successor, where it is kept apart.
    Successor(TaskKey),
    /// That a cancel met no such task.
    Mark(TaskKey),
    /// A slot of the ring.
    Ring(Slot),
    /// One of a task's firings, where it has many.
    Firing(TaskKey, FiringPart),
    /// The definition that a version gave a recurring task.
    Versioned(TaskKey, u64),
    /// Until when late firings are spread.
    Pace,
    /// A past range of a recurring task that is fired belatedly, by the number of the run.
    Backfill(TaskKey, u64),
    /// Work on many tasks, by its number.
    Sweep(u64),
    /// How far the forwards of one partition have come.
    Forwarded(Topic, Shard),
    /// A step that ended and whose dependents were not told yet, by the number of its end.
    Follow(u64),
    /// A calendar.
    Calendar(CalendarKey),
    /// A change of a calendar that not all shards were told of, by its number.
    Untold(u64),
    /// A change of a calendar after which not all tasks were planned anew, by its number here.
    Replan(u64),
    /// The version of the time zone data.
    Zones,
    /// What a change of those data did to a recurring task.
    Moved(TaskKey),
    /// The one [`Meta`].
    Meta,
}

impl TableKey {
    /// As bytes.
    #[must_use]
    pub fn encode(&self) -> Bytes {
        match self {
            Self::Task(task) => named(b't', task),
            Self::Definition(task) => named(b'd', task),
            Self::Plan(task) => named(b'p', task),
            Self::Successor(task) => named(b's', task),
            Self::Mark(task) => named(b'u', task),
            Self::Firing(task, part) => named_part(b'k', task, Some(*part)),
            Self::Versioned(task, version) => named_number(b'd', task, *version),
            Self::Backfill(task, number) => named_number(b'g', task, *number),
            Self::Pace => Bytes::from_static(b"w"),
            Self::Sweep(number) => {
                let mut out = BytesMut::with_capacity(9);
                out.put_u8(b'b');
                out.put_u64(*number);
                out.freeze()
            }
            Self::Ring(slot) => Bytes::copy_from_slice(&[b'r', slot.0]),
            Self::Forwarded(topic, shard) => {
                let name = topic.name();
                let mut out = BytesMut::with_capacity(name.len() + 4);
                out.put_u8(b'f');
                out.put_slice(name.as_bytes());
                out.put_u8(0);
                out.put_u16(shard.0);
                out.freeze()
            }
            Self::Follow(number) => numbered(b'q', *number),
            Self::Calendar(calendar) => named_calendar(b'c', calendar),
            Self::Untold(number) => numbered(b'y', *number),
            Self::Replan(number) => numbered(b'x', *number),
            Self::Zones => Bytes::from_static(b"v"),
            Self::Moved(task) => named(b'z', task),
            Self::Meta => Bytes::from_static(b"m"),
        }
    }
}

/// `prefix` number, big endian.
fn numbered(prefix: u8, number: u64) -> Bytes {
    let mut out = BytesMut::with_capacity(9);
    out.put_u8(prefix);
    out.put_u64(number);
    out.freeze()
}

/// `prefix` tenant 0 name: how calendars stand in keys.
#[must_use]
pub fn named_calendar(prefix: u8, calendar: &CalendarKey) -> Bytes {
    let (tenant, name) = (calendar.tenant.as_str(), calendar.name.as_str());
    let mut out = BytesMut::with_capacity(2 + tenant.len() + name.len());
    out.put_u8(prefix);
    out.put_slice(tenant.as_bytes());
    out.put_u8(0);
    out.put_slice(name.as_bytes());
    out.freeze()
}

/// `prefix` tenant 0 id: how tasks stand in keys, ordered by tenant, then id.
#[must_use]
pub fn named(prefix: u8, task: &TaskKey) -> Bytes {
    let mut out = BytesMut::with_capacity(2 + task.tenant.as_str().len() + task.id.as_str().len());
    out.put_u8(prefix);
    put_name(&mut out, task);
    out.freeze()
}

/// `prefix` tenant 0 id 0 number.
fn named_number(prefix: u8, task: &TaskKey, number: u64) -> Bytes {
    let mut out = BytesMut::from(named(prefix, task).as_ref());
    out.put_u8(0);
    out.put_u64(number);
    out.freeze()
}

/// As [`named`], with which of its firings behind it, if it is one: 0 occurrence part manual, big
/// endian. They follow the task in order.
#[must_use]
pub fn named_part(prefix: u8, task: &TaskKey, part: Option<FiringPart>) -> Bytes {
    let mut out = BytesMut::with_capacity(96);
    out.put_u8(prefix);
    put_name(&mut out, task);
    put_part(&mut out, part);
    out.freeze()
}

/// Appends 0 occurrence part manual, if it is a firing.
pub fn put_part(out: &mut BytesMut, part: Option<FiringPart>) {
    if let Some(part) = part {
        out.put_u8(0);
        out.put_u64(part.occurrence);
        out.put_u32(part.part);
        out.put_u64(part.manual);
    }
}

/// Reads tenant 0 id, and which of its firings behind it, if it is one.
#[must_use]
pub fn parse_name_part(name: &[u8]) -> Option<(TaskKey, Option<FiringPart>)> {
    let at = name.iter().position(|byte| *byte == 0)?;
    let behind = name.get(at + 1..)?.iter().position(|byte| *byte == 0);
    let Some(behind) = behind.map(|behind| at + 1 + behind) else {
        return Some((parse_name(name)?, None));
    };
    let task = parse_name(name.get(..behind)?)?;
    let (occurrence, rest) = name.get(behind + 1..)?.split_first_chunk::<8>()?;
    let (part, rest) = rest.split_first_chunk::<4>()?;
    let manual = rest.first_chunk::<8>().filter(|_| rest.len() == 8)?;
    let part = FiringPart {
        occurrence: u64::from_be_bytes(*occurrence),
        part: u32::from_be_bytes(*part),
        manual: u64::from_be_bytes(*manual),
    };
    Some((task, Some(part)))
}

/// Appends tenant 0 id.
pub fn put_name(out: &mut BytesMut, task: &TaskKey) {
    out.put_slice(task.tenant.as_str().as_bytes());
    out.put_u8(0);
    out.put_slice(task.id.as_str().as_bytes());
}

/// Reads tenant 0 id.
#[must_use]
pub fn parse_name(name: &[u8]) -> Option<TaskKey> {
    let at = name.iter().position(|byte| *byte == 0)?;
    let (tenant, id) = (name.get(..at)?, name.get(at + 1..)?);
    Some(TaskKey {
        tenant: TenantId::new(std::str::from_utf8(tenant).ok()?).ok()?,
        id: TaskId::new(std::str::from_utf8(id).ok()?).ok()?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_comes_back_from_its_key() {
        let task = TaskKey {
            tenant: TenantId::new("shop").unwrap(),
            id: TaskId::new("order-1/close").unwrap(),
        };
        assert_eq!(parse_name(&named(b't', &task)[1..]), Some(task.clone()));
        assert_eq!(parse_name(b"no separator"), None);
        for part in [
            None,
            Some(FiringPart::occurrence(0)),
            Some(FiringPart {
                occurrence: u64::MAX,
                part: 3,
                manual: 256,
            }),
        ] {
            let name = named_part(b'k', &task, part);
            assert_eq!(parse_name_part(&name[1..]), Some((task.clone(), part)));
        }
        let cut = named_part(b'k', &task, Some(FiringPart::occurrence(1)));
        assert_eq!(parse_name_part(&cut[1..cut.len() - 1]), None);
    }
}
