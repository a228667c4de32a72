//! A revoke: still here: taken out; gone: passed on behind the fire.

use std::collections::HashMap;

use bytes::Bytes;
use schemas::bucket::Revoke;
use schemas::{FireId, Millis, Placement, Slot};

use super::wheel::{Key, Next, Wheel};

/// A placement in the wheel.
#[derive(Debug)]
pub(crate) struct Waiting {
    /// In which slot partition it stands.
    pub(crate) slot: Slot,
    /// Where.
    pub(crate) offset: i64,
    /// What it weighs.
    pub(crate) weight: usize,
    /// What it says.
    pub(crate) placement: Placement,
    /// Its work, unopened.
    pub(crate) body: Bytes,
}

/// The wheel, with an index by what a revoke names.
#[derive(Debug)]
pub(crate) struct Hold {
    wheel: Wheel<(Slot, i64), Waiting>,
    /// Looked up, never walked: its order is not known.
    index: HashMap<(FireId, u32), Key>,
}

/// Room for so many names is kept when the wheel runs empty.
const KEPT: usize = 16_384;

impl Hold {
    pub(crate) fn new(start: Millis) -> Self {
        Self {
            wheel: Wheel::new(start),
            index: HashMap::new(),
        }
    }

    /// How many placements wait.
    pub(crate) fn len(&self) -> usize {
        self.wheel.len()
    }

    /// Adds a placement. Returns whether one of the same name waits already (T3).
    pub(crate) fn insert(&mut self, waiting: Waiting) -> bool {
        let name = (waiting.placement.fire_id, waiting.placement.leg);
        let rank = (waiting.slot, waiting.offset);
        let key = self.wheel.insert(waiting.placement.due, rank, waiting);
        self.index.insert(name, key).is_some()
    }

    /// Takes out what `revoke` names, if it waits in the partition that the revoke stands in. What
    /// waits elsewhere is left: a revoke is only remembered in its own partition.
    pub(crate) fn take(&mut self, revoke: &Revoke, slot: Slot) -> Option<Waiting> {
        let name = (revoke.fire_id, revoke.leg);
        let key = *self.index.get(&name)?;
        if self.wheel.get(key).is_none_or(|it| it.slot != slot) {
            return None;
        }
        self.index.remove(&name);
        let waiting = self.wheel.remove(key);
        self.shrink();
        waiting
    }

    /// Takes the first placement that is due at `limit` or before.
    pub(crate) fn pop(&mut self, limit: Millis) -> Option<Waiting> {
        let (key, waiting) = self.wheel.pop(limit)?;
        let name = (waiting.placement.fire_id, waiting.placement.leg);
        if self.index.get(&name) == Some(&key) {
            self.index.remove(&name);
        }
        self.shrink();
        Some(waiting)
    }

    /// As [`Wheel::advance`].
    pub(crate) fn advance(&mut self, limit: Millis) {
        self.wheel.advance(limit);
    }

    /// As [`Wheel::next`].
    pub(crate) fn next(&self) -> Option<Next> {
        self.wheel.next()
    }

    fn shrink(&mut self) {
        if self.index.is_empty() && self.index.capacity() > KEPT {
            self.index = HashMap::new();
        }
    }
}
