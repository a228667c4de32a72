//! What was registered and what was called, and what follows from both.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use hdrhistogram::Histogram;

/// What is known of one task's registration.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Registered {
    /// Not decided.
    #[default]
    Open,
    /// Taken in for good.
    Accepted,
    /// Not taken in.
    Refused,
    /// The answer was lost: it may be there or not.
    Unclear,
}

/// What a command changed, by its answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Told {
    /// No call follows.
    Cancelled,
    /// A call had begun.
    TooLate,
    /// It is due at this time now, epoch ms, and at no other.
    MovedTo(i64),
    /// It was run at once, beside what was planned.
    Run,
    /// The task was not there, or the command made no sense for it: nothing is promised.
    Nothing,
}

/// One command and its answer.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Answered {
    pub(crate) told: Told,
    /// When the answer came, epoch ms.
    pub(crate) at: i64,
}

#[derive(Clone, Debug, Default)]
struct Task {
    registered: Registered,
    /// Asked for, epoch ms; `None` where it counts from the append time.
    due: Option<i64>,
    calls: u32,
    /// Whether the run waits for its call.
    expected: bool,
    /// Due before it was registered: its lateness says nothing.
    overdue: bool,
}

/// One call as received.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Call {
    /// Which task, by its number in this run.
    pub(crate) task: u32,
    pub(crate) fire_id: u128,
    pub(crate) attempt: u32,
    /// As its header says, epoch ms.
    pub(crate) due: i64,
    /// Epoch ms.
    pub(crate) arrived: i64,
}

/// A call that came more than once.
#[derive(Clone, Debug)]
pub(crate) struct Double {
    pub(crate) first: Call,
    pub(crate) again: Call,
}

/// Everything seen so far. Clones share it.
#[derive(Clone, Debug)]
pub(crate) struct Ledger(Arc<Mutex<Book>>);

#[derive(Debug)]
struct Book {
    tasks: Vec<Task>,
    /// First call of each (fire id, attempt).
    calls: HashMap<(u128, u32), Call>,
    doubles: Vec<Double>,
    lateness: Histogram<u64>,
    commands: HashMap<u32, Answered>,
    /// All calls of tasks that were commanded.
    of_commanded: HashMap<u32, Vec<Call>>,
    early: u64,
    wrong_due: u64,
    strangers: u64,
    fired: u64,
    accepted: u64,
    refused: u64,
    unclear: u64,
    first_call: Option<i64>,
    last_call: Option<i64>,
}

/// How far a run is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Progress {
    /// Tasks taken in.
    pub(crate) accepted: u64,
    /// Tasks whose registration was decided one way or the other.
    pub(crate) decided: u64,
    /// Tasks called at least once.
    pub(crate) fired: u64,
    /// Tasks taken in whose call this run waits for, and that were not called.
    pub(crate) outstanding: u64,
    /// When the last call came, epoch ms.
    pub(crate) last_call: Option<i64>,
}

/// What follows.
#[derive(Clone, Debug)]
pub(crate) struct Verdict {
    pub(crate) registered: u64,
    pub(crate) refused: u64,
    pub(crate) unclear: u64,
    pub(crate) fired: u64,
    /// Taken in, expected, never called.
    pub(crate) lost: u64,
    /// The first few of them, by number.
    pub(crate) lost_tasks: Vec<u32>,
    /// Called before the due time.
    pub(crate) early: u64,
    pub(crate) doubles: Vec<Double>,
    /// Called with another due time than was asked for.
    pub(crate) wrong_due: u64,
    /// Calls of tasks of no run, or of another.
    pub(crate) strangers: u64,
    /// Not expected to be called during the run, and not called.
    pub(crate) pending: u64,
    pub(crate) commands: u64,
    pub(crate) false_answers: u64,
    /// The first few, in words.
    pub(crate) false_words: Vec<String>,
    pub(crate) lateness: Histogram<u64>,
    pub(crate) first_call: Option<i64>,
    pub(crate) last_call: Option<i64>,
}

/// So many examples are shown of what went wrong.
const SHOWN: usize = 20;
/// A run at once is called within this time of its answer, or the answer was false, ms.
const AT_ONCE_MS: i64 = 10_000;
/// Lateness is recorded up to an hour.
const LATEST_MS: u64 = 3_600_000;

impl Ledger {
    /// Whether a task's due time counts from its append time.
    pub(crate) fn counts_from_append(&self, task: u32) -> bool {
        let book = self.book();
        book.tasks
            .get(task as usize)
            .is_some_and(|it| it.due.is_none())
    }

    pub(crate) fn new() -> Self {
        Self(Arc::new(Mutex::new(Book {
            tasks: Vec::new(),
            calls: HashMap::new(),
            doubles: Vec::new(),
            lateness: histogram(),
            commands: HashMap::new(),
            of_commanded: HashMap::new(),
            early: 0,
            wrong_due: 0,
            strangers: 0,
            fired: 0,
            accepted: 0,
            refused: 0,
            unclear: 0,
            first_call: None,
            last_call: None,
        })))
    }

    /// Notes that a task is about to be registered at `now`, due at `due` if that is known; returns
    /// its number. `expected`: its call is waited for.
    pub(crate) fn begin(&self, due: Option<i64>, expected: bool, now: i64) -> u32 {
        let mut book = self.book();
        let number = u32::try_from(book.tasks.len()).unwrap_or(u32::MAX);
        book.tasks.push(Task {
            due,
            expected,
            overdue: due.is_some_and(|due| due < now),
            ..Task::default()
        });
        number
    }

    /// Notes how a registration was decided.
    pub(crate) fn registered(&self, task: u32, how: Registered) {
        let mut book = self.book();
        let Some(entry) = book.tasks.get_mut(task as usize) else {
            return;
        };
        if entry.registered != Registered::Open {
            return;
        }
        entry.registered = how;
        match how {
            Registered::Open => {}
            Registered::Accepted => book.accepted += 1,
            Registered::Refused => book.refused += 1,
            Registered::Unclear => book.unclear += 1,
        }
    }

    /// Notes that a task is about to be commanded: its calls are kept, and its due time is no longer
    /// what was asked for at first. `false` if it was commanded or called before.
    pub(crate) fn command(&self, task: u32) -> bool {
        let mut book = self.book();
        let waits = book
            .tasks
            .get(task as usize)
            .is_some_and(|it| it.registered == Registered::Accepted && it.calls == 0);
        if !waits || book.of_commanded.contains_key(&task) {
            return false;
        }
        book.of_commanded.insert(task, Vec::new());
        true
    }

    /// Notes that nobody knows what became of a command: the task may be called or not.
    pub(crate) fn unanswered(&self, task: u32) {
        if let Some(task) = self.book().tasks.get_mut(task as usize) {
            task.expected = false;
        }
    }

    /// How many tasks were begun to be registered.
    pub(crate) fn begun(&self) -> u32 {
        u32::try_from(self.book().tasks.len()).unwrap_or(u32::MAX)
    }

    /// Notes what a command was answered.
    pub(crate) fn answered(&self, task: u32, answered: Answered) {
        self.book().commands.insert(task, answered);
    }

    /// Notes a call of a task that is none of this run's.
    pub(crate) fn stranger(&self) {
        self.book().strangers += 1;
    }

    /// Notes a call.
    pub(crate) fn call(&self, call: Call) {
        let mut book = self.book();
        if let Some(first) = book.calls.get(&(call.fire_id, call.attempt)).copied() {
            book.doubles.push(Double { first, again: call });
            return;
        }
        book.calls.insert((call.fire_id, call.attempt), call);
        book.first_call = Some(
            book.first_call
                .map_or(call.arrived, |it| it.min(call.arrived)),
        );
        book.last_call = Some(
            book.last_call
                .map_or(call.arrived, |it| it.max(call.arrived)),
        );
        if call.arrived < call.due {
            book.early += 1;
        }
        let commanded = match book.of_commanded.get_mut(&call.task) {
            Some(calls) => {
                calls.push(call);
                true
            }
            None => false,
        };
        let Some(task) = book.tasks.get_mut(call.task as usize) else {
            book.strangers += 1;
            return;
        };
        task.calls += 1;
        let first = task.calls == 1;
        let wrong = !commanded && task.due.is_some_and(|due| due != call.due);
        let overdue = task.overdue;
        book.fired += u64::from(first);
        if !overdue {
            let late = u64::try_from(call.arrived - call.due).unwrap_or(0);
            book.lateness.saturating_record(late.min(LATEST_MS));
        }
        book.wrong_due += u64::from(wrong);
    }

    /// How far the run is.
    pub(crate) fn progress(&self) -> Progress {
        let book = self.book();
        Progress {
            accepted: book.accepted,
            decided: book.accepted + book.refused + book.unclear,
            fired: book.fired,
            outstanding: 0,
            last_call: book.last_call,
        }
    }

    /// As [`Ledger::progress`], counting what is outstanding: walks all tasks.
    pub(crate) fn progress_in_full(&self) -> Progress {
        let mut progress = self.progress();
        let book = self.book();
        let outstanding = (0_u32..)
            .zip(&book.tasks)
            .filter(|(number, task)| book.owes(*number, task))
            .count();
        progress.outstanding = u64::try_from(outstanding).unwrap_or(u64::MAX);
        progress
    }

    /// What follows from all that was seen.
    pub(crate) fn verdict(&self) -> Verdict {
        let book = self.book();
        let owing = (0_u32..)
            .zip(&book.tasks)
            .filter(|(number, task)| book.owes(*number, task));
        let lost: Vec<u32> = owing.map(|(number, _)| number).collect();
        let pending = book
            .tasks
            .iter()
            .filter(|it| it.registered == Registered::Accepted && !it.expected && it.calls == 0)
            .count();
        let mut false_words = Vec::new();
        let mut commands: Vec<_> = book.commands.iter().collect();
        commands.sort_by_key(|(task, _)| **task);
        let mut false_answers = 0;
        for (task, answered) in commands {
            let calls = book.of_commanded.get(task).map_or(&[][..], Vec::as_slice);
            if let Some(why) = lie(*answered, calls) {
                false_answers += 1;
                if false_words.len() < SHOWN {
                    false_words.push(format!("task {task}: {why}: {answered:?}, {calls:?}"));
                }
            }
        }
        Verdict {
            registered: book.accepted,
            refused: book.refused,
            unclear: book.unclear,
            fired: book.fired,
            lost: u64::try_from(lost.len()).unwrap_or(u64::MAX),
            lost_tasks: lost.into_iter().take(SHOWN).collect(),
            early: book.early,
            doubles: book.doubles.clone(),
            wrong_due: book.wrong_due,
            strangers: book.strangers,
            pending: u64::try_from(pending).unwrap_or(u64::MAX),
            commands: u64::try_from(book.commands.len()).unwrap_or(u64::MAX),
            false_answers,
            false_words,
            lateness: book.lateness.clone(),
            first_call: book.first_call,
            last_call: book.last_call,
        }
    }

    fn book(&self) -> MutexGuard<'_, Book> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Book {
    /// Whether a task's call is missing.
    fn owes(&self, number: u32, task: &Task) -> bool {
        let ended = self
            .commands
            .get(&number)
            .is_some_and(|it| it.told == Told::Cancelled);
        task.registered == Registered::Accepted && task.expected && task.calls == 0 && !ended
    }
}

/// How an answer and the facts disagree, if they do.
fn lie(answered: Answered, calls: &[Call]) -> Option<&'static str> {
    let after = |call: &&Call| call.arrived > answered.at;
    match answered.told {
        Told::Cancelled => calls
            .iter()
            .any(|call| after(&call))
            .then_some("called after `cancelled`"),
        Told::TooLate => calls.is_empty().then_some("never called after `too_late`"),
        Told::MovedTo(due) => {
            let at_new = calls.iter().any(|call| call.due == due);
            let at_old = calls.iter().any(|call| call.due != due && after(&call));
            if at_old {
                Some("called at the old time after `changed`")
            } else {
                (!at_new).then_some("not called at the new time")
            }
        }
        Told::Run => {
            let soon = answered.at + AT_ONCE_MS;
            let run = calls.iter().any(|call| call.arrived <= soon);
            (!run).then_some("not run at once")
        }
        Told::Nothing => None,
    }
}

fn histogram() -> Histogram<u64> {
    #[expect(clippy::expect_used, reason = "the bounds are constants")]
    Histogram::new_with_max(LATEST_MS, 3).expect("an hour with three digits")
}

#[cfg(test)]
mod tests;
