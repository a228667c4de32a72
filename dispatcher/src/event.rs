//! What goes into a core and out of it beside records.

use std::sync::Arc;

use bytes::Bytes;
use schemas::{AnswerBody, Fire, Millis, Work};

/// Names one call of one core; an answer brings it back. A token of a core that is no more is
/// recognised and its answer dropped: the fire was handed to the successor.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Token {
    pub(crate) core: u32,
    pub(crate) lane: u8,
    pub(crate) offset: i64,
}

/// What a core asks of the world.
#[derive(Clone, Debug)]
pub enum Effect {
    /// Call an endpoint, now. Answered exactly once, by [`Input::Answered`] or [`Input::NotBegun`].
    Call(Box<CallOrder>),
    /// A call of this is to begin within moments: its connection may be opened by then. Not answered.
    Soon(Arc<Work>),
}

/// One call to make.
#[derive(Clone, Debug)]
pub struct CallOrder {
    /// To be brought back by the answer.
    pub token: Token,
    /// Which firing, which leg, when due.
    pub fire: Fire,
    /// Whom to call and how.
    pub work: Arc<Work>,
    /// The body, byte for byte as registered.
    pub payload: Bytes,
    /// Monotonic ms at which this worker's proof of ownership ends: nothing may be sent at or behind
    /// it. Whoever makes the call looks at the clock right before sending.
    pub begin_by: u64,
}

/// What the world tells a core.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Input {
    /// A call ended.
    Answered {
        /// Of the order.
        token: Token,
        /// What came of it.
        reply: Reply,
        /// When it began, by the wall clock.
        began_at: Millis,
        /// When it ended, by the wall clock.
        ended_at: Millis,
    },
    /// [`CallOrder::begin_by`] had passed before anything was sent; the core may order it again.
    NotBegun {
        /// Of the order.
        token: Token,
    },
}

/// How a call ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reply {
    /// The endpoint answered in time.
    Status {
        /// HTTP status.
        status: u16,
        /// The body, at most its first [`BODY_READ`] bytes; `None` where it is empty.
        body: Option<AnswerBody>,
        /// The `Retry-After` header as it came.
        retry_after: Option<String>,
    },
    /// No answer in time: tried again while attempts are left.
    Failed {
        /// What went wrong, in words.
        error: String,
        /// HTTP status, if it came to that.
        status: Option<u16>,
    },
    /// Nothing was sent and never will be: a forbidden address, an impossible header. Not tried
    /// again.
    Refused {
        /// Why, in words.
        reason: String,
    },
}

/// Of an answer's body so much is read, bytes; behind that the connection is closed.
pub const BODY_READ: usize = 64 * 1024;
