//! Fires that wait for their due time, and what is to be done with one now.

use std::collections::BTreeSet;

use schemas::{Fire, Millis};

/// Offsets of held fires, by due time.
#[derive(Debug, Default)]
pub(crate) struct Hold(BTreeSet<(Millis, i64)>);

impl Hold {
    pub(crate) fn put(&mut self, due: Millis, offset: i64) {
        self.0.insert((due, offset));
    }

    pub(crate) fn remove(&mut self, due: Millis, offset: i64) {
        self.0.remove(&(due, offset));
    }

    /// When the first is due.
    pub(crate) fn first_due(&self) -> Option<Millis> {
        self.0.first().map(|(due, _)| *due)
    }

    /// The first that is due by `now`.
    pub(crate) fn first_by(&self, now: Millis) -> Option<i64> {
        self.0
            .first()
            .filter(|(due, _)| *due <= now)
            .map(|(_, offset)| *offset)
    }

    /// One that is due later than `limit`.
    pub(crate) fn last_behind(&self, limit: Millis) -> Option<i64> {
        self.0
            .last()
            .filter(|(due, _)| *due > limit)
            .map(|(_, offset)| *offset)
    }
}

/// Whether a fire is too late to be called at `now`.
pub(crate) fn is_expired(fire: &Fire, now: Millis) -> bool {
    fire.expires_at.is_some_and(|at| now > at)
}
