//! The store on disk: one fjall database a process, one keyspace a shard.
//!
//! Nothing is synced to disk: the operating system keeps what a killed process wrote, and what a
//! machine loses in a power cut is read again from the changelog.

use std::fs::File;
use std::path::Path;
use std::sync::Arc;

use bytes::Bytes;
use fjall::compaction::Leveled;
use fjall::config::{
    BlockSizePolicy, BloomConstructionPolicy, FilterPolicy, FilterPolicyEntry, PartitioningPolicy,
};
use fjall::{Database, Keyspace, KeyspaceCreateOptions, LsmError};
use schemas::Shard;

use super::chunk::Chunk;
use super::memtables::Memtables;
use super::{Pair, Store, StoreSource, Write};
use crate::error::StoreError;

/// Rows in one atomic batch at most.
const BATCH_ROWS: usize = 4_000;
/// Of one shard's rows in memory, at which fjall itself writes them out: far above what [`Memtables`] lets them be.
const MEMTABLE_BYTES: u64 = 64 << 20;
/// Tables that are merged at once into the first level; so many of [`TABLE_BYTES`] it holds itself, and the next ten
/// times that.
const MERGED_TABLES: u8 = 8;
/// A merge between two levels is of one table and the ten or so that it overlaps. While it lasts nothing is written out
/// (fjall has one thread for both), so it is to take no longer than a shard takes to fill its part of memory. Were tables
/// smaller still, the first level would be smaller than what is merged into it, and there would be a level more.
const TABLE_BYTES: u64 = 16 << 20;
/// A row that by itself is more than [`EPOCHS`] holds in memory.
const EPOCH_BYTES: usize = 4_096;
/// A keyspace of one row, written anew whenever a shard's tables are others.
const EPOCHS: &str = "epochs";

/// The stores of one process. Clones share the database.
#[derive(Clone)]
pub struct FjallStores {
    database: Database,
    epochs: Keyspace,
    memtables: Memtables,
}

/// One shard's keyspace.
pub struct FjallStore {
    database: Database,
    epochs: Keyspace,
    memtables: Memtables,
    shard: Shard,
    rows: Keyspace,
    chunk: Chunk,
    /// Tables on disk when they were counted last.
    tables: usize,
}

impl FjallStores {
    /// Opens or makes the database under `directory`, with a block cache of `cache_bytes` at most. It and the
    /// rows of all shards that are not written out yet take `memory_bytes`, and more while the disk is behind. A
    /// database that is there and cannot be read is removed: it is a cache of the changelog.
    ///
    /// # Errors
    /// [`StoreError`] when the directory cannot be used.
    pub fn open(directory: &Path, cache_bytes: u64, memory_bytes: u64) -> Result<Self, StoreError> {
        let open = || {
            Database::builder(directory)
                .cache_size(cache_bytes)
                .max_cached_files(Some(256))
                .worker_threads(1)
                .open()
        };
        let failed = |error: &dyn std::fmt::Display| StoreError::new("open", error);
        std::fs::create_dir_all(directory).map_err(|error| failed(&error))?;
        let database = match open() {
            Err(error) if is_unreadable(&error) => {
                tracing::warn!(
                    directory = %directory.display(),
                    %error,
                    "the local tables cannot be read; they are removed, to be built anew from their \
                     changelogs"
                );
                remove(directory).map_err(|error| failed(&error))?;
                open()
            }
            opened => opened,
        };
        let database = database.map_err(|error| failed(&error))?;
        let options = || KeyspaceCreateOptions::default().max_memtable_size(EPOCH_BYTES as u64 / 2);
        let epochs = database
            .keyspace(EPOCHS, options)
            .map_err(|error| failed(&error))?;
        Ok(Self {
            database,
            epochs,
            memtables: Memtables::new(memory_bytes),
        })
    }
}

/// Whether what is there is no database of this release, or damaged; not whether it is in use or the
/// disk fails.
fn is_unreadable(error: &fjall::Error) -> bool {
    use std::io::ErrorKind::{InvalidData, NotFound, UnexpectedEof};
    match error {
        fjall::Error::Locked | fjall::Error::Poisoned => false,
        // A file that is cut short or missing is damage; all else is the disk's trouble.
        fjall::Error::Io(error) | fjall::Error::Storage(LsmError::Io(error)) => {
            matches!(error.kind(), InvalidData | NotFound | UnexpectedEof)
        }
        _ => true,
    }
}

/// Removes what a database consists of, and nothing else that may lie there.
fn remove(directory: &Path) -> std::io::Result<()> {
    // The version is looked at before the lock.
    if let Ok(lock) = File::open(directory.join("lock")) {
        lock.try_lock()?;
    }
    for entry in std::fs::read_dir(directory)? {
        let path = entry?.path();
        let name = path.file_name().and_then(|name| name.to_str());
        let journal = path.extension().is_some_and(|it| it == "jnl");
        match name {
            Some("keyspaces") => std::fs::remove_dir_all(&path)?,
            Some("version" | "lock") => std::fs::remove_file(&path)?,
            _ if journal => std::fs::remove_file(&path)?,
            _ => {}
        }
    }
    Ok(())
}

impl StoreSource for FjallStores {
    type Store = FjallStore;

    fn open(&mut self, shard: Shard) -> Result<FjallStore, StoreError> {
        let options = || {
            let merges = Leveled::default()
                .with_l0_threshold(MERGED_TABLES)
                .with_table_target_size(TABLE_BYTES);
            let bits = BloomConstructionPolicy::BitsPerKey(10.0);
            KeyspaceCreateOptions::default()
                .max_memtable_size(MEMTABLE_BYTES)
                .compaction_strategy(Arc::new(merges))
                .data_block_size_policy(BlockSizePolicy::all(4 * 1_024))
                .filter_policy(FilterPolicy::all(FilterPolicyEntry::Bloom(bits)))
                // Whole ones grow with their table: a lookup would bring a megabyte into the cache for the
                // few bytes it looks at, and a small cache would hold nothing else.
                .filter_block_partitioning_policy(PartitioningPolicy::all(true))
                .index_block_partitioning_policy(PartitioningPolicy::all(true))
                .expect_point_read_hits(false)
        };
        let rows = self
            .database
            .keyspace(&format!("shard-{}", shard.0), options)
            .map_err(|source| StoreError::new("open", source))?;
        self.memtables.opened(shard, &rows)?;
        Ok(FjallStore {
            database: self.database.clone(),
            epochs: self.epochs.clone(),
            memtables: self.memtables.clone(),
            shard,
            tables: rows.table_count(),
            rows,
            chunk: Chunk::default(),
        })
    }

    fn close(&mut self, _shard: Shard, _store: FjallStore) {}
}

impl FjallStore {
    /// Lets go of memtables that are on disk by now, and of tables that were merged. fjall keeps them until some
    /// keyspace's memtable is full, which with little to do may take hours. A keyspace that is full with each row makes
    /// that time come at once, on fjall's own thread.
    fn release_written(&mut self) -> Result<(), StoreError> {
        let tables = self.rows.table_count();
        if tables == self.tables {
            return Ok(());
        }
        self.tables = tables;
        self.epochs
            .insert(EPOCHS, [0; EPOCH_BYTES])
            .map_err(|source| StoreError::new("write", source))
    }
}

impl Store for FjallStore {
    fn get(&self, key: &[u8]) -> Result<Option<Bytes>, StoreError> {
        let value = self
            .rows
            .get(key)
            .map_err(|source| StoreError::new("get", source))?;
        // A slice of fjall's is without a copy, but keeps a whole block or piece of rows in memory as long as it is held.
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
            let mut bytes = 0;
            for (key, value) in rows.by_ref().take(BATCH_ROWS) {
                bytes += key.len() + value.as_ref().map_or(0, Bytes::len);
                let key = self.chunk.copy(&key);
                match value {
                    Some(value) => part.insert(&self.rows, key, self.chunk.copy(&value)),
                    None => part.remove(&self.rows, key),
                }
            }
            let count = part.len();
            part.commit()
                .map_err(|source| StoreError::new("write", source))?;
            let cached = self.database.cache_size();
            self.memtables.wrote(self.shard, count, bytes, cached)?;
        }
        self.release_written()
    }

    fn wipe(&mut self) -> Result<(), StoreError> {
        self.rows
            .clear()
            .map_err(|source| StoreError::new("clear", source))?;
        self.memtables.wiped(self.shard);
        Ok(())
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
mod tests;
