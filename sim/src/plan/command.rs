//! What is asked of tasks, and when.

use rand::Rng;
use rand::seq::IndexedRandom;
use rand_chacha::ChaCha8Rng;
use schemas::Millis;
use serde_json::{Value, json};

use super::{Recurring, TaskPlan};
use crate::planted::Bug;

/// The intake a command is written to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Lane {
    /// `registrations`.
    First,
    /// `registrations.bulk`.
    Bulk,
    /// The further intake that is bound to the task's tenant.
    Intake,
}

/// One command, sent.
#[derive(Clone, Debug)]
pub struct Sending {
    /// Of which task, by its place in the plan.
    pub task: usize,
    /// What.
    pub op: Op,
}

/// What to do.
#[derive(Clone, Debug, PartialEq)]
pub enum Op {
    /// Make it; with another payload, where the number differs.
    Register(When, u32),
    /// End it.
    Cancel,
    /// Fire it at another time.
    Reschedule(When),
    /// Start its wait anew.
    Touch,
    /// Fire it now.
    Run,
    /// Fire what was due in that past range.
    Backfill {
        /// From then on,
        from: Millis,
        /// and before then.
        to: Millis,
    },
    /// Change its payload to that number; remove it by [`REMOVES`].
    Update(u32),
    /// Hold it.
    Pause,
    /// Go on with it.
    Resume,
    /// Bytes that are no registration.
    Garbage,
}

/// The update that removes the payload rather than changing it.
const REMOVES: u32 = 2;

/// A schedule.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum When {
    /// At that time.
    At(Millis),
    /// So many ms after the append time.
    After(u64),
}

impl When {
    /// The due time for a record appended at `appended`.
    #[must_use]
    pub fn due(self, appended: Millis) -> Millis {
        match self {
            Self::At(at) => at,
            Self::After(ms) => appended.plus(ms).min(Millis::LATEST_DUE),
        }
    }

    fn json(self) -> Value {
        match self {
            Self::At(at) => json!({ "at": at.0 }),
            Self::After(ms) => json!({ "after": format!("{ms}ms") }),
        }
    }
}

impl Op {
    /// The record's value.
    #[must_use]
    pub fn json(&self, task: &TaskPlan, bug: Option<Bug>) -> String {
        let (tenant, id) = (task.key.tenant.as_str(), task.key.id.as_str());
        let mut command = json!({ "tenant": tenant, "id": id, "op": self.name() });
        match self {
            Self::Register(when, payload) => {
                command["schedule"] = when.json();
                let url = format!("http://endpoint.test/{}", task.endpoint);
                command["call"] = json!({ "url": url });
                command["payload"] = json!({ "n": payload });
                command["timeout"] = json!(format!("{}ms", task.timeout_ms));
                command["priority"] = json!(task.priority);
                command["retry"] = json!({
                    "max_attempts": task.max_attempts,
                    "backoff": { "first": "700ms", "factor": 2, "max": "3s", "jitter": "full" },
                });
                if let Some(Value::Object(needs)) = &task.needs {
                    for (name, value) in needs {
                        command[name] = value.clone();
                    }
                }
                if let Some(recurring) = told(task, bug) {
                    recurring.put(&mut command, u64::from(bug == Some(Bug::DriftingRate)));
                    if let Some(keeps) = &task.keeps {
                        let on_closed = if keeps.moves { "move" } else { "skip" };
                        command["schedule"]["calendars"] = json!([keeps.name]);
                        command["schedule"]["on_closed"] = json!(on_closed);
                    }
                }
                if let Some(n) = task.broadcast {
                    let short = bug == Some(Bug::ShortBroadcast) && n > 2;
                    command["broadcast"] = json!(n - u32::from(short));
                }
                if let Some(ms) = task.expires_after_ms {
                    command["expires_after"] = json!(format!("{ms}ms"));
                }
            }
            Self::Reschedule(when) => command["schedule"] = when.json(),
            Self::Update(REMOVES) => command["payload"] = Value::Null,
            Self::Update(payload) => command["payload"] = json!({ "n": payload }),
            Self::Backfill { from, to } => {
                command["from"] = json!(from.0);
                command["to"] = json!(to.0);
                command["max"] = json!(10_000);
            }
            Self::Garbage => return format!("{command} and then some"),
            Self::Cancel | Self::Touch | Self::Run | Self::Pause | Self::Resume => {}
        }
        command.to_string()
    }

    /// What an update makes calls carry from then on.
    #[must_use]
    pub fn carries(&self) -> Option<String> {
        match self {
            Self::Update(REMOVES) => Some(String::new()),
            Self::Update(payload) => Some(json!({ "n": payload }).to_string()),
            _ => None,
        }
    }

    /// As in the registration.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self {
            Self::Register(..) => "register",
            Self::Cancel => "cancel",
            Self::Reschedule(_) => "reschedule",
            Self::Touch => "touch",
            Self::Run => "run",
            Self::Backfill { .. } => "backfill",
            Self::Update(_) => "update",
            Self::Pause => "pause",
            Self::Resume => "resume",
            Self::Garbage => "garbage",
        }
    }
}

/// What is registered of a recurring task: a bug may have it told wrong.
fn told(task: &TaskPlan, bug: Option<Bug>) -> Option<Recurring> {
    let mut recurring = task.recurring?;
    match bug {
        Some(Bug::OverlapIgnored) => recurring.overlap = "allow",
        Some(Bug::MisfireIgnored) => recurring.misfire = "all",
        _ => {}
    }
    Some(recurring)
}

const DAY_MS: u64 = 86_400_000;

/// All commands of a plan, ascending by time.
pub(super) fn draw(
    tasks: &[TaskPlan],
    base: Millis,
    span_ms: u64,
    rng: &mut ChaCha8Rng,
) -> Vec<(u64, Sending)> {
    let herd = base.plus(rng.random_range(0..span_ms * 2));
    let herds = rng.random_bool(0.3);
    let far = rng.random_bool(0.15);
    let mut sendings = Vec::new();
    for (task, _) in tasks.iter().enumerate() {
        let at = rng.random_range(0..span_ms);
        let when = if herds && rng.random_bool(0.6) {
            When::At(herd)
        } else {
            when(base, at, far, rng)
        };
        sendings.push((
            at,
            Sending {
                task,
                op: Op::Register(when, 0),
            },
        ));
        let due = when.due(base.plus(at)).since(base);
        let mut held = false;
        let mut last = at;
        for _ in 0..commands(rng) {
            last = later(last, due, span_ms, rng);
            let op = op(when, base, last, rng);
            held = (held || op == Op::Pause) && op != Op::Resume;
            sendings.push((last, Sending { task, op }));
        }
        if held {
            let at = last + rng.random_range(1..span_ms);
            sendings.push((
                at,
                Sending {
                    task,
                    op: Op::Resume,
                },
            ));
        }
    }
    sendings.sort_by_key(|(at, sending)| (*at, sending.task));
    sendings
}

fn commands(rng: &mut ChaCha8Rng) -> usize {
    *[0, 0, 0, 1, 1, 2, 5].choose(rng).unwrap_or(&0)
}

/// A time behind `last`: often around the due time, where it matters.
fn later(last: u64, due: u64, span_ms: u64, rng: &mut ChaCha8Rng) -> u64 {
    let near_due = due < span_ms * 4 && rng.random_bool(0.6);
    let at = if near_due {
        (due + 200).saturating_sub(rng.random_range(0..600))
    } else {
        last + rng.random_range(0..span_ms)
    };
    at.max(last + 1)
}

fn when(base: Millis, at: u64, far: bool, rng: &mut ChaCha8Rng) -> When {
    let wall = base.plus(at);
    match rng.random_range(0..20) {
        0..6 => When::After(rng.random_range(0..5_000)),
        6..11 => When::After(rng.random_range(5_000..240_000)),
        11..13 => When::At(wall.plus(rng.random_range(0..600_000))),
        13..15 => When::At(wall.minus(rng.random_range(0..3_600_000))),
        15..17 => When::After(rng.random_range(360_000..1_500_000)),
        17 if far => When::After(40 * DAY_MS + rng.random_range(0..60_000)),
        18 if far && rng.random_bool(0.3) => When::At(wall.plus(36_525 * DAY_MS)),
        _ => When::After(rng.random_range(0..30_000)),
    }
}

fn op(when: When, base: Millis, at: u64, rng: &mut ChaCha8Rng) -> Op {
    match rng.random_range(0..20) {
        0..7 => Op::Cancel,
        7..10 => Op::Reschedule(self::when(base, at, false, rng)),
        10..12 => Op::Touch,
        12..14 => Op::Run,
        14 => Op::Update(rng.random_range(0..3)),
        15..17 => Op::Pause,
        17 => Op::Resume,
        18 => Op::Register(when, rng.random_range(0..2)),
        _ if rng.random_bool(0.3) => Op::Garbage,
        _ => Op::Register(self::when(base, at, false, rng), 1),
    }
}
