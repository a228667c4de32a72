//! What was seen from outside while a run went on.

use std::collections::BTreeMap;

use bytes::Bytes;
use schemas::{CommandAnswer, FireId, FiringPart, Millis, RequestId, TaskKey};

/// Everything seen. Times without further words are ms since the beginning.
#[derive(Debug, Default)]
pub struct History {
    /// Commands, in the order sent.
    pub sent: Vec<Sent>,
    /// Answers, in the order told.
    pub answers: BTreeMap<RequestId, Vec<Answered>>,
    /// Calls, in the order begun.
    pub calls: Vec<Called>,
    /// When a worker may have lost what it had not committed.
    pub disturbed: Vec<Disturbed>,
    /// When a dispatcher lost its connection, and with it perhaps its shards; what it called it knows.
    pub cut_off: Vec<Disturbed>,
    /// What a core or the log of errors said that must never be said.
    pub alarms: Vec<String>,
}

/// A command in an intake.
#[derive(Clone, Debug)]
pub struct Sent {
    /// Of which task, by its place in the plan.
    pub task: usize,
    /// Which of the plan's commands.
    pub sending: usize,
    /// By this its answer is known.
    pub request: RequestId,
    /// When.
    pub at: u64,
    /// The append time.
    pub appended: Millis,
}

/// An answer.
#[derive(Clone, Debug)]
pub struct Answered {
    /// When it was told.
    pub at: u64,
    /// What.
    pub answer: CommandAnswer,
}

/// A call that began.
#[derive(Clone, Debug)]
pub struct Called {
    /// When.
    pub at: u64,
    /// Of which worker.
    pub worker: usize,
    /// When, by that worker's clock.
    pub began_at: Millis,
    /// Not to begin before.
    pub fire_due: Millis,
    /// When the schedule wanted it.
    pub due: Millis,
    /// Whose.
    pub task: TaskKey,
    /// Of that version.
    pub version: u64,
    /// Which firing.
    pub fire_id: FireId,
    /// Which planting.
    pub leg: u32,
    /// Which of its task's firings, where it has many.
    pub part: Option<FiringPart>,
    /// How many shards it was told of, if it is one of a broadcast.
    pub shards: Option<u32>,
    /// Which attempt.
    pub attempt: u32,
    /// When its registration was appended.
    pub registered_at: Millis,
    /// What it carried.
    pub payload: Bytes,
}

/// A worker was disturbed.
#[derive(Clone, Copy, Debug)]
pub struct Disturbed {
    /// When.
    pub at: u64,
    /// Which.
    pub worker: usize,
}

impl History {
    /// Whether the worker may have lost what it had not committed, within that time.
    #[must_use]
    pub fn was_disturbed(&self, worker: usize, from: u64, to: u64) -> bool {
        befell(&self.disturbed, worker, from, to)
    }

    /// Whether the worker lost its connection within that time.
    #[must_use]
    pub fn was_cut_off(&self, worker: usize, from: u64, to: u64) -> bool {
        befell(&self.cut_off, worker, from, to)
    }

    /// How long behind its due time the latest first call of a firing began, ms.
    #[must_use]
    pub fn latest_first_call(&self) -> u64 {
        let first = self.calls.iter().filter(|call| call.attempt == 1);
        let late = first.map(|call| call.began_at.since(call.due));
        late.max().unwrap_or(0)
    }
}

fn befell(all: &[Disturbed], worker: usize, from: u64, to: u64) -> bool {
    all.iter()
        .any(|it| it.worker == worker && (from..=to).contains(&it.at))
}
