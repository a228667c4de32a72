//! Names of the dispatcher's metrics, in one place.

/// Histogram, seconds: how long behind its leg's due time a call began.
pub const LATENESS_SECONDS: &str = "tidewheel_call_lateness_seconds";
/// Histogram, seconds: how long calls took.
pub const CALL_SECONDS: &str = "tidewheel_call_seconds";
/// Counter by `result`: calls ended: `2xx` … `5xx`, `other`, `failed`, `refused`, `not_begun`.
pub const CALLS: &str = "tidewheel_calls_total";
/// Counter by `end`: legs ended: `success`, `again`, `held_back`, `dead`, `expired`.
pub const ENDED: &str = "tidewheel_legs_ended_total";
/// Counter by `decision`: recalls decided.
pub const RECALLED: &str = "tidewheel_recalls_total";
/// Counter: lane records that were not understood; each is a dead letter.
pub const BAD_RECORDS: &str = "tidewheel_bad_fires_total";
/// Counter: answers that came for a core that was no more.
pub const STALE_ANSWERS: &str = "tidewheel_stale_answers_total";
/// Counter: times a due call had to wait because this worker's ownership was not proved lately.
pub const UNPROVED: &str = "tidewheel_calls_unproved_total";
