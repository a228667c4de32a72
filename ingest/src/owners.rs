//! The planners, as the door sees them: whoever owns a shard answers for it.

use std::pin::Pin;
use std::time::Duration;

use schemas::answer::{ListPage, ListQuery, SweepView};
use schemas::calendar::{CalendarPage, CalendarQuery};
use schemas::{CalendarKey, CalendarView, CommandAnswer, RequestId, Shard, TaskKey, TaskView};

/// What an owner is going to say.
pub type Asked<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// Nobody answers for the shard now; asking again later may help.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the planner of shard {} does not answer: {reason}", .shard.0)]
pub struct Unavailable {
    /// Which shard.
    pub shard: Shard,
    /// In words.
    pub reason: String,
}

/// Asks the planner that owns a shard, in this process or in another.
pub trait Owners: Send + Sync {
    /// How the command with this id was decided, once its turn committed; `None` when that is not
    /// known within `wait`. Asked shortly before the command is in the log or shortly after it, so an
    /// owner keeps its answers for a while.
    fn answer(
        &self,
        shard: Shard,
        request: RequestId,
        wait: Duration,
    ) -> Asked<'_, Option<CommandAnswer>>;

    /// One task as it stands; `None` where the planner knows no such task.
    fn get(&self, task: TaskKey) -> Asked<'_, Result<Option<TaskView>, Unavailable>>;

    /// Some of the tasks of one shard.
    fn list(&self, shard: Shard, query: ListQuery) -> Asked<'_, Result<ListPage, Unavailable>>;

    /// One calendar, by the shard that decides about it; `None` where it knows none of this name.
    fn calendar(
        &self,
        calendar: CalendarKey,
    ) -> Asked<'_, Result<Option<CalendarView>, Unavailable>>;

    /// Some of a tenant's calendars, as one shard knows them.
    fn calendars(
        &self,
        shard: Shard,
        query: CalendarQuery,
    ) -> Asked<'_, Result<CalendarPage, Unavailable>>;

    /// How a command on many tasks stands in one shard; `None` where the planner knows of none.
    fn sweep(
        &self,
        shard: Shard,
        id: RequestId,
    ) -> Asked<'_, Result<Option<SweepView>, Unavailable>>;
}
