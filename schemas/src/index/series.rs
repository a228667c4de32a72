//! What the row of a recurring task has beside that of any task.

use serde::{Deserialize, Serialize};

use crate::calendar::CalendarName;
use crate::time::Millis;

/// A recurring task. Its row's `firing` is the next occurrence that is to be looked at; those that were
/// spawned are rows of their own.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Series {
    /// The version that gave it its present definition, under which that is stored.
    pub defined: u64,
    /// When the command was appended that gave it its schedule.
    pub since: Millis,
    /// A firing must end before the next one begins.
    pub serial: bool,
    /// The due time of the last occurrence that was fired, or left out (T8).
    pub last_due: Option<Millis>,
    /// The latest due time of an occurrence that nothing takes back any more: it ended, was left out,
    /// or its call began. With a fixed delay: when the last firing ended. What another plan gives is
    /// behind it (T8).
    pub settled: Option<Millis>,
    /// No occurrence follows: its end or its number of runs is reached, or it was cancelled.
    pub over: bool,
    /// What became of its occurrences.
    pub tally: Tally,
    /// Firings that count against `max_runs`.
    pub runs: u64,
    /// Firings that are live, manual ones included.
    pub live: u32,
    /// Of those, manual ones.
    pub manual_live: u32,
    /// Manual runs so far: each gets the next number.
    pub manual: u64,
    /// Definitions that were replaced and that live firings still use.
    pub older: Vec<Older>,
    /// Occurrences whose time came, to be fired once the firing before has ended; in order.
    pub buffers: Vec<Buffer>,
    /// A run of misfires that is being looked through.
    pub lapse: Option<Lapse>,
    /// Firings that a revoke is under way for.
    pub deciding: u32,
    /// The call of one that its wish waits for had begun.
    pub began: bool,
    /// The calendars that its schedule names: it stands in an order by them.
    pub calendars: Vec<CalendarName>,
    /// Why nothing of it is planned, where that is so. Its row's `firing` is the first that can come.
    pub parked: Option<Parked>,
}

/// Why nothing of a recurring task is planned.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Parked {
    /// A calendar it names is not known.
    Unknown(CalendarName),
    /// Its calendars close every occurrence as far as one looks.
    Closed,
}

impl Series {
    /// Takes that nothing takes the occurrence due at `due` back any more.
    pub fn settle(&mut self, due: Millis) {
        self.settled = self.settled.max(Some(due));
    }
}

/// What became of the occurrences of a recurring task. With those live and buffered, that is all
/// occurrences before the next one (T8).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tally {
    /// Fired, and over.
    pub ended: u64,
    /// Left out because the firing before went on.
    pub skipped: u64,
    /// Left out because they were too late.
    pub missed: u64,
    /// Taken back by a command before their call began.
    pub taken: u64,
}

/// A definition that was replaced.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Older {
    /// The version that gave it.
    pub version: u64,
    /// Live firings that use it.
    pub live: u32,
}

/// Occurrences, one behind the other, that wait for the firing before to end.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Buffer {
    /// The first.
    pub occurrence: u64,
    /// When it was due.
    pub due: Millis,
    /// How many.
    pub count: u64,
}

/// Misfires that are being looked through: too many, maybe, for one step.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Lapse {
    /// What is due before this has misfired.
    pub before: Millis,
    /// What is due before this is left out, whatever else is fired.
    pub oldest: Millis,
    /// What is left out so far.
    pub left_out: Option<Span>,
    /// How many, beginning with the row's `firing`, are known to have misfired and to be fired.
    pub ahead: u64,
    /// When the occurrence behind those is due, if there is one.
    pub next: Option<Millis>,
    /// All that misfired were looked at; those `ahead` are to be fired.
    pub known: bool,
}

/// Occurrences, one behind the other.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Span {
    /// The number of the first.
    pub first: u64,
    /// Its due time.
    pub from: Millis,
    /// The number of the last.
    pub last: u64,
    /// Its due time.
    pub to: Millis,
}
