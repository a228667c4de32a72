//! When recurring tasks come due.
//!
//! Pure: no clock and no I/O; the time is an argument. Times are ms since the epoch, UTC, where nothing else is said.
//!
//! A [`Cron`] says what a wall clock must show, a [`Rule`] puts it in a [`Zone`] and says what becomes of times that
//! clocks skip or repeat, [`Every`] is a fixed rate. A [`Timetable`] adds start, end, jitter, window and [`Calendar`]s, and
//! gives occurrences whose due times strictly increase (invariant T8). [`explain()`] says it all to people, and [`moved`] tells what
//! a change of the time zone data moved.
//!
//! The cron engine is ours: crates that were looked at give no position of a fault, no `H`, no choice at clock changes, and
//! search thousands of years for what never occurs (`croner`), or lack five fields, `L`, `W` and `#` and count weekdays from Sunday = 1 (`cron`).
//! `croner` writes the words of an explanation, and the tests hold ours against both and against a walk over seconds.

mod calendar;
mod cron;
mod every;
mod explain;
mod hash;
mod moved;
mod rule;
mod spread;
mod timetable;
mod zone;

pub use calendar::{Calendar, Problem, open_in_all};
pub use cron::{Cron, CronError};
pub use every::{Every, EveryError};
pub use explain::{Explained, Explanation, explain};
pub use hash::seed;
pub use moved::{Moved, moved};
pub use rule::{Fold, Gap, Rule};
pub use spread::Spread;
pub use timetable::{Beat, NoMore, Occurrence, OnClosed, Timetable};
pub use zone::{Zone, ZoneError, tzdata_version};
