//! Retention: a partition a day in MySQL, deletes by day in SQLite.

use sqlx::{AssertSqlSafe, MySqlPool, Row as _};

use super::{Store, StoreError};
use crate::row::DAY_MS;

/// Partitions are made so many days ahead.
const AHEAD: i64 = 3;
const TABLES: [&str; 2] = ["firings", "attempts"];

impl Store {
    /// Makes room for the days to come and drops what was due more than `keep_days` before `today`
    /// (days since the epoch). Run it at start and every hour; once a day does something.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`] to be tried again.
    pub async fn maintain(&self, today: i64, keep_days: i64) -> Result<(), StoreError> {
        let oldest = today.saturating_sub(keep_days);
        match self {
            Self::MySql(pool) => {
                for table in TABLES {
                    maintain_mysql(pool, table, today, oldest).await?;
                }
            }
            Self::Sqlite(pool) => {
                // No row is due behind its day: so the order by due time finds them.
                sqlx::query("DELETE FROM firings WHERE due < ? AND day < ?")
                    .bind(oldest.saturating_mul(DAY_MS))
                    .bind(oldest)
                    .execute(pool)
                    .await?;
                sqlx::query("DELETE FROM attempts WHERE day < ?")
                    .bind(oldest)
                    .execute(pool)
                    .await?;
            }
        }
        Ok(())
    }
}

/// `table` is one of [`TABLES`] and the rest are numbers: nothing a user wrote gets into these
/// statements.
async fn maintain_mysql(
    pool: &MySqlPool,
    table: &str,
    today: i64,
    oldest: i64,
) -> Result<(), StoreError> {
    let mut bounds = partition_bounds(pool, table).await?;
    let first_missing = bounds.iter().max().map_or(today, |last| *last);
    for day in first_missing..=today + AHEAD {
        let bound = day + 1;
        let sql = format!(
            "ALTER TABLE {table} REORGANIZE PARTITION pmax INTO (PARTITION p{day} VALUES LESS THAN \
             ({bound}), PARTITION pmax VALUES LESS THAN MAXVALUE)"
        );
        sqlx::query(AssertSqlSafe(sql)).execute(pool).await?;
        bounds.push(bound);
    }
    for bound in bounds.into_iter().filter(|bound| *bound <= oldest) {
        let day = bound - 1;
        let sql = format!("ALTER TABLE {table} DROP PARTITION p{day}");
        sqlx::query(AssertSqlSafe(sql)).execute(pool).await?;
    }
    Ok(())
}

/// The upper bounds of the table's partitions, without the last, open one.
async fn partition_bounds(pool: &MySqlPool, table: &str) -> Result<Vec<i64>, StoreError> {
    let rows = sqlx::query(
        "SELECT CAST(PARTITION_DESCRIPTION AS CHAR) AS bound FROM information_schema.PARTITIONS \
         WHERE TABLE_SCHEMA = DATABASE() AND TABLE_NAME = ?",
    )
    .bind(table)
    .fetch_all(pool)
    .await?;
    let mut bounds = Vec::new();
    for row in rows {
        let bound: Option<String> = row.try_get("bound")?;
        bounds.extend(bound.and_then(|bound| bound.parse::<i64>().ok()));
    }
    Ok(bounds)
}
