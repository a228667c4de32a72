//! Backfills: a past range is fired whole, in its order, and once however often it was asked for.
//!
//! What is due in a range is counted here from what was registered, and from nothing else.

use std::collections::BTreeMap;

use schemas::{CommandAnswer, Millis, TaskKey};

use super::sweep::is_swept;
use crate::history::{History, Sent};
use crate::plan::recurring::{Beat, Recurring};
use crate::plan::{Op, Plan};
use crate::verdict::Verdict;

/// Holds what was called belatedly against what was asked for.
pub(super) fn are_fired_whole_and_once(plan: &Plan, history: &History, verdict: &mut Verdict) {
    for (n, task) in plan.tasks.iter().enumerate() {
        let Some(recurring) = &task.recurring else {
            continue;
        };
        let sent: Vec<&Sent> = history.sent.iter().filter(|sent| sent.task == n).collect();
        let Some(first) = sent.first() else {
            continue;
        };
        let op = |it: &Sent| plan.sendings.get(it.sending).map(|(_, it)| &it.op);
        let mut asked: BTreeMap<(Millis, Millis), Asked> = BTreeMap::new();
        for it in &sent {
            if let Some(Op::Backfill { from, to }) = op(it) {
                let range = asked.entry((*from, *to)).or_insert_with(|| Asked {
                    dues: dues(recurring, first.appended, *from, *to),
                    told: false,
                    may: 0,
                });
                range.take(history, it);
            }
        }
        let ends = |it: &&Sent| matches!(op(it), Some(Op::Cancel | Op::Pause));
        let swept = ["cancel", "pause"].map(|op| is_swept(plan, op, &task.key));
        let seen = Seen {
            key: &task.key,
            asked,
            runs: runs(history, &task.key),
        };
        seen.belongs_to_what_was_asked(verdict);
        if !sent.iter().any(ends) && swept == [false, false] {
            seen.is_whole(verdict);
        }
    }
}

/// A range, and what its commands were told.
struct Asked {
    dues: Vec<Millis>,
    /// One was told that it began.
    told: bool,
    /// How many may have begun one.
    may: usize,
}

impl Asked {
    fn take(&mut self, history: &History, sent: &Sent) {
        let answers = history.answers.get(&sent.request);
        match answers
            .and_then(|answers| answers.first())
            .map(|it| &it.answer)
        {
            Some(CommandAnswer::Changed { .. }) => {
                self.told = true;
                self.may += 1;
            }
            Some(_) => {}
            None => self.may += 1,
        }
    }
}

/// Due times by number of the run, in the order of their own numbers.
type Runs = BTreeMap<u64, BTreeMap<u64, Millis>>;

fn runs(history: &History, key: &TaskKey) -> Runs {
    let mut runs = Runs::new();
    for call in history.calls.iter().filter(|call| call.task == *key) {
        if let Some(part) = call.part
            && let Some(number) = part.backfill()
        {
            let run = runs.entry(number).or_default();
            run.insert(part.occurrence, call.due);
        }
    }
    runs
}

/// What is due from `from` on, before `to`.
fn dues(recurring: &Recurring, appended: Millis, from: Millis, to: Millis) -> Vec<Millis> {
    match recurring.beat {
        Beat::AfterEach(_) => Vec::new(),
        Beat::Clock(clock) => clock.dues(from.minus(1), to.minus(1)),
        Beat::Every(ms) => {
            let ms = ms.cast_signed();
            let on_time = |at: &i64| (at - appended.0).rem_euclid(ms) == 0;
            let first = (from.0..to.0).find(on_time);
            let step = usize::try_from(ms).unwrap_or(usize::MAX);
            first
                .into_iter()
                .flat_map(|first| (first..to.0).step_by(step))
                .map(Millis)
                .collect()
        }
    }
}

struct Seen<'a> {
    key: &'a TaskKey,
    asked: BTreeMap<(Millis, Millis), Asked>,
    runs: Runs,
}

impl Seen<'_> {
    /// Every run is one of a range that was asked for, and no range has more runs than commands that
    /// may have begun one.
    fn belongs_to_what_was_asked(&self, verdict: &mut Verdict) {
        let mut left: BTreeMap<_, usize> = self
            .asked
            .iter()
            .map(|(range, asked)| (*range, asked.may))
            .collect();
        for (number, run) in &self.runs {
            let fits = |asked: &Asked| {
                run.iter().all(|(nth, due)| {
                    let place = usize::try_from(nth.wrapping_sub(1)).unwrap_or(usize::MAX);
                    asked.dues.get(place) == Some(due)
                })
            };
            let range = self
                .asked
                .iter()
                .find(|(range, asked)| left.get(range).is_some_and(|n| *n > 0) && fits(asked));
            match range {
                Some((range, _)) => *left.entry(*range).or_default() -= 1,
                None => verdict.doubled.push(format!(
                    "{}: backfill {number} was asked by nobody: {run:?}",
                    self.key
                )),
            }
        }
    }

    /// What was told to have begun is called whole.
    fn is_whole(&self, verdict: &mut Verdict) {
        for ((from, to), asked) in self.asked.iter().filter(|(_, asked)| asked.told) {
            let whole = |run: &BTreeMap<u64, Millis>| run.values().eq(asked.dues.iter());
            if !self.runs.values().any(whole) {
                verdict.lost.push(format!(
                    "{}: the backfill from {from} to {to} was begun and not fired whole",
                    self.key
                ));
            }
        }
    }
}
