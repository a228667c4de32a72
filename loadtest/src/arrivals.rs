//! When each task is registered and when it is due: a plan that follows from the seed alone.
//!
//! Registrations are a Poisson process: gaps are exponential with mean 1/rate, so the generator bunches
//! as independent callers do. Due times are whole milliseconds from the start of the run.

use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

use crate::flags::{Profile, Settings, Span};

/// Of `mixed`, how many of a hundred tasks are due shortly, on a whole second, or far away.
const MIXED: [u32; 3] = [15, 20, 5];
const SHORT: Span = Span {
    min: 200,
    max: 1_000,
};
const DAY: u64 = 86_400_000;
const FAR: Span = Span {
    min: DAY,
    max: 40 * DAY,
};

/// One task of the plan; times count from the start of the run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Arrival {
    /// When it is registered, microseconds.
    pub(crate) at_us: u64,
    /// When it is due, milliseconds.
    pub(crate) due_ms: u64,
    /// Whether its call is waited for.
    pub(crate) awaited: bool,
}

/// How many tasks a plan has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Extent {
    /// So many.
    Tasks(u64),
    /// Those of so many milliseconds.
    Millis(u64),
}

/// The plan, task by task, in the order of registration.
#[derive(Clone, Debug)]
pub(crate) struct Arrivals {
    rng: ChaCha8Rng,
    profile: Profile,
    rate: f64,
    extent: Extent,
    ahead: Span,
    wave: u64,
    expected_ms: u64,
    at_us: f64,
    made: u64,
}

impl Arrivals {
    /// The plan that `settings` ask for; the same for the same seed.
    pub(crate) fn new(settings: &Settings) -> Self {
        Self {
            rng: ChaCha8Rng::seed_from_u64(settings.seed),
            profile: settings.profile,
            rate: settings.rate,
            extent: settings.extent,
            ahead: settings.ahead,
            wave: settings.wave_ms.max(1),
            expected_ms: settings.expected_ms(),
            at_us: 0.0,
            made: 0,
        }
    }

    fn due(&mut self, at_ms: u64) -> (u64, bool) {
        let ahead = self.ahead;
        match self.profile {
            Profile::Steady | Profile::Short => (at_ms + self.within(ahead), true),
            Profile::Far | Profile::RawLog | Profile::RawHttp => {
                (at_ms + self.within(ahead), false)
            }
            Profile::Burst => {
                let due = at_ms + self.within(ahead);
                (due.next_multiple_of(self.wave), true)
            }
            Profile::Herd => (self.expected_ms + ahead.min, true),
            Profile::Mixed => self.mixed(at_ms),
        }
    }

    fn mixed(&mut self, at_ms: u64) -> (u64, bool) {
        let [short, whole, far] = MIXED;
        let dice = self.rng.random_range(0..100);
        if dice < short {
            (at_ms + self.within(SHORT), true)
        } else if dice < short + whole {
            let due = at_ms + self.within(self.ahead);
            (due.next_multiple_of(1_000), true)
        } else if dice < short + whole + far {
            (at_ms + self.within(FAR), false)
        } else {
            (at_ms + self.within(self.ahead), true)
        }
    }

    fn within(&mut self, span: Span) -> u64 {
        self.rng.random_range(span.min..=span.max)
    }
}

impl Iterator for Arrivals {
    type Item = Arrival;

    fn next(&mut self) -> Option<Arrival> {
        // `random` is below 1, so the logarithm is finite.
        let gap = -(1.0 - self.rng.random::<f64>()).ln() / self.rate;
        self.at_us += gap * 1e6;
        let over = match self.extent {
            Extent::Tasks(tasks) => self.made >= tasks,
            Extent::Millis(ms) => self.at_us >= ms as f64 * 1e3,
        };
        if over {
            return None;
        }
        self.made += 1;
        let at_us = self.at_us as u64;
        // Up to the next ms, so that nothing is due less far ahead than asked.
        let (due_ms, awaited) = self.due(at_us.div_ceil(1_000));
        Some(Arrival {
            at_us,
            due_ms,
            awaited,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings(profile: &str) -> Settings {
        Settings::for_test(&[profile, "--rate", "1000", "--for", "20s", "--seed", "7"])
    }

    #[test]
    fn one_seed_is_one_plan_and_another_seed_another() {
        for profile in ["steady", "herd", "burst", "far", "mixed", "short"] {
            let mut settings = settings(profile);
            let plan: Vec<Arrival> = Arrivals::new(&settings).collect();
            assert_eq!(plan, Arrivals::new(&settings).collect::<Vec<_>>());
            settings.seed = 8;
            assert_ne!(plan, Arrivals::new(&settings).collect::<Vec<_>>());
        }
    }

    #[test]
    fn arrivals_ascend_at_the_rate_and_are_due_as_far_ahead_as_asked() {
        let settings = settings("steady");
        let plan: Vec<Arrival> = Arrivals::new(&settings).collect();
        // Five standard deviations of a Poisson count of 20,000.
        assert!((19_290..=20_710).contains(&plan.len()), "{}", plan.len());
        assert!(plan.windows(2).all(|pair| pair[0].at_us <= pair[1].at_us));
        for arrival in &plan {
            let ahead = arrival.due_ms * 1_000 - arrival.at_us;
            assert!((2_000_000..=60_001_000).contains(&ahead), "{arrival:?}");
            assert!(arrival.awaited);
        }
    }

    #[test]
    fn a_herd_has_one_due_time_behind_all_registrations() {
        let settings = Settings::for_test(&["herd", "--tasks", "5000", "--rate", "1000"]);
        let plan: Vec<Arrival> = Arrivals::new(&settings).collect();
        assert_eq!(plan.len(), 5_000);
        assert!(plan.iter().all(|arrival| arrival.due_ms == plan[0].due_ms));
        assert!(plan[4_999].at_us < plan[0].due_ms * 1_000);
    }

    #[test]
    fn waves_are_whole_and_far_tasks_are_not_awaited() {
        let settings = settings("burst");
        assert!(Arrivals::new(&settings).all(|arrival| arrival.due_ms % settings.wave_ms == 0));
        assert!(Arrivals::new(&self::settings("far")).all(|arrival| !arrival.awaited));
        let mixed: Vec<Arrival> = Arrivals::new(&self::settings("mixed")).collect();
        assert!(mixed.iter().any(|arrival| !arrival.awaited));
        assert!(mixed.iter().any(|arrival| arrival.awaited));
    }
}
