//! The log: where records come from and go to.
//!
//! A [`Broker`] is a place to connect to. A [`Log`] is one worker's connection as a member of its
//! role's group: it learns which shards it owns, reads partitions it asks for, and writes in
//! transactions that carry positions. A [`Producer`] writes outside of any transaction.
//!
//! What every implementation promises, and `tests/conformance.rs` holds each to:
//! - records of a committed transaction become visible together per partition, in the order sent;
//!   those of an aborted one never do;
//! - a partition is read in offset order, and nothing behind an undecided transaction is handed out;
//! - a position is committed with its transaction or not at all, and [`Log::committed`] waits (by
//!   [`LogError::Retry`]) for undecided ones;
//! - once a shard has a new owner, no transaction of the old one commits (fencing).

use std::sync::Arc;
use std::time::Duration;

use schemas::{Role, Shard, Shards};

use crate::error::LogError;
use crate::record::{Outgoing, Position, Record, TopicPartition};

/// Wakes a worker that waits in [`Log::poll`], from any thread.
pub type Waker = Arc<dyn Fn() + Send + Sync>;

/// Something that happened at the log.
#[derive(Clone, Debug, PartialEq)]
pub enum LogEvent {
    /// These shards are this worker's now, and no others; there may be none.
    Assigned(Vec<Shard>),
    /// Give these shards up: finish, then call [`Log::release`]. With `lost`, they already belong to
    /// somebody else and nothing can be committed for them.
    Revoked {
        /// Which.
        shards: Vec<Shard>,
        /// Whether it is too late to commit.
        lost: bool,
    },
    /// Records of one partition, ascending.
    Batch {
        /// Of which.
        from: TopicPartition,
        /// The records; may be empty where only the position moved.
        records: Vec<Record>,
        /// Everything visible below this offset has been handed out, transaction markers and
        /// compacted gaps included.
        position: i64,
    },
    /// The transaction handed to [`Log::commit`] is durable.
    Committed {
        /// Monotonic ms at which the request that proved this worker's ownership was sent.
        proven_at: u64,
    },
    /// The transaction handed to [`Log::commit`] is void or in doubt.
    Failed(LogError),
}

/// One worker's connection, as a member of its role's group. Used from one thread.
pub trait Log {
    /// Waits up to `wait` for something to happen, then appends what did to `events`. At most
    /// `appetite(partition)` records of each partition are handed out; 0 leaves them in the log.
    ///
    /// # Errors
    /// [`LogError::Fatal`] when this connection is of no more use.
    fn poll(
        &mut self,
        wait: Duration,
        appetite: &mut dyn FnMut(TopicPartition) -> usize,
        events: &mut Vec<LogEvent>,
    ) -> Result<(), LogError>;

    /// Starts reading `from` at `offset`; in place of where it was read before.
    ///
    /// # Errors
    /// As [`Log::poll`].
    fn read(&mut self, from: TopicPartition, offset: i64) -> Result<(), LogError>;

    /// Stops reading `from`.
    ///
    /// # Errors
    /// As [`Log::poll`].
    fn stop(&mut self, from: TopicPartition) -> Result<(), LogError>;

    /// What this role's group has committed for each of `of`, in that order.
    ///
    /// # Errors
    /// [`LogError::Retry`] while a transaction with a position of any of them is undecided.
    fn committed(&mut self, of: &[TopicPartition]) -> Result<Vec<Option<Position>>, LogError>;

    /// First offset still there, and the offset behind the last record written, whether decided or
    /// not, of each of `of`, in that order.
    ///
    /// # Errors
    /// [`LogError::Retry`] when the log does not answer in time.
    fn ends(&mut self, of: &[TopicPartition]) -> Result<Vec<(i64, i64)>, LogError>;

    /// Writes one record now, outside of any transaction, in order, and so that a retry never doubles
    /// it or leaves a gap. The next [`Log::commit`] waits until all of these are durable, and fails if
    /// one is not.
    ///
    /// # Errors
    /// [`LogError::Aborted`] when it cannot be queued.
    fn send_outside(&mut self, record: Outgoing) -> Result<(), LogError>;

    /// Begins a transaction, writes `records`, sets `positions`, and starts to commit it. The result
    /// comes as [`LogEvent::Committed`] or [`LogEvent::Failed`]; until then no further commit may
    /// begin. `now_mono` is the time of the call.
    ///
    /// # Errors
    /// [`LogError::Aborted`] or [`LogError::Fatal`] when it cannot even begin; nothing was written.
    fn commit(
        &mut self,
        records: Vec<Outgoing>,
        positions: Vec<(TopicPartition, Position)>,
        now_mono: u64,
    ) -> Result<(), LogError>;

    /// Answers [`LogEvent::Revoked`]: this worker is done with these shards.
    fn release(&mut self, shards: &[Shard]);

    /// What wakes a worker that waits in [`Log::poll`].
    fn waker(&self) -> Waker;

    /// How long this worker keeps its shards without being heard, ms.
    fn session_timeout_ms(&self) -> u64;
}

/// Told of the fate of one record: its offset, or why it was not written.
pub type Written = Box<dyn FnOnce(Result<i64, LogError>) + Send>;

/// Writes records outside of transactions, durably and in order per partition. Shared by threads.
pub trait Producer: Send + Sync {
    /// Queues `record`; `written` is called once it is durable or given up, from any thread.
    fn send(&self, record: Outgoing, written: Written);
}

/// Reads partitions without being anybody's member: tables, tails, tools. Used from one thread.
pub trait Reader: Send {
    /// Starts reading `from` at `offset`.
    ///
    /// # Errors
    /// As [`Log::read`].
    fn read(&mut self, from: TopicPartition, offset: i64) -> Result<(), LogError>;

    /// Waits up to `wait`, then appends [`LogEvent::Batch`]es to `events`.
    ///
    /// # Errors
    /// As [`Log::poll`].
    fn poll(&mut self, wait: Duration, events: &mut Vec<LogEvent>) -> Result<(), LogError>;

    /// As [`Log::ends`].
    ///
    /// # Errors
    /// As [`Log::ends`].
    fn ends(&mut self, of: &[TopicPartition]) -> Result<Vec<(i64, i64)>, LogError>;
}

/// A place to connect to.
pub trait Broker: Send + Sync {
    /// How many partitions every topic has.
    fn shards(&self) -> Shards;

    /// Joins `role`'s group as `member`, a name that is stable across restarts and unique in the
    /// group. A member that joins again under its name takes the place of its predecessor.
    ///
    /// # Errors
    /// [`LogError::Config`] or [`LogError::Retry`].
    fn join(&self, role: Role, member: &str) -> Result<Box<dyn Log>, LogError>;

    /// A producer outside of transactions.
    ///
    /// # Errors
    /// As [`Broker::join`].
    fn producer(&self) -> Result<Arc<dyn Producer>, LogError>;

    /// A reader outside of groups.
    ///
    /// # Errors
    /// As [`Broker::join`].
    fn reader(&self) -> Result<Box<dyn Reader>, LogError>;

    /// What `role`'s group has committed for each of `of`; blocks for seconds at most.
    ///
    /// # Errors
    /// As [`Log::committed`].
    fn committed(
        &self,
        role: Role,
        of: &[TopicPartition],
    ) -> Result<Vec<Option<Position>>, LogError>;

    /// Removes the records of `of` below `offset` for good.
    ///
    /// # Errors
    /// [`LogError::Retry`] when the log does not answer in time.
    fn delete_below(&self, below: &[(TopicPartition, i64)]) -> Result<(), LogError>;
}
