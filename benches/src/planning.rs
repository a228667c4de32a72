//! A planner's core over a store in memory: registrations become rows and placements.

use bytes::Bytes;
use pipeline::{Ask, Factory, Opening, Record, Stage};
use planner::store::{MemoryStore, MemoryStores};
use planner::{PlannerConfig, PlannerCore, PlannerFactory};
use schemas::{Millis, Shard, Shards, Topic};

use crate::{START, at};

const SHARD: Shard = Shard(0);

/// One shard.
pub struct Planning {
    core: PlannerCore<MemoryStore>,
    read: i64,
}

impl Planning {
    /// Opened and ready, with nothing in it.
    ///
    /// # Panics
    /// Where a shard count of one is none.
    #[must_use]
    pub fn new() -> Self {
        let mut factory = PlannerFactory::new(PlannerConfig::default(), MemoryStores::default());
        let ends = factory.topics().into_iter().map(|topic| (topic, (0, 0)));
        let ends = ends.collect();
        let core = factory.open(Opening {
            shard: SHARD,
            #[expect(clippy::expect_used, reason = "one is a count")]
            shards: Shards::new(1).expect("a count"),
            now: at(START),
            session_timeout_ms: 10_000,
            committed: std::collections::BTreeMap::new(),
            ends,
        });
        let mut planning = Self { core, read: 0 };
        // It restores, from nothing, and opens its ring.
        for _ in 0..10 {
            planning.turn();
        }
        assert!(planning.core.is_ready(), "the core does not come up");
        planning
    }

    /// Takes these registrations in and commits what follows; how many records that wrote.
    pub fn register(&mut self, values: &[Bytes]) -> usize {
        let offsets = self.read..;
        let records = offsets.zip(values).map(|(offset, value)| Record {
            offset,
            appended: Millis(START),
            key: None,
            value: Some(value.clone()),
            headers: Vec::new(),
        });
        let records: Vec<Record> = records.collect();
        self.read += i64::try_from(records.len()).unwrap_or(0);
        self.core
            .handle_batch(Topic::Registrations, records, self.read, at(START));
        let mut written = 0;
        while self.core.wants_turn(at(START)) {
            written += self.turn();
        }
        written
    }

    fn turn(&mut self) -> usize {
        while let Some(ask) = self.core.poll_ask() {
            match ask {
                Ask::End(topic) => self.core.handle_end(topic, 0, at(START)),
                Ask::Read(topic, offset) => {
                    self.core.handle_batch(topic, Vec::new(), offset, at(START));
                }
                Ask::Stop(_) | Ask::SendOutside(_) => {}
                Ask::Reopen => panic!("a table in memory is always readable"),
            }
        }
        self.core.handle_timeout(at(START));
        let turn = self.core.take_turn(at(START));
        self.core.handle_committed(at(START).mono, at(START));
        while self.core.poll_effect().is_some() {}
        turn.records.len()
    }
}

impl Default for Planning {
    fn default() -> Self {
        Self::new()
    }
}
