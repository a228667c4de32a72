//! A leg's states in the dispatcher and the legal steps between them.

use std::sync::Arc;

use bytes::Bytes;
use pipeline::invariant::{Invariant, check};
use schemas::fire::Recall;
use schemas::{DecodeError, Fire, Millis, Work};

/// A fire that is open: it has no outcome yet.
///
/// `Held` → `Called` → ended. A held one may end too: recalled, expired, handed back. A called one
/// goes back to held only where its call did not begin.
#[derive(Debug)]
pub(crate) struct Attempt {
    pub(crate) fire: Fire,
    pub(crate) work: Arc<Work>,
    pub(crate) payload: Bytes,
    /// Of the fire, as it came: the work and the payload, in the payload's memory.
    pub(crate) body: Bytes,
    pub(crate) received_at: Millis,
    /// Recalls that came before it may be said that no call began, with their offsets.
    pub(crate) recalls: Vec<(i64, Recall)>,
    called: bool,
    /// Whether a recall was told that the call began: then it must begin.
    told: bool,
}

impl Attempt {
    /// # Errors
    /// [`DecodeError`] where `body` is no [`Work`].
    pub(crate) fn open(fire: Fire, body: Bytes, received_at: Millis) -> Result<Self, DecodeError> {
        let (work, payload) = Work::decode(&body)?;
        Ok(Self {
            fire,
            work: Arc::new(work),
            payload,
            body,
            received_at,
            recalls: Vec::new(),
            called: false,
            told: false,
        })
    }

    pub(crate) fn is_called(&self) -> bool {
        self.called
    }

    /// Its call is ordered: it counts as begun from here on.
    pub(crate) fn begin(&mut self, now: Millis) {
        check(Invariant::T2, now >= self.fire.due, || {
            format!(
                "call of {} would begin at {now}, it is due at {}",
                self.fire.fire_id, self.fire.due
            )
        });
        check(Invariant::T7, !self.called, || {
            format!("{} is called twice at a time", self.fire.fire_id)
        });
        self.called = true;
    }

    /// Its call did not begin after all.
    pub(crate) fn take_back(&mut self) {
        self.called = false;
    }

    /// A recall was told that it came too late.
    pub(crate) fn tell(&mut self) {
        self.told = true;
    }

    /// Whether a recall was told so.
    pub(crate) fn is_told(&self) -> bool {
        self.told
    }

    /// Bytes it keeps in memory, roughly: as read, and once more for the parts that were decoded.
    pub(crate) fn size(&self) -> usize {
        2 * self.body.len() - self.payload.len() + 256
    }
}
