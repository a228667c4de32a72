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
//! | `q` number | [`Follow`]: a step ended, and not all that wait for it were told |
//! | `k` tenant 0 id 0 part | [`TaskRow`]: one of a recurring task's live firings, with its own definition behind it if it has one; or a live share of a firing |
//! | `d` tenant 0 id 0 version | a definition of a recurring task: of its last version, and of earlier ones that a live firing still uses |
//! | `c` tenant 0 name | [`CalendarRow`], with the calendar's JSON behind it; every shard has all calendars |
//! | `y` number | [`Untold`]: this shard decided about it, and not all others were told |
//! | `x` number | [`Replan`]: a calendar changed, and not all tasks that name it were planned anew |
//! | `w` | [`Pace`] |
//! | `b` number | [`SweepRow`] |
//! | `v` | [`ZonesRow`]: the version of the time zone data that tasks are planned by |
//! | `z` tenant 0 id | [`Moved`]: what a change of those data did to a recurring task last |
//! | `g` tenant 0 id 0 number | [`BackfillRow`] |
//! | `m` | [`Meta`]: keeps the sequence from going back once rows are gone |

mod backfill;
mod calendar;
mod definition;
mod key;
mod series;
mod shares;
mod sweep;
mod task;
mod zones;

use bytes::Bytes;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

pub use self::backfill::BackfillRow;
pub use self::calendar::{CalendarRow, Replan, Untold};
pub use self::definition::{content_of, decode_definition, encode_definition};
pub use self::key::{
    TableKey, named, named_calendar, named_part, parse_name, parse_name_part, put_name, put_part,
};
pub use self::series::{Buffer, Lapse, Older, Parked, Series, Span, Tally};
pub use self::shares::{ShareTally, Shares};
pub use self::sweep::{SweepCount, SweepRow, SweepWork};
pub use self::task::{
    Asker, Ending, Firing, Held, HeldNeed, NeedState, PastFiring, Phase, Plan, StepRow, Successor,
    TaskRow, Wish,
};
pub use self::zones::{Moved, ZonesRow};
use crate::codec::{self, DecodeError, Kind};
use crate::id::{RequestId, TaskKey};
use crate::shard::Shard;
use crate::slot::Instance;
use crate::time::Millis;
use crate::topics::Topic;

/// The header of every index record: its sequence number, u64 big endian.
pub const SEQUENCE_HEADER: &str = "seq";
/// A definition of at most so many bytes stands in its task's row, so that the two fit 1 KiB.
pub const INLINE_MAX: usize = 896;

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

/// A step ended; those that wait for it are told in the order of their names.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Follow {
    /// Which step.
    pub task: TaskKey,
    /// Its version.
    pub version: u64,
    /// How it ended.
    pub how: Ending,
    /// Those up to this name were told.
    pub told: Option<String>,
}

/// How far late firings of recurring tasks are spread, so that they are released at a pace.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pace {
    /// The next one is released at this time or later: microseconds since the epoch.
    pub next_us: i64,
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
    Follow = 7,
    Pace = 8,
    Calendar = 9,
    Untold = 10,
    Replan = 11,
    Sweep = 12,
    Zones = 13,
    Moved = 14,
    Backfill = 15,
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

impl Pace {
    /// As bytes.
    #[must_use]
    pub fn encode(&self) -> Bytes {
        encode_row(Tag::Pace, self, &[])
    }

    /// From bytes.
    ///
    /// # Errors
    /// [`DecodeError`] says what was not understood.
    pub fn decode(bytes: &Bytes) -> Result<Self, DecodeError> {
        decode_row(Tag::Pace, bytes).map(|(it, _)| it)
    }
}

impl Follow {
    /// As bytes.
    #[must_use]
    pub fn encode(&self) -> Bytes {
        encode_row(Tag::Follow, self, &[])
    }

    /// From bytes.
    ///
    /// # Errors
    /// [`DecodeError`] says what was not understood.
    pub fn decode(bytes: &Bytes) -> Result<Self, DecodeError> {
        decode_row(Tag::Follow, bytes).map(|(it, _)| it)
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
    fn a_row_of_another_sort_is_refused() {
        let ring = Forwarded { offset: 1 }.encode();
        assert!(RingRow::decode(&ring).is_err());
    }
}
