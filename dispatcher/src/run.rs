//! The shell: orders of calls become calls, their answers go back into the worker's inbox.
//!
//! Calls are made on threads of their own, each with a runtime, a client and connections that no other
//! thread touches: what belongs to one call (its task, its connection, its timer) never crosses from
//! one core to another, and no lock is shared.

mod answers;
mod journal;

use std::fmt;
use std::hash::{BuildHasher, Hasher};
use std::sync::Arc;
use std::time::Duration;

use pipeline::Clock;
use pipeline::inbox::Inbox;
use schemas::{Millis, Shard};
use tokio::sync::Semaphore;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

use crate::config::Config;
use crate::error::Error;
use crate::event::{CallOrder, Effect, Input, Reply, Token};
use crate::http::Http;
use crate::metrics;
use answers::Answers;
use journal::Journal;

/// Calls begun before the answers of others are looked at again.
const AT_ONCE: usize = 32;

/// Makes the calls of one worker. [`Caller::run`] is the sink of the worker's driver: it never blocks.
#[derive(Clone)]
pub struct Caller {
    /// One a thread.
    lines: Arc<[UnboundedSender<(Shard, CallOrder)>]>,
}

/// What the calls of one thread share.
struct Shared {
    http: Http,
    places: Semaphore,
    clock: Arc<dyn Clock>,
    answers: Answers,
    journal: Option<Arc<Journal>>,
    lateness: ::metrics::Histogram,
    took: ::metrics::Histogram,
    good: ::metrics::Counter,
}

impl Caller {
    /// A caller that makes its calls on threads of its own and answers into `inbox`, the one of the
    /// worker whose driver it serves. `clock` is that worker's. The threads end when the last clone of
    /// it is gone; calls still open then are answered as failed.
    ///
    /// # Errors
    /// [`Error`]: a client, the journal or a thread cannot be made.
    pub fn new(
        config: &Config,
        clock: &Arc<dyn Clock>,
        inbox: &Inbox<Input>,
    ) -> Result<Self, Error> {
        let journal = config.journal.as_deref().map(Journal::open).transpose()?;
        let journal = journal.map(Arc::new);
        let threads = config.call_threads.max(1);
        let start = |number: usize| {
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build()
                .map_err(Error::Thread)?;
            let shared = Arc::new(Shared {
                http: Http::new(config)?,
                places: Semaphore::new(config.max_calls.div_ceil(threads)),
                clock: Arc::clone(clock),
                answers: Answers::new(inbox.clone()),
                journal: journal.clone(),
                lateness: ::metrics::histogram!(metrics::LATENESS_SECONDS),
                took: ::metrics::histogram!(metrics::CALL_SECONDS),
                good: ::metrics::counter!(metrics::CALLS, "result" => GOOD),
            });
            let (line, orders) = unbounded_channel();
            std::thread::Builder::new()
                .name(format!("calls-{number}"))
                .spawn(move || runtime.block_on(make_calls(&shared, orders)))
                .map_err(Error::Thread)?;
            Ok(line)
        };
        let lines: Result<Vec<_>, Error> = (0..threads).map(start).collect();
        Ok(Self {
            lines: lines?.into(),
        })
    }

    /// Runs one effect of the core of `shard`.
    pub fn run(&self, shard: Shard, effect: Effect) {
        let Effect::Call(order) = effect;
        let line = usize::from(shard.0) % self.lines.len();
        if self.lines[line].send((shard, order)).is_err() {
            tracing::error!(shard = shard.0, "the thread that makes calls is gone");
        }
    }
}

/// Begins what is ordered until nobody can order any more.
async fn make_calls(shared: &Arc<Shared>, mut orders: UnboundedReceiver<(Shard, CallOrder)>) {
    let passing = Arc::clone(shared);
    tokio::spawn(async move { passing.answers.pass_on().await });
    let mut some = Vec::with_capacity(AT_ONCE);
    while orders.recv_many(&mut some, AT_ONCE).await > 0 {
        for (shard, order) in some.drain(..) {
            let shared = Arc::clone(shared);
            tokio::spawn(async move {
                let mut owed = Owed {
                    shared: &shared,
                    shard,
                    token: order.token,
                    began_at: None,
                    paid: false,
                };
                let input = shared.call(&order, &mut owed).await;
                owed.pay(input);
            });
        }
        tokio::task::yield_now().await;
    }
}

impl Shared {
    async fn call(&self, order: &CallOrder, owed: &mut Owed<'_>) -> Input {
        let token = order.token;
        // Never closed, so never an error.
        let _open = self.places.acquire().await;
        let place = self.http.enter(&order.work.call.url).await;
        // The core looked at the clock when it ordered the call; it may have waited since.
        let began = self.clock.now();
        if began.mono >= order.begin_by || began.wall < order.fire.due {
            count("not_begun");
            return Input::NotBegun { token };
        }
        owed.began_at = Some(began.wall);
        let reply = match self.http.request(order, began.wall) {
            Ok(request) => {
                if let Some(journal) = &self.journal {
                    journal.note(order, began.wall);
                }
                self.observe_lateness(order, began.wall);
                self.http.send(request, place).await
            }
            Err(unsendable) => Reply::Refused {
                reason: unsendable.to_string(),
            },
        };
        let ended = self.clock.now();
        match label(&reply) {
            GOOD => self.good.increment(1),
            other => count(other),
        }
        let took = Duration::from_millis(ended.mono.saturating_sub(began.mono));
        self.took.record(took.as_secs_f64());
        Input::Answered {
            token,
            reply,
            began_at: began.wall,
            ended_at: ended.wall,
        }
    }

    /// How far behind its own due time this leg began.
    fn observe_lateness(&self, order: &CallOrder, began: Millis) {
        #[expect(
            clippy::cast_precision_loss,
            reason = "a lateness over 2^52 ms is no measurement"
        )]
        let seconds = began.since(order.fire.due) as f64 / 1_000.0;
        self.lateness.record(seconds);
    }
}

/// An answer the core waits for. It is given even if the call's task is dropped or panics: a call
/// that never ends would hold its lane for ever.
struct Owed<'a> {
    shared: &'a Shared,
    shard: Shard,
    token: Token,
    began_at: Option<Millis>,
    paid: bool,
}

impl Owed<'_> {
    fn pay(mut self, input: Input) {
        self.paid = true;
        self.shared.answers.give(self.shard, input);
    }
}

impl Drop for Owed<'_> {
    fn drop(&mut self) {
        if self.paid {
            return;
        }
        let token = self.token;
        let input = match self.began_at {
            None => Input::NotBegun { token },
            Some(began_at) => Input::Answered {
                token,
                reply: Reply::Failed {
                    error: "the call was broken off here".to_owned(),
                    status: None,
                },
                began_at,
                ended_at: self.shared.clock.now().wall,
            },
        };
        self.shared.answers.give_now(self.shard, input);
    }
}

impl fmt::Debug for Caller {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Caller")
            .field("threads", &self.lines.len())
            .finish_non_exhaustive()
    }
}

/// A seed that differs from process to process, for [`crate::DispatcherFactory::new`].
#[must_use]
pub fn seed() -> u64 {
    std::hash::RandomState::new().build_hasher().finish()
}

fn count(result: &'static str) {
    ::metrics::counter!(metrics::CALLS, "result" => result).increment(1);
}

const GOOD: &str = "2xx";

fn label(reply: &Reply) -> &'static str {
    match reply {
        Reply::Status { status, .. } => match status / 100 {
            2 => GOOD,
            3 => "3xx",
            4 => "4xx",
            5 => "5xx",
            _ => "other",
        },
        Reply::Failed { .. } => "failed",
        Reply::Refused { .. } => "refused",
    }
}
