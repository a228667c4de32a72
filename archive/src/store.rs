//! Rows in MySQL (MariaDB) or SQLite.
//!
//! Writing is idempotent: a firing's row keeps the values of its highest leg, an attempt's row its
//! first ones, so a batch that is written again after a crash changes nothing (T10).

mod maintain;

use sqlx::mysql::{MySql, MySqlPoolOptions};
use sqlx::query_builder::Separated;
use sqlx::sqlite::{Sqlite, SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions};
use sqlx::{Database, Encode, MySqlPool, QueryBuilder, SqlitePool, Type};

use crate::row::Row;

pub use crate::error::StoreError;

/// Rows in one statement: well under MySQL's 65,535 and SQLite's 32,766 placeholders.
const ROWS_A_STATEMENT: usize = 500;
/// Connections: batches of different shards are written side by side.
const CONNECTIONS: u32 = 4;
/// Errors are kept this long, in characters.
const ERROR_MAX: usize = 2_000;

const FIRING_COLUMNS: &str = "fire_id, day, tenant, task, version, occurrence, state, attempt, due, \
     leg_due, registered_at, planted_at, triggered_at, received_at, began_at, ended_at, status, error, \
     leg";
const ATTEMPT_COLUMNS: &str =
    "fire_id, day, leg, attempt, state, leg_due, began_at, ended_at, status, error";
/// MySQL's way to say that the row is there already; `INSERT IGNORE` would let bad values pass too.
const KEEP_FIRST: &str = " ON DUPLICATE KEY UPDATE leg = attempts.leg";
/// What a later leg replaces, or the end in the index (leg 0), which nothing follows; `leg` itself comes last, as MySQL assigns from left to right.
const REPLACED: [&str; 11] = [
    "state",
    "attempt",
    "leg_due",
    "planted_at",
    "triggered_at",
    "received_at",
    "began_at",
    "ended_at",
    "status",
    "error",
    "leg",
];

/// Where history is kept.
#[derive(Clone, Debug)]
pub enum Store {
    /// MySQL or MariaDB.
    MySql(MySqlPool),
    /// A file.
    Sqlite(SqlitePool),
}

impl Store {
    /// Connects, and brings the tables up to date.
    ///
    /// # Errors
    /// [`StoreError::Url`], or [`StoreError::Unavailable`] to be tried again.
    pub async fn connect(url: &str) -> Result<Self, StoreError> {
        let store = if url.starts_with("mysql://") {
            Self::MySql(
                MySqlPoolOptions::new()
                    .max_connections(CONNECTIONS)
                    .connect(url)
                    .await?,
            )
        } else if url.starts_with("sqlite:") {
            let options = url
                .parse::<SqliteConnectOptions>()?
                .create_if_missing(true)
                .journal_mode(SqliteJournalMode::Wal)
                .busy_timeout(std::time::Duration::from_secs(10));
            // SQLite has one writer; more connections would only wait for each other.
            Self::Sqlite(
                SqlitePoolOptions::new()
                    .max_connections(1)
                    .connect_with(options)
                    .await?,
            )
        } else {
            return Err(StoreError::Url);
        };
        store.migrate().await?;
        Ok(store)
    }

    async fn migrate(&self) -> Result<(), StoreError> {
        let result = match self {
            Self::MySql(pool) => sqlx::migrate!("migrations/mysql").run(pool).await,
            Self::Sqlite(pool) => sqlx::migrate!("migrations/sqlite").run(pool).await,
        };
        result.map_err(|error| StoreError::Unavailable(format!("migration failed: {error}")))
    }

    /// Writes all of `rows`, or none.
    ///
    /// # Errors
    /// [`StoreError::Refused`] for their content, [`StoreError::Unavailable`] to be tried again.
    pub async fn write(&self, rows: &[Row]) -> Result<(), StoreError> {
        match self {
            Self::MySql(pool) => {
                let mut transaction = pool.begin().await?;
                for rows in rows.chunks(ROWS_A_STATEMENT) {
                    firings::<MySql>(rows, &mysql_conflict())
                        .build()
                        .execute(&mut *transaction)
                        .await?;
                    if let Some(mut query) = attempts::<MySql>(rows, KEEP_FIRST) {
                        query.build().execute(&mut *transaction).await?;
                    }
                }
                transaction.commit().await?;
            }
            Self::Sqlite(pool) => {
                let mut transaction = pool.begin().await?;
                for rows in rows.chunks(ROWS_A_STATEMENT) {
                    firings::<Sqlite>(rows, &sqlite_conflict())
                        .build()
                        .execute(&mut *transaction)
                        .await?;
                    let nothing = " ON CONFLICT DO NOTHING";
                    if let Some(mut query) = attempts::<Sqlite>(rows, nothing) {
                        query.build().execute(&mut *transaction).await?;
                    }
                }
                transaction.commit().await?;
            }
        }
        Ok(())
    }
}

fn mysql_conflict() -> String {
    let set: Vec<String> = REPLACED
        .iter()
        .map(|column| {
            format!(
                "{column} = IF(VALUES(leg) = 0 OR (leg <> 0 AND VALUES(leg) >= leg), \
                 VALUES({column}), {column})"
            )
        })
        .collect();
    format!(" ON DUPLICATE KEY UPDATE {}", set.join(", "))
}

fn sqlite_conflict() -> String {
    let set: Vec<String> = REPLACED
        .iter()
        .map(|column| format!("{column} = excluded.{column}"))
        .collect();
    format!(
        " ON CONFLICT (fire_id, day) DO UPDATE SET {} WHERE excluded.leg = 0 \
         OR (firings.leg <> 0 AND excluded.leg >= firings.leg)",
        set.join(", ")
    )
}

fn firings<DB>(rows: &[Row], conflict: &str) -> QueryBuilder<DB>
where
    DB: Database,
    for<'q> i64: Encode<'q, DB> + Type<DB>,
    for<'q> Option<i64>: Encode<'q, DB>,
    for<'q> String: Encode<'q, DB> + Type<DB>,
    for<'q> Option<String>: Encode<'q, DB>,
    for<'q> Vec<u8>: Encode<'q, DB> + Type<DB>,
{
    let mut query = QueryBuilder::new(format!("INSERT INTO firings ({FIRING_COLUMNS}) "));
    query.push_values(rows, |mut to: Separated<'_, DB, &str>, row| {
        to.push_bind(row.fire_id.0.to_vec())
            .push_bind(row.day())
            .push_bind(row.task.tenant.as_str().to_owned())
            .push_bind(row.task.id.as_str().to_owned())
            .push_bind(signed(row.version))
            .push_bind(signed(row.occurrence))
            .push_bind(row.state.name().to_owned())
            .push_bind(i64::from(row.attempt))
            .push_bind(row.due.0)
            .push_bind(row.leg_due.0)
            .push_bind(row.registered_at.0)
            .push_bind(row.planted_at.map(|at| at.0))
            .push_bind(row.triggered_at.map(|at| at.0))
            .push_bind(row.received_at.map(|at| at.0))
            .push_bind(row.began_at.map(|at| at.0))
            .push_bind(row.ended_at.0)
            .push_bind(row.status.map(i64::from))
            .push_bind(short(row.error.as_deref()))
            .push_bind(i64::from(row.leg));
    });
    query.push(conflict);
    query
}

/// `None` where no row is about an attempt.
fn attempts<DB>(rows: &[Row], conflict: &str) -> Option<QueryBuilder<DB>>
where
    DB: Database,
    for<'q> i64: Encode<'q, DB> + Type<DB>,
    for<'q> Option<i64>: Encode<'q, DB>,
    for<'q> String: Encode<'q, DB> + Type<DB>,
    for<'q> Option<String>: Encode<'q, DB>,
    for<'q> Vec<u8>: Encode<'q, DB> + Type<DB>,
{
    let made: Vec<&Row> = rows.iter().filter(|row| row.began_at.is_some()).collect();
    if made.is_empty() {
        return None;
    }
    let mut query = QueryBuilder::new(format!("INSERT INTO attempts ({ATTEMPT_COLUMNS}) "));
    query.push_values(made, |mut to: Separated<'_, DB, &str>, row| {
        to.push_bind(row.fire_id.0.to_vec())
            .push_bind(row.day())
            .push_bind(i64::from(row.leg))
            .push_bind(i64::from(row.attempt))
            .push_bind(row.state.name().to_owned())
            .push_bind(row.leg_due.0)
            .push_bind(row.began_at.map(|at| at.0))
            .push_bind(row.ended_at.0)
            .push_bind(row.status.map(i64::from))
            .push_bind(short(row.error.as_deref()));
    });
    query.push(conflict);
    Some(query)
}

fn signed(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

fn short(text: Option<&str>) -> Option<String> {
    text.map(|text| text.chars().take(ERROR_MAX).collect())
}
