//! What the table knows of time zone data.

use schemas::TaskKey;
use schemas::index::{Moved, TableKey, ZonesRow};

use super::Table;
use crate::store::Store;

impl<S: Store> Table<S> {
    /// The version of the time zone data that its tasks are planned by.
    pub(crate) fn zones(&mut self) -> Option<String> {
        let bytes = self.rows.get(&TableKey::Zones.encode())?;
        self.understood(ZonesRow::decode(&bytes))
            .map(|row| row.tzdata)
    }

    pub(crate) fn set_zones(&mut self, tzdata: String) {
        let row = ZonesRow { tzdata };
        self.rows.put(TableKey::Zones.encode(), row.encode());
    }

    pub(crate) fn set_moved(&mut self, key: &TaskKey, moved: &Moved) {
        self.rows
            .put(TableKey::Moved(key.clone()).encode(), moved.encode());
    }

    /// As of the last commit: what other time zone data did to a task last.
    pub(crate) fn committed_moved(&mut self, key: &TaskKey) -> Option<Moved> {
        let bytes = self
            .rows
            .committed(&TableKey::Moved(key.clone()).encode())?;
        self.understood(Moved::decode(&bytes))
    }

    /// The task goes, and with it what was done to it.
    pub(super) fn erase_moved(&mut self, key: &TaskKey) {
        let key = TableKey::Moved(key.clone()).encode();
        if self.rows.get(&key).is_some() {
            self.rows.remove(key);
        }
    }
}
