//! Rows of work on many tasks.

use schemas::TaskKey;
use schemas::index::{BackfillRow, SweepRow, TableKey, named, parse_name};

use super::Table;
use crate::store::Store;

impl<S: Store> Table<S> {
    /// All backfills, by their tasks and numbers.
    pub(crate) fn backfills(&mut self) -> Vec<(TaskKey, u64, BackfillRow)> {
        self.backfills_in(b"g", b"h")
    }

    /// Those of one task, as of the last commit.
    pub(crate) fn backfills_of(&mut self, key: &TaskKey) -> Vec<BackfillRow> {
        let bound = |end: u8| [named(b'g', key).as_ref(), &[end]].concat();
        let rows = self.backfills_in(&bound(0), &bound(1));
        rows.into_iter().map(|(_, _, row)| row).collect()
    }

    fn backfills_in(&mut self, from: &[u8], to: &[u8]) -> Vec<(TaskKey, u64, BackfillRow)> {
        let rows = self.rows.committed_scan(from, to, usize::MAX);
        let rows = rows.into_iter().filter_map(|(key, value)| {
            let (name, number) = key.get(1..)?.split_last_chunk::<8>()?;
            let task = parse_name(name.split_last()?.1)?;
            let row = self.understood(BackfillRow::decode(&value))?;
            Some((task, u64::from_be_bytes(*number), row))
        });
        rows.collect()
    }

    pub(crate) fn set_backfill(&mut self, key: &TaskKey, number: u64, row: Option<&BackfillRow>) {
        let at = TableKey::Backfill(key.clone(), number).encode();
        match row {
            Some(row) => self.rows.put(at, row.encode()),
            None => self.rows.remove(at),
        }
    }

    /// All sweeps, by their numbers.
    pub(crate) fn sweeps(&mut self) -> Vec<(u64, SweepRow)> {
        let rows = self.rows.committed_scan(b"b", b"c", usize::MAX);
        let rows = rows.into_iter().filter_map(|(key, value)| {
            let number = key.get(1..)?.try_into().ok()?;
            let row = self.understood(SweepRow::decode(&value))?;
            Some((u64::from_be_bytes(number), row))
        });
        rows.collect()
    }

    pub(crate) fn set_sweep(&mut self, number: u64, row: &SweepRow) {
        self.rows
            .put(TableKey::Sweep(number).encode(), row.encode());
    }

    pub(crate) fn drop_sweep(&mut self, number: u64) {
        self.rows.remove(TableKey::Sweep(number).encode());
    }
}
