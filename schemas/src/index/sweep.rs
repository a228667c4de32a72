//! The row of a sweep: work on many tasks, so many a turn.

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use super::{Tag, decode_row, encode_row};
use crate::codec::DecodeError;
use crate::id::{RequestId, TaskKey, TenantId};
use crate::registration::SweepOp;
use crate::time::Millis;

/// Work on many tasks: what is to be done with each, how far that came, and what it came to.
///
/// Its key holds its number. It touches only tasks with a lower version, and gives that number as
/// version to those it changes; so nothing is touched twice, and whatever comes later wins.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SweepRow {
    /// The same in all shards, if it is a command of users.
    pub id: RequestId,
    /// What is to be done.
    pub work: SweepWork,
    /// Only tasks of this tenant.
    pub tenant: Option<TenantId>,
    /// When the command was appended.
    pub appended: Millis,
    /// When it was taken in here.
    pub begun_at: Millis,
    /// Every task up to this one was looked at.
    pub after: Option<TaskKey>,
    /// When the last task was looked at; once all are decided, when the last was.
    pub ended_at: Option<Millis>,
    /// What it came to.
    pub count: SweepCount,
}

/// What is to be done with each task.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum SweepWork {
    /// A command of users.
    Command {
        /// Which.
        op: SweepOp,
        /// Only tasks with this tag.
        tag: Option<String>,
    },
    /// The time zone data changed: recurring tasks are compared, and planned anew where they differ.
    Zones {
        /// The version before; empty where none was kept.
        before: String,
        /// The version now.
        now: String,
    },
}

/// What a sweep came to in one shard.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct SweepCount {
    /// Tasks looked at.
    pub looked: u64,
    /// Of those, tasks it was for: live, of a lower version, with the tag.
    pub matched: u64,
    /// Of those, tasks of which the trigger or the dispatcher has not yet decided.
    pub undecided: u64,
    /// Changed as was wished.
    pub changed: u64,
    /// As was wished already.
    pub unchanged: u64,
    /// Ended without a call.
    pub cancelled: u64,
    /// Their call had begun.
    pub too_late: u64,
    /// Another command came first, or this one is not for such a task.
    pub refused: u64,
}

impl SweepCount {
    /// Adds what it came to elsewhere.
    pub fn add(&mut self, other: &Self) {
        self.looked += other.looked;
        self.matched += other.matched;
        self.undecided += other.undecided;
        self.changed += other.changed;
        self.unchanged += other.unchanged;
        self.cancelled += other.cancelled;
        self.too_late += other.too_late;
        self.refused += other.refused;
    }
}

impl SweepRow {
    /// Whether nothing of it is left to be done or decided.
    #[must_use]
    pub fn is_over(&self) -> bool {
        self.ended_at.is_some() && self.count.undecided == 0
    }

    /// As bytes.
    #[must_use]
    pub fn encode(&self) -> Bytes {
        encode_row(Tag::Sweep, self, &[])
    }

    /// From bytes.
    ///
    /// # Errors
    /// [`DecodeError`] says what was not understood.
    pub fn decode(bytes: &Bytes) -> Result<Self, DecodeError> {
        decode_row(Tag::Sweep, bytes).map(|(it, _)| it)
    }
}
