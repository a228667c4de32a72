//! Connections that wait for a call, and calls that wait for one, by host.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::{Duration, Instant};

use hyper::header::HeaderValue;
use tokio::runtime::Handle;
use tokio::sync::oneshot;

use super::gate::{self, Gate, Pass};
use super::plain::Line;
use crate::config::Config;

/// The connections of one thread. Clones share them.
#[derive(Clone, Debug)]
pub(super) struct Connections(Arc<Mutex<Kept>>);

/// Connections by where they go.
#[derive(Debug)]
struct Kept {
    gates: HashMap<HeaderValue, Gate<Line>>,
    longest: Duration,
    most: usize,
    /// Whether somebody looks after those that waited too long,
    swept: bool,
    /// and after calls that wait.
    looked_at: bool,
}

/// Leave to make one call, and the connection for it; given back when dropped.
#[derive(Debug)]
pub(in crate::http) struct Place {
    kept: Arc<Mutex<Kept>>,
    host: HeaderValue,
    line: Option<Line>,
}

impl Connections {
    pub(super) fn new(config: &Config) -> Self {
        Self(Arc::new(Mutex::new(Kept {
            gates: HashMap::new(),
            longest: Duration::from_millis(config.idle_timeout_ms),
            most: config.idle_per_host,
            swept: false,
            looked_at: false,
        })))
    }

    /// Waits until a call to `host` may be made.
    pub(super) async fn enter(&self, host: &HeaderValue) -> Place {
        let entered = lock(&self.0).enter(host, &self.0);
        let pass = match entered {
            Ok(pass) => pass,
            // Dropped unanswered only with all connections: then a new one may be tried.
            Err(waiting) => waiting.await.unwrap_or(Pass::Open),
        };
        Place {
            kept: Arc::clone(&self.0),
            host: host.clone(),
            line: match pass {
                Pass::Line(line) => Some(line),
                Pass::Open => None,
            },
        }
    }
}

/// Closes connections that waited too long, for as long as there are any.
async fn sweep(kept: Weak<Mutex<Kept>>, longest: Duration) {
    loop {
        tokio::time::sleep(longest.max(Duration::from_millis(100)) / 4).await;
        let Some(kept) = kept.upgrade() else {
            return;
        };
        let mut kept = lock(&kept);
        let now = Instant::now();
        let old = |line: &Line| now.saturating_duration_since(line.since) >= longest;
        kept.gates.retain(|_, gate| gate.forget(old));
        if kept.gates.is_empty() {
            kept.swept = false;
            return;
        }
    }
}

/// Lets more calls in where it takes long, for as long as any wait.
async fn look(kept: Weak<Mutex<Kept>>) {
    // Calls are made by one thread.
    let worked = || Handle::current().metrics().worker_total_busy_duration(0);
    let mut last = (Instant::now(), worked());
    loop {
        tokio::time::sleep(gate::LOOK).await;
        let now = (Instant::now(), worked());
        let busy = (now.1 - last.1) * 5 > now.0 - last.0;
        last = now;
        let Some(kept) = kept.upgrade() else {
            return;
        };
        let mut kept = lock(&kept);
        let mut some_wait = false;
        for gate in kept.gates.values_mut() {
            some_wait |= gate.look(busy);
        }
        if !some_wait {
            kept.looked_at = false;
            return;
        }
    }
}

fn lock(kept: &Mutex<Kept>) -> std::sync::MutexGuard<'_, Kept> {
    kept.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Kept {
    /// `this` is where it lies itself.
    fn enter(
        &mut self,
        host: &HeaderValue,
        this: &Arc<Mutex<Self>>,
    ) -> Result<Pass<Line>, oneshot::Receiver<Pass<Line>>> {
        if !self.swept {
            self.swept = true;
            tokio::spawn(sweep(Arc::downgrade(this), self.longest));
        }
        if !self.gates.contains_key(host) {
            self.gates.insert(host.clone(), Gate::new());
        }
        let entered = match self.gates.get_mut(host) {
            Some(gate) => gate.enter(),
            None => Ok(Pass::Open),
        };
        if entered.is_err() && !self.looked_at {
            self.looked_at = true;
            tokio::spawn(look(Arc::downgrade(this)));
        }
        entered
    }
}

impl Place {
    /// Takes a connection that can be used again.
    pub(super) fn keep(&mut self, line: Line) {
        self.line = Some(line);
    }

    /// The connection it came with, unless that waited too long.
    pub(super) fn fresh(&mut self) -> Option<Line> {
        let longest = lock(&self.kept).longest;
        self.line
            .take()
            .filter(|line| line.since.elapsed() < longest)
    }

    /// Another one, where its own was found closed.
    pub(super) fn another(&mut self) -> Option<Line> {
        self.line = lock(&self.kept).gates.get_mut(&self.host)?.another();
        self.fresh()
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut line = self.line.take();
        if let Some(line) = &mut line {
            line.since = Instant::now();
        }
        let mut kept = lock(&self.kept);
        let most = kept.most;
        if let Some(gate) = kept.gates.get_mut(&self.host) {
            gate.leave(line, most);
        }
    }
}
