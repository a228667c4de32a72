//! The shell: orders of calls become calls, their answers go back into the worker's inbox.
//!
//! Calls are made on threads of their own, each with a runtime, a client and connections that no other
//! thread touches: what belongs to one call (its task, its connection, its timer) never crosses from
//! one core to another, and no lock is shared.

mod answers;
mod calls;
mod gate;
mod journal;

use std::fmt;
use std::hash::{BuildHasher, Hasher};
use std::sync::Arc;

use pipeline::Clock;
use pipeline::inbox::Inbox;
use schemas::{Shard, Work};
use tokio::sync::mpsc::{UnboundedSender, unbounded_channel};

use crate::config::Config;
use crate::error::Error;
use crate::event::{CallOrder, Effect, Input};
use crate::http::Http;
use answers::Answers;
use calls::Shared;
use journal::Journal;

/// Makes the calls of one worker. [`Caller::run`] is the sink of the worker's driver: it never blocks.
#[derive(Clone)]
pub struct Caller {
    /// One a thread.
    lines: Arc<[UnboundedSender<Order>]>,
}

/// What a thread that makes calls is to do.
#[derive(Debug)]
enum Order {
    /// Make this call of that shard.
    Call(Shard, Box<CallOrder>),
    /// Open a connection for a call of this.
    Soon(Arc<Work>),
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
            let shared = Arc::new(Shared::new(
                Http::new(config)?,
                config.max_calls.div_ceil(threads),
                Arc::clone(clock),
                Answers::new(inbox.clone()),
                journal.clone(),
            ));
            let (line, orders) = unbounded_channel();
            std::thread::Builder::new()
                .name(format!("calls-{number}"))
                .spawn(move || {
                    pipeline::prompt::be_prompt();
                    runtime.block_on(calls::make(&shared, orders));
                })
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
        let order = match effect {
            Effect::Call(order) => Order::Call(shard, order),
            Effect::Soon(work) => Order::Soon(work),
        };
        let line = usize::from(shard.0) % self.lines.len();
        if self.lines[line].send(order).is_err() {
            tracing::error!(shard = shard.0, "the thread that makes calls is gone");
        }
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
