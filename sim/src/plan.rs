//! Seed → everything that will be asked, and everything that will go wrong.

use rand::seq::IndexedRandom;
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use schemas::{Millis, Role, Shards, TaskId, TaskKey, TenantId, Topic};

use crate::fates::Mood;
use crate::planted::Bug;
use crate::run::Options;

pub use self::calendar::{CalendarPlan, CalendarSending, Keeps};
pub use self::command::{Lane, Op, Sending, When};
pub use self::fault::Fault;
pub use self::recurring::Recurring;
pub use self::sweep::Sweep;

#[path = "plan/broadcast.rs"]
mod broadcast;
#[path = "plan/calendar.rs"]
pub mod calendar;
#[path = "plan/clock.rs"]
pub mod clock;
#[path = "plan/command.rs"]
mod command;
#[path = "plan/far.rs"]
mod far;
#[path = "plan/fault.rs"]
mod fault;
#[path = "plan/flow.rs"]
mod flow;
#[path = "plan/recurring.rs"]
pub mod recurring;
#[path = "plan/release.rs"]
mod release;
#[path = "plan/sweep.rs"]
pub mod sweep;

/// What a seed makes.
#[derive(Debug)]
pub struct Plan {
    /// Made from this.
    pub seed: u64,
    /// Partitions of every topic.
    pub shards: Shards,
    /// Workers of each role, in the order of [`Role::ALL`].
    pub workers: [usize; 4],
    /// When the run begins.
    pub base: Millis,
    /// What befalls commits.
    pub mood: Mood,
    /// How far clocks may be off, ms.
    pub skew_ms: i64,
    /// A call leaves its process within so many ms of being asked for.
    pub sends_within_ms: u64,
    /// The tasks.
    pub tasks: Vec<TaskPlan>,
    /// Commands, with the ms behind the beginning at which each is sent; ascending.
    pub sendings: Vec<(u64, Sending)>,
    /// Commands on many tasks, likewise.
    pub sweeps: Vec<(u64, Sweep)>,
    /// Calendars.
    pub calendars: Vec<CalendarPlan>,
    /// What they say, and from when on; likewise.
    pub calendar_sendings: Vec<(u64, CalendarSending)>,
    /// Faults, likewise.
    pub faults: Vec<(u64, Fault)>,
    /// When machines have no time left, and for how long, ms; likewise.
    pub busy: Vec<(u64, u64)>,
    /// Retention keeps what everybody has read for so long, ms.
    pub keep_ms: u64,
    /// A bug put in on purpose.
    pub bug: Option<Bug>,
}

/// One task.
#[derive(Clone, Debug)]
pub struct TaskPlan {
    /// Its name.
    pub key: TaskKey,
    /// Which endpoint, as the path of its URL.
    pub endpoint: String,
    /// Limit of a call, ms.
    pub timeout_ms: u64,
    /// Calls in all.
    pub max_attempts: u32,
    /// Its expiry, ms behind the due time.
    pub expires_after_ms: Option<u64>,
    /// The lane of its fires.
    pub priority: &'static str,
    /// Where its commands are written: all of them in one lane and partition, so that they are
    /// ordered.
    pub lane: Lane,
    /// Not its home partition, if so.
    pub astray: Option<u16>,
    /// Of a step: the fields that say what it needs.
    pub needs: Option<serde_json::Value>,
    /// What makes it recur, if it does.
    pub recurring: Option<Recurring>,
    /// How many shards it has, if it is a broadcast.
    pub broadcast: Option<u32>,
    /// The calendar it keeps to, if any.
    pub keeps: Option<Keeps>,
}

impl Plan {
    /// The plan of a seed; with `flows`, that of flows of so many steps, or 0 for what it draws; with
    /// `recurring`, recurring tasks beside the others; with `broadcasts`, a part of all of them as
    /// broadcasts.
    #[must_use]
    pub fn new(seed: u64, options: &Options) -> Self {
        let Options {
            bug,
            flows,
            recurring,
            broadcasts,
            ..
        } = *options;
        let rng = &mut ChaCha8Rng::seed_from_u64(seed);
        let count = *[1, 2, 2, 3, 4].choose(rng).unwrap_or(&2);
        let shards = Shards::new(count).unwrap_or(Shards::DEFAULT);
        let most = usize::from(count.min(3));
        let workers = Role::ALL.map(|_| rng.random_range(1..=most));
        // The beginning stands anywhere within a slot.
        let base = Millis(1_796_086_800_000 + rng.random_range(0..60_000));
        // A fifth of the seeds is calm: there, nothing at all is forgiven.
        let calm = rng.random_bool(0.2);
        let mood = if calm { Mood::calm() } else { Mood::draw(rng) };
        let span_ms = *[20_000, 60_000, 180_000, 600_000]
            .choose(rng)
            .unwrap_or(&60_000);
        let by_clock = recurring.then(|| recurring::near_a_change(seed, span_ms));
        let by_clock = by_clock.flatten();
        let base = by_clock.map_or(base, |(_, near)| near);
        let (mut tasks, mut sendings) = if let Some(steps) = flows {
            flow::draw(steps, shards, rng)
        } else {
            let tasks = apart(seed, shards, rng);
            let sendings = command::draw(&tasks, base, span_ms, rng);
            (tasks, sendings)
        };
        let mut faults = if calm {
            Vec::new()
        } else {
            fault::draw(workers, shards, span_ms, rng)
        };
        if recurring && flows.is_none() {
            let disturbed = (!calm).then_some(&mut faults);
            recurring::add(
                (seed, shards, base, span_ms),
                by_clock.map(|(zone, _)| zone),
                &mut tasks,
                &mut sendings,
                disturbed,
            );
        }
        if broadcasts {
            broadcast::add(seed, flows.is_none(), &mut tasks, &mut sendings);
        }
        let released = by_clock.is_some() && !calm && release::is_in(seed);
        let (calendars, calendar_sendings) = match released {
            true => release::add(seed, span_ms, &mut tasks, &mut faults),
            false => calendar::add((seed, shards, base, span_ms), &mut tasks),
        };
        let skew_ms = skew_ms(calm, rng);
        Self {
            seed,
            shards,
            workers,
            base,
            mood,
            skew_ms,
            sends_within_ms: 2,
            tasks,
            sendings,
            sweeps: Vec::new(),
            calendars,
            calendar_sendings,
            faults,
            busy: busy(calm, seed, span_ms),
            keep_ms: keep_ms(seed),
            bug,
        }
    }

    /// Whether planners are of a release with other time zone data from some time on.
    #[must_use]
    pub fn is_released(&self) -> bool {
        let release = |(_, fault): &(u64, Fault)| matches!(fault, Fault::Release { .. });
        self.faults.iter().any(release)
    }

    /// Ms behind the beginning after which nothing is planned any more.
    #[must_use]
    pub fn over_at(&self) -> u64 {
        let sent = self.sendings.last().map_or(0, |(at, _)| *at);
        let changed = self.calendar_sendings.last().map_or(0, |(at, _)| *at);
        let fault = self
            .faults
            .iter()
            .map(|(at, fault)| at + fault.lasts_ms())
            .max();
        let sweep = self.sweeps.last().map_or(0, |(at, _)| *at);
        let busy = self.busy.iter().map(|(at, for_ms)| at + for_ms).max();
        let sweep = sweep.max(busy.unwrap_or(0));
        sent.max(changed).max(fault.unwrap_or(0)).max(sweep)
    }
}

fn skew_ms(calm: bool, rng: &mut ChaCha8Rng) -> i64 {
    if calm {
        return 0;
    }
    *[0, 50, 400].choose(rng).unwrap_or(&0)
}

/// Tasks that have nothing to do with each other.
fn apart(seed: u64, shards: Shards, rng: &mut ChaCha8Rng) -> Vec<TaskPlan> {
    let most = *[20, 60, 150].choose(rng).unwrap_or(&60);
    let count = rng.random_range(5..=most);
    let mut tasks: Vec<TaskPlan> = (0..count).map(|n| TaskPlan::draw(n, shards, rng)).collect();
    take_to_intakes(&mut tasks, seed);
    tasks
}

/// Some tasks go through the intake of their tenant; drawn apart, as [`keep_ms`].
fn take_to_intakes(tasks: &mut [TaskPlan], seed: u64) {
    let mut rng = ChaCha8Rng::seed_from_u64(seed ^ 0x17a8e);
    for task in tasks.iter_mut().filter(|task| task.lane == Lane::First) {
        if rng.random_bool(0.15) {
            task.lane = Lane::Intake;
        }
    }
}

/// Times without time to spare; drawn apart, as [`keep_ms`].
fn busy(calm: bool, seed: u64, span_ms: u64) -> Vec<(u64, u64)> {
    let mut rng = ChaCha8Rng::seed_from_u64(seed ^ 0xb05e);
    if calm || rng.random_bool(0.5) {
        return Vec::new();
    }
    let count = rng.random_range(1..=6);
    let mut busy: Vec<(u64, u64)> = (0..count)
        .map(|_| {
            // Longer than anything is put off, too.
            let for_ms = *[300, 3_000, 12_000, 60_000]
                .choose(&mut rng)
                .unwrap_or(&300);
            (rng.random_range(0..span_ms * 2), for_ms)
        })
        .collect();
    busy.sort_unstable();
    busy
}

/// Drawn apart from all else, so that seeds found earlier stay what they were.
fn keep_ms(seed: u64) -> u64 {
    let mut rng = ChaCha8Rng::seed_from_u64(seed ^ 0xca11);
    *[0, 5_000, 120_000].choose(&mut rng).unwrap_or(&0)
}

impl TaskPlan {
    /// The further intakes, each bound to a tenant.
    pub const INTAKES: [(Topic, &str); 2] =
        [(Topic::Intake(0), "shop"), (Topic::Intake(1), "bank")];

    /// The topic its commands are written to.
    #[must_use]
    pub fn topic(&self) -> Topic {
        match self.lane {
            Lane::First => Topic::Registrations,
            Lane::Bulk => Topic::RegistrationsBulk,
            Lane::Intake => {
                let tenant = self.key.tenant.as_str();
                let bound = Self::INTAKES.iter().find(|(_, bound)| *bound == tenant);
                bound.map_or(Topic::Registrations, |(topic, _)| *topic)
            }
        }
    }

    fn draw(n: usize, shards: Shards, rng: &mut ChaCha8Rng) -> Self {
        let tenant = *["shop", "bank"].choose(rng).unwrap_or(&"shop");
        let id = if rng.random_bool(0.2) {
            format!("flow-{}/{n}", n / 4)
        } else {
            format!("t{n}")
        };
        let key = TaskKey {
            tenant: TenantId::new(tenant).expect("a tenant's name"),
            id: TaskId::new(&id).expect("a task's name"),
        };
        let home = key.shard(shards).0;
        let astray = rng
            .random_bool(0.15)
            .then(|| rng.random_range(0..shards.count()));
        Self {
            endpoint: endpoint(rng),
            // A drain gives open calls 5 s.
            timeout_ms: *[500, 2_000, 4_000].choose(rng).unwrap_or(&2_000),
            max_attempts: rng.random_range(1..=4),
            expires_after_ms: rng.random_bool(0.1).then(|| rng.random_range(1..20_000)),
            priority: ["normal", "normal", "high", "low"]
                .choose(rng)
                .copied()
                .unwrap_or("normal"),
            lane: if rng.random_bool(0.15) {
                Lane::Bulk
            } else {
                Lane::First
            },
            astray: astray.filter(|shard| *shard != home),
            needs: None,
            recurring: None,
            broadcast: None,
            keeps: None,
            key,
        }
    }
}

/// The path of an endpoint: what it does is in its name.
fn endpoint(rng: &mut ChaCha8Rng) -> String {
    match rng.random_range(0..20) {
        0..12 => "ok".to_owned(),
        12..15 => format!("fail/{}", rng.random_range(1..4)),
        15 => format!("busy/{}", rng.random_range(1..3)),
        16..18 => format!("slow/{}", rng.random_range(100..3_900)),
        18 => "hang".to_owned(),
        _ => "never".to_owned(),
    }
}
