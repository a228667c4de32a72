//! Tasks that keep to a calendar: what was open is called, what was closed is not.
//!
//! When a change reaches a task is not known to the millisecond, least of all while things fail. So what
//! is held against the schedule is what is due once the last change, and the last fault, are well past;
//! before that nothing may come that no version of the calendar gives.

use std::collections::BTreeSet;

use schemas::{Millis, TaskKey};

use super::facts::Fate;
use crate::fates::Mood;
use crate::plan::Plan;
use crate::plan::calendar::{CalendarSending, Keeps};
use crate::verdict::Verdict;

/// A change is at every task this long behind the last of changes and faults, ms: a shard that was
/// given up in it has an owner again, its table is read, and all is taken back that was planted.
const SETTLED_MS: u64 = 90_000;
/// The same where nothing fails; and what came due so shortly before the next change may be decided
/// after it, ms.
const CALM_MS: u64 = 5_000;

/// A task, and what became of its occurrences.
pub(super) struct Kept<'a> {
    pub(super) key: &'a TaskKey,
    pub(super) keeps: &'a Keeps,
    pub(super) fates: &'a [&'a Fate],
    /// When it was registered.
    pub(super) since: Millis,
    /// What its schedule gives without the calendar, from before it was registered.
    pub(super) beats: Vec<Millis>,
    /// No command changed it.
    pub(super) left_alone: bool,
    /// Each occurrence takes the one before back.
    pub(super) cancels: bool,
}

impl Kept<'_> {
    pub(super) fn follows_its_calendar(&self, plan: &Plan, verdict: &mut Verdict) {
        let versions: Vec<(u64, &CalendarSending)> = plan
            .calendar_sendings
            .iter()
            .filter(|(_, sending)| sending.calendar == self.keeps.calendar)
            .map(|(at, sending)| (*at, sending))
            .collect();
        let ever: BTreeSet<Millis> = versions
            .iter()
            .flat_map(|(_, version)| self.given(version))
            .collect();
        // What a cancel takes back of a parked task is no time that its calendar gives.
        let fired = |fate: &&&Fate| fate.left_out.is_none() && !fate.taken;
        for fate in self.fates.iter().filter(fired) {
            if !ever.contains(&fate.from) {
                let what = format!("{}: {fate:?} was never open", self.key);
                verdict.doubled.push(what);
            }
        }
        let calm = plan.faults.is_empty() && plan.mood == Mood::calm();
        // What comes due while there is none is planned once it is there again, by what it says then.
        let pairs = versions
            .windows(2)
            .filter(|pair| calm && pair[0].1.closed.is_some());
        for pair in pairs {
            let ((at, version), (next, _)) = (pair[0], pair[1]);
            let within = (at + CALM_MS, next.saturating_sub(CALM_MS));
            self.nothing_closed_is_called((version, next), plan, within, verdict);
        }
        if let Some((at, version)) = versions.last() {
            let settled = if calm {
                at + CALM_MS
            } else {
                plan.over_at() + SETTLED_MS
            };
            let within = (settled, u64::MAX);
            self.nothing_closed_is_called((version, u64::MAX), plan, within, verdict);
            if self.left_alone && !self.may_have_ended(plan, settled) {
                self.nothing_open_is_lost(version, plan, within, verdict);
            }
        }
    }

    /// Whether a version before `from` may have given nothing more by the time of the next: the task
    /// ended then, or was never taken.
    fn may_have_ended(&self, plan: &Plan, from: u64) -> bool {
        let own = |sending: &CalendarSending| sending.calendar == self.keeps.calendar;
        let own: Vec<_> = plan
            .calendar_sendings
            .iter()
            .filter(|it| own(&it.1))
            .collect();
        own.windows(2).any(|pair| {
            let ((_, version), (next, _)) = (pair[0], pair[1]);
            let last = self
                .given(version)
                .last()
                .map_or(0, |due| due.since(plan.base));
            *next <= from && version.closed.is_some() && last <= next + SETTLED_MS
        })
    }

    /// What a version gives of the schedule.
    fn given(&self, version: &CalendarSending) -> BTreeSet<Millis> {
        let beats = self.beats.iter();
        let given = beats.filter_map(|beat| {
            let open = version.open_from(*beat)?;
            let comes = open == *beat || self.keeps.moves;
            (comes && open > self.since).then_some(open)
        });
        given.collect()
    }

    /// What is due within, in ms behind the beginning, and over before the `next` change, is what that
    /// version gives. Until what is planted far ahead is taken back a task plans nothing; a later version
    /// may then give what an earlier one closed.
    fn nothing_closed_is_called(
        &self,
        (version, next): (&CalendarSending, u64),
        plan: &Plan,
        (from, to): (u64, u64),
        verdict: &mut Verdict,
    ) {
        let given = self.given(version);
        let called = |fate: &Fate| !fate.taken && fate.left_out.is_none() && fate.at < next;
        for fate in self.fates.iter().filter(|fate| called(fate)) {
            let due = fate.from.since(plan.base);
            if (from..to).contains(&due) && !given.contains(&fate.from) {
                let what = format!("{}: {fate:?} although closed, {version:?}", self.key);
                verdict.doubled.push(what);
            }
        }
    }

    /// What that version gives within is called, or was left out by a policy.
    fn nothing_open_is_lost(
        &self,
        version: &CalendarSending,
        plan: &Plan,
        (from, to): (u64, u64),
        verdict: &mut Verdict,
    ) {
        let mut given = self.given(version);
        given.retain(|due| (from..to).contains(&due.since(plan.base)));
        for due in given {
            let stands = |fate: &Fate| self.cancels || !fate.taken;
            let told = |fate: &&&Fate| stands(fate) && (fate.from..=fate.to).contains(&due);
            if !self.fates.iter().any(|fate| told(&fate)) {
                let what = format!("{}: {due} is open and has no fate, {version:?}", self.key);
                verdict.lost.push(what);
            }
        }
    }
}
