//! The options of every stage, from the one configuration.

use schemas::TenantId;
use schemas::id::NameError;

use crate::config::Config;

/// Of the planner.
pub(crate) fn planner(config: &Config) -> Result<planner::PlannerConfig, NameError> {
    let from = &config.planner;
    let intakes = from
        .intakes
        .iter()
        .map(|intake| TenantId::new(&intake.tenant));
    Ok(planner::PlannerConfig {
        instance_bytes: from.slot_bytes,
        late_bytes: from.slot_bytes / 4 * 3,
        horizon_ms: from.horizon.0,
        dedup_window_ms: from.dedup_window.0,
        // What is read twice must not find another task under its id meanwhile.
        put_off_ms: config.worker.give_way.0.min(from.dedup_window.0 / 4),
        intakes: intakes.collect::<Result<_, _>>()?,
        ..planner::PlannerConfig::default()
    })
}

/// Of the trigger.
pub(crate) fn trigger(config: &Config) -> trigger::Config {
    trigger::Config {
        lead_ms: config.trigger.lead.0,
        max_fires_per_turn: config.trigger.max_fires_per_turn,
        ..trigger::Config::default()
    }
}

/// Of the dispatcher.
pub(crate) fn dispatcher(config: &Config) -> dispatcher::Config {
    let from = &config.dispatcher;
    dispatcher::Config {
        max_open: from.max_open_calls,
        call_threads: call_threads(from.call_threads),
        lead_ms: config.trigger.lead.0,
        skew_bound_ms: from.skew_bound.0,
        connect_timeout_ms: from.connect_timeout.0,
        allow_loopback: from.allow_loopback,
        allow_private: from.allow_private,
        journal: (!from.journal.is_empty()).then(|| from.journal.clone().into()),
        ..dispatcher::Config::default()
    }
}

/// As configured; of 0, half the cores: the other half is the log's and the endpoints' share of them.
fn call_threads(configured: usize) -> usize {
    match configured {
        0 => std::thread::available_parallelism().map_or(1, |cores| cores.get().div_ceil(2)),
        threads => threads,
    }
}

/// Of the archive.
pub(crate) fn archive(config: &Config) -> archive::Config {
    archive::Config {
        batch_rows: config.archive.batch_rows,
        batch_age_ms: config.archive.batch_age.0,
        give_way_ms: config.worker.give_way.0,
        ..archive::Config::default()
    }
}
