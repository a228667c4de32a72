//! The driver over the log in memory, with a core that copies: what the loop itself costs.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use bytes::Bytes;
use pipeline::memory::{MemoryBroker, MemoryConfig};
use pipeline::{
    Ask, Broker, Clock, Driver, Factory, Inbox, LogError, Now, Opening, Outgoing, Position, Record,
    Stage, TopicPartition, Turn,
};
use schemas::{Millis, Role, Shard, Topic};

use crate::{START, at};

const IN: Topic = Topic::Registrations;
const OUT: Topic = Topic::Forwards;

/// A clock that is set by hand.
#[derive(Debug, Default)]
struct Hand(AtomicU64);

impl Clock for Hand {
    fn now(&self) -> Now {
        at(START + self.0.load(Ordering::Relaxed).cast_signed())
    }
}

/// One worker and its log.
pub struct Turning {
    clock: Arc<Hand>,
    broker: MemoryBroker,
    driver: Driver<Copiers>,
}

impl Turning {
    /// Joined, with its shards open.
    ///
    /// # Errors
    /// What the log says.
    pub fn new() -> Result<Self, LogError> {
        let clock = Arc::new(Hand::default());
        let shared = Arc::clone(&clock) as Arc<dyn Clock>;
        let broker = MemoryBroker::new(MemoryConfig::default(), Arc::clone(&shared));
        let log = broker.join(Role::Planner, "bench")?;
        let shards = broker.shards();
        let driver = Driver::new(Role::Planner, shards, log, Copiers, shared, Inbox::new());
        let mut turning = Self {
            clock,
            broker,
            driver,
        };
        turning.run(100)?;
        Ok(turning)
    }

    /// Writes so many records and lets the driver copy them in turns; how many were handed on.
    ///
    /// # Errors
    /// What the log says.
    pub fn copy(&mut self, records: u32) -> Result<usize, LogError> {
        let producer = self.broker.producer()?;
        let value = Bytes::from_static(&[b'x'; 200]);
        let shards = u32::from(self.broker.shards().count());
        for number in 0..records {
            let shard = Shard(u16::try_from(number % shards).unwrap_or(0));
            let record = Outgoing {
                to: TopicPartition::new(IN, shard),
                key: None,
                value: Some(value.clone()),
                headers: Vec::new(),
            };
            producer.send(record, Box::new(drop));
        }
        self.run(20)
    }

    fn run(&mut self, ms: u64) -> Result<usize, LogError> {
        let mut copied = 0;
        for _ in 0..ms {
            self.clock.0.fetch_add(1, Ordering::Relaxed);
            self.broker.tick();
            self.driver
                .turn(Duration::ZERO, &mut |_, effect: usize| copied += effect)?;
        }
        Ok(copied)
    }
}

/// Makes [`Copier`]s.
struct Copiers;

impl Factory for Copiers {
    type Stage = Copier;

    fn topics(&self) -> Vec<Topic> {
        vec![IN]
    }

    fn open(&mut self, opening: Opening) -> Copier {
        let committed = opening.committed.get(&IN).cloned().unwrap_or_default();
        Copier {
            shard: opening.shard,
            ask: Some(Ask::Read(IN, committed.offset)),
            read: committed.offset,
            out: Vec::new(),
        }
    }

    fn close(&mut self, _: Shard, _: Copier) {}
}

/// Copies what it reads; tells how much once that is durable.
struct Copier {
    shard: Shard,
    ask: Option<Ask>,
    read: i64,
    out: Vec<Outgoing>,
}

impl Stage for Copier {
    type Input = ();
    type Effect = usize;

    fn handle_batch(&mut self, _: Topic, records: Vec<Record>, position: i64, _: Now) {
        let to = TopicPartition::new(OUT, self.shard);
        self.out.extend(records.into_iter().map(|record| Outgoing {
            to,
            key: None,
            value: record.value,
            headers: Vec::new(),
        }));
        self.read = position;
    }

    fn handle_input(&mut self, (): (), _: Now) {}

    fn handle_timeout(&mut self, _: Now) {}

    fn poll_timeout(&self) -> Option<Millis> {
        None
    }

    fn appetite(&self, _: Topic) -> usize {
        10_000
    }

    fn poll_ask(&mut self) -> Option<Ask> {
        self.ask.take()
    }

    fn handle_end(&mut self, _: Topic, _: i64, _: Now) {}

    fn poll_effect(&mut self) -> Option<usize> {
        None
    }

    fn wants_turn(&self, _: Now) -> bool {
        !self.out.is_empty()
    }

    fn take_turn(&mut self, _: Now) -> Turn<usize> {
        let records = std::mem::take(&mut self.out);
        let position = Position {
            offset: self.read,
            note: String::new(),
        };
        Turn {
            after: vec![records.len()],
            records,
            positions: vec![(IN, position)],
            folded: 0,
        }
    }

    fn handle_committed(&mut self, _: u64, _: Now) {}

    fn handle_revoke(&mut self, _: Now) {}

    fn is_idle(&self) -> bool {
        self.out.is_empty()
    }
}
