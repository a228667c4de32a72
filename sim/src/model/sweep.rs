//! Commands on many tasks: each comes to an end everywhere, and what it was for obeyed it.

use std::collections::BTreeMap;

use pipeline::TopicPartition;
use schemas::index::SweepRow;
use schemas::{CommandAnswer, RequestId, Shard, Topic};

use crate::history::Sent;
use crate::plan::{Plan, Sweep};
use crate::verdict::Verdict;
use crate::world::World;

/// An ordered call leaves its process within this, ms.
const SEND_MS: u64 = 5;

/// How one stood in one shard, and when it was over there, ms behind the beginning.
type Ends = BTreeMap<(RequestId, Shard), (SweepRow, Option<u64>)>;

/// Whether any sweep of that op is for a task.
pub(super) fn is_swept(plan: &Plan, op: &str, task: &schemas::TaskKey) -> bool {
    let mut sweeps = plan.sweeps.iter();
    sweeps.any(|(_, sweep)| sweep.op == op && sweep.is_for(task))
}

/// Holds every sweep against what was seen.
pub(super) fn are_obeyed(world: &World, verdict: &mut Verdict) {
    let ends = read(world);
    let plan = std::sync::Arc::clone(&world.plan);
    for (n, (at, sweep)) in plan.sweeps.iter().enumerate() {
        let id = World::sweep_id(n);
        let mut over = 0;
        let mut undoubted = true;
        for shard in plan.shards.all() {
            match ends.get(&(id, shard)) {
                Some((row, Some(end))) => {
                    over = over.max(*end);
                    undoubted &= row.count.too_late + row.count.refused == 0;
                    let count = &row.count;
                    let told = count.changed + count.unchanged + count.cancelled;
                    let told = told + count.too_late + count.refused;
                    if told != count.matched {
                        let wrong = format!("{sweep:?} in {shard:?}: {count:?}");
                        verdict.false_answers.push(wrong);
                    }
                }
                Some((row, None)) => {
                    let lost = format!("{sweep:?} never ends in {shard:?}: {row:?}");
                    verdict.lost.push(lost);
                }
                None => verdict
                    .lost
                    .push(format!("{sweep:?} never reached {shard:?}")),
            }
        }
        let until = match sweep.op {
            "cancel" => u64::MAX,
            // One that came in elsewhere before it may be on its way here yet.
            "pause"
                if !earlier_resumes(&plan, n, sweep)
                    .into_iter()
                    .all(|id| was_over(&plan, &ends, id, *at)) =>
            {
                continue;
            }
            "pause" => next_resume(&plan, n, sweep),
            _ => continue,
        };
        for wrong in called_all_the_same(world, (*at, over, until), undoubted, sweep) {
            verdict
                .false_answers
                .push(format!("{sweep:?} at {at}: {wrong}"));
        }
    }
}

fn earlier_resumes(plan: &Plan, n: usize, sweep: &Sweep) -> Vec<RequestId> {
    let earlier = plan.sweeps.iter().enumerate().take(n);
    let resumes = earlier.filter(|(_, (_, it))| it.op == "resume" && it.tenant == sweep.tenant);
    resumes.map(|(n, _)| World::sweep_id(n)).collect()
}

/// Whether one was over everywhere at that time.
fn was_over(plan: &Plan, ends: &Ends, id: RequestId, at: u64) -> bool {
    plan.shards.all().all(|shard| {
        let end = ends.get(&(id, shard)).and_then(|(_, end)| *end);
        end.is_some_and(|end| end < at)
    })
}

/// When something begins that may let what was paused go on.
fn next_resume(plan: &Plan, n: usize, sweep: &Sweep) -> u64 {
    let later = plan.sweeps.iter().skip(n + 1);
    let mut resumes = later.filter(|(_, it)| it.op == "resume" && it.tenant == sweep.tenant);
    resumes.next().map_or(u64::MAX, |(at, _)| *at)
}

/// Calls of tasks that it was for, that were accepted before it and of which nobody asked anything
/// since.
fn called_all_the_same(
    world: &World,
    (at, over, until): (u64, u64, u64),
    undoubted: bool,
    sweep: &Sweep,
) -> Vec<String> {
    let (plan, history) = (&world.plan, &world.history);
    let calm = plan.faults.is_empty() && plan.mood == crate::fates::Mood::calm();
    let mut wrong = Vec::new();
    for (n, task) in plan.tasks.iter().enumerate() {
        let one_shot = task.recurring.is_none() && task.needs.is_none();
        if !one_shot || !sweep.is_for(&task.key) {
            continue;
        }
        let sent: Vec<&Sent> = history.sent.iter().filter(|sent| sent.task == n).collect();
        let told = |it: &&&Sent| history.answers.get(&it.request).and_then(|all| all.first());
        let before = |it: &&Sent| told(&it).is_some_and(|told| told.at < at);
        let created = |it: &&Sent| {
            told(&it).is_some_and(|told| matches!(told.answer, CommandAnswer::Created { .. }))
        };
        if !sent.iter().all(before) || !sent.iter().any(created) {
            continue;
        }
        let out = if calm { over + SEND_MS } else { over };
        let late = history
            .calls
            .iter()
            .filter(|call| call.task == task.key && call.at > out && call.at < until);
        let calls: Vec<u64> = late.map(|call| call.at).collect();
        // What had begun may be on its way out of its process yet, and a pause lets it go on.
        let may = if undoubted || calm && sweep.op == "cancel" {
            0
        } else if sweep.op == "cancel" {
            1
        } else {
            usize::MAX
        };
        if calls.len() > may {
            wrong.push(format!("over at {over}, {} called at {calls:?}", task.key));
        }
    }
    wrong
}

fn read(world: &World) -> Ends {
    let mut ends = Ends::new();
    let plan = std::sync::Arc::clone(&world.plan);
    for shard in plan.shards.all() {
        for record in world.records(TopicPartition::new(Topic::Index, shard), 0) {
            let row = record.value.as_ref().map(SweepRow::decode);
            let Some(Ok(row)) = row else { continue };
            let at = record.appended.since(plan.base);
            let end = row.is_over().then_some(at);
            let known = ends
                .entry((row.id, shard))
                .or_insert_with(|| (row.clone(), end));
            *known = (row, known.1.or(end));
        }
    }
    ends
}
