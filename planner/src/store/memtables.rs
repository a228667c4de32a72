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
/// Rows written at once, from which on it is bulk.
const BULK_ROWS: usize = 2_000;
/// Of one shard's bulk, which is written out once it is quiet; less of it is not worth a file.
const BULK_BYTES: u64 = 4 << 20;
/// Writes of a shard that are no bulk, one after the other, until it counts as quiet: seconds.
const QUIET_WRITES: u32 = 32;

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
///
/// Bulk does not stay until there is no room, but until it is over: what fjall allocates for a row lies among all that
/// a turn of thousands of tasks allocates and frees, and the pages then stay, mostly empty, for the rows on them.
#[derive(Debug)]
struct Unwritten {
    most: u64,
    shards: BTreeMap<Shard, Rows>,
}

/// Of one shard.
#[derive(Debug, Default)]
struct Rows {
    bytes: u64,
    /// Of those, what came as bulk.
    bulk: u64,
    /// Writes since the last bulk.
    quiet: u32,
}

impl Unwritten {
    /// All shards and the block cache together are to hold `most` bytes.
    fn new(most: u64) -> Self {
        Self {
            most,
            shards: BTreeMap::new(),
        }
    }

    /// `shard` has `count` rows more, whose keys and values are `bytes` together.
    fn add(&mut self, shard: Shard, count: usize, bytes: usize) {
        let bytes = (bytes + count * ROW_BYTES) as u64;
        let rows = self.shards.entry(shard).or_default();
        rows.bytes += bytes;
        if count >= BULK_ROWS {
            rows.bulk += bytes;
            rows.quiet = 0;
        } else {
            rows.quiet += 1;
        }
    }

    /// `shard`'s rows are written out or gone, or are about to be.
    fn clear(&mut self, shard: Shard) {
        self.shards.remove(&shard);
    }

    /// Whose rows are to be written out now, beside `cached` bytes of blocks as fjall counts them: of those that hold
    /// the most, or of one whose bulk is over.
    fn due(&self, cached: u64) -> Option<Shard> {
        let (shard, largest) = self.shards.iter().max_by_key(|(_, rows)| rows.bytes)?;
        let sum = self.sum() + cached * CACHED_PERCENT / 100;
        let full =
            largest.bytes >= MOST_OF_ONE || (sum >= self.most && largest.bytes >= LEAST_OF_ONE);
        if full {
            return Some(*shard);
        }
        let over = |rows: &Rows| rows.bulk >= BULK_BYTES && rows.quiet >= QUIET_WRITES;
        let mut shards = self.shards.iter();
        shards.find(|(_, rows)| over(rows)).map(|(shard, _)| *shard)
    }

    fn sum(&self) -> u64 {
        self.shards.values().map(|rows| rows.bytes).sum()
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
    /// Name, writes of 2 MiB and of a few rows behind each other, whose rows are due.
    type BulkCase = (&'static str, &'static [(usize, usize)], Option<u16>);

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
    fn bulk_is_written_out_once_it_is_over() {
        const QUIET: usize = QUIET_WRITES as usize;
        let table: [BulkCase; 6] = [
            ("over", &[(2, QUIET)], Some(0)),
            ("not over yet", &[(2, QUIET - 1)], None),
            ("begun again", &[(2, QUIET - 1), (1, 1)], None),
            ("over, the second time", &[(2, 5), (1, QUIET)], Some(0)),
            ("not worth a file", &[(1, QUIET)], None),
            ("no bulk", &[(0, 4 * QUIET)], None),
        ];
        for (name, writes, expected) in table {
            let mut unwritten = Unwritten::new(64 << 20);
            for (bulk, few) in writes {
                for _ in 0..*bulk {
                    unwritten.add(Shard(0), BULK_ROWS, 2 * MIB - BULK_ROWS * ROW_BYTES);
                }
                for _ in 0..*few {
                    unwritten.add(Shard(0), BULK_ROWS - 1, 0);
                    // Another shard's bulk and quiet are its own.
                    unwritten.add(Shard(1), 1, 0);
                }
            }
            assert_eq!(unwritten.due(0), expected.map(Shard), "{name}");
            unwritten.clear(Shard(0));
            assert_eq!(unwritten.due(0), None, "{name}");
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
                    cleared.push((full, unwritten.shards[&full].bytes >> 20));
                    unwritten.clear(full);
                }
            }
            sums.push(unwritten.sum() >> 20);
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
