//! How many calls one host is made at once: few while it answers fast, more where it does not.
//!
//! A burst that opened a connection for each of its calls would pay for every one of them: its set-up, its
//! buffers, its place in the endpoint's queues. An endpoint that answers within milliseconds is kept
//! busy by few, and each further call only waits somewhere else. So beyond [`FEW`] a call waits for the
//! connection of another. While calls wait, answers take long and whoever makes the calls has time left,
//! half as many more are let in at every look: thousands at once are a few looks away. Who has no time left
//! would not be faster with more; answers may seem slow then only because nobody takes them.

use std::collections::VecDeque;
use std::time::Duration;

use tokio::sync::oneshot;

/// Calls of one host that never wait for each other.
const FEW: usize = 64;
/// Between two looks at who waits.
pub(super) const LOOK: Duration = Duration::from_millis(5);
/// A host is slow where fewer than one of so many calls ended between two looks: they take longer than
/// twice that on average.
const SLOW: usize = 2;
/// So slow that it is not for want of time here: a quarter of a second.
const VERY_SLOW: usize = 50;

/// Leave to make one call.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Pass<L> {
    /// Over this connection.
    Line(L),
    /// Over a new one.
    Open,
}

/// The connections to one host, and who waits for one.
#[derive(Debug)]
pub(super) struct Gate<L> {
    /// The one used last is behind the others.
    idle: VecDeque<L>,
    /// Calls that were let in and have not ended.
    inside: usize,
    allowed: usize,
    waiting: VecDeque<oneshot::Sender<Pass<L>>>,
    /// Calls that ended since the last look.
    ended: usize,
}

impl<L> Gate<L> {
    pub(super) fn new() -> Self {
        Self {
            idle: VecDeque::new(),
            inside: 0,
            allowed: FEW,
            waiting: VecDeque::new(),
            ended: 0,
        }
    }

    /// A pass now, or as soon as it can be had. Each one had must be given back by [`Gate::leave`].
    pub(super) fn enter(&mut self) -> Result<Pass<L>, oneshot::Receiver<Pass<L>>> {
        if self.inside < self.allowed {
            self.inside += 1;
            return Ok(self.pass());
        }
        let (sender, receiver) = oneshot::channel();
        self.waiting.push_back(sender);
        Err(receiver)
    }

    /// The connection used last, for a call whose own was found closed.
    pub(super) fn another(&mut self) -> Option<L> {
        self.idle.pop_back()
    }

    /// A call ended; with its connection, if that can be used again.
    pub(super) fn leave(&mut self, line: Option<L>, most_idle: usize) {
        self.ended += 1;
        if let Some(line) = line {
            self.idle.push_back(line);
        }
        self.inside = self.inside.saturating_sub(1);
        self.let_in();
        if self.idle.len() > most_idle {
            self.idle.pop_front();
        }
    }

    /// Lets more in where those inside take long; says whether any still wait. To be called every
    /// [`LOOK`] while calls wait; `busy` is whether whoever makes them has no time left.
    pub(super) fn look(&mut self, busy: bool) -> bool {
        let ended = std::mem::take(&mut self.ended);
        let is_slow = |factor: usize| ended.saturating_mul(factor) < self.inside;
        if !busy && is_slow(SLOW) {
            self.allowed += self.allowed / 2;
        } else if is_slow(VERY_SLOW) {
            self.allowed += self.allowed / 8;
        }
        self.let_in();
        !self.waiting.is_empty()
    }

    /// Drops idle connections for which `old` is true, and forgets how slow the host was; says whether
    /// there is still something to keep.
    pub(super) fn forget(&mut self, old: impl Fn(&L) -> bool) -> bool {
        while self.idle.front().is_some_and(&old) {
            self.idle.pop_front();
        }
        self.allowed = FEW.max(self.inside);
        self.inside > 0 || !self.idle.is_empty() || !self.waiting.is_empty()
    }

    fn let_in(&mut self) {
        while self.inside < self.allowed {
            let Some(first) = self.waiting.pop_front() else {
                return;
            };
            let pass = self.pass();
            match first.send(pass) {
                Ok(()) => self.inside += 1,
                // Whoever waited has gone.
                Err(Pass::Line(line)) => self.idle.push_back(line),
                Err(Pass::Open) => {}
            }
        }
    }

    fn pass(&mut self) -> Pass<L> {
        self.idle.pop_back().map_or(Pass::Open, Pass::Line)
    }
}

#[cfg(test)]
#[path = "gate/tests.rs"]
mod tests;
