//! The table of tasks: rows in, rows out, and the orders derived from them.
//!
//! Orders lie on this machine only and are derived from the row alone, so that the changelog need not
//! carry them. After a crash an order may name a task that has moved on: whoever follows an order
//! checks the row.

use bytes::{Bytes, BytesMut};
use pipeline::{Outgoing, TopicPartition};
use schemas::index::{
    Forwarded, Mark, Meta, Phase, RingRow, SEQUENCE_HEADER, TableKey, TaskRow, named, parse_name,
    put_name,
};
use schemas::{DecodeError, FireId, Millis, Shard, Slot, TaskKey, Topic};

use super::overlay::{ENDED, Overlay, REVOKED, Scan, StoreFacts, WAITING, timed, timed_parts};
use crate::error::StoreError;
use crate::store::Store;

/// The table of one shard.
pub(crate) struct Table<S> {
    rows: Overlay<S>,
    /// The last number given to a command or an index record.
    sequence: u64,
    /// The last number of an index record that was cut or applied.
    written: u64,
}

/// One task, taken out to be changed and saved again.
#[derive(Clone, Debug)]
pub(crate) struct Task {
    pub(crate) key: TaskKey,
    pub(crate) row: TaskRow,
    definition: DefinitionAt,
    was: Option<Was>,
}

#[derive(Clone, Debug)]
enum DefinitionAt {
    /// Behind the row.
    Inline(Bytes),
    /// Under its own key, as stored.
    Apart,
    /// To be put under its own key.
    NewApart(Bytes),
}

/// What stands in the table for a task as it was loaded.
#[derive(Clone, Copy, Debug)]
struct Was {
    order: Order,
    apart: bool,
}

/// The orders a row stands in.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Order {
    waiting: Option<Millis>,
    ended: Option<Millis>,
    revoked: Option<FireId>,
}

impl Order {
    fn of(row: &TaskRow) -> Self {
        Self {
            waiting: (row.phase == Phase::Waiting).then_some(row.firing.leg_due),
            ended: match row.phase {
                Phase::Ended { at, .. } => Some(at),
                _ => None,
            },
            revoked: row.revoking().then_some(row.firing.fire_id),
        }
    }
}

impl Task {
    /// A task that is not in the table yet, or takes the place of one.
    pub(crate) fn new(
        key: TaskKey,
        row: TaskRow,
        definition: Bytes,
        instead: Option<&Self>,
    ) -> Self {
        let mut task = Self {
            key,
            row,
            definition: DefinitionAt::Inline(Bytes::new()),
            was: instead.and_then(|task| task.was),
        };
        task.define(definition);
        task
    }

    /// Gives it another definition.
    pub(crate) fn define(&mut self, definition: Bytes) {
        self.row.apart = definition.len() > schemas::index::INLINE_MAX;
        self.definition = if self.row.apart {
            DefinitionAt::NewApart(definition)
        } else {
            DefinitionAt::Inline(definition)
        };
    }
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
        Some(task_of(key.clone(), row, inline))
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
            DefinitionAt::Apart => {
                let found = self.rows.get(&named(b'd', &task.key));
                if found.is_none() {
                    self.rows.break_with(StoreError::new(
                        "find a definition in",
                        format!("task `{}` has none", task.key),
                    ));
                }
                found
            }
        }
    }

    pub(crate) fn save(&mut self, task: Task) {
        let Task {
            key,
            row,
            definition,
            was,
        } = task;
        let order = Order::of(&row);
        self.reorder(&key, was.map(|was| was.order).unwrap_or_default(), order);
        if was.is_some_and(|was| was.apart) && !row.apart {
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

    /// Applies an index record read back, unless the store has it. Every order of the row is
    /// written, even where it did not change: a store that was torn may lack it.
    pub(crate) fn restore(&mut self, key: Bytes, value: Option<Bytes>, sequence: u64) -> bool {
        if sequence <= self.written {
            return false;
        }
        self.written = sequence;
        self.sequence = sequence;
        match key.first() {
            Some(b't') => self.restore_task(&key, value.as_ref()),
            Some(b'u') => self.restore_mark(&key, value.as_ref()),
            _ => {}
        }
        match value {
            Some(value) => self.rows.put(key, value),
            None => self.rows.remove(key),
        }
        true
    }

    fn restore_task(&mut self, key: &[u8], value: Option<&Bytes>) {
        let Some(name) = key.get(1..).and_then(parse_name) else {
            return;
        };
        let old = self.rows.get(key);
        let old = old.and_then(|bytes| self.understood(TaskRow::decode(&bytes)));
        if let Some((old, _)) = old {
            self.reorder(&name, Order::of(&old), Order::default());
        }
        let new = value.and_then(|bytes| self.understood(TaskRow::decode(bytes)));
        if let Some((new, _)) = new {
            self.reorder(&name, Order::default(), Order::of(&new));
        }
    }

    fn restore_mark(&mut self, key: &[u8], value: Option<&Bytes>) {
        let Some(name) = key.get(1..).and_then(parse_name) else {
            return;
        };
        if let Some(old) = self.mark(&name) {
            self.rows.remove(timed_key(ENDED, old.until, b'u', &name));
        }
        let new = value.and_then(|bytes| self.understood(Mark::decode(bytes)));
        if let Some(new) = new {
            self.rows
                .put(timed_key(ENDED, new.until, b'u', &name), Bytes::new());
        }
    }

    /// What restoring gathered goes into the store.
    pub(crate) fn settle(&mut self, offset: i64, now: Millis) {
        self.rows.cut().for_each(drop);
        self.rows.flush(Some(StoreFacts {
            sequence: self.written,
            offset,
            written_at: now,
        }));
    }

    /// Takes that numbers up to `sequence` were given, whatever the rows say.
    pub(crate) fn not_below(&mut self, sequence: u64) {
        self.written = self.written.max(sequence);
        self.sequence = self.sequence.max(sequence);
    }

    /// Forgets the store: all is to be read again.
    pub(crate) fn wipe(&mut self) {
        self.rows.wipe();
        self.sequence = 0;
        self.written = 0;
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

fn task_of(key: TaskKey, row: TaskRow, inline: Bytes) -> Task {
    let was = Some(Was {
        order: Order::of(&row),
        apart: row.apart,
    });
    let definition = if row.apart {
        DefinitionAt::Apart
    } else {
        DefinitionAt::Inline(inline)
    };
    Task {
        key,
        row,
        definition,
        was,
    }
}

/// `prefix` time `sort` tenant 0 id.
pub(crate) fn timed_key(prefix: u8, time: Millis, sort: u8, key: &TaskKey) -> Bytes {
    let mut name = BytesMut::with_capacity(64);
    name.extend_from_slice(&[sort]);
    put_name(&mut name, key);
    timed(prefix, time, &name)
}

/// The time, sort and task of a [`timed_key`].
pub(crate) fn timed_key_parts(key: &[u8]) -> Option<(Millis, u8, TaskKey)> {
    let (time, name) = timed_parts(key)?;
    let (sort, name) = name.split_first()?;
    Some((time, *sort, parse_name(name)?))
}

fn revoked_key(fire_id: FireId) -> Bytes {
    let mut out = BytesMut::with_capacity(17);
    out.extend_from_slice(&[REVOKED]);
    out.extend_from_slice(&fire_id.0);
    out.freeze()
}
