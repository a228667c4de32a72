//! One thread that makes calls: what is ordered begins as soon as its host's gate lets it in, and who made
//! a call makes the next one of that host over the same connection.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::{Duration, Instant};

use pipeline::Clock;
use schemas::{Millis, Shard, Work};
use tokio::runtime::Handle;
use tokio::sync::Semaphore;
use tokio::sync::mpsc::UnboundedReceiver;

use super::Order;
use super::answers::Answers;
use super::gate::{self, Gates};
use super::journal::Journal;
use crate::event::{CallOrder, Input, Reply};
use crate::http::{Callee, Host, Http, Turn, Unsendable};
use crate::metrics;

/// Orders taken before the answers of others are looked at again.
const AT_ONCE: usize = 32;

/// What the calls of one thread share.
pub(super) struct Shared {
    http: Http,
    places: Semaphore,
    clock: Arc<dyn Clock>,
    answers: Arc<Answers>,
    journal: Option<Arc<Journal>>,
    waiting: Mutex<Waiting>,
    lateness: ::metrics::Histogram,
    took: ::metrics::Histogram,
    good: ::metrics::Counter,
}

struct Waiting {
    gates: Gates<Owed>,
    /// Whether somebody looks after those that wait.
    looked_at: bool,
}

impl Shared {
    pub(super) fn new(
        http: Http,
        most: usize,
        clock: Arc<dyn Clock>,
        answers: Answers,
        journal: Option<Arc<Journal>>,
    ) -> Self {
        Self {
            http,
            places: Semaphore::new(most),
            clock,
            answers: Arc::new(answers),
            journal,
            waiting: Mutex::new(Waiting {
                gates: Gates::new(),
                looked_at: false,
            }),
            lateness: ::metrics::histogram!(metrics::LATENESS_SECONDS),
            took: ::metrics::histogram!(metrics::CALL_SECONDS),
            good: ::metrics::counter!(metrics::CALLS, "result" => GOOD),
        }
    }

    fn waiting(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Begins what is ordered until nobody can order any more.
pub(super) async fn make(shared: &Arc<Shared>, mut orders: UnboundedReceiver<Order>) {
    let passing = Arc::clone(&shared.answers);
    tokio::spawn(async move { passing.pass_on().await });
    let mut some = Vec::with_capacity(AT_ONCE);
    while orders.recv_many(&mut some, AT_ONCE).await > 0 {
        for order in some.drain(..) {
            let (shard, order) = match order {
                Order::Call(shard, order) => (shard, order),
                Order::Soon(work) => {
                    open(shared, &work);
                    continue;
                }
            };
            let owed = Owed::new(shared, shard, order);
            let host = owed.to.as_ref().ok().and_then(Callee::host).cloned();
            let Some(host) = host else {
                tokio::spawn(Inside::call(None, Arc::clone(shared), owed));
                continue;
            };
            if let Some(owed) = enter(shared, &host, owed) {
                tokio::spawn(Inside::call(Some(host), Arc::clone(shared), owed));
            }
        }
        tokio::task::yield_now().await;
    }
}

/// Opens a connection for a call that is to begin soon, unless there are as many as go at once.
fn open(shared: &Arc<Shared>, work: &Work) {
    let Ok(to) = shared.http.callee(&work.call.url) else {
        return;
    };
    let Some(inside) = to.host().map(|host| shared.waiting().gates.inside(host)) else {
        return;
    };
    if let Some(opening) = shared.http.open(to, gate::FEW.saturating_sub(inside)) {
        tokio::spawn(opening);
    }
}

/// Gives `owed` back if its call may begin at once.
fn enter(shared: &Arc<Shared>, host: &Host, owed: Owed) -> Option<Owed> {
    let mut waiting = shared.waiting();
    let entered = waiting.gates.enter(host, owed);
    if entered.is_none() && !waiting.looked_at {
        waiting.looked_at = true;
        tokio::spawn(look(Arc::downgrade(shared)));
    }
    entered
}

/// Lets more calls in where it takes long, for as long as there is need.
async fn look(shared: Weak<Shared>) {
    // Calls are made by one thread.
    let worked = || Handle::current().metrics().worker_total_busy_duration(0);
    let mut last = (Instant::now(), worked());
    loop {
        tokio::time::sleep(gate::LOOK).await;
        let now = (Instant::now(), worked());
        let busy = (now.1 - last.1) * 5 > now.0 - last.0;
        last = now;
        let Some(shared) = shared.upgrade() else {
            return;
        };
        let mut waiting = shared.waiting();
        let look = waiting.gates.look(busy);
        for (host, owed) in look.entered {
            tokio::spawn(Inside::call(Some(host), Arc::clone(&shared), owed));
        }
        if !look.again {
            waiting.looked_at = false;
            return;
        }
    }
}

/// A place inside a gate; whoever waits gets it when it is given up.
struct Inside {
    /// None where there is no gate, and once it is given up.
    host: Option<Host>,
    shared: Arc<Shared>,
}

impl Inside {
    /// Makes the call of `owed`, and those that are let in after it.
    async fn call(host: Option<Host>, shared: Arc<Shared>, owed: Owed) {
        let mut inside = Self {
            host,
            shared: Arc::clone(&shared),
        };
        let mut turn = shared.http.turn();
        let mut next = Some(owed);
        while let Some(mut owed) = next {
            let input = shared.call(&mut owed, &mut turn).await;
            owed.pay(input);
            next = inside.next();
        }
    }

    /// Who makes a call in the place of the one that ended; with none the place is given up.
    fn next(&mut self) -> Option<Owed> {
        let next = self.shared.waiting().gates.leave(self.host.as_ref()?);
        if next.is_none() {
            self.host = None;
        }
        next
    }
}

impl Drop for Inside {
    /// In the middle of a call, where it panicked or its thread ends.
    fn drop(&mut self) {
        if let Some(owed) = self.next()
            && let Ok(runtime) = Handle::try_current()
        {
            let (host, shared) = (self.host.take(), Arc::clone(&self.shared));
            runtime.spawn(Self::call(host, shared, owed));
        }
    }
}

impl Shared {
    async fn call(&self, owed: &mut Owed, turn: &mut Turn<'_>) -> Input {
        let Owed {
            order,
            to,
            began_at,
            ..
        } = owed;
        let token = order.token;
        // Never closed, so never an error.
        let _open = self.places.acquire().await;
        // The core looked at the clock when it ordered the call; it may have waited since.
        let began = self.clock.now();
        if began.mono >= order.begin_by || began.wall < order.fire.due {
            count("not_begun");
            return Input::NotBegun { token };
        }
        *began_at = Some(began.wall);
        let request = match to {
            Ok(to) => Http::request_to(to, order, began.wall),
            Err(unsendable) => Err(unsendable.clone()),
        };
        let reply = match request {
            Ok(request) => {
                if let Some(journal) = &self.journal {
                    journal.note(order, began.wall);
                }
                self.observe_lateness(order, began.wall);
                turn.send(request).await
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

/// An order, and the answer that the core waits for. It is given even if this is dropped: a call
/// that never ends would hold its lane for ever.
struct Owed {
    shard: Shard,
    order: Box<CallOrder>,
    /// Whom to call, or why nobody.
    to: Result<Callee, Unsendable>,
    began_at: Option<Millis>,
    answers: Arc<Answers>,
    clock: Arc<dyn Clock>,
    paid: bool,
}

impl Owed {
    fn new(shared: &Shared, shard: Shard, order: Box<CallOrder>) -> Self {
        Self {
            shard,
            to: shared.http.callee(&order.work.call.url),
            order,
            began_at: None,
            answers: Arc::clone(&shared.answers),
            clock: Arc::clone(&shared.clock),
            paid: false,
        }
    }

    fn pay(mut self, input: Input) {
        self.paid = true;
        self.answers.give(self.shard, input);
    }
}

impl Drop for Owed {
    fn drop(&mut self) {
        if self.paid {
            return;
        }
        let token = self.order.token;
        let input = match self.began_at {
            None => Input::NotBegun { token },
            Some(began_at) => Input::Answered {
                token,
                reply: Reply::Failed {
                    error: "the call was broken off here".to_owned(),
                    status: None,
                },
                began_at,
                ended_at: self.clock.now().wall,
            },
        };
        self.answers.give_now(self.shard, input);
    }
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
