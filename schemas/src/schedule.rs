//! When a caller wants a task to fire.

use serde::{Deserialize, Serialize};

use crate::time::Millis;

pub use timetable::{Fold, Gap, OnClosed};

/// What a caller may ask for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Schedule {
    /// Once, at this time; at once where it is past.
    At(Millis),
    /// Once, this many ms after the append time of the record that says so.
    After(u64),
    /// Again and again.
    Recurring(Box<Recurrence>),
}

/// A schedule with many occurrences.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Recurrence {
    /// What gives the occurrences.
    pub beat: Beat,
    /// None before this.
    pub start: Option<Millis>,
    /// None behind this.
    pub end: Option<Millis>,
    /// At most so many firings.
    pub max_runs: Option<u64>,
    /// Each occurrence is late by a time of its own below this, ms, the same whenever it is asked for.
    pub jitter_ms: u64,
    /// Each occurrence may fire anywhere in so many ms behind its time; spread by task, for load.
    pub window_ms: u64,
    /// Names of the calendars it keeps to.
    pub calendars: Vec<String>,
    /// What becomes of an occurrence that a calendar excludes.
    pub on_closed: OnClosed,
}

/// What gives the occurrences.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Beat {
    /// Whenever the clock of a zone matches.
    Cron {
        /// As registered.
        expression: String,
        /// IANA name.
        zone: String,
        /// What becomes of a local time that the clocks jump over; by cron's custom unless said.
        gap: Option<Gap>,
        /// What becomes of a local time that comes twice; by cron's custom unless said.
        fold: Option<Fold>,
    },
    /// At a fixed rate.
    Every {
        /// From one to the next, ms.
        ms: u64,
        /// One of them; where it is not said, `start`, or else the time of the record that says so.
        anchor: Option<Millis>,
    },
    /// So many ms after the firing before has ended.
    AfterEach(u64),
}

/// What becomes of occurrences that nobody could look after in time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Misfire {
    /// An occurrence later than this, ms, has misfired.
    pub threshold_ms: u64,
    /// What becomes of those.
    pub policy: MisfirePolicy,
}

/// Which of the occurrences that misfired are fired all the same, late; the rest is counted as missed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum MisfirePolicy {
    /// None.
    Skip,
    /// The latest.
    Once,
    /// The latest `max` of them.
    All {
        /// How many at most.
        max: u32,
    },
    /// Those not older than `ms`.
    Window {
        /// How old at most.
        ms: u64,
    },
}

/// What becomes of an occurrence whose time comes while the firing before goes on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Overlap {
    /// It is fired beside it.
    #[default]
    Allow,
    /// It is left out.
    Skip,
    /// The first such is fired once the one before ended, further ones are left out.
    BufferOne,
    /// All are fired, one behind the other.
    BufferAll,
    /// The one before is taken back if its call has not begun; then it is fired.
    CancelPrevious,
}

impl Misfire {
    /// An occurrence may be so late, ms, unless asked otherwise.
    pub const THRESHOLD_MS: u64 = 60_000;
    /// What `all` fires at most, unless asked otherwise.
    pub const MAX: u32 = 100;
    /// How far back `window` goes, ms, unless asked otherwise.
    pub const WINDOW_MS: u64 = 3_600_000;
}

/// The latest of those that misfired is fired; later than a minute is a misfire.
impl Default for Misfire {
    fn default() -> Self {
        Self {
            threshold_ms: Self::THRESHOLD_MS,
            policy: MisfirePolicy::Once,
        }
    }
}

impl Schedule {
    /// The due time of the single firing, for a record appended at `appended`; `None` where there
    /// are many.
    #[must_use]
    pub fn once(&self, appended: Millis) -> Option<Millis> {
        match self {
            Self::At(at) => Some(*at),
            Self::After(ms) => Some(appended.plus(*ms).min(Millis::LATEST_DUE)),
            Self::Recurring(_) => None,
        }
    }

    /// The schedule of many, if it is one.
    #[must_use]
    pub fn recurrence(&self) -> Option<&Recurrence> {
        match self {
            Self::Recurring(recurrence) => Some(recurrence),
            Self::At(_) | Self::After(_) => None,
        }
    }
}

impl Recurrence {
    /// With nothing said but the beat.
    #[must_use]
    pub fn of(beat: Beat) -> Self {
        Self {
            beat,
            start: None,
            end: None,
            max_runs: None,
            jitter_ms: 0,
            window_ms: 0,
            calendars: Vec::new(),
            on_closed: OnClosed::default(),
        }
    }
}
