//! What comes in and goes out beside records.

use schemas::answer::{ListPage, ListQuery, SweepView};
use schemas::calendar::{CalendarPage, CalendarQuery};
use schemas::{CalendarKey, CalendarView, CommandAnswer, RequestId, TaskKey, TaskView};

/// A question to one shard, or something it should know.
#[derive(Clone, Debug, PartialEq)]
pub enum Input {
    /// The machine has no time left; said again and again for as long as that is so.
    Busy,
    /// Show one task.
    Get {
        /// Which.
        task: TaskKey,
        /// Comes back in [`Effect::Reply`].
        token: u64,
    },
    /// Show one calendar.
    Calendar {
        /// Which.
        calendar: CalendarKey,
        /// Comes back in [`Effect::Reply`].
        token: u64,
    },
    /// Show some of a tenant's calendars.
    Calendars {
        /// Which.
        query: CalendarQuery,
        /// Comes back in [`Effect::Reply`].
        token: u64,
    },
    /// Show some of a tenant's tasks.
    List {
        /// Which.
        query: ListQuery,
        /// Comes back in [`Effect::Reply`].
        token: u64,
    },
    /// Show how a command on many tasks stands.
    Sweep {
        /// Which.
        id: RequestId,
        /// Comes back in [`Effect::Reply`].
        token: u64,
    },
}

/// What the shell must do.
#[derive(Clone, Debug, PartialEq)]
pub enum Effect {
    /// Tell whoever waits for `request`. Released only once its turn committed (T4).
    Answer {
        /// As in the command's header.
        request: RequestId,
        /// How it was decided.
        answer: CommandAnswer,
    },
    /// Answer a question.
    Reply {
        /// As in the question.
        token: u64,
        /// What there is to say.
        reply: Reply,
    },
}

/// The answer to a question, as of the last commit.
#[derive(Clone, Debug, PartialEq)]
pub enum Reply {
    /// To [`Input::Get`].
    Task(Option<Box<TaskView>>),
    /// To [`Input::List`].
    Page(ListPage),
    /// To [`Input::Calendar`].
    Calendar(Option<Box<CalendarView>>),
    /// To [`Input::Calendars`].
    Calendars(CalendarPage),
    /// To [`Input::Sweep`].
    Sweep(Option<Box<SweepView>>),
    /// The table is still being read.
    NotYet,
}
