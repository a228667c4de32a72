//! The shell: orders of calls become calls, their answers go back into the worker's inbox.

use std::fmt;
use std::fs::{File, OpenOptions};
use std::hash::{BuildHasher, Hasher};
use std::io::Write;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use pipeline::Clock;
use pipeline::inbox::Inbox;
use schemas::{Millis, Shard};
use tokio::runtime::Handle;
use tokio::sync::Semaphore;

use crate::config::Config;
use crate::error::Error;
use crate::event::{CallOrder, Effect, Input, Reply, Token};
use crate::http::Http;
use crate::metrics;

/// Makes the calls of one worker. [`Caller::run`] is the sink of the worker's driver: it never blocks.
#[derive(Clone)]
pub struct Caller {
    shared: Arc<Shared>,
    runtime: Handle,
}

struct Shared {
    http: Http,
    places: Semaphore,
    clock: Arc<dyn Clock>,
    inbox: Inbox<Input>,
    journal: Option<Journal>,
}

impl Caller {
    /// A caller that spawns its calls on `runtime` and answers into `inbox`, the one of the worker
    /// whose driver it serves. `clock` is that worker's.
    ///
    /// # Errors
    /// [`Error`]: the client or the journal cannot be made.
    pub fn new(
        config: &Config,
        clock: Arc<dyn Clock>,
        inbox: Inbox<Input>,
        runtime: Handle,
    ) -> Result<Self, Error> {
        let shared = Shared {
            http: Http::new(config)?,
            places: Semaphore::new(config.max_calls),
            clock,
            inbox,
            journal: config.journal.as_deref().map(Journal::open).transpose()?,
        };
        Ok(Self {
            shared: Arc::new(shared),
            runtime,
        })
    }

    /// Runs one effect of the core of `shard`.
    pub fn run(&self, shard: Shard, effect: Effect) {
        let Effect::Call(order) = effect;
        let shared = Arc::clone(&self.shared);
        self.runtime.spawn(async move {
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
}

impl Shared {
    async fn call(&self, order: &CallOrder, owed: &mut Owed<'_>) -> Input {
        let token = order.token;
        // Never closed, so never an error.
        let _place = self.places.acquire().await;
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
                observe_lateness(order, began.wall);
                self.http.send(request).await
            }
            Err(unsendable) => Reply::Refused {
                reason: unsendable.to_string(),
            },
        };
        let ended = self.clock.now();
        count(label(&reply));
        let took = Duration::from_millis(ended.mono.saturating_sub(began.mono));
        ::metrics::histogram!(metrics::CALL_SECONDS).record(took.as_secs_f64());
        Input::Answered {
            token,
            reply,
            began_at: began.wall,
            ended_at: ended.wall,
        }
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
        self.shared.inbox.push(self.shard, input);
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
        self.shared.inbox.push(self.shard, input);
    }
}

/// A line for each call begun, written before it is sent: `fire_id leg attempt wall_ms`. Against the
/// committed outcomes it tells which calls a crash may have doubled.
struct Journal(Mutex<File>);

impl Journal {
    fn open(path: &Path) -> Result<Self, Error> {
        let file = OpenOptions::new().create(true).append(true).open(path);
        let file = file.map_err(|source| Error::Journal {
            path: path.display().to_string(),
            source,
        })?;
        Ok(Self(Mutex::new(file)))
    }

    fn note(&self, order: &CallOrder, now: Millis) {
        let fire = &order.fire;
        let line = format!(
            "{} {} {} {now}\n",
            fire.fire_id, fire.leg, order.work.attempt
        );
        let mut file = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Err(error) = file.write_all(line.as_bytes()) {
            tracing::error!(%error, "a begun call is missing from the journal");
        }
    }
}

impl fmt::Debug for Caller {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Caller")
            .field("http", &self.shared.http)
            .field("free_places", &self.shared.places.available_permits())
            .finish_non_exhaustive()
    }
}

/// A seed that differs from process to process, for [`crate::DispatcherFactory::new`].
#[must_use]
pub fn seed() -> u64 {
    std::hash::RandomState::new().build_hasher().finish()
}

/// How far behind its own due time this leg began.
fn observe_lateness(order: &CallOrder, began: Millis) {
    #[expect(
        clippy::cast_precision_loss,
        reason = "a lateness over 2^52 ms is no measurement"
    )]
    let seconds = began.since(order.fire.due) as f64 / 1_000.0;
    ::metrics::histogram!(metrics::LATENESS_SECONDS).record(seconds);
}

fn count(result: &'static str) {
    ::metrics::counter!(metrics::CALLS, "result" => result).increment(1);
}

fn label(reply: &Reply) -> &'static str {
    match reply {
        Reply::Status { status, .. } => match status / 100 {
            2 => "2xx",
            3 => "3xx",
            4 => "4xx",
            5 => "5xx",
            _ => "other",
        },
        Reply::Failed { .. } => "failed",
        Reply::Refused { .. } => "refused",
    }
}
