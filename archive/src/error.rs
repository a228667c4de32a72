//! Why the database did not take rows, by what must be done about it.

use sqlx::error::DatabaseError;
use sqlx::mysql::MySqlDatabaseError;
use sqlx::sqlite::SqliteError;

/// Why rows were not written or read.
#[derive(Clone, Debug, thiserror::Error)]
pub enum StoreError {
    /// The URL names no database this knows.
    #[error("`archive.url` must begin with mysql:// or sqlite:")]
    Url,
    /// The database refused rows for their content; trying again is of no use.
    #[error("database refused the content: {0}")]
    Refused(String),
    /// Anything else: to be tried again.
    #[error("the database of `archive.url` is not available: {0}")]
    Unavailable(String),
}

impl From<sqlx::Error> for StoreError {
    fn from(error: sqlx::Error) -> Self {
        if error.as_database_error().is_some_and(is_about_rows) {
            Self::Refused(error.to_string())
        } else {
            Self::Unavailable(error.to_string())
        }
    }
}

/// Only what is certainly about the rows: a full disk or a missing table must never bury one.
fn is_about_rows(refusal: &dyn DatabaseError) -> bool {
    if let Some(refusal) = refusal.try_downcast_ref::<MySqlDatabaseError>() {
        /// `ER_TRUNCATED_WRONG_VALUE_FOR_FIELD`, which has no SQLSTATE of its own.
        const WRONG_VALUE: u16 = 1_366;
        let state = refusal.code().unwrap_or_default();
        // Classes 22 and 23: data, constraint.
        return refusal.number() == WRONG_VALUE
            || state.starts_with("22")
            || state.starts_with("23");
    }
    if refusal.try_downcast_ref::<SqliteError>().is_some() {
        /// `SQLITE_TOOBIG`, `SQLITE_CONSTRAINT`, `SQLITE_MISMATCH`: the low byte of the code.
        const ABOUT_ROWS: [u32; 3] = [18, 19, 20];
        let code = refusal.code().and_then(|code| code.parse::<u32>().ok());
        return code.is_some_and(|code| ABOUT_ROWS.contains(&(code & 0xff)));
    }
    false
}
