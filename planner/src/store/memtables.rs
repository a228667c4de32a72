//! What the shards of a process hold in memory together, and which of them is written out next.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use fjall::Keyspace;
use schemas::Shard;

use crate::error::StoreError;

/// What fjall adds for a row to its key and value, about.
const ROW_BYTES: usize = 64;
/// One shard's are written out from here on, however much room all have: larger tables merge no better.
const MOST_OF_ONE: u64 = 32 << 20;
/// Below it one shard's are not written out, however many shards there are: a table is worth a file then.
const LEAST_OF_ONE: u64 = 1 << 20;

/// What a cached block takes for each hundred bytes that fjall counts: one of 4.2 KiB lies in 5 KiB, and pages stay in
/// part empty, as blocks go in another order than they came. Measured with 16 MiB of them: 27 resident.
const CACHED_PERCENT: u64 = 170;

/// What all shards of a process hold in memory. Clones share it.
#[derive(Clone)]
pub(super) struct Memtables(Arc<Mutex<Held>>);

struct Held {
    unwritten: Unwritten,
    /// All that were opened, taken back or not: what they hold stays in memory.
    rows: BTreeMap<Shard, Keyspace>,
}

/// Bytes in memory that are not written out, by shard. Were each written out when its own part is full, what all hold
/// together would depend on chance: up to all of it if they are full at the same time, little more than half of it
/// if they are not. Blocks of tables in memory count too: few tasks leave the cache nearly empty, and what it does not
/// take is of use to rows, so that memory is the same however many are pending.
#[derive(Debug)]
struct Unwritten {
    most: u64,
    bytes: BTreeMap<Shard, u64>,
}

impl Unwritten {
    /// All shards and the block cache together are to hold `most` bytes.
    fn new(most: u64) -> Self {
        Self {
            most,
            bytes: BTreeMap::new(),
        }
    }

    /// `shard` has `count` rows more, whose keys and values are `bytes` together.
    fn add(&mut self, shard: Shard, count: usize, bytes: usize) {
        *self.bytes.entry(shard).or_default() += (bytes + count * ROW_BYTES) as u64;
    }

    /// `shard`'s rows are written out or gone, or are about to be.
    fn clear(&mut self, shard: Shard) {
        self.bytes.remove(&shard);
    }

    /// Whose rows are to be written out now, beside `cached` bytes of blocks as fjall counts them: of those that hold
    /// the most.
    fn due(&self, cached: u64) -> Option<Shard> {
        let (shard, &largest) = self.bytes.iter().max_by_key(|(_, bytes)| **bytes)?;
        let sum = self.bytes.values().sum::<u64>() + cached * CACHED_PERCENT / 100;
        let full = largest >= MOST_OF_ONE || (sum >= self.most && largest >= LEAST_OF_ONE);
        full.then_some(*shard)
    }
}

impl Memtables {
    /// Of shards that hold `most` bytes, together with the block cache.
    pub(super) fn new(most: u64) -> Self {
        Self(Arc::new(Mutex::new(Held {
            unwritten: Unwritten::new(most),
            rows: BTreeMap::new(),
        })))
    }

    /// `shard` is open. What an earlier process left in its journal is in memory again, nobody knows how much.
    pub(super) fn opened(&self, shard: Shard, rows: &Keyspace) -> Result<(), StoreError> {
        let mut held = self.held();
        let known = held.rows.insert(shard, rows.clone()).is_some();
        drop(held);
        if known { Ok(()) } else { write_out(rows) }
    }

    /// `shard` has `count` rows more, of so many `bytes`, and the block cache `cached`. Writes out those of which it is
    /// time.
    pub(super) fn wrote(
        &self,
        shard: Shard,
        count: usize,
        bytes: usize,
        cached: u64,
    ) -> Result<(), StoreError> {
        let mut held = self.held();
        held.unwritten.add(shard, count, bytes);
        let Some(full) = held.unwritten.due(cached) else {
            return Ok(());
        };
        let rows = held.rows[&full].clone();
        // The disk is behind: another memtable would only wait too, and with four of them fjall lets nobody write.
        if rows.sealed_memtable_count() > 0 {
            return Ok(());
        }
        held.unwritten.clear(full);
        drop(held);
        write_out(&rows)
    }

    /// `shard` was wiped.
    pub(super) fn wiped(&self, shard: Shard) {
        self.held().unwritten.clear(shard);
    }

    fn held(&self) -> MutexGuard<'_, Held> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Has fjall's own thread write out what is in memory.
fn write_out(rows: &Keyspace) -> Result<(), StoreError> {
    rows.rotate_memtable()
        .map(drop)
        .map_err(|source| StoreError::new("write", source))
}

#[cfg(test)]
mod tests {
    use super::*;

    const MIB: usize = 1 << 20;

    /// Name, MiB of all, MiB of each shard and of the cache, whose rows are due.
    type Case = (&'static str, u64, &'static [usize], u64, Option<u16>);

    #[test]
    fn the_largest_is_written_out_when_all_together_or_it_alone_are_full() {
        let table: [Case; 10] = [
            ("nothing", 40, &[], 0, None),
            ("below both", 40, &[9, 9, 9, 9], 0, None),
            ("the largest of all", 40, &[9, 12, 10, 10], 0, Some(1)),
            ("one alone", 64, &[2, 1, 32], 0, Some(2)),
            ("one alone, below", 64, &[2, 1, 31], 0, None),
            ("many small ones", 4, &[1, 1, 1, 1, 2], 0, Some(4)),
            ("none is worth a file", 0, &[0, 0], 0, None),
            ("below, with the cache", 40, &[9, 11, 9], 6, None),
            ("full with the cache", 40, &[9, 12, 9], 6, Some(1)),
            ("the cache has all of it", 40, &[0, 0], 40, None),
        ];
        for (name, most, held, cached, expected) in table {
            let mut unwritten = Unwritten::new(most << 20);
            for (shard, mib) in (0..).zip(held) {
                unwritten.add(Shard(shard), 0, mib * MIB);
            }
            assert_eq!(unwritten.due(cached << 20), expected.map(Shard), "{name}");
        }
    }

    #[test]
    fn shards_that_fill_alike_get_out_of_step_and_together_stay_below_the_most() {
        let mut unwritten = Unwritten::new(40 << 20);
        let (mut sums, mut cleared) = (Vec::new(), Vec::new());
        for _ in 0..2_000 {
            for shard in (0..4).map(Shard) {
                unwritten.add(shard, 64, MIB / 16 - 64 * ROW_BYTES);
                if let Some(full) = unwritten.due(0) {
                    cleared.push((full, unwritten.bytes[&full] >> 20));
                    unwritten.clear(full);
                }
            }
            sums.push(unwritten.bytes.values().sum::<u64>() >> 20);
        }
        let later = &sums[1_000..];
        let (least, most) = (later.iter().min().unwrap(), later.iter().max().unwrap());
        assert!(*least >= 22 && *most <= 40, "{least} to {most} MiB");
        // Each in turn, and as much at once as the largest tables take.
        let last = &cleared[cleared.len() - 8..];
        assert!(last.iter().all(|(_, mib)| *mib >= 15), "{last:?}");
        for turn in last.windows(5) {
            assert_eq!(turn[0].0, turn[4].0, "{last:?}");
        }
    }
}
