//! Rows of work on many tasks.

use schemas::index::{SweepRow, TableKey};

use super::Table;
use crate::store::Store;

impl<S: Store> Table<S> {
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
