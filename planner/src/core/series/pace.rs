//! Late firings are released one behind the other, never as a storm.

use schemas::Millis;
use schemas::index::Pace;

/// How far they are spread.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Pacer {
    pace: Pace,
    dirty: bool,
    /// Microseconds from one to the next.
    step_us: i64,
}

impl Pacer {
    /// At most so many a second.
    pub(crate) fn new(per_second: u32) -> Self {
        Self {
            pace: Pace::default(),
            dirty: false,
            step_us: 1_000_000 / i64::from(per_second.max(1)),
        }
    }

    /// Takes it as the table has it.
    pub(crate) fn load(&mut self, pace: Option<Pace>) {
        self.pace = pace.unwrap_or_default();
    }

    /// When the next one is released.
    pub(crate) fn next(&mut self, now: Millis) -> Millis {
        let at_us = self.pace.next_us.max(now.0.saturating_mul(1_000));
        self.pace.next_us = at_us.saturating_add(self.step_us);
        self.dirty = true;
        Millis(at_us.div_euclid(1_000) + i64::from(at_us.rem_euclid(1_000) > 0))
    }

    /// How it stands, if that changed since the last call.
    pub(crate) fn take_dirty(&mut self) -> Option<Pace> {
        std::mem::take(&mut self.dirty).then_some(self.pace)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn late_firings_keep_their_distance_and_lose_no_time() {
        let mut pacer = Pacer::new(2_000);
        let mut at = |now: i64| pacer.next(Millis(now)).0;
        let first: Vec<i64> = (0..5).map(|_| at(10)).collect();
        assert_eq!(first, [10, 11, 11, 12, 12]);
        assert_eq!(at(11), 13, "what is spread already counts");
        assert_eq!(at(50), 50, "and is soon forgotten");
        assert!(pacer.take_dirty().is_some() && pacer.take_dirty().is_none());
    }
}
