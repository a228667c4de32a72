//! A release with other time zone data, in the midst of a run.

use rand::seq::IndexedRandom;
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use schemas::Role;

use super::{CalendarPlan, CalendarSending, Fault, TaskPlan};
use crate::plan::recurring::Beat;

/// How much longer tasks by the clock go on, ms: so that other times come after all is settled.
const LONGER_MS: u64 = 5_400_000;

/// Whether a seed whose clocks matter has one. Seeds found earlier stay what they were.
pub(super) fn is_in(seed: u64) -> bool {
    seed % 12 == 9 && seed > 21
}

/// Adds it, and no calendars; drawn apart from all else. No planner stands still or is replaced in such a run: one of the
/// old release would come back.
pub(super) fn add(
    seed: u64,
    span_ms: u64,
    tasks: &mut [TaskPlan],
    faults: &mut Vec<(u64, Fault)>,
) -> (Vec<CalendarPlan>, Vec<(u64, CalendarSending)>) {
    let rng = &mut ChaCha8Rng::seed_from_u64(seed ^ 0x7e1e_a5ed);
    let comes_back = |fault: &Fault| match fault {
        Fault::Stall { role, .. } | Fault::Replace { role, .. } => *role == Role::Planner,
        _ => false,
    };
    faults.retain(|(_, fault)| !comes_back(fault));
    let down_ms = *[500, 12_000, 40_000].choose(rng).unwrap_or(&500);
    faults.push((rng.random_range(0..span_ms), Fault::Release { down_ms }));
    faults.sort_by_key(|(at, _)| *at);
    for task in tasks {
        if let Some(recurring) = &mut task.recurring
            && let Beat::Clock(_) = recurring.beat
        {
            recurring.end = recurring.end.plus(LONGER_MS);
        }
    }
    (Vec::new(), Vec::new())
}
