//! Tasks by the clock of a zone whose data another release changed: what comes by the old data or the new
//! before all is settled, by the new alone behind that.

use std::collections::BTreeSet;

use schemas::{Millis, TaskKey};

use super::facts::Fate;
use crate::plan::Plan;
use crate::plan::clock::Clock;
use crate::verdict::Verdict;

/// All is planned anew so long behind the last of faults, ms.
const SETTLED_MS: u64 = 90_000;

/// A task, and what became of its occurrences.
pub(super) struct Released<'a> {
    pub(super) key: &'a TaskKey,
    pub(super) clock: Clock,
    pub(super) fates: &'a [&'a Fate],
    /// When it was registered, and the last time that its schedule gives.
    pub(super) lasts: (Millis, Millis),
    /// No command changed it.
    pub(super) left_alone: bool,
    /// Each occurrence takes the one before back.
    pub(super) cancels: bool,
}

impl Released<'_> {
    pub(super) fn follows_the_new_data(&self, plan: &Plan, verdict: &mut Verdict) {
        let given = |clock: Clock| -> BTreeSet<Millis> {
            clock.dues(self.lasts.0, self.lasts.1).into_iter().collect()
        };
        let (old, new) = (given(self.clock), given(self.clock.released()));
        let settled = plan.base.plus(plan.over_at() + SETTLED_MS);
        let fired = |fate: &&&Fate| fate.left_out.is_none() && !fate.taken;
        for fate in self.fates.iter().filter(fired) {
            let due = fate.from;
            if !(new.contains(&due) || due < settled && old.contains(&due)) {
                let what = format!("{}: {fate:?} is no time by the data there are", self.key);
                verdict.doubled.push(what);
            }
        }
        // By the old data it may have come to its end before.
        let goes_on = old.last().is_some_and(|last| *last > settled);
        if !self.left_alone || !goes_on {
            return;
        }
        for due in new.range(settled..) {
            let stands = |fate: &Fate| self.cancels || !fate.taken;
            let told = |fate: &&&Fate| stands(fate) && (fate.from..=fate.to).contains(due);
            if !self.fates.iter().any(|fate| told(&fate)) {
                let what = format!("{}: {due} by the new data has no fate", self.key);
                verdict.lost.push(what);
            }
        }
    }
}
