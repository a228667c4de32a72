//! Names of the archive's own metrics, in one place.

/// Counter: rows written, repeats after a crash included.
pub const ROWS: &str = "tidewheel_archive_rows_total";
/// Counter: batches that failed and were tried again.
pub const RETRIES: &str = "tidewheel_archive_retries_total";
/// Counter: rows the database refused for their content; they are in `dead-letters`.
pub const REFUSED: &str = "tidewheel_archive_refused_total";
