//! Names of the trigger's metrics, in one place.

/// Histogram, seconds: how long behind its due time a placement left the wheel; 0 when in time. With
/// the lead, up to 0.15 s of it never shows in a call.
pub const LATENESS_SECONDS: &str = "tidewheel_trigger_lateness_seconds";
/// Counter by `priority`: fires written to lanes.
pub const FIRES: &str = "tidewheel_trigger_fires_total";
/// Counter: placements that arrived behind the watermark and were fired at once.
pub const LATE_ARRIVALS: &str = "tidewheel_trigger_late_arrivals_total";
/// Counter: firings taken out of the wheel on a revoke.
pub const REVOKED: &str = "tidewheel_trigger_revoked_total";
/// Counter: revokes that came too late for the wheel and were passed on.
pub const RECALLS: &str = "tidewheel_trigger_recalls_total";
/// Counter: firings that left the wheel too late to be called.
pub const EXPIRED: &str = "tidewheel_trigger_expired_total";
/// Counter: slot instances drained.
pub const DRAINED: &str = "tidewheel_trigger_drained_total";
/// Counter: bucket records nobody could read.
pub const UNREAD: &str = "tidewheel_trigger_unread_total";
/// Gauge by `shard`: bytes of placements loaded.
pub const LOADED_BYTES: &str = "tidewheel_trigger_loaded_bytes";
/// Gauge by `shard`: placements loaded.
pub const LOADED: &str = "tidewheel_trigger_loaded";
/// Counter: slot partitions that are not read because their committed position is missing. Anything
/// but 0 needs a person.
pub const STOPPED: &str = "tidewheel_trigger_slots_stopped_total";

/// Tells the recorder what each means.
pub fn describe() {
    metrics::describe_histogram!(LATENESS_SECONDS, "how late placements left the wheel");
    metrics::describe_counter!(FIRES, "fires written to lanes");
    metrics::describe_counter!(
        LATE_ARRIVALS,
        "placements that arrived behind the watermark"
    );
    metrics::describe_counter!(REVOKED, "firings taken out of the wheel");
    metrics::describe_counter!(RECALLS, "revokes passed on to the dispatcher");
    metrics::describe_counter!(EXPIRED, "firings that left too late to be called");
    metrics::describe_counter!(DRAINED, "slot instances drained");
    metrics::describe_counter!(UNREAD, "bucket records nobody could read");
    metrics::describe_gauge!(LOADED_BYTES, "bytes of placements loaded");
    metrics::describe_gauge!(LOADED, "placements loaded");
    metrics::describe_counter!(STOPPED, "slot partitions stopped for want of a position");
}
