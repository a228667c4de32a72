//! Records of `outcomes`: every fact about a firing, written once (T7).

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use crate::bucket::Purpose;
use crate::codec::{self, DecodeError, Kind};
use crate::flow::AnswerBody;
use crate::id::{FireId, FiringPart, TaskKey};
use crate::slot::Instance;
use crate::time::Millis;

/// One record of `outcomes`, in the partition of the task's shard.
#[derive(Clone, Debug, PartialEq)]
pub enum OutcomeRecord {
    /// Dispatcher: a leg ended.
    Ended(Ended),
    /// Dispatcher: how a recall was decided. The body is the fire's [`crate::Work`] where the decision
    /// is `Cancelled`, else empty.
    Recalled(Recalled, Bytes),
    /// Trigger: a firing was taken out of the wheel on a revoke. The body is its [`crate::Work`].
    Revoked(Taken, Bytes),
    /// Trigger: a firing left the wheel too late to be called. The body is its [`crate::Work`].
    Expired(Taken, Bytes),
    /// Trigger: everything of a sealed instance was dealt with.
    Drained(Drained),
    /// Planner: a task ended without a firing being planted for it.
    Unplanted(Unplanted),
    /// Planner: occurrences of a recurring task that are not fired.
    Missed(Missed),
    /// Dispatcher: legs that ended well and that nothing follows, many in one record.
    Completed(Completed),
}

/// Calls that their endpoints took and that nothing but bookkeeping follows: their tasks have one firing,
/// no other task waits for them, and no recall met them. What is written, carried and read by record costs
/// a part of it each.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Completed {
    /// How much later than its leg was due the last of them began, ms.
    pub latest_ms: u64,
    /// Each as if in a record of its own, in the order they ended.
    pub ended: Vec<Ended>,
}

/// A leg that reached the dispatcher and ended there.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Ended {
    /// Whose firing.
    pub task: TaskKey,
    /// Of that version.
    pub version: u64,
    /// Which occurrence, from 1.
    pub occurrence: u64,
    /// Which of its task's firings, where the task has many.
    pub part: Option<FiringPart>,
    /// Which firing.
    pub fire_id: FireId,
    /// Which planting of it.
    pub leg: u32,
    /// Which attempt it was (or would have been), from 1.
    pub attempt: u32,
    /// How.
    pub end: End,
    /// What the endpoint answered; `None` where no call began.
    pub answer: Option<Answer>,
    /// When what happened.
    pub phases: Phases,
}

/// How a leg ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum End {
    /// The endpoint took it.
    Success,
    /// To be planted again, due at `at`.
    Again {
        /// When.
        at: Millis,
        /// Which attempt that will be.
        attempt: u32,
        /// Why.
        why: Again,
    },
    /// Given up; a dead letter was written in the same turn.
    Dead {
        /// In words.
        reason: String,
    },
    /// Too late to call.
    Expired,
}

/// Why a leg is planted again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Again {
    /// The call failed; an attempt is used up.
    Retry,
    /// The fire came too early for this clock to hold it; no attempt is used up.
    Hold,
}

/// What an endpoint answered.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Answer {
    /// HTTP status, if it came to that.
    pub status: Option<u16>,
    /// What went wrong, in words.
    pub error: Option<String>,
    /// The answer's body, at most [`kept_of`] bytes of it; `None` where it was empty.
    pub body: Option<AnswerBody>,
}

/// How much of the body of an answer to `task` is kept, bytes: the answer of a step of a flow may be
/// the payload of the next.
#[must_use]
pub fn kept_of(task: &TaskKey) -> usize {
    if task.id.step().is_some() {
        64 * 1024
    } else {
        4 * 1024
    }
}

/// When what happened to one leg; every time by the clock of the role named.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Phases {
    /// Registration appended (broker).
    pub registered_at: Millis,
    /// Placement written (planner).
    pub planted_at: Millis,
    /// The schedule's due time.
    pub due: Millis,
    /// This leg's due time: later than `due` for retries.
    pub leg_due: Millis,
    /// Left the wheel (trigger).
    pub triggered_at: Millis,
    /// Read by the dispatcher.
    pub received_at: Millis,
    /// Call began (dispatcher); `None` where none did.
    pub began_at: Option<Millis>,
    /// Leg ended (dispatcher).
    pub ended_at: Millis,
}

/// How a recall met its fire.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Recalled {
    /// Which firing.
    pub fire_id: FireId,
    /// Which planting of it.
    pub leg: u32,
    /// What the recall was for.
    pub purpose: Purpose,
    /// How it was decided.
    pub decision: Decision,
    /// Whose firing; `None` when there was no such open fire to tell.
    pub task: Option<TaskKey>,
    /// When (dispatcher).
    pub at: Millis,
}

/// How a recall was decided.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Decision {
    /// The call had not begun and never will: the leg ended by this.
    Cancelled,
    /// The call began: the leg will end by its own outcome.
    TooLate,
    /// No such open fire: the fire's own earlier outcome stands before this.
    Gone,
}

/// A firing taken out of the wheel.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Taken {
    /// Which use of the slot counted it.
    pub instance: Instance,
    /// Which firing.
    pub fire_id: FireId,
    /// Which planting of it.
    pub leg: u32,
    /// When it would have fired.
    pub due: Millis,
    /// When it was taken out (trigger).
    pub at: Millis,
}

/// The ledger of a drained instance: placements = fired + revoked + expired (T1).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Drained {
    /// Which use of which slot.
    pub instance: Instance,
    /// As the seal said.
    pub placements: u64,
    /// Sent to lanes.
    pub fired: u64,
    /// Taken out on a revoke.
    pub revoked: u64,
    /// Left too late.
    pub expired: u64,
}

/// A task that ended in the index.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Unplanted {
    /// Whose.
    pub task: TaskKey,
    /// Its version.
    pub version: u64,
    /// Which occurrence would have been next.
    pub occurrence: u64,
    /// The firing that would have been.
    pub fire_id: FireId,
    /// When it would have been due.
    pub due: Millis,
    /// When its registration was appended.
    pub registered_at: Millis,
    /// How.
    pub end: UnplantedEnd,
    /// Why, where `end` does not say it all.
    pub reason: Option<String>,
    /// When (planner).
    pub at: Millis,
}

/// How a task ended in the index.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum UnplantedEnd {
    /// By a cancel.
    Cancelled,
    /// Past its expiry before it could be planted.
    Expired,
    /// What it needed of other steps cannot be any more.
    NotTaken,
    /// It could not be planted as it was asked for.
    Dead,
}

/// Occurrences of a recurring task, one behind the other, that are not fired.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Missed {
    /// Whose.
    pub task: TaskKey,
    /// The version whose schedule gave them.
    pub version: u64,
    /// The first of them.
    pub first: u64,
    /// The last of them.
    pub last: u64,
    /// The name the first would have fired under.
    pub fire_id: FireId,
    /// Due time of the first.
    pub from: Millis,
    /// Due time of the last.
    pub to: Millis,
    /// When the registration was appended.
    pub registered_at: Millis,
    /// Why.
    pub why: MissedWhy,
    /// When it was decided (planner).
    pub at: Millis,
}

/// Why occurrences are not fired.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum MissedWhy {
    /// They were looked at too late, and the misfire policy leaves them out.
    Late,
    /// The firing before went on, and the overlap policy leaves them out.
    Overlap,
}

#[derive(Serialize, Deserialize)]
enum Head {
    Ended(Ended),
    Recalled(Recalled),
    Revoked(Taken),
    Expired(Taken),
    Drained(Drained),
    Unplanted(Unplanted),
    Missed(Missed),
    Completed(Completed),
}

impl Completed {
    /// In one record at most: what many cost by record is small against the rest then, and who takes records
    /// by number still knows how much that is.
    pub const MOST: usize = 32;

    /// Of those that ended, in that order.
    #[must_use]
    pub fn new(ended: Vec<Ended>) -> Self {
        let late = |it: &Ended| {
            it.phases
                .began_at
                .map_or(0, |at| at.since(it.phases.leg_due))
        };
        Self {
            latest_ms: ended.iter().map(late).max().unwrap_or(0),
            ended,
        }
    }

    /// As the bytes of its [`OutcomeRecord`], without a copy of what it holds before.
    #[must_use]
    pub fn encode(&self) -> Bytes {
        codec::encode(Kind::Outcome, &(COMPLETED, self), &[])
    }

    /// Whether the bytes of an outcome are one of these, and its `latest_ms` then: nothing else of it is read.
    #[must_use]
    pub fn peek(bytes: &Bytes) -> Option<u64> {
        // A variant is written as its number, and this one's first field stands behind it.
        let (head, _) = codec::split(Kind::Outcome, bytes).ok()?;
        let ((variant, latest_ms), _) = postcard::take_from_bytes::<(u32, u64)>(head).ok()?;
        (variant == COMPLETED).then_some(latest_ms)
    }
}

/// The number of [`Head::Completed`].
const COMPLETED: u32 = 7;

impl Missed {
    /// How many.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.last.saturating_sub(self.first).saturating_add(1)
    }
}

impl MissedWhy {
    /// In words, for people and the archive.
    #[must_use]
    pub fn reason(self) -> &'static str {
        match self {
            Self::Late => "later than the misfire threshold when it could be looked at",
            Self::Overlap => "the firing before had not ended",
        }
    }
}

impl OutcomeRecord {
    /// As bytes.
    #[must_use]
    pub fn encode(&self) -> Bytes {
        if let Self::Completed(it) = self {
            return it.encode();
        }
        let (head, tail) = match self.clone() {
            Self::Ended(it) => (Head::Ended(it), Bytes::new()),
            Self::Recalled(it, body) => (Head::Recalled(it), body),
            Self::Revoked(it, body) => (Head::Revoked(it), body),
            Self::Expired(it, body) => (Head::Expired(it), body),
            Self::Drained(it) => (Head::Drained(it), Bytes::new()),
            Self::Unplanted(it) => (Head::Unplanted(it), Bytes::new()),
            Self::Missed(it) => (Head::Missed(it), Bytes::new()),
            Self::Completed(it) => (Head::Completed(it), Bytes::new()),
        };
        codec::encode(Kind::Outcome, &head, &tail)
    }

    /// From bytes; a body shares their memory.
    ///
    /// # Errors
    /// [`DecodeError`] says what was not understood.
    pub fn decode(bytes: &Bytes) -> Result<Self, DecodeError> {
        let (head, tail) = codec::decode(Kind::Outcome, bytes)?;
        Ok(match head {
            Head::Ended(it) => Self::Ended(it),
            Head::Recalled(it) => Self::Recalled(it, tail),
            Head::Revoked(it) => Self::Revoked(it, tail),
            Head::Expired(it) => Self::Expired(it, tail),
            Head::Drained(it) => Self::Drained(it),
            Head::Unplanted(it) => Self::Unplanted(it),
            Head::Missed(it) => Self::Missed(it),
            Head::Completed(it) => Self::Completed(it),
        })
    }

    /// Itself, or each of the many it holds as if in a record of its own.
    pub fn into_each(self) -> impl Iterator<Item = Self> {
        let (one, many) = match self {
            Self::Completed(it) => (None, it.ended),
            other => (Some(other), Vec::new()),
        };
        one.into_iter().chain(many.into_iter().map(Self::Ended))
    }
}
