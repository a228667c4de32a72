//! The shell: the factory over the disk, and the desk where callers wait for what cores say.

use std::collections::{BTreeMap, VecDeque};
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use pipeline::Inbox;
use schemas::answer::{ListPage, ListQuery, SweepView};
use schemas::calendar::{CalendarPage, CalendarQuery};
use schemas::{CalendarKey, CalendarView, CommandAnswer, RequestId, Shard, TaskKey, TaskView};
use tokio::sync::oneshot;
use tokio::time::{Instant, timeout};

use crate::config::PlannerConfig;
use crate::core::PlannerFactory;
use crate::error::{QueryError, StoreError};
use crate::event::{Effect, Input, Reply};
use crate::store::fjall::FjallStores;

/// An answer is kept so long for whoever asks late.
const KEPT: Duration = Duration::from_secs(60);
/// Answers kept at most; the oldest goes first.
const MOST_KEPT: usize = 100_000;
/// Questions and waits under way at most.
const MOST_WAITING: usize = 10_000;
/// A core answers within a turn of its loop; one that has not by then is not here.
const PATIENCE: Duration = Duration::from_secs(2);
/// Of disk blocks in memory, all shards together. Some hundred thousand tasks fill it, so that more of them take
/// no more memory; what is read beyond it comes from the operating system's own cache.
const CACHE_BYTES: u64 = 16 << 20;
/// Of these blocks, at what they take, and of rows that are not written out, all shards together while the disk keeps up.
const STORE_BYTES: u64 = 88 << 20;

/// A factory whose tables lie under `directory`.
///
/// # Errors
/// [`StoreError`] when the directory cannot be used.
pub fn factory(
    config: PlannerConfig,
    directory: &Path,
) -> Result<PlannerFactory<FjallStores>, StoreError> {
    let stores = FjallStores::open(directory, CACHE_BYTES, STORE_BYTES)?;
    Ok(PlannerFactory::new(config, stores))
}

/// Where callers in this process meet the cores of one worker. Clones share it.
#[derive(Clone)]
pub struct Desk {
    inbox: Inbox<Input>,
    token: Arc<AtomicU64>,
    book: Arc<Mutex<Book>>,
}

/// Who waits, and what was said.
#[derive(Default)]
struct Book {
    answers: BTreeMap<RequestId, CommandAnswer>,
    /// When each came, oldest first.
    order: VecDeque<(Instant, RequestId)>,
    waiting: BTreeMap<RequestId, Vec<oneshot::Sender<CommandAnswer>>>,
    questions: BTreeMap<u64, oneshot::Sender<Reply>>,
}

impl Desk {
    /// The desk of the worker behind `inbox`.
    #[must_use]
    pub fn new(inbox: Inbox<Input>) -> Self {
        Self {
            inbox,
            token: Arc::new(AtomicU64::new(1)),
            book: Arc::new(Mutex::new(Book::default())),
        }
    }

    /// Takes an effect of a core: the sink of the worker.
    pub fn run(&self, effect: Effect) {
        match effect {
            Effect::Answer { request, answer } => self.book().keep(request, answer),
            Effect::Reply { token, reply } => {
                let question = self.book().questions.remove(&token);
                // Who asked may have gone meanwhile; then nobody is told.
                question.map(|question| question.send(reply));
            }
        }
    }

    /// How `request` was decided, once it is; `None` when it is not within `wait`.
    pub async fn answer(&self, request: RequestId, wait: Duration) -> Option<CommandAnswer> {
        let mut place = {
            let mut book = self.book();
            if let Some(answer) = book.answers.get(&request) {
                return Some(answer.clone());
            }
            if book.waiting.len() >= MOST_WAITING {
                return None;
            }
            let (tell, told) = oneshot::channel();
            book.waiting.entry(request).or_default().push(tell);
            Place {
                desk: self,
                told,
                leave: move |book: &mut Book| book.leave(request),
            }
        };
        timeout(wait, &mut place.told)
            .await
            .ok()
            .and_then(Result::ok)
    }

    /// One task, as of the last commit.
    ///
    /// # Errors
    /// [`QueryError`] when `shard` is not planned here, or not yet.
    pub async fn get(&self, shard: Shard, task: TaskKey) -> Result<Option<TaskView>, QueryError> {
        let reply = self.ask(shard, |token| Input::Get { task, token }).await?;
        match reply {
            Reply::Task(view) => Ok(view.map(|view| *view)),
            _ => Err(QueryError::Elsewhere(shard.0)),
        }
    }

    /// A part of a tenant's tasks in `shard`, as of the last commit.
    ///
    /// # Errors
    /// As [`Desk::get`].
    pub async fn list(&self, shard: Shard, query: ListQuery) -> Result<ListPage, QueryError> {
        let reply = self
            .ask(shard, |token| Input::List { query, token })
            .await?;
        match reply {
            Reply::Page(page) => Ok(page),
            _ => Err(QueryError::Elsewhere(shard.0)),
        }
    }

    /// One calendar, as of the last commit.
    ///
    /// # Errors
    /// As [`Desk::get`].
    pub async fn calendar(
        &self,
        shard: Shard,
        calendar: CalendarKey,
    ) -> Result<Option<CalendarView>, QueryError> {
        let input = |token| Input::Calendar { calendar, token };
        match self.ask(shard, input).await? {
            Reply::Calendar(view) => Ok(view.map(|view| *view)),
            _ => Err(QueryError::Elsewhere(shard.0)),
        }
    }

    /// A part of a tenant's calendars, as of the last commit.
    ///
    /// # Errors
    /// As [`Desk::get`].
    pub async fn calendars(
        &self,
        shard: Shard,
        query: CalendarQuery,
    ) -> Result<CalendarPage, QueryError> {
        let input = |token| Input::Calendars { query, token };
        match self.ask(shard, input).await? {
            Reply::Calendars(page) => Ok(page),
            _ => Err(QueryError::Elsewhere(shard.0)),
        }
    }

    /// How a command on many tasks stands in `shard`, as of the last commit; `None` where that knows
    /// of none.
    ///
    /// # Errors
    /// As [`Desk::get`].
    pub async fn sweep(
        &self,
        shard: Shard,
        id: RequestId,
    ) -> Result<Option<SweepView>, QueryError> {
        let reply = self.ask(shard, |token| Input::Sweep { id, token }).await?;
        match reply {
            Reply::Sweep(view) => Ok(view.map(|view| *view)),
            _ => Err(QueryError::Elsewhere(shard.0)),
        }
    }

    async fn ask(
        &self,
        shard: Shard,
        input: impl FnOnce(u64) -> Input,
    ) -> Result<Reply, QueryError> {
        let token = self.token.fetch_add(1, Ordering::Relaxed);
        let mut place = {
            let mut book = self.book();
            if book.questions.len() >= MOST_WAITING {
                return Err(QueryError::Busy);
            }
            let (tell, told) = oneshot::channel();
            book.questions.insert(token, tell);
            Place {
                desk: self,
                told,
                leave: move |book: &mut Book| drop(book.questions.remove(&token)),
            }
        };
        self.inbox.push(shard, input(token));
        let reply = timeout(PATIENCE, &mut place.told).await;
        let reply = reply.ok().and_then(Result::ok);
        reply.ok_or(QueryError::Elsewhere(shard.0))
    }

    fn book(&self) -> std::sync::MutexGuard<'_, Book> {
        self.book.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A place in the book; whoever waits there may go at any moment, and leaves nothing behind.
struct Place<'a, T, F: Fn(&mut Book)> {
    desk: &'a Desk,
    told: oneshot::Receiver<T>,
    leave: F,
}

impl<T, F: Fn(&mut Book)> Drop for Place<'_, T, F> {
    fn drop(&mut self) {
        self.told.close();
        (self.leave)(&mut self.desk.book());
    }
}

impl Book {
    fn keep(&mut self, request: RequestId, answer: CommandAnswer) {
        for tell in self.waiting.remove(&request).unwrap_or_default() {
            // Who waited may have gone meanwhile; the answer is kept all the same.
            drop(tell.send(answer.clone()));
        }
        let now = Instant::now();
        self.answers.insert(request, answer);
        self.order.push_back((now, request));
        while let Some((came, oldest)) = self.order.front().copied() {
            if self.order.len() <= MOST_KEPT && now.duration_since(came) < KEPT {
                break;
            }
            self.order.pop_front();
            self.answers.remove(&oldest);
        }
    }

    /// Forgets those who wait no more.
    fn leave(&mut self, request: RequestId) {
        if let Some(waiting) = self.waiting.get_mut(&request) {
            waiting.retain(|tell| !tell.is_closed());
            if waiting.is_empty() {
                self.waiting.remove(&request);
            }
        }
    }
}

impl std::fmt::Debug for Desk {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Desk").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use std::future::Future;
    use std::task::{Context, Waker};

    use super::*;

    fn says(desk: &Desk, request: u128) {
        desk.run(Effect::Answer {
            request: RequestId(request),
            answer: CommandAnswer::Cancelled,
        });
    }

    #[tokio::test]
    async fn an_answer_reaches_who_waits_and_who_asks_later() {
        let desk = Desk::new(Inbox::new());
        let waiter = desk.clone();
        let waits = tokio::spawn(async move {
            let request = RequestId(1);
            waiter.answer(request, Duration::from_secs(60)).await
        });
        tokio::task::yield_now().await;
        says(&desk, 1);
        assert_eq!(waits.await.unwrap(), Some(CommandAnswer::Cancelled));
        let late = desk.answer(RequestId(1), Duration::ZERO).await;
        assert_eq!(late, Some(CommandAnswer::Cancelled));
    }

    #[tokio::test]
    async fn who_goes_while_waiting_leaves_nothing_behind_and_others_wait_on() {
        let desk = Desk::new(Inbox::new());
        let forever = Duration::from_secs(3_600);
        let wait = || Box::pin(desk.answer(RequestId(3), forever));
        let (mut goes, mut stays) = (wait(), wait());
        let key = |id: &str| TaskKey {
            tenant: schemas::TenantId::new("t").unwrap(),
            id: schemas::TaskId::new(id).unwrap(),
        };
        let mut asks = Box::pin(desk.get(Shard(0), key("a")));
        // Each is polled once, as by a door whose client then hangs up.
        let mut context = Context::from_waker(Waker::noop());
        assert!(goes.as_mut().poll(&mut context).is_pending());
        assert!(stays.as_mut().poll(&mut context).is_pending());
        assert!(asks.as_mut().poll(&mut context).is_pending());
        assert_eq!(desk.book().waiting[&RequestId(3)].len(), 2);
        drop((goes, asks));
        assert_eq!(desk.book().waiting[&RequestId(3)].len(), 1);
        assert!(desk.book().questions.is_empty());
        says(&desk, 3);
        assert_eq!(stays.await, Some(CommandAnswer::Cancelled));
        assert!(desk.book().waiting.is_empty());
    }

    #[tokio::test]
    async fn who_waits_in_vain_leaves_nothing_behind() {
        let desk = Desk::new(Inbox::new());
        let answer = desk.answer(RequestId(2), Duration::ZERO).await;
        assert_eq!(answer, None);
        assert!(desk.book().waiting.is_empty());
    }
}
