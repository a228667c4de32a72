//! The obvious model: what must be true of what was seen, whatever went wrong.
//!
//! It knows nothing of slots, turns or wheels. It reads the commands, the answers, the calls and the
//! facts in the log, and holds them against each other.

mod answers;
mod backfill;
mod broadcast;
mod calendar;
mod facts;
mod flow;
mod recurring;
mod release;
mod sweep;

use std::collections::BTreeMap;

use archive::Row;
use schemas::FireId;
use schemas::outcome::End;

use crate::endpoint;
use crate::history::{Called, History};
use crate::plan::{Op, Plan};
use crate::verdict::Verdict;
use crate::world::World;
use facts::{Facts, Final};

/// Judges a run that is over.
pub fn judge(world: &mut World, verdict: &mut Verdict) {
    let facts = Facts::read(world);
    sweep::are_obeyed(world, verdict);
    let world = &*world;
    let (plan, history) = (world.plan.as_ref(), &world.history);
    fires_are_unique_and_end_once(&facts, verdict);
    calls_come_in_time_and_once(history, verdict);
    every_task_ends_as_its_endpoint_wants(plan, &facts, verdict);
    flow::steps_follow_their_needs(plan, history, &facts, verdict);
    nothing_accepted_is_lost(plan, history, &facts, verdict);
    broadcast::end_in_all_their_shards(plan, history, &facts, verdict);
    recurring::keep_their_schedules(plan, history, &facts, verdict);
    backfill::are_fired_whole_and_once(plan, history, verdict);
    answers::are_true(plan, history, verdict);
    the_archive_equals_the_outcomes(world, &facts, verdict);
    verdict.undrained.extend(world.leftovers());
}

/// T1, T3, T7 as the log shows them.
fn fires_are_unique_and_end_once(facts: &Facts, verdict: &mut Verdict) {
    for ((fire_id, leg), it) in &facts.legs {
        let name = format!("{fire_id} leg {leg}");
        if it.placed > 1 || it.fired > 1 {
            verdict
                .doubled
                .push(format!("{name}: placed {}, fired {}", it.placed, it.fired));
        }
        if it.placed > 0 && it.fired + it.taken == 0 {
            verdict
                .lost
                .push(format!("{name} was placed and never left its slot"));
        }
        if it.fired > 0 && it.ended == 0 {
            verdict
                .lost
                .push(format!("{name} was fired and has no outcome"));
        }
        if it.fired.min(1) + it.taken > 1 || it.ended > 1 {
            let what = format!("fired {}, taken {}, ended {}", it.fired, it.taken, it.ended);
            verdict.doubled.push(format!("{name}: {what}"));
        }
        if it.ended > 0 && it.fired == 0 {
            verdict.doubled.push(format!("{name} ended without a fire"));
        }
    }
    for (fire_id, finals) in &facts.finals {
        if finals.len() > 1 {
            verdict
                .doubled
                .push(format!("{fire_id} ended {} times", finals.len()));
        }
    }
}

/// T2, and calls made again without need.
fn calls_come_in_time_and_once(history: &History, verdict: &mut Verdict) {
    let mut last: BTreeMap<(FireId, u32), &Called> = BTreeMap::new();
    for call in &history.calls {
        let due = call.fire_due.max(call.due);
        if call.began_at < due {
            let ms = due.since(call.began_at);
            verdict
                .early
                .push(format!("{} was called {ms} ms early", call.fire_id));
        }
        if let Some(before) = last.insert((call.fire_id, call.attempt), call)
            && !is_excused(before, call, history)
        {
            verdict.doubled.push(format!(
                "{} attempt {} was called at {} and again at {}",
                call.fire_id, call.attempt, before.at, call.at
            ));
        }
    }
}

/// A call is made again where who made it died or stood still before its outcome was committed; and
/// by another, where who made it lost its connection, and its shards with it.
fn is_excused(before: &Called, again: &Called, history: &History) -> bool {
    let worker = before.worker;
    let from = before.at.saturating_sub(DISTURBANCE_MS);
    history.was_disturbed(worker, from, again.at)
        || (again.worker != worker && history.was_cut_off(worker, before.at, again.at))
}

/// A commit is void so long after its call at most.
const DISTURBANCE_MS: u64 = 12_000;

fn every_task_ends_as_its_endpoint_wants(plan: &Plan, facts: &Facts, verdict: &mut Verdict) {
    for task in plan
        .tasks
        .iter()
        .filter(|task| task.expires_after_ms.is_none())
    {
        // Of a recurring task, what is too late is left out by its policy.
        let expires = task.recurring.is_some();
        let good = endpoint::succeeds(&task.endpoint, task.timeout_ms, task.max_attempts);
        for fact in facts.of_task(&task.key) {
            let wrong = match &fact.end {
                Final::Ended(End::Success) => !good,
                Final::Ended(End::Dead { .. }) => good,
                Final::Ended(End::Expired) | Final::Expired => !expires,
                Final::Skipped => task.needs.is_none(),
                Final::Ended(End::Again { .. }) | Final::Cancelled => false,
            };
            if wrong {
                let (key, endpoint) = (&task.key, &task.endpoint);
                verdict
                    .lost
                    .push(format!("{key} at {endpoint} ended as {:?}", fact.end));
            }
        }
    }
}

/// A task that was accepted, and of which nothing was asked since, ends.
fn nothing_accepted_is_lost(plan: &Plan, history: &History, facts: &Facts, verdict: &mut Verdict) {
    for (n, task) in plan.tasks.iter().enumerate() {
        if task.recurring.is_some() {
            continue;
        }
        let sent: Vec<_> = history.sent.iter().filter(|sent| sent.task == n).collect();
        let op = |at: usize| plan.sendings.get(at).map(|(_, sending)| &sending.op);
        let Some(first) = sent.first() else { continue };
        let ended = facts
            .of_task(&task.key)
            .any(|fact| fact.end != Final::Cancelled);
        let alone = !sent
            .iter()
            .any(|it| matches!(op(it.sending), Some(Op::Cancel | Op::Pause | Op::Garbage)))
            && !sweep::is_swept(plan, "cancel", &task.key);
        if alone && !ended {
            verdict
                .lost
                .push(format!("{}, sent at {}, has no end", task.key, first.at));
            continue;
        }
        let last = sent
            .iter()
            .rev()
            .find(|it| op(it.sending) != Some(&Op::Garbage));
        let Some(last) = last.filter(|it| op(it.sending) != Some(&Op::Pause)) else {
            continue;
        };
        let Some(due) = answers::accepted(history, last.request) else {
            continue;
        };
        if sweep::is_swept(plan, "cancel", &task.key) {
            continue;
        }
        let end = facts.of_task(&task.key).find(|fact| fact.at >= last.at);
        if end.is_none_or(|fact| fact.end == Final::Cancelled) {
            let op = op(last.sending).map_or("", |op| op.name());
            let what = format!("{op} at {}, due {due}", last.at);
            verdict.lost.push(format!(
                "{} accepted {what}, and has no end since",
                task.key
            ));
        }
    }
}

/// T10.
fn the_archive_equals_the_outcomes(world: &World, facts: &Facts, verdict: &mut Verdict) {
    let rows = &world.table.rows;
    for (key, row) in &facts.rows {
        match rows.get(key) {
            Some(found) if found == row => {}
            Some(found) => verdict
                .lost
                .push(format!("{key:?} is archived as {found:?}, was {row:?}")),
            None => verdict
                .lost
                .push(format!("{key:?} never reached the archive")),
        }
    }
    let unheard = |row: &&Row| !facts.rows.contains_key(&(row.fire_id, row.leg));
    for row in rows.values().filter(unheard) {
        verdict
            .doubled
            .push(format!("{row:?} is archived and is no outcome"));
    }
    verdict
        .doubled
        .extend(world.table.contradictions.iter().cloned());
}
