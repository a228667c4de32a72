//! Reading what was archived.

use schemas::{FireId, Millis, TaskId, TaskKey, TenantId};
use sqlx::{ColumnIndex, Decode, Type};

use crate::store::{Store, StoreError};

/// One firing as archived: the values of its last leg. Times are epoch ms.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Firing {
    /// Which.
    pub fire_id: FireId,
    /// Whose.
    pub task: TaskKey,
    /// Of that version.
    pub version: u64,
    /// Which occurrence, from 1; of several that were left out, the first.
    pub occurrence: u64,
    /// How many occurrences this tells of: more than one only where they were left out.
    pub occurrences: u64,
    /// Which planting was the last; 0 where it ended in the index.
    pub leg: u32,
    /// Which attempt was the last, from 1; 0 where none was to be made.
    pub attempt: u32,
    /// How it ended: a name of [`crate::State`].
    pub state: String,
    /// When the schedule wanted it.
    pub due: Millis,
    /// When the last leg was due.
    pub leg_due: Millis,
    /// Registration appended.
    pub registered_at: Millis,
    /// Placement written.
    pub planted_at: Option<Millis>,
    /// Left the wheel.
    pub triggered_at: Option<Millis>,
    /// Read by the dispatcher.
    pub received_at: Option<Millis>,
    /// Call began.
    pub began_at: Option<Millis>,
    /// When the last leg ended.
    pub ended_at: Millis,
    /// HTTP status.
    pub status: Option<u16>,
    /// What went wrong, in words.
    pub error: Option<String>,
}

/// One call of a firing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Attempt {
    /// In which planting.
    pub leg: u32,
    /// Which attempt, from 1.
    pub attempt: u32,
    /// How it ended: a name of [`crate::State`].
    pub state: String,
    /// When it was due.
    pub leg_due: Millis,
    /// Call began.
    pub began_at: Option<Millis>,
    /// Leg ended.
    pub ended_at: Millis,
    /// HTTP status.
    pub status: Option<u16>,
    /// What went wrong, in words.
    pub error: Option<String>,
}

/// How much there is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Counts {
    /// Rows of firings.
    pub firings: u64,
    /// Calls made for them.
    pub attempts: u64,
}

const OF_TASK: &str = "SELECT * FROM firings WHERE tenant = ? AND task = ? \
     ORDER BY due DESC, fire_id LIMIT ?";
const OF_ID: &str = "SELECT * FROM firings WHERE due = ? AND fire_id = ? ORDER BY day DESC LIMIT 1";
const ATTEMPTS: &str = "SELECT * FROM attempts WHERE fire_id = ? ORDER BY leg";

impl Store {
    /// The latest firings of a task, newest first.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`].
    pub async fn firings_of(&self, task: &TaskKey, limit: u32) -> Result<Vec<Firing>, StoreError> {
        let (tenant, id) = (task.tenant.as_str(), task.id.as_str());
        match self {
            Self::MySql(pool) => {
                let query = sqlx::query(OF_TASK).bind(tenant).bind(id).bind(limit);
                let rows = query.fetch_all(pool).await?;
                rows.iter().map(firing).collect()
            }
            Self::Sqlite(pool) => {
                let query = sqlx::query(OF_TASK).bind(tenant).bind(id).bind(limit);
                let rows = query.fetch_all(pool).await?;
                rows.iter().map(firing).collect()
            }
        }
    }

    /// One firing, if it is known. `due` is what the schedule gave: calls carry both.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`].
    pub async fn firing(&self, due: Millis, id: FireId) -> Result<Option<Firing>, StoreError> {
        match self {
            Self::MySql(pool) => {
                let query = sqlx::query(OF_ID).bind(due.0).bind(id.0.to_vec());
                let row = query.fetch_optional(pool).await?;
                row.as_ref().map(firing).transpose()
            }
            Self::Sqlite(pool) => {
                let query = sqlx::query(OF_ID).bind(due.0).bind(id.0.to_vec());
                let row = query.fetch_optional(pool).await?;
                row.as_ref().map(firing).transpose()
            }
        }
    }

    /// The calls of a firing, oldest first: those that failed and were followed by others, and the
    /// last one, which the firing itself tells.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`].
    pub async fn attempts_of(&self, firing: &Firing) -> Result<Vec<Attempt>, StoreError> {
        let id = firing.fire_id.0.to_vec();
        let mut attempts: Vec<Attempt> = match self {
            Self::MySql(pool) => {
                let rows = sqlx::query(ATTEMPTS).bind(id).fetch_all(pool).await?;
                rows.iter().map(attempt).collect::<Result<_, _>>()?
            }
            Self::Sqlite(pool) => {
                let rows = sqlx::query(ATTEMPTS).bind(id).fetch_all(pool).await?;
                rows.iter().map(attempt).collect::<Result<_, _>>()?
            }
        };
        let told = attempts.iter().any(|attempt| attempt.leg == firing.leg);
        if firing.began_at.is_some() && !told {
            attempts.push(Attempt {
                leg: firing.leg,
                attempt: firing.attempt,
                state: firing.state.clone(),
                leg_due: firing.leg_due,
                began_at: firing.began_at,
                ended_at: firing.ended_at,
                status: firing.status,
                error: firing.error.clone(),
            });
        }
        Ok(attempts)
    }

    /// How many firings and calls there are; reads all of them.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`].
    pub async fn counts(&self) -> Result<Counts, StoreError> {
        const FIRINGS: &str = "SELECT COUNT(*) FROM firings";
        const ATTEMPTS: &str = "SELECT (SELECT COUNT(*) FROM attempts) + (SELECT COUNT(*) FROM \
             firings WHERE began_at IS NOT NULL AND state <> 'failed')";
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

/// Both databases' rows, read alike.
fn firing<R>(row: &R) -> Result<Firing, StoreError>
where
    R: sqlx::Row,
    for<'c> &'c str: ColumnIndex<R>,
    for<'r> Vec<u8>: Decode<'r, R::Database> + Type<R::Database>,
    for<'r> String: Decode<'r, R::Database> + Type<R::Database>,
    for<'r> i64: Decode<'r, R::Database> + Type<R::Database>,
{
    let number = |column: &str| row.try_get_unchecked::<i64, _>(column);
    let time = |column: &str| number(column).map(Millis);
    let maybe = |column: &str| row.try_get_unchecked::<Option<i64>, _>(column);
    let maybe_time = |column: &str| maybe(column).map(|it| it.map(Millis));
    let wrong = |what: &str| StoreError::Unavailable(format!("a row holds no {what}"));
    let id: Vec<u8> = row.try_get("fire_id")?;
    let tenant: String = row.try_get("tenant")?;
    let task: String = row.try_get("task")?;
    Ok(Firing {
        fire_id: FireId(id.try_into().map_err(|_| wrong("fire id"))?),
        task: TaskKey {
            tenant: TenantId::new(&tenant).map_err(|_| wrong("tenant"))?,
            id: TaskId::new(&task).map_err(|_| wrong("task id"))?,
        },
        version: u64::try_from(number("version")?).unwrap_or(0),
        occurrence: u64::try_from(number("occurrence")?).unwrap_or(0),
        occurrences: u64::try_from(number("occurrences")?).unwrap_or(1),
        leg: u32::try_from(number("leg")?).unwrap_or(0),
        attempt: u32::try_from(number("attempt")?).unwrap_or(0),
        state: row.try_get("state")?,
        due: time("due")?,
        leg_due: time("leg_due")?,
        registered_at: time("registered_at")?,
        planted_at: maybe_time("planted_at")?,
        triggered_at: maybe_time("triggered_at")?,
        received_at: maybe_time("received_at")?,
        began_at: maybe_time("began_at")?,
        ended_at: time("ended_at")?,
        status: maybe("status")?.and_then(|status| u16::try_from(status).ok()),
        error: row.try_get("error")?,
    })
}

fn attempt<R>(row: &R) -> Result<Attempt, StoreError>
where
    R: sqlx::Row,
    for<'c> &'c str: ColumnIndex<R>,
    for<'r> String: Decode<'r, R::Database> + Type<R::Database>,
    for<'r> i64: Decode<'r, R::Database> + Type<R::Database>,
{
    let number = |column: &str| row.try_get_unchecked::<i64, _>(column);
    let maybe = |column: &str| row.try_get_unchecked::<Option<i64>, _>(column);
    Ok(Attempt {
        leg: u32::try_from(number("leg")?).unwrap_or(0),
        attempt: u32::try_from(number("attempt")?).unwrap_or(0),
        state: row.try_get("state")?,
        leg_due: number("leg_due").map(Millis)?,
        began_at: maybe("began_at")?.map(Millis),
        ended_at: number("ended_at").map(Millis)?,
        status: maybe("status")?.and_then(|status| u16::try_from(status).ok()),
        error: row.try_get("error")?,
    })
}
