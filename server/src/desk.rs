//! How the door asks planners: the one in this process directly, those of others by HTTP.

use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::Context;
use ingest::{Asked, Owners, Unavailable};
use pipeline::worker::Status;
use planner::run::Desk;
use schemas::answer::{ListPage, ListQuery, SweepView};
use schemas::calendar::{CalendarPage, CalendarQuery};
use schemas::{
    CalendarKey, CalendarView, CommandAnswer, RequestId, Shard, Shards, TaskKey, TaskView,
};
use serde::de::DeserializeOwned;

use crate::internal::{Ask, Remote, answer};
use crate::owners::Table;

/// Wait before asking again where nobody answered.
const AGAIN: Duration = Duration::from_millis(50);
/// A question about a task is asked again for so long while its shard changes hands.
const PATIENCE: Duration = Duration::from_secs(5);
/// One planner of another process is asked for so long at a time: one that hangs answers nobody, and
/// its successor may have said meanwhile that it owns the shard.
const ONE_ASK: Duration = Duration::from_secs(1);

/// The planner of this process, if it has one.
#[derive(Clone, Debug)]
pub(crate) struct Local {
    /// Answers for the shards it owns.
    pub(crate) desk: Desk,
    /// Which those are.
    pub(crate) status: Arc<Status>,
}

/// All planners.
#[derive(Clone, Debug)]
pub(crate) struct Planners {
    /// Of this process.
    pub(crate) local: Option<Local>,
    /// Of others.
    pub(crate) table: Table,
    /// How to ask those.
    pub(crate) remote: Remote,
    /// To find the shard of a task.
    pub(crate) shards: Shards,
}

impl Planners {
    fn local(&self, shard: Shard) -> Option<&Desk> {
        let local = self.local.as_ref()?;
        local
            .status
            .owned()
            .open
            .contains(&shard)
            .then_some(&local.desk)
    }

    /// Asks whoever owns the shard now.
    async fn ask<T: DeserializeOwned>(
        &self,
        shard: Shard,
        ask: Ask,
        wait: Duration,
    ) -> anyhow::Result<T> {
        let owner = self
            .table
            .owner(shard)
            .context("no planner has said that it owns it")?;
        self.remote.ask(&owner.address, shard, ask, wait).await
    }

    async fn answer_of(
        &self,
        shard: Shard,
        request: RequestId,
        wait: Duration,
    ) -> Option<CommandAnswer> {
        let until = Instant::now() + wait;
        loop {
            let left = until.saturating_duration_since(Instant::now()).min(ONE_ASK);
            let ask = Ask::Answer {
                request: request.to_string(),
                wait_ms: ms(left),
            };
            let answer = match self.local(shard) {
                Some(desk) => desk.answer(request, left).await,
                None => match self.ask(shard, ask, left).await {
                    Ok(answer) => answer,
                    Err(error) => {
                        tracing::debug!(error = format!("{error:#}"), shard = shard.0, "no answer");
                        None
                    }
                },
            };
            if answer.is_some() || Instant::now() + AGAIN >= until {
                return answer;
            }
            tokio::time::sleep(AGAIN).await;
        }
    }

    async fn get_of(&self, task: TaskKey) -> Result<Option<TaskView>, Unavailable> {
        let shard = task.shard(self.shards);
        let until = Instant::now() + PATIENCE;
        loop {
            let found = match self.local(shard) {
                Some(desk) => desk
                    .get(shard, task.clone())
                    .await
                    .map_err(anyhow::Error::from),
                None => self.ask(shard, Ask::Get(task.clone()), ONE_ASK).await,
            };
            match found {
                Ok(found) => return Ok(found),
                Err(error) if Instant::now() >= until => return Err(unavailable(shard, &error)),
                Err(_) => tokio::time::sleep(AGAIN).await,
            }
        }
    }

    async fn list_of(&self, shard: Shard, query: ListQuery) -> Result<ListPage, Unavailable> {
        let until = Instant::now() + PATIENCE;
        loop {
            let found = match self.local(shard) {
                Some(desk) => desk
                    .list(shard, query.clone())
                    .await
                    .map_err(anyhow::Error::from),
                None => self.ask(shard, Ask::List(query.clone()), PATIENCE).await,
            };
            match found {
                Ok(found) => return Ok(found),
                Err(error) if Instant::now() >= until => return Err(unavailable(shard, &error)),
                Err(_) => tokio::time::sleep(AGAIN).await,
            }
        }
    }
}

impl Planners {
    /// What the owner of a shard knows of calendars and sweeps: seldom asked, so each way is the same.
    async fn known<T: DeserializeOwned>(&self, shard: Shard, ask: Ask) -> Result<T, Unavailable> {
        let until = Instant::now() + PATIENCE;
        loop {
            let found = match self.local(shard) {
                Some(desk) => answer(desk, shard, ask.clone())
                    .await
                    .and_then(|found| Ok(serde_json::from_value(found)?)),
                None => self.ask(shard, ask.clone(), ONE_ASK).await,
            };
            match found {
                Ok(found) => return Ok(found),
                Err(error) if Instant::now() >= until => return Err(unavailable(shard, &error)),
                Err(_) => tokio::time::sleep(AGAIN).await,
            }
        }
    }
}

impl Owners for Planners {
    fn answer(
        &self,
        shard: Shard,
        request: RequestId,
        wait: Duration,
    ) -> Asked<'_, Option<CommandAnswer>> {
        Box::pin(self.answer_of(shard, request, wait))
    }

    fn get(&self, task: TaskKey) -> Asked<'_, Result<Option<TaskView>, Unavailable>> {
        Box::pin(self.get_of(task))
    }

    fn list(&self, shard: Shard, query: ListQuery) -> Asked<'_, Result<ListPage, Unavailable>> {
        Box::pin(self.list_of(shard, query))
    }

    fn calendar(
        &self,
        calendar: CalendarKey,
    ) -> Asked<'_, Result<Option<CalendarView>, Unavailable>> {
        let shard = calendar.shard(self.shards);
        Box::pin(self.known(shard, Ask::Calendar(calendar)))
    }

    fn calendars(
        &self,
        shard: Shard,
        query: CalendarQuery,
    ) -> Asked<'_, Result<CalendarPage, Unavailable>> {
        Box::pin(self.known(shard, Ask::Calendars(query)))
    }

    fn sweep(
        &self,
        shard: Shard,
        id: RequestId,
    ) -> Asked<'_, Result<Option<SweepView>, Unavailable>> {
        Box::pin(self.known(shard, Ask::Sweep(id.to_string())))
    }
}

fn unavailable(shard: Shard, error: &anyhow::Error) -> Unavailable {
    Unavailable {
        shard,
        reason: format!("{error:#}"),
    }
}

fn ms(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use axum::routing::post;
    use axum::{Json, Router};
    use schemas::Millis;
    use schemas::owner::Owner;
    use tokio::net::TcpListener;

    use super::*;

    fn owner(of: &TcpListener) -> Owner {
        Owner {
            address: of.local_addr().expect("its address").to_string(),
            member: "m".to_owned(),
            at: Millis(0),
        }
    }

    #[tokio::test]
    async fn a_planner_that_hangs_does_not_keep_its_successor_from_answering() {
        let bind = || TcpListener::bind("127.0.0.1:0");
        let (hung, successor) = (bind().await.expect("a port"), bind().await.expect("a port"));
        let table = Table::default();
        table.set(Shard(0), owner(&hung));
        let planners = Planners {
            local: None,
            table: table.clone(),
            remote: Remote::new(""),
            shards: Shards::DEFAULT,
        };
        let next = owner(&successor);
        tokio::spawn(async move {
            // Takes the question and says nothing; meanwhile another owns the shard.
            let silent = hung.accept().await;
            table.set(Shard(0), next);
            std::future::pending::<()>().await;
            drop(silent);
        });
        let router = Router::new().route(
            "/internal/v1/ask",
            post(|| async { Json(Some(CommandAnswer::Cancelled)) }),
        );
        tokio::spawn(async move { axum::serve(successor, router).await });
        // The hung one alone would use up all of the wait.
        let wait = Duration::from_secs(20);
        let answer = planners.answer_of(Shard(0), RequestId(7), wait).await;
        assert_eq!(answer, Some(CommandAnswer::Cancelled));
    }
}
