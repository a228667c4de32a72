//! When recurring tasks come due.
//!
//! Pure: no clock and no I/O; the time is an argument. Times are ms since the epoch, UTC, where nothing else is said.
//!
//! A [`Cron`] says what a wall clock must show, a [`Rule`] puts it in a [`Zone`] and says what becomes of times that
//! clocks skip or repeat, [`Every`] is a fixed rate.

mod cron;
mod every;
mod hash;
mod rule;
mod zone;

pub use cron::{Cron, CronError};
pub use every::{Every, EveryError};
pub use rule::{Fold, Gap, Rule};
pub use zone::{Zone, ZoneError, tzdata_version};
