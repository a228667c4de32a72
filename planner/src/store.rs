//! Where the table lies: ordered keys and values, of this machine, that may be lost.
//!
//! A store holds one shard's table as of the last commit it was told. It is a cache of the changelog:
//! what it lacks is read again from there.

#[cfg(feature = "shell")]
mod chunk;
#[cfg(feature = "shell")]
pub mod fjall;
#[cfg(feature = "shell")]
mod memtables;

use std::collections::BTreeMap;
use std::ops::Bound;

use bytes::Bytes;
use schemas::Shard;

use crate::error::StoreError;

/// A key and its value.
pub type Pair = (Bytes, Bytes);
/// A key and its new value; `None` removes it.
pub type Write = (Bytes, Option<Bytes>);

/// One shard's table on this machine.
pub trait Store: Send {
    /// The value of `key`.
    ///
    /// # Errors
    /// [`StoreError`] when the machine fails.
    fn get(&self, key: &[u8]) -> Result<Option<Bytes>, StoreError>;

    /// The first `limit` pairs of `from <= key < to`, ascending.
    ///
    /// # Errors
    /// As [`Store::get`].
    fn scan(&self, from: &[u8], to: &[u8], limit: usize) -> Result<Vec<Pair>, StoreError>;

    /// Writes all of `batch`. After a crash a part may be there, never out of order: what was written
    /// earlier, by this or an earlier call, is there too.
    ///
    /// # Errors
    /// As [`Store::get`].
    fn apply(&mut self, batch: Vec<Write>) -> Result<(), StoreError>;

    /// Removes everything.
    ///
    /// # Errors
    /// As [`Store::get`].
    fn wipe(&mut self) -> Result<(), StoreError>;
}

/// Where stores come from.
pub trait StoreSource {
    /// What comes from there.
    type Store: Store;

    /// The store of `shard`, as it was left.
    ///
    /// # Errors
    /// As [`Store::get`].
    fn open(&mut self, shard: Shard) -> Result<Self::Store, StoreError>;

    /// Takes the store of `shard` back.
    fn close(&mut self, shard: Shard, store: Self::Store);
}

/// A store in memory: for the simulator and for tests.
#[derive(Clone, Debug, Default)]
pub struct MemoryStore {
    rows: BTreeMap<Bytes, Bytes>,
}

impl Store for MemoryStore {
    fn get(&self, key: &[u8]) -> Result<Option<Bytes>, StoreError> {
        Ok(self.rows.get(key).cloned())
    }

    fn scan(&self, from: &[u8], to: &[u8], limit: usize) -> Result<Vec<Pair>, StoreError> {
        if from >= to {
            return Ok(Vec::new());
        }
        let range = (Bound::Included(from), Bound::Excluded(to));
        let rows = self.rows.range::<[u8], _>(range).take(limit);
        Ok(rows
            .map(|(key, value)| (key.clone(), value.clone()))
            .collect())
    }

    fn apply(&mut self, batch: Vec<Write>) -> Result<(), StoreError> {
        for (key, value) in batch {
            match value {
                Some(value) => self.rows.insert(key, value),
                None => self.rows.remove(&key),
            };
        }
        Ok(())
    }

    fn wipe(&mut self) -> Result<(), StoreError> {
        self.rows.clear();
        Ok(())
    }
}

/// Stores in memory that outlive their cores, as files outlive a process.
#[derive(Clone, Debug, Default)]
pub struct MemoryStores {
    closed: BTreeMap<Shard, MemoryStore>,
}

impl MemoryStores {
    /// Loses the store of `shard`, as when its disk is gone.
    pub fn lose(&mut self, shard: Shard) {
        self.closed.remove(&shard);
    }
}

impl StoreSource for MemoryStores {
    type Store = MemoryStore;

    fn open(&mut self, shard: Shard) -> Result<MemoryStore, StoreError> {
        Ok(self.closed.remove(&shard).unwrap_or_default())
    }

    fn close(&mut self, shard: Shard, store: MemoryStore) {
        self.closed.insert(shard, store);
    }
}
