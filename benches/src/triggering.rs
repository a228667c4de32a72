//! A trigger's core: placements go into the wheel and leave it as fires.

use bytes::Bytes;
use pipeline::{Factory, Opening, Record, Stage};
use schemas::{BucketRecord, FireId, Instance, Millis, Placement, Priority, Shard, Shards, Topic};
use trigger::{Config, Trigger, TriggerFactory};

use crate::{START, at};

/// How many placements a [`Triggering`] fires, due evenly over the instance.
#[must_use]
pub fn placements(count: u32) -> Vec<Record> {
    let instance = Instance::of(Millis(START));
    let records = (0..count).map(|number| {
        let placement = Placement {
            instance,
            due: Millis(START + 1_000 + i64::from(number % 25_000)),
            fire_id: FireId::parse(&format!("{number:032x}")).unwrap_or_else(|| unreachable!()),
            leg: 1,
            priority: Priority::Normal,
            expires_at: None,
        };
        let body = Bytes::from_static(&[b'x'; 200]);
        Record {
            offset: i64::from(number),
            appended: Millis(START),
            key: None,
            value: Some(BucketRecord::Placement(placement, body).encode()),
            headers: Vec::new(),
        }
    });
    records.collect()
}

/// One shard, opened.
pub struct Triggering {
    core: Trigger,
}

impl Triggering {
    /// Opened, with nothing in it.
    #[must_use]
    pub fn new() -> Self {
        let mut factory = TriggerFactory::new(Config::default());
        let ends = factory.topics().into_iter().map(|topic| (topic, (0, 0)));
        let ends = ends.collect();
        let core = factory.open(Opening {
            shard: Shard(0),
            shards: Shards::DEFAULT,
            now: at(START),
            session_timeout_ms: 10_000,
            committed: std::collections::BTreeMap::new(),
            ends,
        });
        Self { core }
    }

    /// Loads all of them, then lets time run until all have fired; how many records that wrote.
    pub fn fire(&mut self, records: Vec<Record>) -> usize {
        let topic = Topic::Bucket(Instance::of(Millis(START)).slot());
        let end = i64::try_from(records.len()).unwrap_or(0);
        while self.core.poll_ask().is_some() {}
        self.core.handle_batch(topic, records, end, at(START));
        let mut written = 0;
        // Ten turns a second for the length of an instance.
        for step in 0..300 {
            let now = at(START + step * 100);
            self.core.handle_timeout(now);
            if self.core.wants_turn(now) {
                written += self.core.take_turn(now).records.len();
                self.core.handle_committed(now.mono, now);
            }
        }
        written
    }
}

impl Default for Triggering {
    fn default() -> Self {
        Self::new()
    }
}
