//! A slot instance is over: its counts, and nothing behind them. It is drained: the slot is free.

use pipeline::invariant::{Invariant, check};
use schemas::bucket::Seal;
use schemas::index::RingPhase;
use schemas::outcome::Drained;
use schemas::{BucketRecord, Topic};

use super::PlannerCore;
use crate::metrics;
use crate::store::Store;

impl<S: Store> PlannerCore<S> {
    /// Seals what is over. From then on the ring takes no placement of it (T5).
    pub(super) fn seal(&mut self) {
        while let Some(row) = self.ring.to_seal(self.now) {
            let slot = row.instance.slot();
            let seal = Seal {
                instance: row.instance,
                placements: row.placements,
                revokes: row.revokes,
            };
            self.write(Topic::Bucket(slot), None, BucketRecord::Seal(seal).encode());
            self.ring.set_phase(slot, RingPhase::Sealed);
            ::metrics::counter!(metrics::SEALS).increment(1);
        }
    }

    /// The trigger dealt with all of an instance: the slot may take its next use.
    pub(super) fn drained(&mut self, drained: &Drained) {
        let slot = drained.instance.slot();
        let row = self.ring.get(slot).copied();
        let row = row.filter(|row| row.instance == drained.instance);
        let Some(row) = row.filter(|row| row.phase != RingPhase::Free) else {
            ::metrics::counter!(metrics::STALE_OUTCOMES).increment(1);
            return;
        };
        let dealt_with = drained.fired + drained.revoked + drained.expired;
        let holds = dealt_with == row.placements && drained.placements == row.placements;
        check(Invariant::T1, holds, || {
            let (shard, planted) = (self.shard.0, row.placements);
            format!("shard {shard}: {planted} placements were planted, {drained:?}")
        });
        check(Invariant::T5, row.phase == RingPhase::Sealed, || {
            format!(
                "shard {}: drained before its seal: {drained:?}",
                self.shard.0
            )
        });
        let free = BucketRecord::Free(row.instance).encode();
        self.write(Topic::Bucket(slot), None, free);
        self.ring.set_phase(slot, RingPhase::Free);
        self.cursor.unblock();
    }
}
