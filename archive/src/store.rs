//! Rows in MySQL (MariaDB) or SQLite.
//!
//! Writing is idempotent: a firing's row keeps the values of its highest leg, an attempt's row its
//! first ones, so a batch that is written again after a crash changes nothing (T10).

mod maintain;

use std::sync::{Arc, LazyLock};

use sqlx::mysql::{MySql, MySqlPoolOptions};
use sqlx::query::Query;
use sqlx::sqlite::{Sqlite, SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions};
use sqlx::{AssertSqlSafe, Database, Encode, IntoArguments, MySqlPool, SqlitePool, Type};

use crate::row::Row;

pub use crate::error::StoreError;

/// Rows in one statement: well under MySQL's 65,535 and SQLite's 32,766 placeholders, and few sizes, so
/// that each is prepared once.
const SIZES: [usize; 5] = [256, 64, 16, 4, 1];
static MYSQL: LazyLock<Statements> =
    LazyLock::new(|| Statements::new(&mysql_conflict(), KEEP_FIRST));
static SQLITE: LazyLock<Statements> =
    LazyLock::new(|| Statements::new(&sqlite_conflict(), " ON CONFLICT DO NOTHING"));
/// One to write, the others to read and to look after retention.
const CONNECTIONS: u32 = 4;
/// Of disk blocks that SQLite keeps, KiB, and how many pages its log of changes takes before they go
/// into the file: the more, the more changes of one page go in together.
const CACHE_KIB: &str = "-32768";
const LOG_PAGES: &str = "8000";
/// Errors are kept this long, in characters.
const ERROR_MAX: usize = 2_000;

const FIRING_COLUMNS: &str = "fire_id, day, tenant, task, version, occurrence, state, attempt, due, \
     leg_due, registered_at, planted_at, triggered_at, received_at, began_at, ended_at, status, error, \
     leg, occurrences";
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
                .pragma("cache_size", CACHE_KIB)
                .pragma("wal_autocheckpoint", LOG_PAGES)
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
        let followed: Vec<&Row> = rows.iter().filter(|row| row.is_followed()).collect();
        match self {
            Self::MySql(pool) => {
                let mut transaction = pool.begin().await?;
                for query in queries::<MySql>(&MYSQL, rows, &followed) {
                    query.execute(&mut *transaction).await?;
                }
                transaction.commit().await?;
            }
            Self::Sqlite(pool) => {
                let mut transaction = pool.begin().await?;
                for query in queries::<Sqlite>(&SQLITE, rows, &followed) {
                    query.execute(&mut *transaction).await?;
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
        " ON CONFLICT (due, fire_id, day) DO UPDATE SET {} WHERE excluded.leg = 0 \
         OR (firings.leg <> 0 AND excluded.leg >= firings.leg)",
        set.join(", ")
    )
}

/// Both databases' statements for so many rows each, made once: a database knows a statement again by
/// its text.
struct Statements {
    firings: Vec<(usize, Arc<str>)>,
    attempts: Vec<(usize, Arc<str>)>,
}

impl Statements {
    fn new(replace: &str, keep: &str) -> Self {
        let of = |table: &str, columns: &str, conflict: &str| {
            let one = vec!["?"; columns.split(',').count()].join(",");
            let text = |rows: usize| {
                let values = vec![format!("({one})"); rows].join(",");
                format!("INSERT INTO {table} ({columns}) VALUES {values}{conflict}").into()
            };
            SIZES.map(|rows| (rows, text(rows))).to_vec()
        };
        Self {
            firings: of("firings", FIRING_COLUMNS, replace),
            attempts: of("attempts", ATTEMPT_COLUMNS, keep),
        }
    }
}

/// `rows` in as few parts as there are statements for, each with its statement.
fn parts<'a, R>(
    statements: &'a [(usize, Arc<str>)],
    mut rows: &'a [R],
) -> impl Iterator<Item = (&'a Arc<str>, &'a [R])> {
    std::iter::from_fn(move || {
        let (size, text) = statements.iter().find(|(size, _)| *size <= rows.len())?;
        let (part, rest) = rows.split_at(*size);
        rows = rest;
        Some((text, part))
    })
}

/// The statements that write `rows`.
fn queries<'a, DB>(
    statements: &'a Statements,
    rows: &'a [Row],
    followed: &'a [&'a Row],
) -> impl Iterator<Item = Query<'a, DB, DB::Arguments>>
where
    DB: Database,
    for<'q> i64: Encode<'q, DB> + Type<DB>,
    for<'q> Option<i64>: Encode<'q, DB>,
    for<'q> String: Encode<'q, DB> + Type<DB>,
    for<'q> Option<String>: Encode<'q, DB>,
    for<'q> Vec<u8>: Encode<'q, DB> + Type<DB>,
    for<'q> &'static str: Encode<'q, DB> + Type<DB>,
    DB::Arguments: IntoArguments<DB>,
{
    let firings = parts(&statements.firings, rows).map(|(text, rows)| {
        let query = sqlx::query(AssertSqlSafe(Arc::clone(text)));
        rows.iter().fold(query, bind_firing)
    });
    let attempts = parts(&statements.attempts, followed).map(|(text, rows)| {
        let query = sqlx::query(AssertSqlSafe(Arc::clone(text)));
        rows.iter()
            .fold(query, |query, row| bind_attempt(query, row))
    });
    firings.chain(attempts)
}

fn bind_firing<'a, DB>(
    query: Query<'a, DB, DB::Arguments>,
    row: &Row,
) -> Query<'a, DB, DB::Arguments>
where
    DB: Database,
    for<'q> i64: Encode<'q, DB> + Type<DB>,
    for<'q> Option<i64>: Encode<'q, DB>,
    for<'q> String: Encode<'q, DB> + Type<DB>,
    for<'q> Option<String>: Encode<'q, DB>,
    for<'q> Vec<u8>: Encode<'q, DB> + Type<DB>,
    for<'q> &'static str: Encode<'q, DB> + Type<DB>,
{
    query
        .bind(row.fire_id.0.to_vec())
        .bind(row.day())
        .bind(row.task.tenant.as_str().to_owned())
        .bind(row.task.id.as_str().to_owned())
        .bind(signed(row.version))
        .bind(signed(row.occurrence))
        .bind(row.state.name())
        .bind(i64::from(row.attempt))
        .bind(row.due.0)
        .bind(row.leg_due.0)
        .bind(row.registered_at.0)
        .bind(row.planted_at.map(|at| at.0))
        .bind(row.triggered_at.map(|at| at.0))
        .bind(row.received_at.map(|at| at.0))
        .bind(row.began_at.map(|at| at.0))
        .bind(row.ended_at.0)
        .bind(row.status.map(i64::from))
        .bind(short(row.error.as_deref()))
        .bind(i64::from(row.leg))
        .bind(signed(row.occurrences))
}

fn bind_attempt<'a, DB>(
    query: Query<'a, DB, DB::Arguments>,
    row: &Row,
) -> Query<'a, DB, DB::Arguments>
where
    DB: Database,
    for<'q> i64: Encode<'q, DB> + Type<DB>,
    for<'q> Option<i64>: Encode<'q, DB>,
    for<'q> Option<String>: Encode<'q, DB> + Type<DB>,
    for<'q> Vec<u8>: Encode<'q, DB> + Type<DB>,
    for<'q> &'static str: Encode<'q, DB> + Type<DB>,
{
    query
        .bind(row.fire_id.0.to_vec())
        .bind(row.day())
        .bind(i64::from(row.leg))
        .bind(i64::from(row.attempt))
        .bind(row.state.name())
        .bind(row.leg_due.0)
        .bind(row.began_at.map(|at| at.0))
        .bind(row.ended_at.0)
        .bind(row.status.map(i64::from))
        .bind(short(row.error.as_deref()))
}

fn signed(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

fn short(text: Option<&str>) -> Option<String> {
    text.map(|text| text.chars().take(ERROR_MAX).collect())
}
