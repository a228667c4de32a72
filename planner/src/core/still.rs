//! What becomes of a core whose table cannot be trusted any more.

use pipeline::Ask;

use super::{Life, Outbox, PlannerCore};
use crate::metrics;
use crate::store::Store;

impl<S: Store> PlannerCore<S> {
    /// The local table is a cache: one that cannot be read is wiped, and a core that begins anew builds
    /// it from the changelog. Where that has been done already it would end here again, so the core
    /// stands still.
    pub(super) fn stop_if_broken(&mut self) {
        if matches!(self.life, Life::Wiped | Life::Broken { .. }) {
            return;
        }
        let Some(error) = self.table.broken() else {
            return;
        };
        let reason = error.to_string();
        if self.rebuilt || !self.table.discard() {
            return self.stop(reason);
        }
        tracing::warn!(
            shard = self.shard.0,
            reason,
            "the local table is wiped, to be built anew from its changelog"
        );
        ::metrics::counter!(metrics::TABLES_WIPED).increment(1);
        self.rest(Life::Wiped);
        self.asks.push_back(Ask::Reopen);
    }

    /// Stands still until the process is started again; a person must see why.
    pub(super) fn stop(&mut self, reason: String) {
        tracing::error!(shard = self.shard.0, reason, "the planner stands still");
        self.rest(Life::Broken { reason });
    }

    fn rest(&mut self, life: Life) {
        self.life = life;
        self.outbox = Outbox::default();
        self.asks.clear();
        self.effects.clear();
    }
}
