//! Flows: steps that need each other, of any shape.

use rand::Rng;
use rand::seq::{IndexedRandom, SliceRandom};
use rand_chacha::ChaCha8Rng;
use schemas::{Shards, TaskId, TaskKey, TenantId};
use serde_json::{Value, json};

use super::{Lane, Op, Sending, TaskPlan, When};

/// Steps that the last one of a flow waits for at most.
const WIDEST: usize = 300;

/// The steps of a seed, and what is asked of them.
pub(super) fn draw(
    steps: usize,
    shards: Shards,
    rng: &mut ChaCha8Rng,
) -> (Vec<TaskPlan>, Vec<(u64, Sending)>) {
    let size = *[12, 40, 150, 400, 1_000].choose(rng).unwrap_or(&40);
    let size = if steps > 0 { steps } else { size };
    let flows = if size <= 40 { 3 } else { 1 };
    let failing = *[0.0, 0.03, 0.15].choose(rng).unwrap_or(&0.03);
    let mut tasks: Vec<TaskPlan> = Vec::with_capacity(size * flows);
    for flow in 0..flows {
        let first = tasks.len();
        for n in 0..size {
            let needs = needs(&tasks[first..], n + 1 == size, rng);
            tasks.push(step(flow, n, needs, failing, shards, rng));
        }
    }
    let sendings = sendings(&tasks, rng);
    (tasks, sendings)
}

fn step(
    flow: usize,
    n: usize,
    needs: Option<Value>,
    failing: f64,
    shards: Shards,
    rng: &mut ChaCha8Rng,
) -> TaskPlan {
    let key = TaskKey {
        tenant: TenantId::new("shop").expect("a tenant's name"),
        id: TaskId::new(&format!("flow-{flow}/s{n:03}")).expect("a task's name"),
    };
    let astray = rng.random_bool(0.1);
    let astray = astray.then(|| rng.random_range(0..shards.count()));
    let home = key.shard(shards).0;
    TaskPlan {
        endpoint: endpoint(failing, rng),
        timeout_ms: *[500, 2_000].choose(rng).unwrap_or(&500),
        max_attempts: rng.random_range(1..=3),
        expires_after_ms: None,
        priority: ["normal", "high"].choose(rng).copied().unwrap_or("normal"),
        lane: Lane::First,
        astray: astray.filter(|shard| *shard != home),
        needs,
        recurring: None,
        broadcast: None,
        keeps: None,
        key,
    }
}

fn endpoint(failing: f64, rng: &mut ChaCha8Rng) -> String {
    if rng.random_bool(failing) {
        return ["hang", "never"]
            .choose(rng)
            .unwrap_or(&"never")
            .to_string();
    }
    match rng.random_range(0..20) {
        0..6 => "ok".to_owned(),
        6..16 => format!("say/{}", rng.random_range(0..3)),
        16..18 => format!("fail/{}", rng.random_range(1..3)),
        _ => format!("slow/{}", rng.random_range(10..490)),
    }
}

/// What a step needs of those before it.
fn needs(before: &[TaskPlan], last: bool, rng: &mut ChaCha8Rng) -> Option<Value> {
    if before.is_empty() || (!last && rng.random_bool(0.1)) {
        return None;
    }
    let count = if last {
        before.len().min(WIDEST)
    } else {
        *[1, 1, 1, 2, 3, 8].choose(rng).unwrap_or(&1)
    };
    let near = &before[before.len().saturating_sub(10)..];
    let mut steps: Vec<&TaskPlan> = (0..count)
        .filter_map(|_| {
            let from = if last || rng.random_bool(0.3) {
                before
            } else {
                near
            };
            from.choose(rng)
        })
        .collect();
    steps.sort_by(|a, b| a.key.cmp(&b.key));
    steps.dedup_by(|a, b| a.key == b.key);
    let list: Vec<Value> = steps.iter().map(|step| need(step, last, rng)).collect();
    let mut needs = json!({ "needs": list });
    if !last && rng.random_bool(0.25) {
        needs["join"] = json!("any");
    }
    if rng.random_bool(0.3) {
        let from = steps.choose(rng).and_then(|step| step.key.id.step());
        needs["payload_from"] = json!(from);
    }
    Some(needs)
}

fn need(step: &TaskPlan, last: bool, rng: &mut ChaCha8Rng) -> Value {
    let on = match rng.random_range(0..20) {
        _ if last => "always",
        0..13 => "success",
        13..18 => "always",
        _ => "failure",
    };
    let mut need = json!({"step": step.key.id.step(), "on": on});
    if let Some(said) = step.endpoint.strip_prefix("say/")
        && !last
        && rng.random_bool(0.2)
    {
        let said: u32 = said.parse().unwrap_or(0);
        let equals = said + u32::from(rng.random_bool(0.3));
        need["when"] = json!({"pointer": "/said", "equals": equals});
    }
    need
}

fn sendings(tasks: &[TaskPlan], rng: &mut ChaCha8Rng) -> Vec<(u64, Sending)> {
    let span_ms = *[1, 3_000, 30_000].choose(rng).unwrap_or(&1);
    let mut order: Vec<usize> = (0..tasks.len()).collect();
    match rng.random_range(0..3) {
        0 => order.reverse(),
        1 => order.shuffle(rng),
        _ => {}
    }
    let cancels = *[0.0, 0.0, 0.03].choose(rng).unwrap_or(&0.0);
    let mut sendings = Vec::new();
    let count = u64::try_from(tasks.len()).unwrap_or(1);
    for (place, task) in (0_u64..).zip(order) {
        let at = span_ms * place / count;
        let when = When::After(*[0, 0, 0, 50, 2_000].choose(rng).unwrap_or(&0));
        let register = Op::Register(when, 0);
        sendings.push((
            at,
            Sending {
                task,
                op: register.clone(),
            },
        ));
        if rng.random_bool(cancels) {
            let at = at + rng.random_range(1..60_000);
            sendings.push((
                at,
                Sending {
                    task,
                    op: Op::Cancel,
                },
            ));
        } else if rng.random_bool(0.05) {
            let at = at + rng.random_range(1..60_000);
            sendings.push((at, Sending { task, op: register }));
        }
    }
    sendings.sort_by_key(|(at, sending)| (*at, sending.task));
    sendings
}
