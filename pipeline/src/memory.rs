//! The log in memory, with faults: for tests and the simulator.
//!
//! It behaves as Kafka does where that matters, and nowhere better: a transaction's marker takes an
//! offset in every partition it wrote to, and may come to one partition later than to another; until
//! it is there, readers of committed records stand before the transaction. A member that is not heard
//! for the session timeout loses its shards and learns of it late. Fencing is by generation, where the
//! positions of a turn reach the broker, and by the epoch of the transactional id.
//!
//! Nothing here runs by itself: no thread, and no clock but the [`Clock`] it is given. What is due by
//! that clock happens at the beginning of the next operation, or in [`MemoryBroker::tick`]. One who
//! drives the clock itself polls with no wait at all; others may wait, on a condition variable.
//!
//! Where to start: [`Fate`] (what can befall a commit), `transaction.rs` (how a commit goes), `group.rs`
//! (who owns what), `partition.rs` (what readers see).

mod fate;
mod group;
mod member;
mod partition;
mod reader;
mod state;
mod transaction;

use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

use schemas::{Role, Shards, Topic};

pub use self::fate::{Fate, Told};
use self::member::MemoryLog;
use self::reader::{MemoryProducer, MemoryReader};
use self::state::State;
use crate::clock::Clock;
use crate::error::LogError;
use crate::log::{Broker, Log, Producer, Reader};
use crate::record::{Position, Record, TopicPartition};

/// The timeouts of a broker, ms of its clock.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MemoryConfig {
    /// Partitions of every topic.
    pub shards: Shards,
    /// A member not heard for so long loses its shards.
    pub session_timeout_ms: u64,
    /// A member asked to give up shards has so long; then it is expelled.
    pub rebalance_timeout_ms: u64,
    /// A transaction open for so long is aborted, and its producer is fenced off.
    pub transaction_timeout_ms: u64,
}

impl Default for MemoryConfig {
    fn default() -> Self {
        Self {
            shards: Shards::DEFAULT,
            session_timeout_ms: 10_000,
            rebalance_timeout_ms: 15_000,
            transaction_timeout_ms: 10_000,
        }
    }
}

/// Decides what befalls a commit of a member that touches these partitions.
pub type Fates = Box<dyn FnMut(Role, &str, &[TopicPartition]) -> Fate + Send>;

/// Sees every record as it is appended, those of transactions that will be aborted included.
pub type Observer = Box<dyn FnMut(TopicPartition, &Record) + Send>;

/// The log in memory. Clones share it.
#[derive(Clone)]
pub struct MemoryBroker {
    shared: Arc<Shared>,
}

/// What the broker, its members and its readers share.
struct Shared {
    config: MemoryConfig,
    clock: Arc<dyn Clock>,
    state: Mutex<State>,
    changed: Condvar,
}

impl Shared {
    /// The state, with everything done that is due by now.
    fn state(&self) -> MutexGuard<'_, State> {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.advance(self.clock.now());
        state
    }

    /// Ends an operation that may have changed something others wait for.
    fn changed(&self, state: MutexGuard<'_, State>) {
        let awaited = state.waiting > 0;
        drop(state);
        // A wake is a system call; a simulator has nobody who waits.
        if awaited {
            self.changed.notify_all();
        }
    }
}

impl MemoryBroker {
    /// An empty log.
    #[must_use]
    pub fn new(config: MemoryConfig, clock: Arc<dyn Clock>) -> Self {
        let state = Mutex::new(State::new(config.clone(), clock.now()));
        let changed = Condvar::new();
        let shared = Shared {
            config,
            clock,
            state,
            changed,
        };
        Self {
            shared: Arc::new(shared),
        }
    }

    /// Does what is due by the clock: sessions and transactions that time out, delayed steps of commits.
    pub fn tick(&self) {
        self.shared.changed(self.shared.state());
    }

    /// When something next happens by itself, monotonic ms.
    #[must_use]
    pub fn next_timeout(&self) -> Option<u64> {
        self.shared.state().next_timeout()
    }

    /// Whether a poll of this member would hand out something it was not yet offered.
    #[must_use]
    pub fn has_news(&self, role: Role, member: &str) -> bool {
        self.shared.state().has_news(role, member)
    }

    /// Asks `fates` about every commit from now on.
    pub fn set_fates(&self, fates: Fates) {
        self.shared.state().fates = Some(fates);
    }

    /// Shows every record appended from now on to `observer`.
    pub fn observe(&self, observer: Observer) {
        self.shared.state().observer = Some(observer);
    }

    /// Lets the broker of one partition stamp records `ms` off the clock.
    pub fn set_skew(&self, of: TopicPartition, ms: i64) {
        self.shared.state().skew.insert(of, ms);
    }

    /// How far that partition's broker stamps off the clock, ms.
    #[must_use]
    pub fn skew(&self, of: TopicPartition) -> i64 {
        self.shared.state().skew.get(&of).copied().unwrap_or(0)
    }

    /// What `role`'s group has committed for `of`, though more may be undecided.
    #[must_use]
    pub fn applied(&self, role: Role, of: TopicPartition) -> Option<Position> {
        self.shared.state().positions.get(&(role, of)).cloned()
    }

    /// Whether no record is on its way and nobody is asked to give up shards.
    #[must_use]
    pub fn is_quiet(&self) -> bool {
        self.shared.state().is_quiet()
    }

    /// Whether what became of a commit is on its way to who made it.
    #[must_use]
    pub fn is_telling(&self) -> bool {
        self.shared.state().is_telling()
    }

    /// Forgives every member that it was not heard for the last `ms`, as if all of them, and the
    /// broker, had been suspended for so long.
    pub fn forgive(&self, ms: u64) {
        let mut state = self
            .shared
            .state
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        state.forgive(ms);
    }

    /// Compacts every partition of `topic`: superseded records go, and tombstones with `tombstones`.
    pub fn compact(&self, topic: Topic, tombstones: bool) {
        let mut state = self.shared.state();
        for shard in self.shared.config.shards.all() {
            state
                .partition(TopicPartition::new(topic, shard))
                .compact(tombstones);
        }
    }

    /// The partitions that are held back by an undecided transaction.
    #[must_use]
    pub fn undecided(&self) -> Vec<TopicPartition> {
        self.shared.state().undecided()
    }
}

impl std::fmt::Debug for MemoryBroker {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("MemoryBroker")
            .field("state", &self.shared.state)
            .finish_non_exhaustive()
    }
}

impl Broker for MemoryBroker {
    fn shards(&self) -> Shards {
        self.shared.config.shards
    }

    fn join(&self, role: Role, member: &str) -> Result<Box<dyn Log>, LogError> {
        let mut state = self.shared.state();
        let conn = state.join(role, member)?;
        self.shared.changed(state);
        let shared = Arc::clone(&self.shared);
        Ok(Box::new(MemoryLog::new(shared, conn, role, member)))
    }

    fn producer(&self) -> Result<Arc<dyn Producer>, LogError> {
        Ok(Arc::new(MemoryProducer::new(Arc::clone(&self.shared))))
    }

    fn reader(&self) -> Result<Box<dyn Reader>, LogError> {
        let conn = self.shared.state().connect();
        Ok(Box::new(MemoryReader::new(Arc::clone(&self.shared), conn)))
    }

    fn committed(
        &self,
        role: Role,
        of: &[TopicPartition],
    ) -> Result<Vec<Option<Position>>, LogError> {
        self.shared.state().committed(role, of)
    }

    fn delete_below(&self, below: &[(TopicPartition, i64)]) -> Result<(), LogError> {
        let mut state = self.shared.state();
        for (of, offset) in below {
            state.partition(*of).delete_below(*offset);
        }
        Ok(())
    }
}
