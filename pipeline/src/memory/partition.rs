//! One partition: records, markers, and how far readers of committed records may see.

use std::collections::{BTreeMap, BTreeSet};

use crate::record::Record;

/// Names a transaction.
pub(super) type TxnId = u64;

/// One partition of one topic.
#[derive(Debug, Default)]
pub(super) struct Partition {
    entries: BTreeMap<i64, Entry>,
    start: i64,
    end: i64,
    /// Undecided transactions, each with the offset of its first record here.
    open: BTreeMap<TxnId, i64>,
}

/// What stands at an offset.
#[derive(Debug)]
enum Entry {
    /// A record, of that transaction if of one.
    Record(Record, Option<TxnId>),
    /// A marker, or a record of an aborted transaction.
    Void,
}

impl Partition {
    /// Appends a record; `record.offset` is set to where it stands.
    pub(super) fn append(&mut self, record: &mut Record, txn: Option<TxnId>) -> i64 {
        let offset = self.end;
        record.offset = offset;
        self.entries
            .insert(offset, Entry::Record(record.clone(), txn));
        self.end += 1;
        if let Some(txn) = txn {
            self.open.entry(txn).or_insert(offset);
        }
        offset
    }

    /// Writes the marker of `txn`: its records here are visible from now on, or never.
    pub(super) fn mark(&mut self, txn: TxnId, committed: bool) {
        let Some(first) = self.open.remove(&txn) else {
            return;
        };
        if !committed {
            for (_, entry) in self.entries.range_mut(first..) {
                if matches!(entry, Entry::Record(_, Some(of)) if *of == txn) {
                    *entry = Entry::Void;
                }
            }
        }
        self.entries.insert(self.end, Entry::Void);
        self.end += 1;
    }

    pub(super) fn start(&self) -> i64 {
        self.start
    }

    /// The offset behind the last record, whether decided or not.
    pub(super) fn end(&self) -> i64 {
        self.end
    }

    /// The last stable offset: nothing at or behind it may be read.
    pub(super) fn stable_end(&self) -> i64 {
        self.open.values().copied().min().unwrap_or(self.end)
    }

    /// Up to `most` visible records from `from` on, and the offset below which all visible ones are
    /// among these or before `from`.
    pub(super) fn read(&self, from: i64, most: usize) -> (Vec<Record>, i64) {
        let from = from.max(self.start);
        let stable_end = self.stable_end();
        if most == 0 || from >= stable_end {
            return (Vec::new(), from);
        }
        let mut records = Vec::new();
        for (offset, entry) in self.entries.range(from..stable_end) {
            if let Entry::Record(record, _) = entry {
                if records.len() == most {
                    return (records, *offset);
                }
                records.push(record.clone());
            }
        }
        (records, stable_end)
    }

    pub(super) fn delete_below(&mut self, offset: i64) {
        self.start = self.start.max(offset.min(self.end));
        self.entries = self.entries.split_off(&self.start);
    }

    /// Removes superseded records, and markers, below the last stable offset.
    pub(super) fn compact(&mut self, tombstones: bool) {
        let stable_end = self.stable_end();
        let mut later = BTreeSet::new();
        let mut gone = Vec::new();
        for (offset, entry) in self.entries.range(..stable_end).rev() {
            let keep = match entry {
                Entry::Record(record, _) => {
                    let newest = record
                        .key
                        .as_ref()
                        .is_none_or(|key| later.insert(key.clone()));
                    newest && (record.value.is_some() || !tombstones)
                }
                Entry::Void => false,
            };
            if !keep {
                gone.push(*offset);
            }
        }
        for offset in gone {
            self.entries.remove(&offset);
        }
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use schemas::Millis;

    use super::*;

    fn record(key: &str, value: Option<&str>) -> Record {
        Record {
            offset: 0,
            appended: Millis(0),
            key: Some(Bytes::copy_from_slice(key.as_bytes())),
            value: value.map(|value| Bytes::copy_from_slice(value.as_bytes())),
            headers: Vec::new(),
        }
    }

    fn offsets(partition: &Partition, from: i64, most: usize) -> (Vec<i64>, i64) {
        let (records, position) = partition.read(from, most);
        (
            records.iter().map(|record| record.offset).collect(),
            position,
        )
    }

    #[test]
    fn readers_stand_before_the_first_undecided_transaction() {
        let mut partition = Partition::default();
        partition.append(&mut record("a", Some("1")), None);
        partition.append(&mut record("b", Some("1")), Some(1));
        partition.append(&mut record("c", Some("1")), Some(2));
        partition.append(&mut record("d", Some("1")), None);
        assert_eq!(
            (offsets(&partition, 0, 9), partition.end()),
            ((vec![0], 1), 4)
        );
        partition.mark(2, true);
        assert_eq!(offsets(&partition, 0, 9), (vec![0], 1));
        partition.mark(1, false);
        assert_eq!(offsets(&partition, 0, 9), (vec![0, 2, 3], 6));
        assert_eq!(offsets(&partition, 0, 2), (vec![0, 2], 3));
        assert_eq!(offsets(&partition, 4, 9), (vec![], 6));
        assert_eq!(offsets(&partition, 0, 0), (vec![], 0));
    }

    #[test]
    fn compaction_keeps_the_last_of_each_key_and_leaves_gaps() {
        let mut partition = Partition::default();
        for (key, value) in [
            ("a", Some("1")),
            ("b", Some("1")),
            ("a", Some("2")),
            ("b", None),
        ] {
            partition.append(&mut record(key, value), None);
        }
        partition.append(&mut record("a", Some("3")), Some(1));
        partition.compact(false);
        assert_eq!(offsets(&partition, 0, 9), (vec![2, 3], 4));
        partition.mark(1, true);
        partition.compact(true);
        assert_eq!(offsets(&partition, 0, 9), (vec![4], 6));
    }

    #[test]
    fn deleted_records_are_gone_and_reading_begins_behind_them() {
        let mut partition = Partition::default();
        for _ in 0..4 {
            partition.append(&mut record("a", Some("1")), None);
        }
        partition.delete_below(2);
        assert_eq!(
            (partition.start(), offsets(&partition, 0, 9)),
            (2, (vec![2, 3], 4))
        );
        partition.delete_below(1);
        partition.delete_below(99);
        assert_eq!(
            (partition.start(), offsets(&partition, 0, 9)),
            (4, (vec![], 4))
        );
    }
}
