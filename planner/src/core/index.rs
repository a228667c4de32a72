//! The table of tasks: rows in, rows out, and the orders derived from them.
//!
//! Orders lie on this machine only and are derived from the row alone, so that the changelog need not
//! carry them. After a crash an order may name a task that has moved on: whoever follows an order
//! checks the row.

mod calendar;
mod firings;
mod many;
mod marks;
mod relate;
mod restore;
mod task;
mod zones;

use bytes::Bytes;
use pipeline::{Outgoing, TopicPartition};
use schemas::index::{
    Forwarded, INLINE_MAX, Meta, Pace, RingRow, SEQUENCE_HEADER, TableKey, TaskRow, named,
    parse_name_part,
};
use schemas::{DecodeError, FireId, FiringPart, Millis, Shard, Slot, TaskKey, Topic};

use super::overlay::{ENDED, Overlay, Scan, StoreFacts};
use crate::error::StoreError;
use crate::store::Store;
pub(crate) use calendar::{naming, who_names};
use relate::relations_of;
pub(crate) use relate::{waiting_behind, who_waits};
use task::{DefinitionAt, Place, definition_key, place_of, revoked_key, row_key, task_of, wished};
pub(crate) use task::{Order, Task, Timed, timed_key};

/// Keys looked at in one step.
const STEP: usize = 512;

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
        self.load_part(key, None)
    }

    /// A task, or one firing of a recurring one.
    pub(crate) fn load_part(&mut self, key: &TaskKey, part: Option<FiringPart>) -> Option<Task> {
        let bytes = self.rows.get(&row_key(key, part))?;
        let (row, inline) = self.understood(TaskRow::decode(&bytes))?;
        let mut task = task_of(key.clone(), part, row, inline);
        for (prefix, definition) in wished(&mut task.row) {
            if let Some(definition) = definition.filter(|definition| definition.is_empty()) {
                *definition = self.kept_apart(key, &named(prefix, key))?;
            }
        }
        Some(task)
    }

    /// A definition that stands under its own key.
    fn kept_apart(&mut self, key: &TaskKey, at: &[u8]) -> Option<Bytes> {
        let found = self.rows.get(at);
        if found.is_none() {
            let at = String::from_utf8_lossy(at);
            let problem = format!("task `{key}` has none under `{}`", at.escape_debug());
            let error = StoreError::new("find a definition in", problem);
            self.rows.break_with(error);
        }
        found
    }

    /// No firing uses the definition any more that `version` gave a recurring task.
    pub(crate) fn drop_definition(&mut self, key: &TaskKey, version: u64) {
        let place = Place::Version(version);
        self.rows.remove(definition_key(key, None, place));
    }

    pub(crate) fn pace(&mut self) -> Option<Pace> {
        let bytes = self.rows.get(&TableKey::Pace.encode())?;
        self.understood(Pace::decode(&bytes))
    }

    pub(crate) fn set_pace(&mut self, pace: Pace) {
        self.rows.put(TableKey::Pace.encode(), pace.encode());
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
        let Some(place) = place_of(&row) else {
            return Some((row, inline));
        };
        let definition = self.rows.committed(&definition_key(key, None, place))?;
        Some((row, definition))
    }

    pub(crate) fn definition(&mut self, task: &Task) -> Option<Bytes> {
        match &task.definition {
            DefinitionAt::Inline(bytes) | DefinitionAt::NewApart(bytes) => Some(bytes.clone()),
            DefinitionAt::Apart => {
                let place = place_of(&task.row).unwrap_or(Place::Own);
                let at = definition_key(&task.key, task.part, place);
                self.kept_apart(&task.key, &at)
            }
            DefinitionAt::Shared => {
                if let Some(part) = task.part.filter(|part| part.shard().is_some()) {
                    let whole = self.whole_of(&task.key, part)?;
                    return self.definition(&whole);
                }
                let place = Place::Version(task.row.firing.version);
                let at = definition_key(&task.key, None, place);
                self.kept_apart(&task.key, &at)
            }
        }
    }

    pub(crate) fn save(&mut self, task: Task) {
        let Task {
            key,
            part,
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
        self.reorder(&key, part, from, order);
        self.relate(related, relations_of(&key, &row));
        let place = place_of(&row);
        if let Some(old) = apart
            && Some(old) != place
            && !still_used(&row, old)
        {
            self.rows.remove(definition_key(&key, part, old));
        }
        let inline = match (definition, place) {
            (DefinitionAt::Inline(bytes), _) => bytes,
            (DefinitionAt::NewApart(bytes), Some(place)) => {
                self.rows.put(definition_key(&key, part, place), bytes);
                Bytes::new()
            }
            _ => Bytes::new(),
        };
        self.rows.put(row_key(&key, part), row.encode(&inline));
    }

    pub(crate) fn erase(&mut self, task: Task) {
        let Task {
            key,
            part,
            was,
            row,
            ..
        } = task;
        let Some(was) = was else {
            return;
        };
        if row.series.is_some() {
            self.erase_moved(&key);
        }
        self.reorder(&key, part, was.order, Order::default());
        self.relate(was.relations, Vec::new());
        // What ended has no wish: nothing else of it stands apart.
        if let Some(place) = was.apart {
            self.rows.remove(definition_key(&key, part, place));
        }
        self.rows.remove(row_key(&key, part));
    }

    fn reorder(&mut self, key: &TaskKey, part: Option<FiringPart>, from: Order, to: Order) {
        if from == to {
            return;
        }
        let ended = |time: Millis| (ENDED, time);
        for (from, to) in [
            (from.waiting, to.waiting),
            (from.ended.map(ended), to.ended.map(ended)),
        ] {
            if from == to {
                continue;
            }
            if let Some((prefix, time)) = from {
                self.rows.remove(timed_key(prefix, time, b't', key, part));
            }
            if let Some((prefix, time)) = to {
                self.rows
                    .put(timed_key(prefix, time, b't', key, part), Bytes::new());
            }
        }
        if from.revoked != to.revoked {
            if let Some(fire_id) = from.revoked {
                self.rows.remove(revoked_key(fire_id));
            }
            if let Some(fire_id) = to.revoked {
                self.rows.put(revoked_key(fire_id), row_key(key, part));
            }
        }
    }

    /// The task, or the firing of a recurring one, that a revoke is under way for.
    pub(crate) fn revoked(&mut self, fire_id: FireId) -> Option<Task> {
        let name = self.rows.get(&revoked_key(fire_id))?;
        let (key, part) = parse_name_part(name.get(1..)?)?;
        self.load_part(&key, part)
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

/// Whether a live firing still uses the definition that stands there.
fn still_used(row: &TaskRow, place: Place) -> bool {
    let older = row.series.iter().flat_map(|series| &series.older);
    older
        .map(|older| Place::Version(older.version))
        .any(|used| used == place)
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
