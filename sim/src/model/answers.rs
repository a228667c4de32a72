//! Whether what users were told is true.

use std::collections::{BTreeMap, BTreeSet};

use schemas::{CommandAnswer, Millis, RequestId};

use crate::history::{Answered, Called, History, Sent};
use crate::plan::{Op, Plan};
use crate::verdict::Verdict;

/// A task is known for at least so long after it was registered, ms: the dedup window, less what a
/// command may wait.
const KNOWN_MS: u64 = 13 * 60_000;

/// An ordered call leaves its process within this, ms.
const SEND_MS: u64 = 5;

/// The due time, if the command was answered as accepted.
pub(super) fn accepted(history: &History, request: RequestId) -> Option<Millis> {
    match history.answers.get(&request)?.first()?.answer {
        CommandAnswer::Created { due, .. } | CommandAnswer::Changed { due, .. } => Some(due),
        _ => None,
    }
}

/// Holds every answer against what was seen.
pub(super) fn are_true(plan: &Plan, history: &History, verdict: &mut Verdict) {
    let created = |told: &Answered| matches!(told.answer, CommandAnswer::Created { .. });
    let created: BTreeSet<RequestId> = history
        .answers
        .iter()
        .filter(|(_, told)| told.iter().any(created))
        .map(|(request, _)| *request)
        .collect();
    let mut by_task: BTreeMap<usize, Vec<&Sent>> = BTreeMap::new();
    for sent in &history.sent {
        by_task.entry(sent.task).or_default().push(sent);
    }
    for (task, sent) in by_task {
        let Some(task) = plan.tasks.get(task) else {
            continue;
        };
        let calls: Vec<&Called> = history
            .calls
            .iter()
            .filter(|call| call.task == task.key)
            .collect();
        for (n, it) in sent.iter().enumerate() {
            let Some((_, sending)) = plan.sendings.get(it.sending) else {
                continue;
            };
            let answers = history
                .answers
                .get(&it.request)
                .map_or(&[][..], Vec::as_slice);
            let calm = plan.faults.is_empty() && plan.mood == crate::fates::Mood::calm();
            let asked = Asked {
                op: &sending.op,
                before: &sent[..n],
                after: &sent[n + 1..],
                calls: &calls,
                created: &created,
                recurs: task.recurring.is_some(),
                expires: task.expires_after_ms.is_some(),
                swept: super::sweep::is_swept(plan, "cancel", &task.key),
                closes: task.keeps.is_some(),
                calm,
            };
            let told = format!("{} of {}, sent at {}", sending.op.name(), task.key, it.at);
            for wrong in asked.wrong(plan, it, answers) {
                verdict.false_answers.push(format!("{told}: {wrong}"));
            }
            if calm && answers.is_empty() && sending.op != Op::Garbage {
                verdict.false_answers.push(format!("{told}: no answer"));
            }
        }
    }
}

/// A command in its place.
struct Asked<'a> {
    op: &'a Op,
    before: &'a [&'a Sent],
    after: &'a [&'a Sent],
    calls: &'a [&'a Called],
    /// Commands that were told to have made a task.
    created: &'a BTreeSet<RequestId>,
    /// The task fires many times.
    recurs: bool,
    /// The task may end by its expiry.
    expires: bool,
    /// The task may end by a cancel of many.
    swept: bool,
    /// Its calendar may close all of it, which ends it without a call.
    closes: bool,
    /// Nothing went wrong in this run.
    calm: bool,
}

impl Asked<'_> {
    /// A call of the version that an update was told to have made, with another payload.
    fn carried_otherwise(&self, told: &CommandAnswer) -> Option<String> {
        let CommandAnswer::Changed { version, .. } = told else {
            return None;
        };
        let carries = self.op.carries()?;
        let mut calls = self.calls.iter().filter(|call| call.version == *version);
        let call = calls.find(|call| call.payload != carries)?;
        Some(format!("called at {} with {:?}", call.at, call.payload))
    }

    fn wrong(&self, plan: &Plan, sent: &Sent, answers: &[Answered]) -> Vec<String> {
        let mut wrong = Vec::new();
        if answers.iter().any(|it| it.answer != answers[0].answer) {
            wrong.push(format!("two answers: {answers:?}"));
        }
        let Some(told) = answers.first() else {
            return wrong;
        };
        wrong.extend(self.carried_otherwise(&told.answer));
        match &told.answer {
            CommandAnswer::Cancelled => {
                // What is asked later may bring it back to life.
                let until = self.after.first().map_or(u64::MAX, |next| next.at);
                let late = self
                    .calls
                    .iter()
                    .find(|call| call.at > told.at && call.at < until);
                if let Some(call) = late {
                    wrong.push(format!("cancelled at {}, called at {}", told.at, call.at));
                }
            }
            CommandAnswer::TooLate => {
                // A call that was ordered may still be on its way out of its process, which may be
                // killed or stand still just then.
                let out = if self.calm {
                    told.at + SEND_MS
                } else {
                    u64::MAX
                };
                if !self.calls.iter().any(|call| call.at <= out) && (self.calm || !self.expires) {
                    wrong.push(format!("too late at {}, and no call had begun", told.at));
                }
            }
            CommandAnswer::Unknown => {
                let op = |it: &Sent| plan.sendings.get(it.sending).map(|(_, it)| &it.op);
                // One that found it there does not keep it longer.
                let registered = self
                    .before
                    .iter()
                    .any(|it| self.created.contains(&it.request) && it.at + KNOWN_MS > told.at);
                // What ended without a call is not known any more either.
                let ended = self.before.iter().any(|it| op(it) == Some(&Op::Cancel));
                let ends = self.expires || self.swept || self.closes;
                if registered && !ended && !ends {
                    wrong.push(format!("unknown at {}, though it was registered", told.at));
                }
            }
            CommandAnswer::Created { due, .. } | CommandAnswer::Changed { due, .. } => {
                let when = match self.op {
                    _ if self.recurs => None,
                    Op::Register(when, _) | Op::Reschedule(when) => Some(when.due(sent.appended)),
                    _ => None,
                };
                if when.is_some_and(|when| when != *due) {
                    wrong.push(format!("due {due} was told, {when:?} was asked"));
                }
            }
            CommandAnswer::Refused { .. }
            | CommandAnswer::Unchanged { .. }
            | CommandAnswer::Calendar { .. }
            | CommandAnswer::Conflict { .. } => {}
        }
        wrong
    }
}
