//! The words every Tidewheel crate speaks.
//!
//! Records in the order a task meets them: a [`registration`] asks, the planner keeps the task in its
//! [`index`], a [`bucket`] placement waits near its time in a [`slot`], a [`fire`] says that it is
//! time, an [`outcome`] says how it ended, a [`dead_letter`] is what was given up or not understood.
//!
//! Pure: no I/O, no clock. Slot and shard arithmetic live here and nowhere else. Every stored record
//! starts with a version byte and a kind byte ([`codec`]), but for those that people read or write, which
//! are JSON: registrations and dead letters. `tests/golden.rs` holds each against bytes written by
//! earlier versions.

pub mod answer;
pub mod bucket;
pub mod calendar;
pub mod call;
pub mod codec;
pub mod dead_letter;
pub mod duration;
pub mod fire;
pub mod flow;
pub mod id;
pub mod index;
pub mod json_schema;
pub mod outcome;
pub mod owner;
pub mod registration;
pub mod schedule;
pub mod shard;
pub mod slot;
pub mod time;
pub mod topics;

pub use answer::{CommandAnswer, TaskState, TaskView};
pub use bucket::{BucketRecord, Placement, Purpose};
pub use calendar::{CalendarKey, CalendarName, CalendarView};
pub use call::{Call, Definition, Payload, Priority, RetryPlan, RetryPolicy, Work};
pub use codec::DecodeError;
pub use dead_letter::DeadLetter;
pub use fire::{Fire, LaneRecord};
pub use flow::{AnswerBody, Needs};
pub use id::{FireId, FiringPart, RequestId, TaskId, TaskKey, TenantId};
pub use outcome::OutcomeRecord;
pub use registration::{Command, Registration};
pub use schedule::{Beat, Misfire, MisfirePolicy, Overlap, Recurrence, Schedule};
pub use shard::{Shard, Shards};
pub use slot::{Instance, Slot};
pub use time::Millis;
pub use topics::{Role, Topic};
