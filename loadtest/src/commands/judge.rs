//! Whether the calls of a task agree with what was answered.

use super::{Command, Trial};
use crate::tally::Seen;

/// A run follows its answer within this, microseconds.
const RUN_SOON_US: i64 = 5_000_000;

/// The way in which `calls`, which came until `end_us`, contradict the answer; `None` where they do not,
/// or where nothing was answered.
pub(super) fn lie(trial: &Trial, calls: &[Seen], end_us: i64) -> Option<&'static str> {
    match (trial.command, trial.answer.as_deref()?) {
        (Command::Cancel, "cancelled") => {
            (!calls.is_empty()).then_some("called although `cancelled`")
        }
        (_, "too_late") => calls.is_empty().then_some("never called after `too_late`"),
        (Command::Reschedule | Command::Touch, "changed") => moved(trial, calls, end_us),
        (Command::Run, "changed") => run(trial, calls),
        (_, "unknown") => Some("`unknown` of an acknowledged task"),
        _ => Some("an answer that does not fit"),
    }
}

fn moved(trial: &Trial, calls: &[Seen], end_us: i64) -> Option<&'static str> {
    let Some(due) = trial.due else {
        return Some("`changed` without a due time");
    };
    if calls.iter().any(|call| call.due != due) {
        return Some("called at the old time although `changed`");
    }
    let is_over = due * 1_000 < end_us;
    (is_over && calls.is_empty()).then_some("not called at the new time")
}

fn run(trial: &Trial, calls: &[Seen]) -> Option<&'static str> {
    let soon = trial.sent_us..=trial.answered_us + RUN_SOON_US;
    if !calls.iter().any(|call| soon.contains(&call.at_us)) {
        return Some("not run now");
    }
    (calls.len() > 1).then_some("run, and called at its old time too")
}

#[cfg(test)]
mod tests {
    use super::*;

    const END: i64 = 60_000_000;

    /// Sent at 900 ms, answered at 1,000 ms; calls are (due ms, arrival ms).
    #[test]
    fn calls_that_contradict_an_answer_are_named() {
        use Command::{Cancel, Reschedule, Run, Touch};
        type Case = (
            Command,
            &'static str,
            Option<i64>,
            &'static [(i64, i64)],
            Option<&'static str>,
        );
        const NEW: Option<i64> = Some(5_000);
        const NOW: Option<i64> = Some(950);
        let old = Some("called at the old time although `changed`");
        let both = Some("run, and called at its old time too");
        let after = Some("called although `cancelled`");
        let never = Some("never called after `too_late`");
        let unknown = Some("`unknown` of an acknowledged task");
        let odd = Some("an answer that does not fit");
        let missing = Some("not called at the new time");
        let cases: &[Case] = &[
            (Cancel, "cancelled", None, &[], None),
            (Cancel, "cancelled", None, &[(800, 1_001)], after),
            (Cancel, "too_late", None, &[(800, 801)], None),
            (Run, "too_late", None, &[], never),
            (Cancel, "unknown", None, &[], unknown),
            (Touch, "conflict", None, &[], odd),
            (Reschedule, "changed", NEW, &[(5_000, 5_002)], None),
            (Touch, "changed", NEW, &[], missing),
            (Touch, "changed", Some(90_000), &[], None),
            (Touch, "changed", NEW, &[(800, 950), (5_000, 5_002)], old),
            (Run, "changed", NOW, &[(950, 990)], None),
            (Run, "changed", NOW, &[(9_000, 9_000)], Some("not run now")),
            (Run, "changed", NOW, &[(950, 990), (9_000, 9_000)], both),
        ];
        for (command, answer, due, calls, expected) in cases {
            let trial = Trial {
                number: 0,
                command: *command,
                sent_us: 900_000,
                answered_us: 1_000_000,
                answer: Some((*answer).to_owned()),
                due: *due,
            };
            let calls: Vec<Seen> = calls
                .iter()
                .map(|(due, at)| Seen {
                    due: *due,
                    at_us: at * 1_000,
                })
                .collect();
            assert_eq!(
                lie(&trial, &calls, END),
                *expected,
                "{command:?} {answer} {calls:?}"
            );
        }
    }
}
