//! Retention, as every deployment runs it, and a memory of what it removes.

use std::collections::BTreeMap;
use std::time::Duration;

use pipeline::log::Reader;
use pipeline::memory::MemoryBroker;
use pipeline::retention::Retention;
use pipeline::{Broker, LogError, LogEvent, Record, TopicPartition};
use schemas::topics::Cleanup;
use schemas::{Slot, Topic};

use super::World;
use crate::plan::TaskPlan;

/// A round of retention so often, ms of virtual time.
const SWEEP_MS: u64 = 7_000;

/// Removes what everybody has read, and keeps a copy for the verdict.
pub(super) struct Sweeper {
    retention: Retention,
    swept_at: u64,
    reader: Box<dyn Reader>,
    records: BTreeMap<TopicPartition, Vec<Record>>,
    /// Partitions cut, in all.
    cuts: usize,
}

impl Sweeper {
    pub(super) fn new(broker: &MemoryBroker, keep_ms: u64) -> Result<Self, LogError> {
        let mut reader = broker.reader()?;
        for topic in kept() {
            for shard in broker.shards().all() {
                reader.read(TopicPartition::new(topic, shard), 0)?;
            }
        }
        Ok(Self {
            retention: Retention::new(keep_ms),
            swept_at: 0,
            reader,
            records: BTreeMap::new(),
            cuts: 0,
        })
    }

    /// Takes in what has become visible.
    fn catch_up(&mut self) {
        let mut events = Vec::new();
        // A reader of memory does not fail.
        if self.reader.poll(Duration::ZERO, &mut events).is_err() {
            return;
        }
        for event in events {
            if let LogEvent::Batch { from, records, .. } = event {
                self.records.entry(from).or_default().extend(records);
            }
        }
    }
}

impl World {
    /// A round of retention, if it is time for one.
    pub(super) fn sweep(&mut self) {
        let now = self.clock.elapsed();
        if now < self.sweeper.swept_at + SWEEP_MS {
            return;
        }
        self.sweeper.swept_at = now;
        self.sweeper.catch_up();
        let intakes = TaskPlan::INTAKES.map(|(topic, _)| topic);
        let topics: Vec<Topic> = Topic::all().chain(intakes).collect();
        let readers = |topic: Topic| topic.readers().to_vec();
        let (broker, shards) = (&self.broker, self.plan.shards);
        let retention = &mut self.sweeper.retention;
        match pipeline::retention::sweep(broker, shards, &topics, &readers, retention, now) {
            Ok(cuts) => self.sweeper.cuts += cuts,
            // What is undecided now is asked for again.
            Err(LogError::Retry(_)) => {}
            Err(error) => self.history.alarms.push(format!("retention: {error}")),
        }
    }

    /// All records of a partition that ever became visible, those removed since included.
    pub(crate) fn all_records(&mut self, of: TopicPartition) -> Vec<Record> {
        self.sweeper.catch_up();
        self.sweeper.records.remove(&of).unwrap_or_default()
    }

    /// Partitions that retention cut.
    #[must_use]
    pub fn cuts(&self) -> usize {
        self.sweeper.cuts
    }
}

/// The topics whose records the verdict looks at, all of which retention cuts.
fn kept() -> impl Iterator<Item = Topic> {
    let buckets = Slot::all().map(Topic::Bucket);
    let lanes = schemas::Priority::ALL.into_iter().map(Topic::Fires);
    let kept = buckets.chain(lanes).chain([Topic::Outcomes]);
    kept.inspect(|topic| debug_assert_eq!(topic.cleanup(), Cleanup::Drained))
}
