//! How long a turn is gathered: the more is written, the longer, so that transactions grow with the
//! load instead of getting more.

use crate::stage::Pace;

/// Of the rate known so far, so much stays with each turn, in tenths.
const KEPT: u64 = 7;

/// Paces the turns of one worker. Times are monotonic ms.
#[derive(Debug)]
pub(super) struct Pacing {
    pace: Pace,
    last_cut: Option<u64>,
    /// What turns carry a second, smoothed.
    rate: u64,
}

impl Pacing {
    pub(super) fn new(pace: Pace) -> Self {
        Self {
            pace,
            last_cut: None,
            rate: 0,
        }
    }

    /// How long the next turn is still to be gathered, unless something cannot wait.
    pub(super) fn left(&self, mono: u64) -> u64 {
        let Some(last) = self.last_cut else {
            return 0;
        };
        self.wait().saturating_sub(mono.saturating_sub(last))
    }

    /// Takes that a turn that carries so much was cut.
    pub(super) fn cut(&mut self, weight: usize, mono: u64) {
        let passed = self.last_cut.map_or(0, |last| mono.saturating_sub(last));
        let weight = u64::try_from(weight).unwrap_or(u64::MAX);
        let rate = weight.saturating_mul(1_000) / passed.max(self.pace.least_ms).max(1);
        // After a pause nothing of what was before counts.
        let kept = if passed > 10 * self.pace.most_ms {
            0
        } else {
            KEPT
        };
        self.rate = self.rate.saturating_mul(kept) / 10 + rate.saturating_mul(10 - kept) / 10;
        self.last_cut = Some(mono);
    }

    fn wait(&self) -> u64 {
        let Pace {
            least_ms,
            most_ms,
            busy_rate,
        } = self.pace;
        let room = most_ms.saturating_sub(least_ms);
        let share = self.rate.min(busy_rate);
        least_ms + room.saturating_mul(share) / busy_rate.max(1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PACE: Pace = Pace {
        least_ms: 10,
        most_ms: 50,
        busy_rate: 1_000,
    };

    #[test]
    fn the_first_turn_and_one_after_a_pause_wait_for_nothing() {
        let mut pacing = Pacing::new(PACE);
        assert_eq!(pacing.left(7), 0);
        pacing.cut(1, 7);
        assert!(pacing.left(7) >= 10);
        assert_eq!(pacing.left(1_007), 0);
    }

    /// Records of each turn, cut as soon as it may be; how long the next one is gathered.
    #[test]
    fn turns_are_gathered_longer_the_more_is_written() {
        for (a_millisecond, least, most) in [(0, 10, 10), (1, 48, 50), (100, 50, 50)] {
            let mut pacing = Pacing::new(PACE);
            let mut mono = 1_000;
            for _ in 0..100 {
                let wait = pacing.left(mono);
                mono += wait.max(1);
                let records = usize::try_from(a_millisecond * wait).unwrap();
                pacing.cut(records, mono);
            }
            let wait = pacing.left(mono);
            assert!((least..=most).contains(&wait), "{a_millisecond}: {wait}");
        }
    }

    #[test]
    fn none_waits_for_nothing_ever() {
        let mut pacing = Pacing::new(Pace::NONE);
        pacing.cut(1_000, 5);
        assert_eq!(pacing.left(5), 0);
    }
}
