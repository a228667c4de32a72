//! The shell: the trigger calls nobody, so all it needs is its factory. The worker that drives it is
//! [`pipeline::worker::run`], as for every stage.

use crate::config::Config;
use crate::core::TriggerFactory;
use crate::metrics;

/// The factory of a process's trigger; its metrics are described to the recorder installed by now.
#[must_use]
pub fn factory(config: Config) -> TriggerFactory {
    metrics::describe();
    TriggerFactory::new(config)
}
