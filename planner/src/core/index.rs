//! The table of tasks: rows in, rows out, and the orders derived from them.
//!
//! Orders lie on this machine only and are derived from the row alone, so that the changelog need not
//! carry them. After a crash an order may name a task that has moved on: whoever follows an order
//! checks the row.

mod relate;
mod restore;
mod task;

use bytes::Bytes;
use pipeline::{Outgoing, TopicPartition};
use schemas::index::{
    Forwarded, INLINE_MAX, Mark, Meta, RingRow, SEQUENCE_HEADER, TableKey, TaskRow, named,
    parse_name,
};
use schemas::{DecodeError, FireId, Shard, Slot, TaskKey, Topic};

use super::overlay::{ENDED, Overlay, Scan, StoreFacts, WAITING};
use crate::error::StoreError;
use crate::store::Store;
use relate::relations_of;
pub(crate) use relate::{waiting_behind, who_waits};
use task::{DefinitionAt, Order, revoked_key, task_of, wished};
pub(crate) use task::{Task, timed_key, timed_key_parts};

/// The table of one shard.
pub(crate) struct Table<S> {
    rows: Overlay<S>,
    /// The last number given to a command or an index record.
    sequence: u64,
    /// The last number of an index record that was cut or applied.
    written: u64,
}

impl<S: Store> Table<S> {
    pub(crate) fn new(store: Result<S, StoreError>) -> Self {
        let mut rows = Overlay::new(store);
        let sequence = rows.facts().map_or(0, |facts| facts.sequence);
        Self {
            rows,
            sequence,
            written: sequence,
        }
    }

    /// What the store knows of itself.
    pub(crate) fn facts(&mut self) -> Option<StoreFacts> {
        self.rows.facts()
    }

    /// As of the last commit: the first pairs of a range.
    pub(crate) fn committed_scan(
        &mut self,
        from: &[u8],
        to: &[u8],
        limit: usize,
    ) -> Vec<(Bytes, Bytes)> {
        self.rows.committed_scan(from, to, limit)
    }

    pub(crate) fn into_store(self) -> Option<S> {
        self.rows.into_store()
    }

    /// Rows not yet in the store.
    pub(crate) fn pending_rows(&self) -> usize {
        self.rows.rows()
    }

    pub(crate) fn broken(&self) -> Option<&StoreError> {
        self.rows.broken()
    }

    pub(crate) fn is_clean(&self) -> bool {
        self.rows.is_clean() && self.sequence == self.written
    }

    /// The number of the last index record.
    pub(crate) fn written(&self) -> u64 {
        self.written
    }

    /// A number for an accepted command: greater than all before it, for ever.
    pub(crate) fn next_version(&mut self) -> u64 {
        self.sequence += 1;
        self.sequence
    }

    pub(crate) fn load(&mut self, key: &TaskKey) -> Option<Task> {
        let bytes = self.rows.get(&named(b't', key))?;
        let (row, inline) = self.understood(TaskRow::decode(&bytes))?;
        let mut task = task_of(key.clone(), row, inline);
        for (prefix, definition) in wished(&mut task.row) {
            if let Some(definition) = definition.filter(|definition| definition.is_empty()) {
                *definition = self.kept_apart(prefix, key)?;
            }
        }
        Some(task)
    }

    /// A definition that stands under its own key.
    fn kept_apart(&mut self, prefix: u8, key: &TaskKey) -> Option<Bytes> {
        let found = self.rows.get(&named(prefix, key));
        if found.is_none() {
            let problem = format!("task `{key}` has none under `{}`", char::from(prefix));
            let error = StoreError::new("find a definition in", problem);
            self.rows.break_with(error);
        }
        found
    }

    /// As of the last commit, with its definition.
    pub(crate) fn load_committed(&mut self, key: &TaskKey) -> Option<(TaskRow, Bytes)> {
        let bytes = self.rows.committed(&named(b't', key))?;
        self.committed_row(key, &bytes)
    }

    /// Reads the value of a row as of the last commit, with its definition.
    pub(crate) fn committed_row(
        &mut self,
        key: &TaskKey,
        value: &Bytes,
    ) -> Option<(TaskRow, Bytes)> {
        let (row, inline) = self.understood(TaskRow::decode(value))?;
        if !row.apart {
            return Some((row, inline));
        }
        let definition = self.rows.committed(&named(b'd', key))?;
        Some((row, definition))
    }

    pub(crate) fn definition(&mut self, task: &Task) -> Option<Bytes> {
        match &task.definition {
            DefinitionAt::Inline(bytes) | DefinitionAt::NewApart(bytes) => Some(bytes.clone()),
            DefinitionAt::Apart => self.kept_apart(b'd', &task.key),
        }
    }

    pub(crate) fn save(&mut self, task: Task) {
        let Task {
            key,
            mut row,
            definition,
            was,
        } = task;
        let order = Order::of(&row);
        let were = was
            .as_ref()
            .map_or([false; 2], |was| [was.plan_apart, was.successor_apart]);
        for ((prefix, definition), was_apart) in wished(&mut row).into_iter().zip(were) {
            match definition.filter(|definition| definition.len() > INLINE_MAX) {
                Some(large) => self.rows.put(named(prefix, &key), std::mem::take(large)),
                None if was_apart => self.rows.remove(named(prefix, &key)),
                None => {}
            }
        }
        let (from, related, apart) = was
            .map(|was| (was.order, was.relations, was.apart))
            .unwrap_or_default();
        self.reorder(&key, from, order);
        self.relate(related, relations_of(&key, &row));
        if apart && !row.apart {
            self.rows.remove(named(b'd', &key));
        }
        let inline = match definition {
            DefinitionAt::Inline(bytes) => bytes,
            DefinitionAt::Apart => Bytes::new(),
            DefinitionAt::NewApart(bytes) => {
                self.rows.put(named(b'd', &key), bytes);
                Bytes::new()
            }
        };
        self.rows.put(named(b't', &key), row.encode(&inline));
    }

    pub(crate) fn erase(&mut self, task: Task) {
        let Task { key, was, .. } = task;
        let Some(was) = was else {
            return;
        };
        self.reorder(&key, was.order, Order::default());
        self.relate(was.relations, Vec::new());
        // What ended has no wish: nothing else of it stands apart.
        if was.apart {
            self.rows.remove(named(b'd', &key));
        }
        self.rows.remove(named(b't', &key));
    }

    fn reorder(&mut self, key: &TaskKey, from: Order, to: Order) {
        if from == to {
            return;
        }
        for (prefix, from, to) in [
            (WAITING, from.waiting, to.waiting),
            (ENDED, from.ended, to.ended),
        ] {
            if from == to {
                continue;
            }
            if let Some(time) = from {
                self.rows.remove(timed_key(prefix, time, b't', key));
            }
            if let Some(time) = to {
                self.rows
                    .put(timed_key(prefix, time, b't', key), Bytes::new());
            }
        }
        if from.revoked != to.revoked {
            if let Some(fire_id) = from.revoked {
                self.rows.remove(revoked_key(fire_id));
            }
            if let Some(fire_id) = to.revoked {
                self.rows.put(revoked_key(fire_id), named(b't', key));
            }
        }
    }

    /// The task whose firing a revoke is under way for.
    pub(crate) fn revoked(&mut self, fire_id: FireId) -> Option<Task> {
        let name = self.rows.get(&revoked_key(fire_id))?;
        let key = parse_name(name.get(1..)?)?;
        self.load(&key)
    }

    pub(crate) fn ring(&mut self, slot: Slot) -> Option<RingRow> {
        let bytes = self.rows.get(&TableKey::Ring(slot).encode())?;
        self.understood(RingRow::decode(&bytes))
    }

    pub(crate) fn set_ring(&mut self, slot: Slot, row: &RingRow) {
        self.rows.put(TableKey::Ring(slot).encode(), row.encode());
    }

    /// Takes that the forward of `offset` was seen; whether that is news.
    pub(crate) fn forwarded(&mut self, topic: Topic, shard: Shard, offset: i64) -> bool {
        let key = TableKey::Forwarded(topic, shard).encode();
        let known = self.rows.get(&key);
        let known = known.and_then(|bytes| self.understood(Forwarded::decode(&bytes)));
        let news = known.is_none_or(|known| known.offset < offset);
        if news {
            self.rows.put(key, Forwarded { offset }.encode());
        }
        news
    }

    pub(crate) fn mark(&mut self, key: &TaskKey) -> Option<Mark> {
        let bytes = self.rows.get(&named(b'u', key))?;
        self.understood(Mark::decode(&bytes))
    }

    pub(crate) fn set_mark(&mut self, key: &TaskKey, mark: Mark) {
        self.erase_mark(key);
        self.rows
            .put(timed_key(ENDED, mark.until, b'u', key), Bytes::new());
        self.rows.put(named(b'u', key), mark.encode());
    }

    pub(crate) fn erase_mark(&mut self, key: &TaskKey) {
        if let Some(mark) = self.mark(key) {
            self.rows.remove(timed_key(ENDED, mark.until, b'u', key));
            self.rows.remove(named(b'u', key));
        }
    }

    pub(crate) fn scan(&mut self, from: &[u8], to: &[u8], limit: usize) -> Scan {
        self.rows.scan(from, to, limit)
    }

    /// Drops an order's key that no row stands behind.
    pub(crate) fn drop_order(&mut self, key: Bytes) {
        self.rows.remove(key);
    }

    /// The gathered rows as index records of `shard`. A turn that removes rows, or gave a number to
    /// something that left no row, adds a [`Meta`]: the greatest number ever given then always
    /// stands in a record that compaction keeps.
    pub(crate) fn cut(&mut self, shard: Shard) -> Vec<Outgoing> {
        let to = TopicPartition::new(Topic::Index, shard);
        let mut sequence = self.sequence;
        let mut records = Vec::new();
        for (key, value) in self.rows.cut() {
            sequence += 1;
            records.push(index_record(to, key, value.as_ref(), sequence));
        }
        let removed = records.iter().any(|record| record.value.is_none());
        if removed || (records.is_empty() && self.sequence != self.written) {
            sequence += 1;
            let (key, value) = (TableKey::Meta.encode(), Meta {}.encode());
            records.push(index_record(to, &key, Some(&value), sequence));
            self.rows.add_to_cut(key, value);
        }
        self.sequence = sequence;
        self.written = sequence;
        records
    }

    /// The turn cut last is durable.
    pub(crate) fn flush(&mut self, facts: StoreFacts) {
        self.rows.flush(Some(facts));
    }

    pub(crate) fn understood<T>(&mut self, row: Result<T, DecodeError>) -> Option<T> {
        match row {
            Ok(row) => Some(row),
            Err(error) => {
                self.rows.break_with(StoreError::new("understand", error));
                None
            }
        }
    }
}

fn index_record(to: TopicPartition, key: &Bytes, value: Option<&Bytes>, sequence: u64) -> Outgoing {
    let number = Bytes::copy_from_slice(&sequence.to_be_bytes());
    Outgoing {
        to,
        key: Some(key.clone()),
        value: value.cloned(),
        headers: vec![(SEQUENCE_HEADER.to_owned(), number)],
    }
}
