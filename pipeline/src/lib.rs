//! What every stage shares: the log, the loop, the invariants.
//!
//! A stage is a core and a shell. The **core** ([`Stage`]) is one shard of one role as a pure state
//! machine: batches of records and the passing of time go in, records and effects come out; it reads
//! no clock and does no I/O. The **log** ([`Log`]) is where records come from and go to, in
//! transactions: over Kafka, on disk in one process, or in memory with faults. The **driver**
//! ([`Driver`]) is the one loop that joins them, the same for every role:
//!
//! 1. wait on the log until something comes or a core's timeout is due; read the clock once;
//! 2. hand the cores what came, then the time;
//! 3. run the effects that need no commit (calls begin here);
//! 4. if no transaction is on its way, cut a turn: records, positions and notes of every core in one
//!    transaction, begun and sent;
//! 5. when its commit is confirmed, run the effects that waited for it. When it fails, drop every
//!    core and rebuild them from the last commit.
//!
//! The commit runs beside the loop, so that a slow one delays nobody's call.

pub mod assignment;
pub mod clock;
pub mod driver;
#[cfg(feature = "embedded")]
pub mod embedded;
pub mod error;
pub mod heartbeat;
pub mod inbox;
pub mod invariant;
#[cfg(feature = "kafka")]
pub mod kafka;
pub mod log;
pub mod memory;
pub mod metrics;
pub mod prompt;
pub mod record;
pub mod retention;
pub mod skew;
pub mod stage;
pub mod worker;

pub use clock::{Clock, Now};
pub use driver::Driver;

pub use error::LogError;
pub use inbox::Inbox;
pub use log::{Broker, Log, LogEvent, Producer};
pub use record::{Outgoing, Position, Record, TopicPartition};
pub use stage::{Ask, BUSY_MS, Factory, Opening, Pace, Stage, Turn};
