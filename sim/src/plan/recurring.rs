//! Recurring tasks of a plan, drawn beside the others from numbers of their own.

use rand::seq::IndexedRandom;
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use schemas::{Millis, Shards};
use serde_json::{Value, json};

use super::clock::{self, Clock};
use super::{Fault, Op, Sending, TaskPlan, When, release};

/// What makes a task recur.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Recurring {
    /// What gives the occurrences.
    pub beat: Beat,
    /// None behind this.
    pub end: Millis,
    /// The overlap policy.
    pub overlap: &'static str,
    /// The misfire policy.
    pub misfire: &'static str,
    /// Later than this is a misfire, ms.
    pub threshold_ms: u64,
}

/// What gives the occurrences.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Beat {
    /// At a fixed rate, ms.
    Every(u64),
    /// So long behind the end of the one before, ms.
    AfterEach(u64),
    /// When the clock of a zone shows it.
    Clock(Clock),
}

/// How many of the latest misfires the policy `all` keeps in a plan.
pub const KEPT: u64 = 4;
/// How old a misfire the policy `window` keeps in a plan, ms.
pub const WINDOW_MS: u64 = 120_000;

impl Recurring {
    /// The fields of a registration. `shift`: a fixed rate is off by so many ms.
    pub(super) fn put(&self, command: &mut Value, shift: u64) {
        let mut schedule = match self.beat {
            Beat::Clock(clock) => clock.json(),
            Beat::Every(ms) => json!({"every": format!("{}ms", ms + shift)}),
            Beat::AfterEach(ms) => json!({"after_each": format!("{ms}ms")}),
        };
        schedule["end"] = json!(self.end.0);
        command["schedule"] = schedule;
        if matches!(self.beat, Beat::AfterEach(_)) {
            return;
        }
        command["overlap"] = json!(self.overlap);
        let threshold = format!("{}ms", self.threshold_ms);
        command["misfire"] = json!({"policy": self.misfire, "threshold": threshold});
        match self.misfire {
            "all" => command["misfire"]["max"] = json!(KEPT),
            "window" => command["misfire"]["window"] = json!(format!("{WINDOW_MS}ms")),
            _ => {}
        }
    }

    fn draw(base: Millis, at: u64, down_ms: u64, rng: &mut ChaCha8Rng) -> Self {
        let ms = *[700, 2_500, 5_000, 11_000, 30_000, 75_000]
            .choose(rng)
            .unwrap_or(&5_000);
        // A task that meets a long outage beats through it, and for a while behind it.
        let ms = if down_ms > 0 { ms.max(11_000) } else { ms };
        let count = rng.random_range(1..40);
        let end = base.plus(at + down_ms + ms * count);
        let beat = if rng.random_bool(0.2) {
            Beat::AfterEach(ms)
        } else {
            Beat::Every(ms)
        };
        let overlaps = [
            "allow",
            "allow",
            "skip",
            "buffer_one",
            "buffer_all",
            "cancel_previous",
        ];
        let misfires = ["skip", "once", "all", "window"];
        Self {
            beat,
            end,
            overlap: overlaps.choose(rng).copied().unwrap_or("allow"),
            misfire: misfires.choose(rng).copied().unwrap_or("once"),
            threshold_ms: *[5_000, 60_000].choose(rng).unwrap_or(&60_000),
        }
    }
}

/// Every fourth seed begins shortly before clocks change: the zone's place, and when.
pub(super) fn near_a_change(seed: u64, span_ms: u64) -> Option<(usize, Millis)> {
    let rng = &mut ChaCha8Rng::seed_from_u64(seed ^ 0xc10c);
    (seed % 4 == 1).then(|| clock::near_a_change(span_ms, rng))
}

/// Adds recurring tasks to a plan, and now and then an hour or a day in which nothing is up.
pub(super) fn add(
    (seed, shards, base, span_ms): (u64, Shards, Millis, u64),
    zone: Option<usize>,
    tasks: &mut Vec<TaskPlan>,
    sendings: &mut Vec<(u64, Sending)>,
    faults: Option<&mut Vec<(u64, Fault)>>,
) {
    let rng = &mut ChaCha8Rng::seed_from_u64(seed ^ 0x005e_71e5);
    if !rng.random_bool(0.5) && zone.is_none() {
        return;
    }
    let clocks = &mut ChaCha8Rng::seed_from_u64(seed ^ 0xc1_0c45);
    let down_ms = match &faults {
        Some(_) if rng.random_bool(0.12) => {
            *[3_600_000, 86_400_000].choose(rng).unwrap_or(&3_600_000)
        }
        _ => 0,
    };
    if let (Some(faults), true) = (faults, down_ms > 0) {
        faults.push((
            rng.random_range(span_ms..span_ms * 2),
            Fault::AllGone { down_ms },
        ));
        faults.sort_by_key(|(at, _)| *at);
    }
    for _ in 0..rng.random_range(1..=8) {
        let drawn = TaskPlan::draw(tasks.len(), shards, rng);
        let at = rng.random_range(0..span_ms);
        let mut recurring = Recurring::draw(base, at, down_ms, rng);
        if let Some(zone) = zone.filter(|_| clocks.random_bool(0.7)) {
            let (clock, lasts_ms) = Clock::draw(zone, clocks);
            recurring.beat = Beat::Clock(clock);
            recurring.end = base.plus(at + down_ms.min(lasts_ms) + lasts_ms);
        }
        let task = tasks.len();
        tasks.push(TaskPlan {
            recurring: Some(recurring),
            expires_after_ms: None,
            ..drawn
        });
        let register = Op::Register(When::At(base), 0);
        sendings.push((at, Sending { task, op: register }));
        let ops: &[Op] = match rng.random_range(0..10) {
            0 | 1 => &[Op::Cancel],
            2 => &[Op::Pause, Op::Resume],
            3 => &[Op::Update(1)],
            4 => &[Op::Run, Op::Run],
            5 => &[Op::Run, Op::Cancel],
            6 => &[Op::Pause, Op::Update(2), Op::Resume, Op::Cancel],
            _ => &[],
        };
        let mut last = at;
        for op in ops {
            last += rng.random_range(1..span_ms);
            let op = op.clone();
            sendings.push((last, Sending { task, op }));
        }
    }
    if seed % 5 == 1 || seed % 5 == 3 {
        let rng = &mut ChaCha8Rng::seed_from_u64(seed ^ 0xbac4_f111);
        // By which of two releases a past time is looked at is nobody's to say.
        let by_clock = !release::is_in(seed);
        backfill(tasks, (base, span_ms, by_clock), sendings, rng);
    }
    sendings.sort_by_key(|(at, sending)| (*at, sending.task));
}

/// Has past ranges of some recurring tasks fired, now and then asked for twice.
fn backfill(
    tasks: &[TaskPlan],
    (base, span_ms, by_clock): (Millis, u64, bool),
    sendings: &mut Vec<(u64, Sending)>,
    rng: &mut ChaCha8Rng,
) {
    for (task, it) in tasks.iter().enumerate() {
        let Some(recurring) = it.recurring.filter(|_| rng.random_bool(0.6)) else {
            continue;
        };
        let ms = match recurring.beat {
            Beat::Every(ms) | Beat::AfterEach(ms) => ms * rng.random_range(1..60),
            Beat::Clock(_) if by_clock => rng.random_range(1..900_000),
            Beat::Clock(_) => continue,
        };
        let to = base.minus(rng.random_range(0..600_000));
        let from = to.minus(ms);
        let registered = sendings.iter().find(|(_, it)| it.task == task);
        let mut at = registered.map_or(0, |(at, _)| *at);
        for _ in 0..rng.random_range(1..=2) {
            at += rng.random_range(1..span_ms / 2);
            let op = Op::Backfill { from, to };
            sendings.push((at, Sending { task, op }));
        }
    }
}
