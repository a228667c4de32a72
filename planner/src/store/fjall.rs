//! The store on disk: one fjall database a process, one keyspace a shard.
//!
//! Nothing is synced to disk: the operating system keeps what a killed process wrote, and what a
//! machine loses in a power cut is read again from the changelog.

use std::path::Path;

use bytes::Bytes;
use fjall::config::{BlockSizePolicy, BloomConstructionPolicy, FilterPolicy, FilterPolicyEntry};
use fjall::{Database, Keyspace, KeyspaceCreateOptions};
use schemas::Shard;

use super::{Pair, Store, StoreSource, Write};
use crate::error::StoreError;

/// Rows in one atomic batch at most.
const BATCH_ROWS: usize = 4_000;
/// What a shard may hold in memory before it is written out: with two of them per shard under way,
/// eight shards stay at 256 MiB.
const MEMTABLE_BYTES: u64 = 16 << 20;

/// The stores of one process. Clones share the database.
#[derive(Clone)]
pub struct FjallStores {
    database: Database,
}

/// One shard's keyspace.
pub struct FjallStore {
    database: Database,
    rows: Keyspace,
}

impl FjallStores {
    /// Opens or makes the database under `directory`, with a block cache of `cache_bytes`.
    ///
    /// # Errors
    /// [`StoreError`] when the directory cannot be used.
    pub fn open(directory: &Path, cache_bytes: u64) -> Result<Self, StoreError> {
        let failed = |source: fjall::Error| StoreError::new("open", source);
        std::fs::create_dir_all(directory).map_err(|error| StoreError::new("open", error))?;
        let database = Database::builder(directory)
            .cache_size(cache_bytes)
            .max_cached_files(Some(256))
            .worker_threads(1)
            .open()
            .map_err(failed)?;
        Ok(Self { database })
    }
}

impl StoreSource for FjallStores {
    type Store = FjallStore;

    fn open(&mut self, shard: Shard) -> Result<FjallStore, StoreError> {
        let options = || {
            let bits = BloomConstructionPolicy::BitsPerKey(10.0);
            KeyspaceCreateOptions::default()
                .max_memtable_size(MEMTABLE_BYTES)
                .data_block_size_policy(BlockSizePolicy::all(4 * 1_024))
                .filter_policy(FilterPolicy::all(FilterPolicyEntry::Bloom(bits)))
                .expect_point_read_hits(false)
        };
        let rows = self
            .database
            .keyspace(&format!("shard-{}", shard.0), options)
            .map_err(|source| StoreError::new("open", source))?;
        Ok(FjallStore {
            database: self.database.clone(),
            rows,
        })
    }

    fn close(&mut self, _shard: Shard, _store: FjallStore) {}
}

impl Store for FjallStore {
    fn get(&self, key: &[u8]) -> Result<Option<Bytes>, StoreError> {
        let value = self
            .rows
            .get(key)
            .map_err(|source| StoreError::new("get", source))?;
        Ok(value.map(|value| Bytes::copy_from_slice(&value)))
    }

    fn scan(&self, from: &[u8], to: &[u8], limit: usize) -> Result<Vec<Pair>, StoreError> {
        if from >= to {
            return Ok(Vec::new());
        }
        self.rows
            .range(from..to)
            .take(limit)
            .map(|guard| {
                let (key, value) = guard
                    .into_inner()
                    .map_err(|source| StoreError::new("scan", source))?;
                Ok((Bytes::copy_from_slice(&key), Bytes::copy_from_slice(&value)))
            })
            .collect()
    }

    fn apply(&mut self, batch: Vec<Write>) -> Result<(), StoreError> {
        let mut rows = batch.into_iter().peekable();
        while rows.peek().is_some() {
            let mut part = self.database.batch();
            for (key, value) in rows.by_ref().take(BATCH_ROWS) {
                match value {
                    Some(value) => part.insert(&self.rows, key.as_ref(), value.as_ref()),
                    None => part.remove(&self.rows, key.as_ref()),
                }
            }
            part.commit()
                .map_err(|source| StoreError::new("write", source))?;
        }
        Ok(())
    }

    fn wipe(&mut self) -> Result<(), StoreError> {
        self.rows
            .clear()
            .map_err(|source| StoreError::new("clear", source))
    }
}

impl std::fmt::Debug for FjallStores {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("FjallStores").finish_non_exhaustive()
    }
}

impl std::fmt::Debug for FjallStore {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("FjallStore").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(n: u32) -> Bytes {
        Bytes::copy_from_slice(&n.to_be_bytes())
    }

    #[test]
    fn what_was_written_is_there_after_opening_again_until_wiped() {
        let directory = tempfile::tempdir().unwrap();
        {
            let mut stores = FjallStores::open(directory.path(), 1 << 20).unwrap();
            let mut store = stores.open(Shard(3)).unwrap();
            let rows = (0..10_000).map(|n| (key(n), Some(key(n + 1)))).collect();
            store.apply(rows).unwrap();
            store.apply(vec![(key(5), None)]).unwrap();
            stores.close(Shard(3), store);
        }
        let mut stores = FjallStores::open(directory.path(), 1 << 20).unwrap();
        let mut store = stores.open(Shard(3)).unwrap();
        assert_eq!(store.get(&key(9_999)), Ok(Some(key(10_000))));
        assert_eq!(store.get(&key(5)), Ok(None));
        let found = store.scan(&key(4), &key(100), 2).unwrap();
        assert_eq!(found, vec![(key(4), key(5)), (key(6), key(7))]);
        assert_eq!(stores.open(Shard(4)).unwrap().get(&key(1)), Ok(None));
        store.wipe().unwrap();
        assert_eq!(store.get(&key(9_999)), Ok(None));
    }
}
