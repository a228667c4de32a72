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

impl<F: Factory> Driver<F> {
    pub(super) fn handle_revoked(&mut self, shard: Shard, lost: bool, now: Now) {
        let Some(owned) = self.owned.get_mut(shard) else {
            self.log.release(&[shard]);
            return;
        };
        if lost || owned.core.is_none() {
            self.give_up(shard);
        } else {
            leave(owned, now);
        }
    }

    pub(super) fn open_shards_now(&mut self, now: Now) -> Result<(), LogError> {
        for shard in self.owned.to_open(now.mono) {
            match self.open(shard, now) {
                Ok(()) => {}
                Err(LogError::Retry(reason)) => {
                    tracing::debug!(role = self.role.name(), shard = shard.0, reason, "not yet");
                    if let Some(owned) = self.owned.get_mut(shard) {
                        owned.open_at = now.mono + RETRY_MS;
                    }
                }
                Err(other) => return Err(other),
            }
        }
        Ok(())
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
        let core = self.factory.open(opening);
        if let Some(owned) = self.owned.get_mut(shard) {
            owned.core = Some(core);
            // A fresh owner proves itself at once; until then no dispatcher may call.
            self.last_full_turn = 0;
        }
        Ok(())
    }

    /// Releases what was revoked before it ever opened.
    pub(super) fn release_drained(&mut self) {
        let unopened: Vec<Shard> = self
            .owned
            .iter()
            .filter(|(_, owned)| owned.core.is_none() && owned.leaving.is_some())
            .map(|(shard, _)| shard)
            .collect();
        for shard in unopened {
            self.give_up(shard);
        }
    }

    /// After a void turn: every core is dropped; those still owned are opened again.
    pub(super) fn rebuild(&mut self) {
        ::metrics::counter!(metrics::TURNS_FAILED, "role" => self.role.name()).increment(1);
        if let Some(flight) = &mut self.flight {
            flight.orphaned = true;
            flight.after.clear();
        }
        let now = self.clock.now();
        let all: Vec<(Shard, bool)> = self
            .owned
            .iter()
            .map(|(shard, owned)| (shard, owned.leaving.is_some()))
            .collect();
        for (shard, leaving) in all {
            self.give_up_core(shard);
            if leaving {
                self.give_up(shard);
            } else if let Some(owned) = self.owned.get_mut(shard) {
                owned.in_flight = false;
                owned.open_at = now.mono + RETRY_MS;
            }
        }
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
