//! Reading what was archived.

use schemas::{FireId, Millis, TaskKey};
use sqlx::Row as _;

use crate::store::{Store, StoreError};

/// One firing as archived: the values of its last leg.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Firing {
    /// Which.
    pub fire_id: FireId,
    /// Which planting was the last.
    pub leg: u32,
    /// How it ended.
    pub state: String,
    /// When the schedule wanted it.
    pub due: Millis,
    /// When the last leg ended.
    pub ended_at: Millis,
}

/// How much there is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Counts {
    /// Rows of firings.
    pub firings: u64,
    /// Rows of attempts.
    pub attempts: u64,
}

const OF_TASK: &str = "SELECT fire_id, leg, state, due, ended_at FROM firings \
     WHERE tenant = ? AND task = ? ORDER BY due DESC, fire_id LIMIT ?";

impl Store {
    /// The latest firings of a task, newest first.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`].
    pub async fn firings_of(&self, task: &TaskKey, limit: u32) -> Result<Vec<Firing>, StoreError> {
        let (tenant, id) = (task.tenant.as_str(), task.id.as_str());
        let mut firings = Vec::new();
        match self {
            Self::MySql(pool) => {
                let query = sqlx::query(OF_TASK).bind(tenant).bind(id).bind(limit);
                for row in query.fetch_all(pool).await? {
                    firings.push(firing(
                        row.try_get("fire_id")?,
                        row.try_get("leg")?,
                        row.try_get("state")?,
                        row.try_get("due")?,
                        row.try_get("ended_at")?,
                    ));
                }
            }
            Self::Sqlite(pool) => {
                let query = sqlx::query(OF_TASK).bind(tenant).bind(id).bind(limit);
                for row in query.fetch_all(pool).await? {
                    firings.push(firing(
                        row.try_get("fire_id")?,
                        row.try_get("leg")?,
                        row.try_get("state")?,
                        row.try_get("due")?,
                        row.try_get("ended_at")?,
                    ));
                }
            }
        }
        Ok(firings)
    }

    /// How many rows there are.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`].
    pub async fn counts(&self) -> Result<Counts, StoreError> {
        const FIRINGS: &str = "SELECT COUNT(*) FROM firings";
        const ATTEMPTS: &str = "SELECT COUNT(*) FROM attempts";
        let (firings, attempts): (i64, i64) = match self {
            Self::MySql(pool) => (
                sqlx::query_scalar(FIRINGS).fetch_one(pool).await?,
                sqlx::query_scalar(ATTEMPTS).fetch_one(pool).await?,
            ),
            Self::Sqlite(pool) => (
                sqlx::query_scalar(FIRINGS).fetch_one(pool).await?,
                sqlx::query_scalar(ATTEMPTS).fetch_one(pool).await?,
            ),
        };
        let count = |number: i64| u64::try_from(number).unwrap_or(0);
        Ok(Counts {
            firings: count(firings),
            attempts: count(attempts),
        })
    }
}

fn firing(fire_id: Vec<u8>, leg: u32, state: String, due: i64, ended_at: i64) -> Firing {
    let mut id = [0; 16];
    for (to, from) in id.iter_mut().zip(fire_id) {
        *to = from;
    }
    Firing {
        fire_id: FireId(id),
        leg,
        state,
        due: Millis(due),
        ended_at: Millis(ended_at),
    }
}
