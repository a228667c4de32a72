//! Names of the door's metrics, in one place.

/// Counter by `route` and `status`: requests answered.
pub const REQUESTS: &str = "tidewheel_ingest_requests_total";
/// Histogram by `route`, seconds: from the whole head read to the answer ready.
pub const REQUEST_SECONDS: &str = "tidewheel_ingest_request_seconds";
/// Counter by `lane`: records the log acknowledged.
pub const RECORDS: &str = "tidewheel_ingest_records_total";
/// Counter by `lane`: records the log did not acknowledge in time, or refused.
pub const RECORDS_FAILED: &str = "tidewheel_ingest_records_failed_total";
/// Histogram by `lane`, seconds: from handing a record to the log to its acknowledgement.
pub const PRODUCE_SECONDS: &str = "tidewheel_ingest_produce_seconds";
/// Counter: requests turned away because too many bodies were held at once.
pub const TURNED_AWAY: &str = "tidewheel_ingest_turned_away_total";
/// Gauge: bytes of bodies held now.
pub const BODY_BYTES: &str = "tidewheel_ingest_body_bytes";
