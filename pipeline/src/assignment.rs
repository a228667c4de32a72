//! One core per owned shard: waiting to be opened, at work, or on its way out.

use std::collections::{BTreeMap, BTreeSet};

use schemas::{Shard, Topic};

/// What a worker owns.
#[derive(Debug)]
pub(crate) struct Assignment<S> {
    shards: BTreeMap<Shard, Owned<S>>,
}

/// One owned shard.
#[derive(Debug)]
pub(crate) struct Owned<S> {
    /// The core, once the facts it is made from were read.
    pub(crate) core: Option<S>,
    /// What is being read for it.
    pub(crate) reads: BTreeSet<Topic>,
    /// Whose ends it asked for and was not told yet.
    pub(crate) ends: BTreeSet<Topic>,
    /// Not to be opened before this, monotonic ms.
    pub(crate) open_at: u64,
    /// Since when it was tried, or when it was last told that it cannot be opened yet; monotonic ms.
    pub(crate) waits_since: Option<u64>,
    /// Set while it is being given up.
    pub(crate) leaving: Option<Leaving>,
    /// Whether its core is part of the transaction on its way.
    pub(crate) in_flight: bool,
}

/// How far the giving up has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Leaving {
    /// Open work may still end, until this monotonic ms.
    Draining(u64),
    /// Its last turn is on its way; what it would be made again until, should that fail.
    LastTurn(u64),
}

impl Leaving {
    /// When it is given up whatever is open, monotonic ms.
    pub(crate) fn until(self) -> u64 {
        match self {
            Self::Draining(until) | Self::LastTurn(until) => until,
        }
    }
}

impl<S> Assignment<S> {
    pub(crate) fn new() -> Self {
        Self {
            shards: BTreeMap::new(),
        }
    }

    pub(crate) fn insert(&mut self, shard: Shard) {
        self.shards.insert(
            shard,
            Owned {
                core: None,
                reads: BTreeSet::new(),
                ends: BTreeSet::new(),
                open_at: 0,
                waits_since: None,
                leaving: None,
                in_flight: false,
            },
        );
    }

    pub(crate) fn remove(&mut self, shard: Shard) -> Option<Owned<S>> {
        self.shards.remove(&shard)
    }

    pub(crate) fn get_mut(&mut self, shard: Shard) -> Option<&mut Owned<S>> {
        self.shards.get_mut(&shard)
    }

    pub(crate) fn len(&self) -> usize {
        self.shards.len()
    }

    pub(crate) fn iter_mut(&mut self) -> impl Iterator<Item = (Shard, &mut Owned<S>)> {
        self.shards.iter_mut().map(|(shard, owned)| (*shard, owned))
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = (Shard, &Owned<S>)> {
        self.shards.iter().map(|(shard, owned)| (*shard, owned))
    }

    /// The cores at work, with their shards.
    pub(crate) fn cores_mut(&mut self) -> impl Iterator<Item = (Shard, &mut S)> {
        self.iter_mut()
            .filter_map(|(shard, owned)| owned.core.as_mut().map(|core| (shard, core)))
    }

    /// The core of one shard, if it is at work.
    pub(crate) fn core_mut(&mut self, shard: Shard) -> Option<&mut S> {
        self.shards
            .get_mut(&shard)
            .and_then(|owned| owned.core.as_mut())
    }

    pub(crate) fn core(&self, shard: Shard) -> Option<&S> {
        self.shards
            .get(&shard)
            .and_then(|owned| owned.core.as_ref())
    }

    /// Shards that still have no core and may be opened at `mono`: those on their way out only where
    /// something `is_unfinished` there.
    pub(crate) fn to_open(&self, mono: u64, is_unfinished: impl Fn(Shard) -> bool) -> Vec<Shard> {
        self.iter()
            .filter(|(_, owned)| owned.core.is_none() && owned.open_at <= mono)
            .filter(|(shard, owned)| owned.leaving.is_none() || is_unfinished(*shard))
            .map(|(shard, _)| shard)
            .collect()
    }
}
