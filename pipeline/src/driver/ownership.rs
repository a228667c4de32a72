//! Taking shards, giving them up, and beginning anew after a void turn.

use std::collections::BTreeMap;

use schemas::Shard;

use super::{Driver, RETRY_MS};
use crate::assignment::{Leaving, Owned};
use crate::clock::Now;
use crate::error::LogError;
use crate::metrics;
use crate::record::TopicPartition;
use crate::stage::{Factory, Opening, Stage};

/// What is open when a shard is taken away has so long to end and be committed.
const DRAIN_MS: u64 = 5_000;
/// A shard that cannot be opened is no news for so long, and told again so often.
const TELL_MS: u64 = 5_000;

impl<F: Factory> Driver<F> {
    /// Whether no shard is left.
    #[must_use]
    pub fn owns_nothing(&self) -> bool {
        self.owned.len() == 0
    }

    /// How many shards are owned, those not yet open included.
    #[must_use]
    pub fn owned_shards(&self) -> usize {
        self.owned.len()
    }

    /// The shards whose cores are at work and ready for it.
    pub fn open_shards(&self) -> impl Iterator<Item = Shard> {
        self.owned
            .iter()
            .filter(|(_, owned)| owned.core.as_ref().is_some_and(Stage::is_ready))
            .map(|(shard, _)| shard)
    }

    /// The core of one shard, if it is at work: for a simulator's questions.
    #[must_use]
    pub fn core(&self, shard: Shard) -> Option<&F::Stage> {
        self.owned.core(shard)
    }

    /// Whether it is known which shards it owns, none being one answer: not before the first
    /// assignment, nor between giving up and being assigned anew.
    #[must_use]
    pub fn is_settled(&self) -> bool {
        self.settled
    }

    /// The shards whose cores stand still, and why.
    pub fn still_shards(&self) -> impl Iterator<Item = (Shard, &str)> {
        self.owned.iter().filter_map(|(shard, owned)| {
            let why = owned.core.as_ref()?.stands_still()?;
            Some((shard, why))
        })
    }

    pub(super) fn handle_assigned(&mut self, shards: &[Shard]) {
        self.settled = true;
        self.factory.assigned(shards);
        for shard in shards {
            self.owned.insert(*shard);
        }
        self.count_shards();
    }

    pub(super) fn handle_revoked(&mut self, shard: Shard, lost: bool, now: Now) {
        let Some(owned) = self.owned.get_mut(shard) else {
            self.log.release(&[shard]);
            return;
        };
        let nothing_open = owned.core.is_none() && !self.factory.is_unfinished(shard);
        if lost || nothing_open {
            self.give_up(shard);
        } else {
            leave(owned, now);
        }
    }

    pub(super) fn open_shards_now(&mut self, now: Now) -> Result<(), LogError> {
        let factory = &self.factory;
        let unopened = self
            .owned
            .to_open(now.mono, |shard| factory.is_unfinished(shard));
        for shard in unopened {
            match self.open(shard, now) {
                Ok(()) => {}
                Err(LogError::Retry(reason)) => self.wait_to_open(shard, &reason, now),
                Err(other) => return Err(other),
            }
        }
        Ok(())
    }

    fn wait_to_open(&mut self, shard: Shard, reason: &str, now: Now) {
        let role = self.role.name();
        tracing::debug!(role, shard = shard.0, reason, "not yet");
        let Some(owned) = self.owned.get_mut(shard) else {
            return;
        };
        owned.open_at = now.mono + RETRY_MS;
        let since = *owned.waits_since.get_or_insert(now.mono);
        if now.mono.saturating_sub(since) >= TELL_MS {
            owned.waits_since = Some(now.mono);
            tracing::warn!(
                role,
                shard = shard.0,
                reason,
                "a shard cannot be opened yet"
            );
        }
    }

    /// Committed positions first, and stable ones: only then is the predecessor known to be fenced
    /// off, and the ends known to hold everything it wrote.
    fn open(&mut self, shard: Shard, now: Now) -> Result<(), LogError> {
        let topics = self.factory.topics();
        let of: Vec<_> = topics
            .iter()
            .map(|topic| TopicPartition::new(*topic, shard))
            .collect();
        let committed = self.log.committed(&of)?;
        let ends = self.log.ends(&of)?;
        let committed: BTreeMap<_, _> = topics
            .iter()
            .zip(committed)
            .filter_map(|(topic, position)| position.map(|position| (*topic, position)))
            .collect();
        let opening = Opening {
            shard,
            shards: self.shards,
            now,
            session_timeout_ms: self.log.session_timeout_ms(),
            committed,
            ends: topics.into_iter().zip(ends).collect(),
        };
        let mut core = self.factory.open(opening);
        if let Some(owned) = self.owned.get_mut(shard) {
            if owned.leaving.is_some() {
                core.handle_revoke(now);
            }
            owned.core = Some(core);
            owned.waits_since = None;
            // A fresh owner proves itself at once; until then no dispatcher may call.
            self.last_full_turn = 0;
        }
        Ok(())
    }

    /// Releases what was revoked before it ever opened, or before it could be made again.
    pub(super) fn release_drained(&mut self, now: Now) {
        let factory = &self.factory;
        let unopened: Vec<Shard> = self
            .owned
            .iter()
            .filter(|(shard, owned)| {
                let waits = |until| now.mono < until && factory.is_unfinished(*shard);
                owned.core.is_none() && owned.leaving.is_some_and(|it| !waits(it.until()))
            })
            .map(|(shard, _)| shard)
            .collect();
        for shard in unopened {
            self.give_up(shard);
        }
    }

    /// A turn in which no core had anything to commit: those on their way out wait for nothing.
    pub(super) fn release_silent(&mut self) {
        let mut left = Vec::new();
        for (shard, owned) in self.owned.iter_mut() {
            owned.in_flight = false;
            if matches!(owned.leaving, Some(Leaving::LastTurn(_))) {
                left.push(shard);
            }
        }
        for shard in left {
            self.give_up(shard);
        }
    }

    /// Drops the core of one shard, to be made anew. What it has on its way is not void for that.
    pub(super) fn reopen(&mut self, shard: Shard) {
        let now = self.clock.now();
        self.give_up_core(shard);
        if let Some(owned) = self.owned.get_mut(shard) {
            owned.in_flight = false;
            owned.open_at = now.mono + RETRY_MS;
        }
    }

    /// After a void turn: every core is dropped. Those still owned are opened again; those on their way
    /// out only where they left something unfinished, to finish that.
    pub(super) fn rebuild(&mut self) {
        ::metrics::counter!(metrics::TURNS_FAILED, "role" => self.role.name()).increment(1);
        if let Some(flight) = &mut self.flight {
            flight.orphaned = true;
            flight.after.clear();
        }
        let now = self.clock.now();
        let all: Vec<Shard> = self.owned.iter().map(|(shard, _)| shard).collect();
        for shard in all {
            self.give_up_core(shard);
            if let Some(owned) = self.owned.get_mut(shard) {
                owned.in_flight = false;
                owned.open_at = now.mono + RETRY_MS;
                owned.leaving = owned.leaving.map(|it| Leaving::Draining(it.until()));
            }
        }
        self.release_drained(now);
    }

    pub(super) fn give_up(&mut self, shard: Shard) {
        self.give_up_core(shard);
        self.owned.remove(shard);
        self.log.release(&[shard]);
        self.count_shards();
    }

    pub(super) fn give_up_core(&mut self, shard: Shard) {
        let Some(owned) = self.owned.get_mut(shard) else {
            return;
        };
        owned.ends.clear();
        for topic in std::mem::take(&mut owned.reads) {
            if let Err(error) = self.log.stop(TopicPartition::new(topic, shard)) {
                tracing::debug!(%error, "stop on an unusable log");
            }
        }
        if let Some(core) = owned.core.take() {
            self.factory.close(shard, core);
        }
    }

    pub(super) fn close_all(&mut self) {
        let all: Vec<Shard> = self.owned.iter().map(|(shard, _)| shard).collect();
        for shard in all {
            self.give_up_core(shard);
            self.owned.remove(shard);
        }
        self.count_shards();
    }

    pub(crate) fn count_still(&self) {
        let count = u32::try_from(self.still_shards().count()).unwrap_or(u32::MAX);
        let role = self.role.name();
        ::metrics::gauge!(metrics::SHARDS_STILL, "role" => role).set(f64::from(count));
    }

    pub(super) fn count_shards(&self) {
        let count = f64::from(u32::try_from(self.owned.len()).unwrap_or(u32::MAX));
        ::metrics::gauge!(metrics::SHARDS, "role" => self.role.name()).set(count);
    }
}

/// Starts giving a shard up.
pub(super) fn leave<S: Stage>(owned: &mut Owned<S>, now: Now) {
    if owned.leaving.is_none() {
        owned.leaving = Some(Leaving::Draining(now.mono + DRAIN_MS));
        if let Some(core) = &mut owned.core {
            core.handle_revoke(now);
        }
    }
}
