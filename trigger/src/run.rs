//! The shell: a worker of the trigger, on the thread that calls.

use std::sync::Arc;

use pipeline::worker::{self, Status};
use pipeline::{Broker, Clock, Inbox, LogError};
use schemas::Role;

use crate::config::Config;
use crate::core::TriggerFactory;
use crate::metrics;

/// Runs one worker until it is told to stop; blocks.
///
/// # Errors
/// As [`worker::run`].
pub fn run(
    broker: &dyn Broker,
    member: &str,
    config: Config,
    clock: &Arc<dyn Clock>,
    status: &Status,
) -> Result<(), LogError> {
    metrics::describe();
    let factory = TriggerFactory::new(config);
    let sink = |_, effect: crate::event::Effect| match effect {};
    let inbox = Inbox::new();
    worker::run(
        broker,
        Role::Trigger,
        member,
        factory,
        clock,
        &inbox,
        status,
        sink,
    )
}
