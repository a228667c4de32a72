//! What happens to cores, their stores and the log.

use std::collections::BTreeMap;

use bytes::Bytes;
use pipeline::Factory;
use planner::store::{Store, StoreSource};
use schemas::Topic;

use super::{World, end_of};

impl World {
    /// Drops the core, as after an aborted turn or a crash.
    pub(crate) fn crash(&mut self) {
        if let Some(core) = self.core.take() {
            self.factory.close(self.shard, core);
        }
        if self.lose_stores {
            self.factory.stores().lose(self.shard);
        }
    }

    /// Drops the core; the next one is of a release with these time zone data.
    pub(crate) fn release(&mut self, zones: planner::Zones) {
        self.crash();
        self.factory.set_zones(zones);
    }

    /// Drops the core and its store.
    pub(crate) fn lose(&mut self) {
        self.crash();
        self.factory.stores().lose(self.shard);
    }

    /// Overwrites the value of every key of the local table that begins with `prefix`; the core is
    /// dropped before. Tells how many there were.
    pub(crate) fn spoil(&mut self, prefix: u8, with: &'static [u8]) -> usize {
        self.crash();
        let mut store = self.factory.stores().open(self.shard).unwrap();
        let rows = store.scan(&[prefix], &[prefix + 1], usize::MAX).unwrap();
        let value = Some(Bytes::from_static(with));
        let spoilt: Vec<_> = rows
            .into_iter()
            .map(|(key, _)| (key, value.clone()))
            .collect();
        let count = spoilt.len();
        store.apply(spoilt).unwrap();
        self.factory.stores().close(self.shard, store);
        count
    }

    /// Keeps the last record of each key of `index`, and of tombstones nothing.
    pub(crate) fn compact(&mut self) {
        let Some(log) = self.log.get_mut(&Topic::Index) else {
            return;
        };
        let last: BTreeMap<_, _> = log.iter().map(|r| (r.key.clone(), r.offset)).collect();
        let end = end_of(log);
        log.retain(|record| {
            let kept = last.get(&record.key) == Some(&record.offset) && record.value.is_some();
            kept || record.offset + 1 == end
        });
    }

    /// Loses what was committed, of every topic.
    pub(crate) fn forget_positions(&mut self) {
        self.committed.clear();
    }
}
