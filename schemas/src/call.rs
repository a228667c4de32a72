//! What is done when a task fires: the call, its payload, and what to do when it fails.

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use crate::codec::{self, DecodeError, Kind};
use crate::flow::Needs;
use crate::id::{FiringPart, TaskKey};
use crate::schedule::{Misfire, Overlap, Schedule};
use crate::time::Millis;

/// Which lane a fire takes.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
#[serde(rename_all = "lowercase")]
pub enum Priority {
    /// Before the others.
    High,
    /// The default.
    #[default]
    Normal,
    /// Behind the others.
    Low,
}

/// Whom to call.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Call {
    /// Absolute `http` or `https` URL.
    pub url: String,
    /// Upper-case HTTP method.
    pub method: String,
    /// Further request headers, lower-case names, in the order given.
    pub headers: Vec<(String, String)>,
}

/// The body of a call, byte for byte as registered.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Payload {
    /// `content-type` of the call; `None` where there is no body.
    pub content_type: Option<String>,
    /// The bytes.
    pub bytes: Bytes,
}

/// How often, and how long to wait in between.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RetryPolicy {
    /// Calls in all, the first included; at least 1.
    pub max_attempts: u32,
    /// The waits.
    pub plan: RetryPlan,
}

/// The wait before attempt n + 1.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum RetryPlan {
    /// first · factor^(n-1), at most `max_ms`, then jittered.
    Backoff {
        /// Wait behind the first attempt, ms.
        first_ms: u64,
        /// Growth, 1 or more.
        factor: f64,
        /// Longest wait, ms.
        max_ms: u64,
        /// Spread.
        jitter: Jitter,
    },
    /// These waits in ms, one behind each attempt; the last one repeats.
    Explicit(Vec<u64>),
}

/// How a wait w is spread.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Jitter {
    /// w.
    None,
    /// Uniform in [0, w].
    #[default]
    Full,
    /// Uniform in [w/2, w].
    Equal,
}

/// All of a task that a caller decides.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Definition {
    /// When.
    pub schedule: Schedule,
    /// Whom.
    pub call: Call,
    /// What.
    pub payload: Payload,
    /// A call that takes longer has failed, ms.
    pub timeout_ms: u64,
    /// When it fails.
    pub retry: RetryPolicy,
    /// Which lane.
    pub priority: Priority,
    /// For finding and acting on many.
    pub tags: Vec<String>,
    /// No call begins later than this many ms after the due time.
    pub expires_after_ms: Option<u64>,
    /// What must have happened before.
    pub needs: Option<Needs>,
    /// Of a recurring task: what becomes of occurrences that are too late.
    pub misfire: Misfire,
    /// Of a recurring task: what becomes of an occurrence while the firing before goes on.
    pub overlap: Overlap,
    /// A firing is so many calls, each with a shard of its own; one where it is not said.
    pub broadcast: Option<u32>,
}

/// What a firing carries from the planner to the dispatcher; the trigger never opens it. Its payload
/// stands behind it, bytes unchanged: see [`Work::encode`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Work {
    /// Whose firing it is.
    pub task: TaskKey,
    /// The version that planned it.
    pub version: u64,
    /// Which occurrence, from 1.
    pub occurrence: u64,
    /// Which of its task's firings, where the task has many.
    pub part: Option<FiringPart>,
    /// How many shards its broadcast has, if it is one of them.
    pub shards: Option<u32>,
    /// Which attempt this leg would make, from 1. A deferral keeps it, a retry raises it.
    pub attempt: u32,
    /// The due time the schedule gave; a retry's leg is due later than this.
    pub due: Millis,
    /// When the registration was appended.
    pub registered_at: Millis,
    /// When the planner wrote this placement.
    pub planted_at: Millis,
    /// Whom to call.
    pub call: Call,
    /// Of the payload.
    pub content_type: Option<String>,
    /// Limit of the call, ms.
    pub timeout_ms: u64,
    /// When it fails.
    pub retry: RetryPolicy,
    /// No call of any leg begins later than this; the leg itself may have less time.
    pub expires_at: Option<Millis>,
}

impl Work {
    /// The body of a placement: this and the payload's bytes.
    #[must_use]
    pub fn encode(&self, payload: &[u8]) -> Bytes {
        codec::encode(Kind::Work, self, payload)
    }

    /// Opens a placement's or fire's body; the payload shares the body's memory.
    ///
    /// # Errors
    /// [`DecodeError`] says what was not understood.
    pub fn decode(body: &Bytes) -> Result<(Self, Bytes), DecodeError> {
        codec::decode(Kind::Work, body)
    }
}

impl Priority {
    /// All, first to last.
    pub const ALL: [Self; 3] = [Self::High, Self::Normal, Self::Low];

    /// As in topics and registrations.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::High => "high",
            Self::Normal => "normal",
            Self::Low => "low",
        }
    }
}
