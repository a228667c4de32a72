//! How the planner's cores come into being.

use std::sync::Arc;

use pipeline::{Factory, Opening, Pace};
use schemas::{Shard, Topic};

use super::PlannerCore;
use crate::config::{PACE, PlannerConfig, Zones};
use crate::store::StoreSource;

/// Makes planner cores over the stores of `S`.
#[derive(Debug)]
pub struct PlannerFactory<S> {
    config: Arc<PlannerConfig>,
    stores: S,
}

impl<S: StoreSource> PlannerFactory<S> {
    /// Cores with these options, their tables from there.
    pub fn new(config: PlannerConfig, stores: S) -> Self {
        Self {
            config: Arc::new(config),
            stores,
        }
    }

    /// Cores opened from here on plan by these time zone data, as those of another release do.
    pub fn set_zones(&mut self, zones: Zones) {
        Arc::make_mut(&mut self.config).zones = zones;
    }

    /// The stores, to lose one.
    pub fn stores(&mut self) -> &mut S {
        &mut self.stores
    }
}

impl<S: StoreSource> Factory for PlannerFactory<S> {
    type Stage = PlannerCore<S::Store>;

    fn topics(&self) -> Vec<Topic> {
        let intakes = 0..u16::try_from(self.config.intakes.len()).unwrap_or(u16::MAX);
        let first = [Topic::Registrations, Topic::RegistrationsBulk];
        let rest = [
            Topic::Forwards,
            Topic::Outcomes,
            Topic::Calendars,
            Topic::Index,
        ];
        let intakes = intakes.map(Topic::Intake);
        first.into_iter().chain(intakes).chain(rest).collect()
    }

    fn pace(&self) -> Pace {
        PACE
    }

    fn open(&mut self, opening: Opening) -> PlannerCore<S::Store> {
        let store = self.stores.open(opening.shard);
        PlannerCore::open(&opening, Arc::clone(&self.config), store)
    }

    fn close(&mut self, shard: Shard, stage: PlannerCore<S::Store>) {
        if let Some(store) = stage.table.into_store() {
            self.stores.close(shard, store);
        }
    }
}
