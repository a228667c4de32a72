//! The planner: registrations become placements in time slots.
//!
//! **Reads** the command lanes (`registrations`, `registrations.bulk`, configured intakes, and
//! `forwards` from other shards) and `outcomes`, the only way back from those who fire.
//!
//! **Writes** placements, revokes, seals and frees to the bucket topics, its table to `index`, ends of
//! tasks that never fired to `outcomes`, what it did not understand to `dead-letters`, and commands of
//! other shards to their `forwards` (outside of its transaction). Its answers are effects, released once
//! their turn committed.
//!
//! **Keeps** a table per shard ([`schemas::index`]): a row a task with its definition, what comes
//! next and what is wished for; the ring of slots; how far forwards came. The changelog `index` is the
//! truth; a [`store::Store`] on this machine holds the last commit, and memory only the rows of the
//! turn on its way and the one being gathered. Pending tasks cost disk, not memory (T9). An aborted
//! turn drops the core; a new one reads on from the store's place in the changelog.
//!
//! **Promises**
//! - T1: what was accepted is planted, or ended with an outcome that says so. A slot instance is freed
//!   only once its placements were fired, revoked or expired, and the counts agree.
//! - T4: `cancelled` is said only when the firing cannot be called any more: it was never planted, the
//!   trigger took it out, or the dispatcher never will call it. `too_late` only when a call began.
//! - T5: the ring takes no placement once its seal is written.
//! - Versions ascend for ever, across owners, restarts and compaction.
//!
//! **Where a task stands**: waiting (in the order of due times) → planted (in a slot) → ended; or paused. A
//! command to a waiting task is carried out in its turn. One to a planted task becomes its wish: a
//! revoke follows the placement, and the outcome decides. See `core/command.rs`, then
//! `core/revoke.rs` and `core/outcome.rs`.
//!
//! A recurring task stands in an order of its own, by the time its next occurrence is to be looked at;
//! each occurrence becomes a firing that goes the way of a task that fires once. See `core/series.rs`.
//!
//! Start at [`PlannerCore`] (`core.rs`): it routes to the organs in `core/`.

pub mod config;
pub mod core;
pub mod error;
pub mod event;
pub mod metrics;
mod query;
mod restore;
#[cfg(feature = "shell")]
pub mod run;
pub mod store;

pub use crate::config::{PlannerConfig, Zones};
pub use crate::core::{PlannerCore, PlannerFactory};
pub use crate::event::{Effect, Input, Reply};
