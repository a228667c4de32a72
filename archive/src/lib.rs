//! Outcomes become rows of history: the cold end of the pipe.
//!
//! Reads `outcomes`, its driver topic and its only one; writes rows to MySQL or SQLite, and
//! `dead-letters` for what the database refuses for its content. Keeps nothing: its position is
//! committed only behind rows that are written, so a row may be written twice, and writing is
//! idempotent; together that is T10: the archive equals the outcomes, once each. Nothing in the pipe
//! waits for it: while the database is away it stops reading (T9), and goes on where it was.
//!
//! One row a firing, keyed by its fire id and the day it was due, with the time of every phase of its
//! last leg; one row an attempt. Start at [`core::ArchiveCore`]; the shell is in [`run`].

pub mod config;
pub mod core;
#[cfg(feature = "shell")]
pub mod error;
pub mod event;
#[cfg(feature = "shell")]
pub mod history;
pub mod metrics;
pub mod row;
#[cfg(feature = "shell")]
pub mod run;
#[cfg(feature = "shell")]
pub mod store;

pub use config::Config;
pub use core::{ArchiveCore, ArchiveFactory};
pub use event::{Effect, Input};
pub use row::{Row, State};
