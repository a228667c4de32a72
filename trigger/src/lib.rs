//! The trigger: placements become fires, on time, once.
//!
//! **Reads** the 24 bucket topics of the ring: placements and revokes of one slot instance, its seal,
//! perhaps more revokes, its `Free`, then the same of a later lap. **Writes** fires and recalls to the
//! lanes, and to `outcomes` what was revoked, what expired, and the ledger of each instance that is
//! drained; what it cannot read goes to `dead-letters`.
//!
//! **Keeps** nothing but what the log tells again. Placements of the current slot, of up to two slots
//! ahead and of every instance not drained wait in a timing wheel in memory (`core/wheel.rs`). What
//! was done with them is two numbers per slot partition, committed with each turn as a note beside
//! the partition's position (`core/note.rs`): *O*, below which everything was dealt with, and *W*,
//! the (due, offset) of the last firing.
//!
//! **Why a fire happens once.** A turn writes its fires and the note in one transaction, so both
//! happened or neither. Of the placements below O, those at or before W left and those behind it did
//! not: the wheel lets them go in that very order, and what arrives at O or above but is due before W
//! is let go by the turn in which O passes it. A successor reads the partition again from its
//! position, drops what is at or before W and what a revoke below O took out, and has the
//! predecessor's wheel. It lets nothing go before it has read all that stood there when it took over.
//!
//! **Promises**
//! - T1: of each instance, placed = fired + revoked + expired, held against the planner's seal.
//! - T3: no two fires of one (fire id, leg).
//! - T5: an instance ends by its seal, never by a clock: a stalled transaction may commit as late as
//!   it likes.
//! - T6: W never goes back within an instance.
//! - T9: what is loaded ahead of need is bounded (`core/load.rs`).
//! - Fires leave a fixed lead before they are due; the dispatcher holds them to their millisecond, so
//!   a commit's time is no lateness.
//!
//! Start reading at `core/partition.rs` (a slot partition's life), then `core.rs` (the turn), then
//! `core/wheel.rs`. The shell, [`run`], has nothing to add.

pub mod config;
pub mod core;
pub mod error;
pub mod event;
pub mod metrics;
#[cfg(feature = "shell")]
pub mod run;

pub use crate::config::Config;
pub use crate::core::{Trigger, TriggerFactory};
pub use crate::event::{Effect, Input};
