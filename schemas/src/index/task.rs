//! The row of a task.

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use super::{Series, ShareTally, Shares, Tag, decode_row, encode_row};
use crate::answer::AttemptView;
use crate::call::Priority;
use crate::codec::DecodeError;
use crate::flow::{AnswerBody, Join};
use crate::id::{FireId, RequestId};
use crate::outcome::Phases;
use crate::slot::Instance;
use crate::time::Millis;

/// One task: where it stands, what comes next, what was.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct TaskRow {
    /// The number its last accepted command got.
    pub version: u64,
    /// Hash of the definition as registered, by [`super::content_of`].
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
    /// What there is to say of it as the step of a flow.
    pub step: Option<Box<StepRow>>,
    /// It recurs.
    pub series: Option<Box<Series>>,
    /// Its firing is many calls.
    pub shares: Option<Box<Shares>>,
}

/// A step of a flow, beside what it is as a task.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum StepRow {
    /// Its needs are not decided, or it is paused since.
    Held(Held),
    /// It ended by a call.
    Answered(AnswerBody),
    /// It ended without one, by what it needed; why.
    Refused(String),
}

/// What a step waits for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Held {
    /// How many of the needs must be met.
    pub join: Join,
    /// The version that gave it these needs: it has seen every end with a lower number.
    pub since: u64,
    /// Each needed step of its group, in the order of the definition.
    pub needs: Vec<HeldNeed>,
}

/// One need of a step that waits.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct HeldNeed {
    /// The needed step.
    pub step: String,
    /// How it is decided.
    pub state: NeedState,
}

/// How a need is decided, once for all.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum NeedState {
    /// Not yet.
    Open,
    /// It is met.
    Met,
    /// It never will be.
    Unmet,
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
    /// A step of a flow whose needs are not decided.
    Held,
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
    /// Of a recurring task, or a firing in many calls: nothing is to be planned until one of its firings
    /// has ended or was decided.
    Busy,
    /// Of a recurring task: nothing is planned until a calendar is known, or changes.
    Parked,
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
    /// What it needed of other steps cannot be any more.
    NotTaken,
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
    pub askers: Vec<Asker>,
    /// A register that came behind the cancel.
    pub successor: Option<Successor>,
}

/// Who waits for a wish to be decided, and what it is told if the wish comes true.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Asker {
    /// Who.
    pub request: RequestId,
    /// The version its command got.
    pub version: u64,
    /// The due time its command asked for.
    pub due: Millis,
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
    /// When its next leg is due; of a recurring task, what is planned anew is due behind this.
    pub leg_due: Millis,
    /// The firing goes on under its name, rather than a new one taking its place;
    /// of a recurring task, its schedule counts from where it did.
    pub keep: bool,
    /// As by [`super::encode_definition`]; empty where it stands apart.
    pub definition: Bytes,
}

/// A register that waits until the cancel before it is decided.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Successor {
    /// As by [`super::encode_definition`]; empty where it stands apart.
    pub definition: Bytes,
    /// As in [`TaskRow`].
    pub content: [u8; 16],
    /// When it was appended.
    pub registered_at: Millis,
    /// Who waits for its answer.
    pub askers: Vec<RequestId>,
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
    /// Which shard of a broadcast it is, from 0, if it is one.
    pub shard: Option<u32>,
    /// What became of its shards, if it is a broadcast.
    pub shares: Option<ShareTally>,
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

    /// What it waits for, if it is a step that does.
    #[must_use]
    pub fn held(&self) -> Option<&Held> {
        match self.step.as_deref() {
            Some(StepRow::Held(held)) => Some(held),
            _ => None,
        }
    }

    /// Whether a revoke of its planted firing is under way.
    #[must_use]
    pub fn revoking(&self) -> bool {
        self.wish.as_ref().is_some_and(|wish| !wish.told)
    }
}
