//! The whole pipe from one seed: real cores, the real driver, on a virtual clock and one thread.
//!
//! A seed makes a [`plan`]: registrations and commands, endpoints and their moods, and faults: workers
//! that are killed, that stall and come back as zombies, that join and leave; commits that are late,
//! void, or of unknown outcome; markers that reach one partition before another; clocks that differ.
//! The [`world`] lives through it: virtual time jumps from one thing that happens to the next. Then the
//! [`model`] says what must be true of what was seen, and the [`verdict`] counts what is not:
//!
//! - **lost**: accepted work without an end; a fact that never reached the archive (T1, T7, T10);
//! - **early**: a call before its due time by its dispatcher's clock (T2);
//! - **doubled**: two fires with one name visible to readers (T3); two outcomes of one fire (T7); a
//!   call made again although the worker that made it was never disturbed;
//! - **false answers**: a call behind `cancelled`, `too_late` without a call, and the like (T4);
//! - **undrained**: anything left at the end: live rows, slots that are not free, open transactions.
//!
//! A breached invariant panics (feature `strict` of `pipeline`), a logged error counts: both fail the
//! seed. The same seed gives the same trace, byte for byte; its hash is printed.
//!
//! Reading a failing run: `cargo run -p sim -- --seed N --trace` prints every record appended, call
//! made and answer given, with virtual times. Start at [`world::World::run`].

pub mod actor;
pub mod alarm;
pub mod clock;
pub mod endpoint;
pub mod fates;
pub mod history;
pub mod kinds;
pub mod model;
pub mod plan;
pub mod planted;
pub mod run;
pub mod table;
pub mod trace;
pub mod verdict;
pub mod world;

pub use planted::Bug;
pub use run::{Options, run};
pub use verdict::Verdict;
