//! The table out of its changelog.

use bytes::Bytes;
use schemas::Millis;
use schemas::index::{Mark, TaskRow, parse_name, parse_name_part};

use super::Table;
use super::relate::relations_of;
use super::task::{Order, timed_key};
use crate::core::overlay::{ENDED, StoreFacts};
use crate::error::StoreError;
use crate::store::Store;

impl<S: Store> Table<S> {
    /// Applies an index record read back, unless the store has it. Every order of the row is
    /// written, even where it did not change: a store that was torn may lack it.
    pub(crate) fn restore(&mut self, key: Bytes, value: Option<Bytes>, sequence: u64) -> bool {
        if sequence <= self.written {
            return false;
        }
        self.written = sequence;
        self.sequence = sequence;
        match key.first() {
            Some(b't' | b'k') => self.restore_task(&key, value.as_ref()),
            Some(b'u') => self.restore_mark(&key, value.as_ref()),
            _ => {}
        }
        match value {
            Some(value) => self.rows.put(key, value),
            None => self.rows.remove(key),
        }
        true
    }

    /// Marks the table as holding what this release does not understand.
    pub(crate) fn break_with(&mut self, problem: String) {
        self.rows.break_with(StoreError::new("understand", problem));
    }

    fn restore_task(&mut self, key: &[u8], value: Option<&Bytes>) {
        let Some((name, part)) = key.get(1..).and_then(parse_name_part) else {
            return;
        };
        let old = self.rows.get(key);
        let old = old.and_then(|bytes| self.understood(TaskRow::decode(&bytes)));
        if let Some((old, _)) = old {
            self.reorder(&name, part, Order::of(&old), Order::default());
            self.relate(relations_of(&name, &old), Vec::new());
        }
        let new = value.and_then(|bytes| self.understood(TaskRow::decode(bytes)));
        if let Some((new, _)) = new {
            self.reorder(&name, part, Order::default(), Order::of(&new));
            self.relate(Vec::new(), relations_of(&name, &new));
        }
    }

    fn restore_mark(&mut self, key: &[u8], value: Option<&Bytes>) {
        let Some(name) = key.get(1..).and_then(parse_name) else {
            return;
        };
        if let Some(old) = self.mark(&name) {
            self.rows
                .remove(timed_key(ENDED, old.until, b'u', &name, None));
        }
        let new = value.and_then(|bytes| self.understood(Mark::decode(bytes)));
        if let Some(new) = new {
            self.rows
                .put(timed_key(ENDED, new.until, b'u', &name, None), Bytes::new());
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

    /// Empties a store that cannot be trusted; `false` where even that fails.
    pub(crate) fn discard(&mut self) -> bool {
        self.rows.discard()
    }

    /// Forgets the store: all is to be read again.
    pub(crate) fn wipe(&mut self) {
        self.rows.wipe();
        self.sequence = 0;
        self.written = 0;
    }
}
