//! Tasks due in 40 days and in 100 years, in a world where nothing goes wrong: how late they then
//! are is the machinery's own doing.

use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use schemas::{Millis, Shards};

use super::{Mood, Op, Plan, Sending, TaskPlan, When};

/// Days ahead.
const AHEAD: [u64; 2] = [40, 36_525];
const DAY_MS: u64 = 86_400_000;
/// Tasks of each.
const EACH: usize = 20;

impl Plan {
    /// The plan of a seed whose tasks are all far ahead.
    #[must_use]
    pub fn far(seed: u64) -> Self {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let rng = &mut rng;
        let shards = Shards::new(2).unwrap_or(Shards::DEFAULT);
        let base = Millis(1_796_086_800_000 + rng.random_range(0..60_000));
        let (mut tasks, mut sendings) = (Vec::new(), Vec::new());
        for days in AHEAD {
            let due = base.plus(days * DAY_MS + rng.random_range(0..DAY_MS));
            for n in 0..EACH {
                let task = TaskPlan::draw(tasks.len(), shards, rng);
                tasks.push(TaskPlan {
                    endpoint: "ok".to_owned(),
                    expires_after_ms: None,
                    astray: None,
                    ..task
                });
                // Some at one millisecond, some spread over a minute.
                let due = due.plus(if n < EACH / 2 {
                    0
                } else {
                    rng.random_range(0..60_000)
                });
                let op = Op::Register(When::At(due), 0);
                let task = tasks.len() - 1;
                sendings.push((rng.random_range(0..1_000), Sending { task, op }));
            }
        }
        sendings.sort_by_key(|(at, _)| *at);
        Self {
            seed,
            shards,
            workers: [1; 4],
            base,
            mood: Mood::calm(),
            skew_ms: 0,
            sends_within_ms: 0,
            tasks,
            sendings,
            sweeps: Vec::new(),
            calendars: Vec::new(),
            calendar_sendings: Vec::new(),
            faults: Vec::new(),
            busy: Vec::new(),
            keep_ms: 0,
            bug: None,
        }
    }
}
