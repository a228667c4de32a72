//! One trial: a task at some place, a command, its answer, and whether the facts agree.

use crate::harness::http;
use crate::harness::receiver::{Call, Receiver, now};
use crate::show::tasks;
use anyhow::{Context, Result};
use serde_json::{Value, json};
use std::net::SocketAddr;
use std::thread::sleep;
use std::time::Duration;

/// Beyond any planting horizon.
pub(super) const FAR_AHEAD: Duration = Duration::from_secs(3_600);
const TENANT: &str = "trial";
/// What an answer and the facts may disagree in.
pub(super) const WAYS_TO_LIE: [&str; 6] = [
    "called after `cancelled`",
    "never called after `too_late`",
    "not called at the new time",
    "called at the old time after `changed`",
    "not run now",
    "an answer that does not fit",
];

/// Where a task is when its command comes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Place {
    /// Further away than the planting horizon.
    Index,
    /// Planted, and not yet loaded by the trigger.
    Slot,
    /// In the trigger's wheel.
    Wheel,
    /// Between leaving the wheel and the call, give or take a little.
    Lead,
    /// While its call runs.
    Call,
    /// Its call failed and it waits for the next.
    Retry,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Command {
    Cancel,
    Reschedule,
    Touch,
    Run,
}

const PLACES: [Place; 6] = [
    Place::Index,
    Place::Slot,
    Place::Wheel,
    Place::Lead,
    Place::Call,
    Place::Retry,
];
const COMMANDS: [Command; 4] = [
    Command::Cancel,
    Command::Reschedule,
    Command::Touch,
    Command::Run,
];

/// What will be done.
pub(super) struct Trial {
    id: String,
    place: Place,
    command: Command,
    url: String,
    after: Duration,
    /// The command goes out so long after the due time (before it when negative), ms; none: as
    /// soon as the task is planned.
    from_due: Option<i64>,
}

/// What was done, and what was answered.
#[derive(Debug)]
pub(super) struct Done {
    /// As an endpoint sees it: `trial/t-7`.
    pub task: String,
    pub place: Place,
    pub command: Command,
    pub answer: String,
    /// The task's due time by the answer.
    pub due: Option<i64>,
    /// Epoch ms, by the clock that the receiver uses.
    sent_at: i64,
    answered_at: i64,
    /// What `GET` says the due time is, for those that are far away.
    shown_due: Option<i64>,
}

impl Trial {
    /// The trial of this number: every place with every command in turn, times scattered.
    pub(super) fn of(number: u64, receiver: &Receiver) -> Self {
        let place = PLACES[(number % 6) as usize];
        let command = COMMANDS[(number / 6 % 4) as usize];
        // Scattered, and the same in every run.
        let chance = number.wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 33;
        let scatter = |range: u64| i64::try_from(chance % range).unwrap_or(0);
        let (path, after, from_due) = match place {
            Place::Index => ("ok", FAR_AHEAD, None),
            Place::Slot => ("ok", Duration::from_secs(100), None),
            Place::Wheel => ("ok", Duration::from_secs(12), Some(-8_000 + scatter(7_000))),
            Place::Lead => ("ok", Duration::from_secs(3), Some(-200 + scatter(200))),
            Place::Call => ("slow", Duration::from_secs(2), Some(100 + scatter(1_200))),
            Place::Retry => ("fail", Duration::from_secs(2), Some(500 + scatter(5_000))),
        };
        let url = receiver.url(&format!("{path}/{number}"));
        Self {
            id: format!("t-{number}"),
            place,
            command,
            url,
            after,
            from_due,
        }
    }

    pub(super) fn run(&self, door: SocketAddr) -> Result<Done> {
        let schedule = json!({"after": format!("{}ms", self.after.as_millis())});
        let mut task = tasks::register(TENANT, &self.id, schedule, &self.url);
        task["retry"] = json!({"max_attempts": 2, "backoff": {"first": "15s", "jitter": "none"}});
        let body = task.to_string();
        let registered = http::request(door, "POST", "/v1/tasks?wait=20s", Some(&body))?;
        let due = millis(&registered.json()["due"]);
        let due = due.with_context(|| format!("registered without a due time: {registered:?}"))?;
        if let Some(from_due) = self.from_due {
            let left = due + from_due - now();
            sleep(Duration::from_millis(u64::try_from(left).unwrap_or(0)));
        }
        let sent_at = now();
        let answer = self.send(door)?;
        let answered_at = now();
        let json = answer.json();
        Ok(Done {
            task: format!("{TENANT}/{}", self.id),
            place: self.place,
            command: self.command,
            answer: tasks::told(&answer)?,
            due: millis(&json["due"]),
            sent_at,
            answered_at,
            shown_due: self.shown_due(door),
        })
    }

    fn send(&self, door: SocketAddr) -> Result<http::Answer> {
        let path = format!("/v1/tasks/{TENANT}/{}", self.id);
        let post = |verb: &str, body: Value| {
            let path = format!("{path}:{verb}?wait=20s");
            http::request(door, "POST", &path, Some(&body.to_string()))
        };
        match self.command {
            Command::Cancel => http::request(door, "DELETE", &format!("{path}?wait=20s"), None),
            Command::Reschedule => post("reschedule", json!({"schedule": {"after": "4s"}})),
            Command::Touch => post("touch", json!({})),
            Command::Run => post("run", json!({})),
        }
    }

    fn shown_due(&self, door: SocketAddr) -> Option<i64> {
        let path = format!("/v1/tasks/{TENANT}/{}", self.id);
        let shown = http::request(door, "GET", &path, None).ok()?;
        millis(&shown.json()["due"])
    }
}

impl Done {
    /// How the facts contradict the answer, if they do. `calls` are the task's; `end` is the time
    /// up to which everything due has been waited for.
    pub(super) fn broken(&self, calls: &[&Call], end: i64) -> Option<&'static str> {
        let [after_cancelled, never, not_new, old, not_run, odd] = WAYS_TO_LIE;
        let late = |call: &&&Call| call.at > self.answered_at;
        match (self.command, self.answer.as_str()) {
            (Command::Cancel, "cancelled") => calls
                .iter()
                .any(|call| late(&call))
                .then_some(after_cancelled),
            (_, "too_late") => calls.is_empty().then_some(never),
            (Command::Reschedule | Command::Touch, "changed") => {
                let new = self.due;
                let at_new = calls.iter().any(|call| Some(call.due) == new);
                let far = new.is_some_and(|new| new > end);
                let kept = if far { self.shown_due == new } else { at_new };
                let at_old = calls
                    .iter()
                    .any(|call| late(&call) && Some(call.due) != new);
                if !kept {
                    Some(not_new)
                } else {
                    at_old.then_some(old)
                }
            }
            (Command::Run, "changed") => {
                let soon = self.sent_at..=self.answered_at + 5_000;
                let run = calls.iter().any(|call| soon.contains(&call.at));
                (!run).then_some(not_run)
            }
            _ => Some(odd),
        }
    }
}

/// A time in an answer: epoch ms.
fn millis(value: &Value) -> Option<i64> {
    value.as_i64()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn call(due: i64, at: i64) -> Call {
        Call {
            task: "trial/t".to_owned(),
            fire_id: "f".to_owned(),
            due,
            at,
            attempt: 1,
        }
    }

    fn done(command: Command, answer: &str, due: Option<i64>) -> Done {
        Done {
            task: "trial/t".to_owned(),
            place: Place::Wheel,
            command,
            answer: answer.to_owned(),
            due,
            sent_at: 900,
            answered_at: 1_000,
            shown_due: due,
        }
    }

    #[test]
    fn facts_that_contradict_an_answer_are_named() {
        let [after_cancelled, never, not_new, old, not_run, odd] = WAYS_TO_LIE;
        let (cancel, move_, run) = (Command::Cancel, Command::Reschedule, Command::Run);
        let cases = [
            (cancel, "cancelled", None, vec![], None),
            (cancel, "cancelled", None, vec![call(800, 950)], None),
            (
                cancel,
                "cancelled",
                None,
                vec![call(800, 1_001)],
                Some(after_cancelled),
            ),
            (cancel, "too_late", None, vec![call(800, 950)], None),
            (cancel, "too_late", None, vec![], Some(never)),
            (cancel, "unknown", None, vec![], Some(odd)),
            (
                move_,
                "changed",
                Some(5_000),
                vec![call(5_000, 5_004)],
                None,
            ),
            (move_, "changed", Some(5_000), vec![], Some(not_new)),
            (
                move_,
                "changed",
                Some(5_000),
                vec![call(800, 1_100), call(5_000, 5_004)],
                Some(old),
            ),
            (move_, "changed", Some(9_000_000), vec![], None),
            (run, "changed", Some(5_000), vec![call(950, 980)], None),
            (
                run,
                "changed",
                Some(5_000),
                vec![call(800, 810)],
                Some(not_run),
            ),
        ];
        for (command, answer, due, calls, expected) in cases {
            let calls: Vec<&Call> = calls.iter().collect();
            let got = done(command, answer, due).broken(&calls, 100_000);
            assert_eq!(got, expected, "{command:?} {answer} {calls:?}");
        }
    }
}
