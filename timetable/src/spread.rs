//! How late occurrences are on purpose, so that many tasks do not come at once.

use crate::hash::mix;

/// Jitter and window of one task. Both come from a hash: asked again, they say the same.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Spread {
    /// Each occurrence is late by its own time below this, ms.
    pub jitter_ms: u64,
    /// All occurrences are late by one time below this, ms.
    pub window_ms: u64,
    /// Whose jitter and place in the window it is: a hash of the task's name ([`crate::seed`]).
    pub seed: u64,
}

impl Spread {
    /// How late the occurrence of `at` is, both in ms.
    #[must_use]
    pub fn late_ms(&self, at: i64) -> i64 {
        let below = |bound: u64, hash: u64| hash.checked_rem(bound).unwrap_or(0);
        let own = below(self.jitter_ms, mix(self.seed, at.cast_unsigned()));
        let shared = below(self.window_ms, mix(self.seed, u64::MAX));
        i64::try_from(own.saturating_add(shared)).unwrap_or(i64::MAX)
    }

    /// No occurrence is later than this, ms.
    #[must_use]
    pub fn widest_ms(&self) -> i64 {
        let widest = self.jitter_ms.saturating_add(self.window_ms);
        i64::try_from(widest).unwrap_or(i64::MAX)
    }
}
