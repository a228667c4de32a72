//! How many calls one host is made at once: few while it answers fast, more where it does not.
//!
//! A burst that opened a connection for each of its calls would pay for every one of them: its set-up, its
//! buffers, its place in the endpoint's queues. An endpoint that answers within milliseconds is kept
//! busy by few, and each further call only waits somewhere else. So beyond [`FEW`] a call waits until
//! another ends. While calls wait, answers take long and whoever makes the calls has time left,
//! half as many more are let in at every look: thousands at once are a few looks away. Who has no time left
//! would not be faster with more; answers may seem slow then only because nobody takes them.

use std::collections::{HashMap, VecDeque};
use std::time::Duration;

use foldhash::fast::RandomState;

use crate::http::Host;

/// Calls of one host that never wait for each other.
pub(super) const FEW: usize = 64;
/// Between two looks at who waits.
pub(super) const LOOK: Duration = Duration::from_millis(5);
/// A host is slow where fewer than one of so many calls ended between two looks: they take longer than
/// twice that on average.
const SLOW: usize = 2;
/// So slow that it is not for want of time here: a quarter of a second.
const VERY_SLOW: usize = 50;
/// After so many looks at which nobody waited (a second) it is forgotten how slow a host was.
const QUIET: u32 = 200;

/// The calls of every host.
#[derive(Debug)]
pub(super) struct Gates<T> {
    of: HashMap<Host, Gate<T>, RandomState>,
}

/// The calls of one host.
#[derive(Debug)]
struct Gate<T> {
    /// Calls that were let in and have not ended.
    inside: usize,
    allowed: usize,
    waiting: VecDeque<T>,
    /// Calls that ended since the last look.
    ended: usize,
    /// Looks at which nobody waited.
    quiet: u32,
}

/// What a look found.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Look<T> {
    /// Those who were let in by it.
    pub(super) entered: Vec<(Host, T)>,
    /// Whether there is something to look after still.
    pub(super) again: bool,
}

impl<T> Gates<T> {
    pub(super) fn new() -> Self {
        Self {
            of: HashMap::default(),
        }
    }

    /// Gives `who` back if a call to `host` may be made at once; otherwise it waits. For each one that is
    /// given back [`Gates::leave`] must be called.
    pub(super) fn enter(&mut self, host: &Host, who: T) -> Option<T> {
        if let Some(gate) = self.of.get_mut(host) {
            return gate.enter(who);
        }
        let mut gate = Gate::new();
        let entered = gate.enter(who);
        self.of.insert(host.clone(), gate);
        entered
    }

    /// Calls to `host` that were let in and have not ended.
    pub(super) fn inside(&self, host: &Host) -> usize {
        self.of.get(host).map_or(0, |gate| gate.inside)
    }

    /// A call to `host` ended; whoever enters in its place.
    pub(super) fn leave(&mut self, host: &Host) -> Option<T> {
        let gate = self.of.get_mut(host)?;
        let next = gate.leave();
        if gate.is_as_new() {
            self.of.remove(host);
        }
        next
    }

    /// Lets more in where those inside take long. To be called every [`LOOK`] from when somebody had to wait
    /// for as long as there is something to look after; `busy` is whether whoever makes the calls has no
    /// time left.
    pub(super) fn look(&mut self, busy: bool) -> Look<T> {
        let mut entered = Vec::new();
        let mut again = false;
        self.of.retain(|host, gate| {
            entered.extend(gate.look(busy).map(|who| (host.clone(), who)));
            again |= gate.is_slow_or_full();
            !gate.is_as_new()
        });
        Look { entered, again }
    }
}

impl<T> Gate<T> {
    fn new() -> Self {
        Self {
            inside: 0,
            allowed: FEW,
            waiting: VecDeque::new(),
            ended: 0,
            quiet: 0,
        }
    }

    fn enter(&mut self, who: T) -> Option<T> {
        if self.inside < self.allowed {
            self.inside += 1;
            return Some(who);
        }
        self.waiting.push_back(who);
        None
    }

    fn leave(&mut self) -> Option<T> {
        self.ended += 1;
        self.inside = self.inside.saturating_sub(1);
        self.let_in()
    }

    fn look(&mut self, busy: bool) -> impl Iterator<Item = T> {
        let ended = std::mem::take(&mut self.ended);
        let is_slow = |factor: usize| ended.saturating_mul(factor) < self.inside;
        if self.waiting.is_empty() {
            self.quiet += 1;
            if self.quiet >= QUIET {
                self.allowed = FEW.max(self.inside);
            }
        } else {
            self.quiet = 0;
            if !busy && is_slow(SLOW) {
                self.allowed += self.allowed / 2;
            } else if is_slow(VERY_SLOW) {
                self.allowed += self.allowed / 8;
            }
        }
        std::iter::from_fn(|| self.let_in())
    }

    fn let_in(&mut self) -> Option<T> {
        if self.inside >= self.allowed {
            return None;
        }
        let first = self.waiting.pop_front()?;
        self.inside += 1;
        Some(first)
    }

    fn is_slow_or_full(&self) -> bool {
        self.allowed > FEW || !self.waiting.is_empty()
    }

    fn is_as_new(&self) -> bool {
        self.inside == 0 && !self.is_slow_or_full()
    }
}

#[cfg(test)]
#[path = "gate/tests.rs"]
mod tests;
