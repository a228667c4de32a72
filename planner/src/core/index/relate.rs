//! Who waits for whom: an order of this machine, from a needed step to those that need it.

use bytes::{BufMut, Bytes, BytesMut};
use schemas::index::{Follow, TableKey, TaskRow, named};
use schemas::{TaskId, TaskKey};

use super::Table;
use super::calendar::names_of;
use crate::core::overlay::{NEEDED, after};
use crate::store::Store;

/// Keys looked at at once to find the first.
const LOOK: usize = 32;

impl<S: Store> Table<S> {
    /// Whether anybody waits for that step.
    pub(crate) fn is_needed(&mut self, step: &TaskKey) -> bool {
        let (from, to) = waiting_behind(step, None);
        self.first(from, &to).is_some()
    }

    /// Whether any step of the group of `step` waits for another.
    pub(crate) fn is_group_waiting(&mut self, step: &TaskKey) -> bool {
        let (tenant, group) = (step.tenant.as_str(), step.id.group());
        let bound = |end: u8| {
            let mut out = BytesMut::with_capacity(4 + tenant.len() + group.len());
            out.put_u8(NEEDED);
            out.put_slice(tenant.as_bytes());
            out.put_u8(0);
            out.put_slice(group.as_bytes());
            out.put_u8(end);
            out
        };
        self.first(bound(b'/').freeze(), &bound(b'/' + 1)).is_some()
    }

    /// The first key of `from <= key < to`.
    pub(crate) fn first(&mut self, from: Bytes, to: &[u8]) -> Option<Bytes> {
        let mut from = from;
        loop {
            let scan = self.rows.scan(&from, to, LOOK);
            if let Some(key) = scan.keys.into_iter().next() {
                return Some(key);
            }
            from = scan.next?;
        }
    }

    /// Puts a task that waited for `from` into the order for `to` instead.
    pub(super) fn relate(&mut self, from: Vec<Bytes>, to: Vec<Bytes>) {
        if from == to {
            return;
        }
        for key in from {
            self.rows.remove(key);
        }
        for key in to {
            self.rows.put(key, Bytes::new());
        }
    }

    /// The earliest end that not all were told of.
    pub(crate) fn first_follow(&mut self) -> Option<(u64, Follow)> {
        let (from, to) = (TableKey::Follow(0), TableKey::Follow(u64::MAX));
        let key = self.first(from.encode(), &to.encode())?;
        let number = u64::from_be_bytes(key.get(1..)?.try_into().ok()?);
        let value = self.rows.get(&key)?;
        let follow = self.understood(Follow::decode(&value))?;
        Some((number, follow))
    }

    pub(crate) fn set_follow(&mut self, number: u64, follow: &Follow) {
        self.rows
            .put(TableKey::Follow(number).encode(), follow.encode());
    }

    pub(crate) fn drop_follow(&mut self, number: u64) {
        self.rows.remove(TableKey::Follow(number).encode());
    }
}

/// The keys under which a row stands in the order.
pub(super) fn relations_of(key: &TaskKey, row: &TaskRow) -> Vec<Bytes> {
    let needs = row.held().map_or(&[][..], |held| &held.needs);
    let needed = needs.iter().filter_map(|need| key.sibling(&need.step));
    let needed = needed.map(|step| relation(&step, key.id.as_str()));
    needed.chain(names_of(key, row)).collect()
}

fn relation(step: &TaskKey, id: &str) -> Bytes {
    let mut out = bound(step, 0);
    out.put_slice(id.as_bytes());
    out.freeze()
}

/// `n` tenant 0 step 0 id: where those who wait for a step stand, behind the one that was told last.
pub(crate) fn waiting_behind(step: &TaskKey, told: Option<&String>) -> (Bytes, Bytes) {
    let from = match told {
        Some(id) => after(&relation(step, id)),
        None => relation(step, ""),
    };
    (from, bound(step, 1).freeze())
}

/// Who waits for `step` by that key.
pub(crate) fn who_waits(step: &TaskKey, key: &[u8]) -> Option<TaskKey> {
    let id = key.get(bound(step, 0).len()..)?;
    Some(TaskKey {
        tenant: step.tenant.clone(),
        id: TaskId::new(std::str::from_utf8(id).ok()?).ok()?,
    })
}

fn bound(step: &TaskKey, end: u8) -> BytesMut {
    let mut out = BytesMut::from(&named(NEEDED, step)[..]);
    out.put_u8(end);
    out
}
