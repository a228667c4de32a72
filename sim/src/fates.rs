//! What befalls commits, drawn commit by commit.

use pipeline::TopicPartition;
use pipeline::memory::{Fate, Told};
use rand::seq::IndexedRandom;
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use schemas::Role;

/// How kind the log is in a run.
#[derive(Clone, Debug, PartialEq)]
pub struct Mood {
    /// Ordinary latencies, ms.
    pub latency_ms: u64,
    /// A step takes seconds instead.
    pub slow: f64,
    /// The broker aborts.
    pub abort: f64,
    /// The outcome stays unknown.
    pub doubt: f64,
    /// Markers come one by one, over so many ms.
    pub spread_ms: u64,
}

impl Mood {
    /// Nothing goes wrong.
    #[must_use]
    pub fn calm() -> Self {
        Self {
            latency_ms: 8,
            slow: 0.0,
            abort: 0.0,
            doubt: 0.0,
            spread_ms: 5,
        }
    }

    /// Any mood.
    pub fn draw(rng: &mut ChaCha8Rng) -> Self {
        let rare = [0.0, 0.0, 0.002, 0.02];
        Self {
            latency_ms: *[0, 5, 20, 60].choose(rng).unwrap_or(&5),
            slow: *[0.0, 0.001, 0.01].choose(rng).unwrap_or(&0.0),
            abort: *rare.choose(rng).unwrap_or(&0.0),
            doubt: *rare.choose(rng).unwrap_or(&0.0),
            spread_ms: *[0, 10, 100, 1_500].choose(rng).unwrap_or(&10),
        }
    }
}

/// Draws fates.
#[derive(Debug)]
pub struct Fates {
    mood: Mood,
    rng: ChaCha8Rng,
}

impl Fates {
    /// Fates in that mood.
    #[must_use]
    pub fn new(mood: Mood, seed: u64) -> Self {
        Self {
            mood,
            rng: ChaCha8Rng::seed_from_u64(seed ^ 0xfa7e),
        }
    }

    /// The next one.
    pub fn draw(&mut self, _role: Role, _member: &str, touched: &[TopicPartition]) -> Fate {
        let told = if self.rng.random_bool(self.mood.doubt) {
            Told::Doubt(self.rng.random_range(0..5_000))
        } else {
            Told::After(self.latency())
        };
        Fate {
            positions_after_ms: self.latency(),
            end_after_ms: self.latency(),
            abort: self.rng.random_bool(self.mood.abort),
            markers_after_ms: (0..=touched.len())
                .map(|_| self.rng.random_range(0..=self.mood.spread_ms))
                .collect(),
            told,
            survives: self.rng.random_bool(0.5),
        }
    }

    fn latency(&mut self) -> u64 {
        if self.rng.random_bool(self.mood.slow) {
            self.rng.random_range(0..4_000)
        } else {
            self.rng.random_range(0..=self.mood.latency_ms)
        }
    }
}
