//! Fires become HTTP calls, calls become outcomes.
//!
//! **Reads** the three lanes `fires.normal`, `fires.high`, `fires.low` of its shards: fires, which the
//! trigger lets go a lead before they are due, and recalls, which ask to take one back.
//!
//! **Writes** `outcomes` (how each fire ended, how each recall met its fire) and `dead-letters` (what
//! was given up, or not understood), both in the turn that commits past the fire.
//!
//! **Keeps** nothing but what the log tells again: per lane the committed position is the lowest
//! unanswered offset, and its note tells which offsets above that are answered (`core/frontier.rs`,
//! `core/note.rs`). Answers come out of order, and one slow call stops nobody. Memory is bounded by
//! the fires open at once (T9), never by the span between the oldest and the newest.
//!
//! **Promises**
//! - T2: a call begins at or behind its due time by this machine's clock. A fire that would be held
//!   longer than the lead and the bound on clock skew goes back to be planted again.
//! - T4: `cancelled` is never followed by a call, `too_late` is only said of a call that began. HTTP
//!   knows no fencing, so a call begins only within half a session of the last proof of ownership,
//!   and a new owner cancels nothing for half a session (`core/fence.rs`).
//! - T7: every fire ends in exactly one outcome: success, again at t, dead, expired, or cancelled by a
//!   recall. A record that cannot be read ends as a dead letter alone: it names no task.
//! - At least once: after a crash, the calls that had begun and were not committed are made again,
//!   with the same `webhook-id`. An endpoint uses that as its idempotency key.
//!
//! Retries are not made here: the outcome says "again at t" and the planner plants the next leg, so a
//! waiting retry costs no memory and can be cancelled like any planted task. A failed attempt whose
//! successor would come behind the task's expiry is given up at once, as dead.
//!
//! Start reading at [`event`] (what goes in and out), then `core/lane.rs` (one lane and every way in
//! which a fire ends), then `core.rs`. The shell is [`run`] (effects become calls), [`http`] (how a
//! call is made) and [`guard`] (which addresses may be called).

pub mod config;
pub mod core;
pub mod error;
pub mod event;
pub mod guard;
#[cfg(feature = "shell")]
pub mod http;
pub mod metrics;
#[cfg(feature = "shell")]
pub mod run;

pub use crate::config::Config;
pub use crate::core::{Dispatcher, DispatcherFactory};
pub use crate::error::Error;
pub use crate::event::{CallOrder, Effect, Input, Reply, Token};
