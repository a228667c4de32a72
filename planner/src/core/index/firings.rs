//! The firings that have rows of their own: those of a recurring task, and the shares of a broadcast.

use bytes::Bytes;
use schemas::index::{TaskRow, named, parse_name_part};
use schemas::{FiringPart, TaskKey};

use super::task::row_key;
use super::{STEP, Table, Task};
use crate::core::overlay::after;
use crate::store::Store;

impl<S: Store> Table<S> {
    /// The firing that a share belongs to: one of a recurring task, or the task itself.
    pub(crate) fn whole_of(&mut self, key: &TaskKey, part: FiringPart) -> Option<Task> {
        let firing = self.load_part(key, Some(part.whole()));
        firing.or_else(|| self.load(key))
    }

    /// The live firings of a recurring task, in order, without the shares of those that are broadcasts.
    pub(crate) fn firings(&mut self, key: &TaskKey) -> Vec<FiringPart> {
        let (mut from, to) = firing_range(key);
        let mut parts = Vec::new();
        'scan: loop {
            let scan = self.rows.scan(&from, &to, STEP);
            let names = scan.keys.iter().filter_map(|key| key.get(1..));
            for part in names.filter_map(|name| parse_name_part(name)?.1) {
                if part.shard().is_some() {
                    from = behind_shares(key, part);
                    continue 'scan;
                }
                parts.push(part);
            }
            match scan.next {
                Some(next) => from = next,
                None => return parts,
            }
        }
    }

    /// As of the last commit: the live firings of a recurring task, or the live shares of a broadcast, the
    /// first so many.
    pub(crate) fn committed_firings(
        &mut self,
        key: &TaskKey,
        shares: bool,
        most: usize,
    ) -> Vec<(FiringPart, TaskRow)> {
        let (mut from, to) = firing_range(key);
        let mut found = Vec::new();
        'scan: loop {
            let rows = self.rows.committed_scan(&from, &to, most);
            let last = rows.last().map(|(key, _)| after(key));
            for (name, value) in rows {
                let part = name.get(1..).and_then(parse_name_part);
                let Some((_, Some(part))) = part else {
                    continue;
                };
                if part.shard().is_some() && !shares {
                    from = behind_shares(key, part);
                    continue 'scan;
                }
                if let Some((row, _)) = self.understood(TaskRow::decode(&value)) {
                    found.push((part, row));
                }
                if found.len() >= most {
                    return found;
                }
            }
            match last {
                Some(last) => from = last,
                None => return found,
            }
        }
    }
}

/// The keys of a recurring task's live firings.
fn firing_range(key: &TaskKey) -> (Bytes, Bytes) {
    let bound = |end: u8| Bytes::from([named(b'k', key).as_ref(), &[end]].concat());
    (bound(0), bound(1))
}

/// The key behind the shares of that occurrence's firings.
fn behind_shares(key: &TaskKey, part: FiringPart) -> Bytes {
    let next = FiringPart::occurrence(part.occurrence.saturating_add(1));
    row_key(key, Some(next))
}
