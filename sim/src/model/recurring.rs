//! Recurring tasks: every occurrence that the schedule gives has one fate, and the right one.
//!
//! The occurrences are counted here from what was registered, and from nothing else.

use std::collections::{BTreeMap, BTreeSet};

use schemas::outcome::MissedWhy;
use schemas::{Millis, TaskKey};

use super::broadcast;
use super::calendar::Kept;
use super::facts::{Facts, Fate};
use super::release::Released;
use super::sweep::is_swept;
use crate::history::History;
use crate::plan::clock::Clock;
use crate::plan::recurring::{Beat, KEPT, Recurring, WINDOW_MS};
use crate::plan::{Op, Plan};
use crate::verdict::Verdict;

/// No calendar of a plan is closed for longer at a stretch.
const CLOSED_MS: u64 = 600_000;
/// A call that is allowed leaves its process within this, ms: half a session, and what a stall adds.
const SEND_MS: u64 = 6_000;

/// Holds what was seen of every recurring task against its schedule (T8).
pub(super) fn keep_their_schedules(
    plan: &Plan,
    history: &History,
    facts: &Facts,
    verdict: &mut Verdict,
) {
    for (n, task) in plan.tasks.iter().enumerate() {
        let Some(recurring) = &task.recurring else {
            continue;
        };
        let fates = facts.fates.get(&task.key).map_or(&[][..], Vec::as_slice);
        let joined;
        let fates = if task.broadcast.is_some() {
            joined = broadcast::joined(fates);
            &joined[..]
        } else {
            fates
        };
        let seen = Seen {
            key: &task.key,
            recurring,
            fates: fates.iter().filter(|fate| !fate.manual).collect(),
        };
        let ops: Vec<&Op> = history
            .sent
            .iter()
            .filter(|sent| sent.task == n)
            .filter_map(|sent| plan.sendings.get(sent.sending))
            .map(|(_, sending)| &sending.op)
            .collect();
        seen.occurrences_increase(verdict);
        let released = released_clock(plan, recurring);
        if task.keeps.is_none() && released.is_none() {
            seen.misfires_follow_the_policy(verdict);
        }
        seen.nothing_overlaps(history, verdict);
        seen.nothing_is_called_too_late(history, verdict);
        let appended = history.sent.iter().find(|sent| sent.task == n);
        if let Some(first) = appended {
            let left_alone = ops
                .iter()
                .all(|op| matches!(op, Op::Register(..) | Op::Run | Op::Backfill { .. }))
                && !["pause", "cancel"]
                    .iter()
                    .any(|op| is_swept(plan, op, &task.key));
            if let Some(clock) = released {
                let released = Released {
                    key: &task.key,
                    clock,
                    fates: &seen.fates,
                    lasts: (first.appended, recurring.end),
                    left_alone,
                    cancels: recurring.overlap == "cancel_previous",
                };
                released.follows_the_new_data(plan, verdict);
                continue;
            }
            match &task.keeps {
                Some(keeps) if !matches!(recurring.beat, Beat::AfterEach(_)) => {
                    let kept = Kept {
                        key: &task.key,
                        keeps,
                        since: first.appended,
                        beats: seen.beats_around(first.appended, recurring.end),
                        fates: &seen.fates,
                        left_alone,
                        cancels: recurring.overlap == "cancel_previous",
                    };
                    kept.follows_its_calendar(plan, verdict);
                }
                Some(_) => {}
                None => seen.each_has_a_fate(first.appended, left_alone, verdict),
            }
        }
    }
}

/// The clock of a task in a run with a release of other time zone data.
fn released_clock(plan: &Plan, recurring: &Recurring) -> Option<Clock> {
    match recurring.beat {
        Beat::Clock(clock) if plan.is_released() => Some(clock),
        _ => None,
    }
}

struct Seen<'a> {
    key: &'a TaskKey,
    recurring: &'a Recurring,
    /// Of what the schedule asked for.
    fates: Vec<&'a Fate>,
}

impl Seen<'_> {
    /// The occurrences behind one of them, or behind the registration, up to `to`.
    fn dues(&self, from: Millis, to: Millis) -> Vec<Millis> {
        match self.recurring.beat {
            Beat::Every(ms) => (1..)
                .map(|k| from.plus(k * ms))
                .take_while(|due| *due <= to)
                .collect(),
            Beat::Clock(clock) => clock.dues(from, to),
            Beat::AfterEach(_) => Vec::new(),
        }
    }

    /// Likewise, and those shortly before: at a closed time they may come behind the registration.
    fn beats_around(&self, registered: Millis, to: Millis) -> Vec<Millis> {
        let before = match self.recurring.beat {
            Beat::Every(ms) => CLOSED_MS.next_multiple_of(ms),
            _ => CLOSED_MS,
        };
        self.dues(registered.minus(before), to)
    }

    /// Numbers and due times strictly increase, and no occurrence has two fates.
    fn occurrences_increase(&self, verdict: &mut Verdict) {
        let mut fates: Vec<_> = self.fates.iter().filter(|fate| !fate.taken).collect();
        fates.sort_by_key(|fate| fate.first);
        for pair in fates.windows(2) {
            let (before, after) = (pair[0], pair[1]);
            if after.first <= before.last || after.from <= before.to {
                let what = format!("{}: {before:?}, then {after:?}", self.key);
                verdict.doubled.push(what);
            }
        }
    }

    /// What the schedule gives, and nothing else.
    fn each_has_a_fate(&self, appended: Millis, left_alone: bool, verdict: &mut Verdict) {
        if matches!(self.recurring.beat, Beat::AfterEach(_)) {
            return;
        }
        let expected: BTreeSet<Millis> = self
            .dues(appended, self.recurring.end)
            .into_iter()
            .collect();
        let mut found = BTreeSet::new();
        for fate in &self.fates {
            let behind = self.dues(fate.from, fate.to);
            let dues: Vec<Millis> = std::iter::once(fate.from).chain(behind).collect();
            let count = u64::try_from(dues.len()).unwrap_or(0);
            if count != fate.last - fate.first + 1 || dues.last() != Some(&fate.to) {
                verdict
                    .lost
                    .push(format!("{}: miscounted {fate:?}", self.key));
            }
            found.extend(dues);
        }
        if left_alone {
            for due in expected.difference(&found) {
                let what = format!("{}: the occurrence of {due} has no fate", self.key);
                verdict.lost.push(what);
            }
            for due in found.difference(&expected) {
                let what = format!("{}: an occurrence of {due} nobody asked for", self.key);
                verdict.doubled.push(what);
            }
        }
    }

    /// What is left out as late was late, and the policy keeps none of it; what it keeps is fired.
    fn misfires_follow_the_policy(&self, verdict: &mut Verdict) {
        for fate in &self.fates {
            let Some((MissedWhy::Late, at)) = fate.left_out else {
                continue;
            };
            if matches!(self.recurring.beat, Beat::AfterEach(_)) {
                let what = format!("{}: a fixed delay was left out: {fate:?}", self.key);
                verdict.lost.push(what);
                continue;
            }
            let before = at
                .minus(self.recurring.threshold_ms)
                .min(self.recurring.end.plus(1));
            let behind = |before: Millis| self.dues(fate.to, before.minus(1)).len();
            let kept = u64::try_from(behind(before)).unwrap_or(u64::MAX);
            let window = at.minus(WINDOW_MS);
            let right = match self.recurring.misfire {
                "skip" => kept == 0,
                "once" => kept == 1,
                "all" => kept == KEPT,
                _ => fate.to < window && behind(window.min(before)) == 0,
            };
            if fate.to >= before || !right {
                let policy = self.recurring.misfire;
                let what = format!("{}: `{policy}` left out {fate:?}, {kept} behind", self.key);
                verdict.lost.push(what);
            }
        }
    }

    /// A firing begins only once the one before has ended, where that was asked for.
    fn nothing_overlaps(&self, history: &History, verdict: &mut Verdict) {
        let follows = matches!(self.recurring.beat, Beat::AfterEach(_));
        let serial = matches!(self.recurring.overlap, "skip" | "buffer_one" | "buffer_all");
        if !follows && !serial {
            return;
        }
        let mut began: BTreeMap<u64, u64> = BTreeMap::new();
        for call in history.calls.iter().filter(|call| call.task == *self.key) {
            if let Some(part) = call.part.filter(|part| part.manual == 0) {
                began.entry(part.occurrence).or_insert(call.at);
            }
        }
        let mut fates: Vec<_> = self
            .fates
            .iter()
            .filter(|it| it.left_out.is_none())
            .collect();
        fates.sort_by_key(|fate| fate.first);
        for pair in fates.windows(2) {
            let (before, after) = (pair[0], pair[1]);
            if began.get(&after.first).is_some_and(|at| *at < before.at) {
                let what = format!("{}: {after:?} began before the end of {before:?}", self.key);
                verdict.doubled.push(what);
            }
        }
    }

    /// Where misfires are left out, no first call begins behind the threshold.
    fn nothing_is_called_too_late(&self, history: &History, verdict: &mut Verdict) {
        let strict = self.recurring.misfire == "skip" && self.recurring.overlap == "allow";
        if !strict || matches!(self.recurring.beat, Beat::AfterEach(_)) {
            return;
        }
        let scheduled = |part: schemas::FiringPart| part.manual == 0;
        for call in history.calls.iter().filter(|call| {
            call.task == *self.key && call.leg == 1 && call.part.is_some_and(scheduled)
        }) {
            let late = call.began_at.since(call.due);
            if late > self.recurring.threshold_ms + SEND_MS {
                let what = format!("{}: called {late} ms behind its due time", self.key);
                verdict.doubled.push(what);
            }
        }
    }
}
