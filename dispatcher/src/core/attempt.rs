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
    /// The number of the core that ordered its call.
    called: Option<u32>,
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
            called: None,
            told: false,
        })
    }

    pub(crate) fn is_called(&self) -> bool {
        self.called.is_some()
    }

    /// The number of the core that ordered its call, if one did.
    pub(crate) fn called_by(&self) -> Option<u32> {
        self.called
    }

    /// Its call was ordered by a core before this one.
    pub(crate) fn resume(&mut self, core: u32) {
        self.called = Some(core);
    }

    /// Its call is ordered by core `core`: it counts as begun from here on.
    pub(crate) fn begin(&mut self, core: u32, now: Millis) {
        check(Invariant::T2, now >= self.fire.due, || {
            format!(
                "call of {} would begin at {now}, it is due at {}",
                self.fire.fire_id, self.fire.due
            )
        });
        check(Invariant::T7, self.called.is_none(), || {
            format!("{} is called twice at a time", self.fire.fire_id)
        });
        self.called = Some(core);
    }

    /// Its call did not begin after all.
    pub(crate) fn take_back(&mut self) {
        self.called = None;
    }

    /// A recall was told that it came too late.
    pub(crate) fn tell(&mut self) {
        self.told = true;
    }

    /// Whether a recall was told so.
    pub(crate) fn is_told(&self) -> bool {
        self.told
    }

    /// Whether no recall ever met it.
    pub(crate) fn is_unasked(&self) -> bool {
        self.recalls.is_empty() && !self.told
    }

    /// Bytes it keeps in memory, roughly: as read, and once more for the parts that were decoded.
    pub(crate) fn size(&self) -> usize {
        2 * self.body.len() - self.payload.len() + 256
    }
}
