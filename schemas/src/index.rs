//! Records of `index`, the planner's table, and of `forwards`.
//!
//! The table is a changelog: the last value of a key is the row, a tombstone removes it. Every
//! record, tombstones included, carries its sequence number in [`SEQUENCE_HEADER`]; they ascend along
//! the partition, so that a store that knows the last one it applied can skip what it has.
//!
//! | key | row |
//! |---|---|
//! | `t` tenant 0 id | [`TaskRow`], with the definition behind it unless that is kept apart |
//! | `d` tenant 0 id | the definition, where it is larger than [`INLINE_MAX`] |
//! | `p` tenant 0 id | the definition of the task's wished plan, where it is larger than that |
//! | `s` tenant 0 id | the definition of its successor, where it is larger than that |
//! | `u` tenant 0 id | [`Mark`]: a cancel met no such task |
//! | `r` slot | [`RingRow`] |
//! | `f` topic 0 partition | [`Forwarded`] |
//! | `m` | [`Meta`]: keeps the sequence from going back once rows are gone |

use bytes::{BufMut, Bytes, BytesMut};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::answer::AttemptView;
use crate::call::{Call, Definition, Payload, Priority, RetryPolicy};
use crate::codec::{self, DecodeError, Kind};
use crate::id::{FireId, RequestId, TaskId, TaskKey, TenantId};
use crate::outcome::Phases;
use crate::schedule::Schedule;
use crate::shard::Shard;
use crate::slot::{Instance, Slot};
use crate::time::Millis;
use crate::topics::Topic;

/// The header of every index record: its sequence number, u64 big endian.
pub const SEQUENCE_HEADER: &str = "seq";
/// A definition of at most so many bytes stands in its task's row, so that the two fit 1 KiB.
pub const INLINE_MAX: usize = 896;

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
    /// How far the forwards of one partition have come.
    Forwarded(Topic, Shard),
    /// The one [`Meta`].
    Meta,
}

/// One task: where it stands, what comes next, what was.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct TaskRow {
    /// The number its last accepted command got.
    pub version: u64,
    /// Hash of the definition as registered, by [`content_of`].
    pub content: [u8; 16],
    /// When that command was appended.
    pub registered_at: Millis,
    /// As in the definition: a revoke needs it.
    pub priority: Priority,
    /// Where it stands.
    pub phase: Phase,
    /// The firing that is next, under way, or was last.
    pub firing: Firing,
    /// What is to become of it once its planted firing is decided.
    pub wish: Option<Box<Wish>>,
    /// The last firings that have something to tell, oldest first.
    pub past: Vec<PastFiring>,
    /// The definition stands under its own key.
    pub apart: bool,
}

/// Where a task stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Phase {
    /// In the index, to be planted when its firing's time is near.
    Waiting,
    /// In a slot, or on its way from there.
    Planted {
        /// Which use of which slot counted it.
        instance: Instance,
        /// A recall said that its call began.
        began: bool,
    },
    /// Held by a pause.
    Paused,
    /// Over; remembered for a while.
    Ended {
        /// When the planner took it so.
        at: Millis,
        /// How.
        how: Ending,
        /// Whether any call of its last firing began.
        began: bool,
    },
}

/// How a task ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Ending {
    /// The endpoint took it.
    Completed,
    /// Given up.
    Dead,
    /// By a cancel.
    Cancelled,
    /// Its time had passed.
    Expired,
}

/// One firing, live or last.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Firing {
    /// Its name.
    pub fire_id: FireId,
    /// The version that planned it.
    pub version: u64,
    /// Which occurrence, from 1.
    pub occurrence: u64,
    /// The planting under way, or the next one; from 1.
    pub leg: u32,
    /// The attempt that leg would make, from 1.
    pub attempt: u32,
    /// When the schedule wants it.
    pub due: Millis,
    /// When that leg is due.
    pub leg_due: Millis,
}

/// What is to become of a task whose firing is planted. One revoke is under way for it, unless
/// `told`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Wish {
    /// End it. Wins over everything else.
    pub cancel: bool,
    /// Hold it.
    pub pause: bool,
    /// Plan it so.
    pub plan: Option<Plan>,
    /// The cancel was answered `too_late`; what remains is that no further leg is planted.
    pub told: bool,
    /// Who waits for the decision, in the order they came.
    pub awaiters: Vec<RequestId>,
    /// A register that came behind the cancel.
    pub successor: Option<Successor>,
}

/// How a task is to be planned once it can be.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Plan {
    /// Its version then.
    pub version: u64,
    /// As in [`TaskRow`].
    pub content: [u8; 16],
    /// As in [`TaskRow`].
    pub registered_at: Millis,
    /// As in [`TaskRow`].
    pub priority: Priority,
    /// When its schedule wants it.
    pub due: Millis,
    /// When its next leg is due.
    pub leg_due: Millis,
    /// The firing goes on under its name, rather than a new one taking its place.
    pub keep: bool,
    /// As by [`encode_definition`]; empty where it stands apart.
    pub definition: Bytes,
}

/// A register that waits until the cancel before it is decided.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Successor {
    /// As by [`encode_definition`]; empty where it stands apart.
    pub definition: Bytes,
    /// As in [`TaskRow`].
    pub content: [u8; 16],
    /// When it was appended.
    pub registered_at: Millis,
    /// Who waits for its answer.
    pub awaiters: Vec<RequestId>,
}

/// A firing of which at least one leg ended.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct PastFiring {
    /// Its name.
    pub fire_id: FireId,
    /// When the schedule wanted it.
    pub due: Millis,
    /// Which occurrence, from 1.
    pub occurrence: u64,
    /// How it ended; `None` while it goes on or where another took its place.
    pub ended: Option<Ending>,
    /// The last attempts, oldest first.
    pub attempts: Vec<AttemptView>,
    /// Of the last leg that ended.
    pub phases: Option<Phases>,
}

/// A slot of the ring.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RingRow {
    /// Its last use.
    pub instance: Instance,
    /// Where that stands.
    pub phase: RingPhase,
    /// Placements written.
    pub placements: u64,
    /// Revokes written before the seal.
    pub revokes: u64,
    /// Bytes of placements.
    pub bytes: u64,
    /// Of those, bytes of work that was overdue, or belonged into another instance.
    pub late_bytes: u64,
}

/// Where a use of a slot stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum RingPhase {
    /// Takes placements.
    Open,
    /// Its seal is written.
    Sealed,
    /// Its `Free` is written; the slot may take its next use.
    Free,
}

/// How far the forwards of one origin partition have come: they arrive in order and without gaps, so
/// that everything up to this offset is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Forwarded {
    /// Highest offset taken.
    pub offset: i64,
}

/// A cancel met no such task.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Mark {
    /// When the cancel was appended: a register forwarded later and appended before that is stopped.
    pub cancelled_at: Millis,
    /// When the mark may go.
    pub until: Millis,
}

/// Says nothing but its own sequence number. Written in every turn that removes rows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Meta {}

/// A record of `forwards`: a command that came in on the wrong partition, its value behind it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Forward {
    /// Where it stood.
    pub topic: Topic,
    /// Its partition there.
    pub shard: Shard,
    /// Its offset there.
    pub offset: i64,
    /// When it was appended there.
    pub appended: Millis,
    /// Who waits for the answer.
    pub request: Option<RequestId>,
}

/// All of a definition but the payload's bytes.
#[derive(Deserialize)]
struct DefinitionHead {
    schedule: Schedule,
    call: Call,
    content_type: Option<String>,
    timeout_ms: u64,
    retry: RetryPolicy,
    priority: Priority,
    tags: Vec<String>,
    expires_after_ms: Option<u64>,
}

/// As [`DefinitionHead`], without taking it.
#[derive(Serialize)]
struct DefinitionRef<'a> {
    schedule: &'a Schedule,
    call: &'a Call,
    content_type: &'a Option<String>,
    timeout_ms: u64,
    retry: &'a RetryPolicy,
    priority: Priority,
    tags: &'a [String],
    expires_after_ms: Option<u64>,
}

/// Which row a value is: stands first in its head.
#[derive(Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
enum Tag {
    Task = 1,
    Definition = 2,
    Mark = 3,
    Ring = 4,
    Forwarded = 5,
    Meta = 6,
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
            Self::Meta => Bytes::from_static(b"m"),
        }
    }
}

/// `prefix` tenant 0 id: how tasks stand in keys, ordered by tenant, then id.
#[must_use]
pub fn named(prefix: u8, task: &TaskKey) -> Bytes {
    let mut out = BytesMut::with_capacity(2 + task.tenant.as_str().len() + task.id.as_str().len());
    out.put_u8(prefix);
    put_name(&mut out, task);
    out.freeze()
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

/// A definition as it is stored: everything but the payload, then the payload's bytes.
#[must_use]
pub fn encode_definition(definition: &Definition) -> Bytes {
    let head = DefinitionRef {
        schedule: &definition.schedule,
        call: &definition.call,
        content_type: &definition.payload.content_type,
        timeout_ms: definition.timeout_ms,
        retry: &definition.retry,
        priority: definition.priority,
        tags: &definition.tags,
        expires_after_ms: definition.expires_after_ms,
    };
    encode_row(Tag::Definition, &head, &definition.payload.bytes)
}

/// Reads what [`encode_definition`] wrote; the payload shares its memory.
///
/// # Errors
/// [`DecodeError`] says what was not understood.
pub fn decode_definition(bytes: &Bytes) -> Result<Definition, DecodeError> {
    let (head, tail) = decode_row::<DefinitionHead>(Tag::Definition, bytes)?;
    Ok(Definition {
        schedule: head.schedule,
        call: head.call,
        payload: Payload {
            content_type: head.content_type,
            bytes: tail,
        },
        timeout_ms: head.timeout_ms,
        retry: head.retry,
        priority: head.priority,
        tags: head.tags,
        expires_after_ms: head.expires_after_ms,
    })
}

/// The hash by which two definitions are the same, of what [`encode_definition`] wrote. An `after`
/// counts as written, not by the due time it gives.
#[must_use]
pub fn content_of(definition: &[u8]) -> [u8; 16] {
    let digest = Sha256::digest(definition);
    let mut content = [0; 16];
    content.copy_from_slice(&digest[..16]);
    content
}

fn encode_row<T: Serialize>(tag: Tag, row: &T, tail: &[u8]) -> Bytes {
    codec::encode(Kind::Index, &(tag as u8, row), tail)
}

fn decode_row<T: DeserializeOwned>(tag: Tag, bytes: &Bytes) -> Result<(T, Bytes), DecodeError> {
    let ((found, row), tail) = codec::decode::<(u8, T)>(Kind::Index, bytes)?;
    if found == tag as u8 {
        Ok((row, tail))
    } else {
        Err(DecodeError::Head {
            kind: Kind::Index,
            problem: format!("row is of sort {found}, expected {}", tag as u8),
        })
    }
}

impl TaskRow {
    /// As bytes, with the definition behind it unless that stands apart.
    #[must_use]
    pub fn encode(&self, inline: &[u8]) -> Bytes {
        encode_row(Tag::Task, self, inline)
    }

    /// From bytes; the definition shares their memory and is empty where it stands apart.
    ///
    /// # Errors
    /// [`DecodeError`] says what was not understood.
    pub fn decode(bytes: &Bytes) -> Result<(Self, Bytes), DecodeError> {
        decode_row(Tag::Task, bytes)
    }

    /// Whether a revoke of its planted firing is under way.
    #[must_use]
    pub fn revoking(&self) -> bool {
        self.wish.as_ref().is_some_and(|wish| !wish.told)
    }
}

impl RingRow {
    /// As bytes.
    #[must_use]
    pub fn encode(&self) -> Bytes {
        encode_row(Tag::Ring, self, &[])
    }

    /// From bytes.
    ///
    /// # Errors
    /// [`DecodeError`] says what was not understood.
    pub fn decode(bytes: &Bytes) -> Result<Self, DecodeError> {
        decode_row(Tag::Ring, bytes).map(|(it, _)| it)
    }
}

impl Forwarded {
    /// As bytes.
    #[must_use]
    pub fn encode(&self) -> Bytes {
        encode_row(Tag::Forwarded, self, &[])
    }

    /// From bytes.
    ///
    /// # Errors
    /// [`DecodeError`] says what was not understood.
    pub fn decode(bytes: &Bytes) -> Result<Self, DecodeError> {
        decode_row(Tag::Forwarded, bytes).map(|(it, _)| it)
    }
}

impl Mark {
    /// As bytes.
    #[must_use]
    pub fn encode(&self) -> Bytes {
        encode_row(Tag::Mark, self, &[])
    }

    /// From bytes.
    ///
    /// # Errors
    /// [`DecodeError`] says what was not understood.
    pub fn decode(bytes: &Bytes) -> Result<Self, DecodeError> {
        decode_row(Tag::Mark, bytes).map(|(it, _)| it)
    }
}

impl Meta {
    /// As bytes.
    #[must_use]
    pub fn encode(&self) -> Bytes {
        encode_row(Tag::Meta, self, &[])
    }
}

impl Forward {
    /// As bytes, with the command behind it as it came.
    #[must_use]
    pub fn encode(&self, command: &[u8]) -> Bytes {
        codec::encode(Kind::Forward, self, command)
    }

    /// From bytes; the command shares their memory.
    ///
    /// # Errors
    /// [`DecodeError`] says what was not understood.
    pub fn decode(bytes: &Bytes) -> Result<(Self, Bytes), DecodeError> {
        codec::decode(Kind::Forward, bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_definition_comes_back_as_it_went() {
        let definition = Definition {
            schedule: Schedule::After(5),
            call: Call {
                url: "http://a/".to_owned(),
                method: "POST".to_owned(),
                headers: vec![("x".to_owned(), "y".to_owned())],
            },
            payload: Payload {
                content_type: Some("text/plain".to_owned()),
                bytes: Bytes::from_static(b"body"),
            },
            timeout_ms: 7,
            retry: RetryPolicy {
                max_attempts: 2,
                plan: crate::call::RetryPlan::Explicit(vec![1, 2]),
            },
            priority: Priority::High,
            tags: vec!["t".to_owned()],
            expires_after_ms: Some(9),
        };
        let bytes = encode_definition(&definition);
        assert_eq!(decode_definition(&bytes), Ok(definition));
    }

    #[test]
    fn a_name_comes_back_from_its_key() {
        let task = TaskKey {
            tenant: TenantId::new("shop").unwrap(),
            id: TaskId::new("order-1/close").unwrap(),
        };
        assert_eq!(parse_name(&named(b't', &task)[1..]), Some(task));
        assert_eq!(parse_name(b"no separator"), None);
    }

    #[test]
    fn a_row_of_another_sort_is_refused() {
        let ring = Forwarded { offset: 1 }.encode();
        assert!(RingRow::decode(&ring).is_err());
    }
}
