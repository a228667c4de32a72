//! Names of the pipeline's own metrics, in one place.

/// Counter by `invariant`: breaches seen in production. Anything but 0 is a bug.
pub const BREACHES: &str = "tidewheel_invariant_breaches_total";
/// Counter by `role`: transactions committed.
pub const TURNS: &str = "tidewheel_turns_total";
/// Counter by `role`: transactions that failed; every core of the worker was rebuilt.
pub const TURNS_FAILED: &str = "tidewheel_turns_failed_total";
/// Histogram by `role`, seconds: from cutting a turn to its commit being confirmed.
pub const TURN_SECONDS: &str = "tidewheel_turn_seconds";
/// Histogram by `role`: records written by a turn.
pub const TURN_RECORDS: &str = "tidewheel_turn_records";
/// Gauge by `role`: shards owned by this worker.
pub const SHARDS: &str = "tidewheel_shards_owned";
/// Gauge by `role`: shards of this worker that stand still: a person must act.
pub const SHARDS_STILL: &str = "tidewheel_shards_still";
/// Counter: transactional producers made anew because the end of a transaction may have been sent twice.
pub const PRODUCERS_REBUILT: &str = "tidewheel_kafka_producers_rebuilt_total";
/// Gauge: how far this machine's clock is ahead of the median of the brokers', ms; negative is behind.
pub const CLOCK_OFFSET: &str = "tidewheel_clock_offset_ms";
/// Counter by `what` (`ahead`, `behind`, `odd_broker`): times a clock was found beyond the bound.
pub const CLOCK_ALARMS: &str = "tidewheel_clock_alarms_total";
