//! The HTTP door: requests become registrations.
//!
//! **Reads** HTTP requests. **Writes** records of `registrations` and `registrations.bulk`, one per
//! object, in the partition of the task's shard, the caller's bytes unchanged where the object is
//! whole; and of `calendars`, in that of the calendar's key. **Keeps** nothing: what it says about a task it asked of the planner that owns the shard
//! ([`Owners`]).
//!
//! Promises
//! - 202 (and every answer to a command) is said only after the log acknowledged the record durably:
//!   what was accepted here is accepted for good (T1). 503 means that this is not known; the command
//!   may still have been taken, so repeat it: commands are safe to repeat.
//! - With `?wait=` the answer is the planner's own, told after its turn committed (T4). Where it does
//!   not come in time the answer is 202, as without.
//! - A request that is refused names every bad field at once and wrote nothing; of an array, each item
//!   is judged by itself.
//! - Memory stays bounded (T9): the bodies held at once have a common budget, beyond it callers get
//!   429; headers, bodies, nesting, array length and the time to send a body have limits.
//! - Only the hashes of API keys are kept, and are compared in constant time.
//!
//! Where to start: [`router`] names the routes, `tasks.rs` follows one request from body to answer,
//! `door.rs` writes and waits, `problem.rs` is every way to say no. [`serve`] puts a router on a
//! socket with the limits that only a connection can keep.

mod access;
mod answer;
mod array;
mod body;
mod calendars;
mod config;
mod door;
mod explain;
mod list;
pub mod metrics;
mod openapi;
mod owners;
mod path;
mod problem;
mod query;
mod routes;
mod serve;
mod sweeps;
mod tasks;

pub use access::same_secret;
pub use config::{ApiKey, Config};
pub use door::{BadConfig, Door};
pub use openapi::document;
pub use owners::{Asked, Owners, Unavailable};
pub use routes::router;
pub use serve::serve;
