//! Broadcasts: each call has a shard of its own, and one that began ends in all of them.

use std::collections::BTreeSet;

use super::facts::{Facts, Fate};
use crate::history::History;
use crate::plan::Plan;
use crate::verdict::Verdict;

/// Holds every broadcast against its number of shards.
pub(super) fn end_in_all_their_shards(
    plan: &Plan,
    history: &History,
    facts: &Facts,
    verdict: &mut Verdict,
) {
    for task in &plan.tasks {
        let key = &task.key;
        for call in history.calls.iter().filter(|call| call.task == *key) {
            let shard = call.part.and_then(schemas::FiringPart::shard);
            let fits = match (task.broadcast, shard, call.shards) {
                (None, None, None) => true,
                (Some(n), Some(shard), Some(shards)) => n == shards && shard < n,
                _ => false,
            };
            if !fits {
                let told = (shard, call.shards);
                verdict
                    .doubled
                    .push(format!("{key} was called as shard {told:?}"));
            }
        }
    }
    for (whole, it) in &facts.wholes {
        let task = plan.tasks.iter().find(|task| task.key == whole.task);
        let Some(n) = task.and_then(|task| task.broadcast) else {
            continue;
        };
        let missing: Vec<u32> = (0..n).filter(|shard| !it.over.contains(shard)).collect();
        if it.called && !it.rest_given_up && !missing.is_empty() {
            verdict
                .lost
                .push(format!("{whole:?} ended without its shards {missing:?}"));
        }
    }
}

/// The fates of occurrences, where those of one occurrence's shards count as one: it has ended with the
/// last of them.
pub(super) fn joined(fates: &[Fate]) -> Vec<Fate> {
    let mut joined: Vec<Fate> = Vec::new();
    let mut seen = BTreeSet::new();
    for fate in fates {
        let name = (fate.first, fate.from, fate.last, fate.to, fate.manual);
        if !seen.insert(name) {
            let same = |it: &&mut Fate| (it.first, it.from, it.last, it.to, it.manual) == name;
            if let Some(whole) = joined.iter_mut().find(same) {
                whole.at = whole.at.max(fate.at);
                whole.taken &= fate.taken;
            }
            continue;
        }
        joined.push(fate.clone());
    }
    joined
}
