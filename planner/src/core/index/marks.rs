//! Marks: that a cancel met no such task.

use bytes::Bytes;
use schemas::TaskKey;
use schemas::index::{Mark, named};

use super::{Table, timed_key};
use crate::core::overlay::ENDED;
use crate::store::Store;

impl<S: Store> Table<S> {
    pub(crate) fn mark(&mut self, key: &TaskKey) -> Option<Mark> {
        let bytes = self.rows.get(&named(b'u', key))?;
        self.understood(Mark::decode(&bytes))
    }

    pub(crate) fn set_mark(&mut self, key: &TaskKey, mark: Mark) {
        self.erase_mark(key);
        self.rows
            .put(timed_key(ENDED, mark.until, b'u', key, None), Bytes::new());
        self.rows.put(named(b'u', key), mark.encode());
    }

    pub(crate) fn erase_mark(&mut self, key: &TaskKey) {
        if let Some(mark) = self.mark(key) {
            self.rows
                .remove(timed_key(ENDED, mark.until, b'u', key, None));
            self.rows.remove(named(b'u', key));
        }
    }
}
