//! How a thread that waits in `poll` is reached.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use crate::log::LogEvent;

/// One waiting thread's letter box.
#[derive(Debug)]
pub(super) struct Signal {
    /// Tells signals apart.
    pub(super) id: u64,
    letters: Mutex<Letters>,
    arrived: Condvar,
}

/// What has come since the box was last emptied.
#[derive(Debug, Default)]
pub(super) struct Letters {
    /// For the log's user.
    pub(super) events: VecDeque<LogEvent>,
    /// A partition it reads has grown.
    pub(super) grown: bool,
    /// Somebody called its waker.
    pub(super) woken: bool,
}

static NEXT: AtomicU64 = AtomicU64::new(0);

impl Signal {
    pub(super) fn new() -> Self {
        Self {
            id: NEXT.fetch_add(1, Ordering::Relaxed),
            letters: Mutex::new(Letters::default()),
            arrived: Condvar::new(),
        }
    }

    pub(super) fn post(&self, event: LogEvent) {
        self.lock().events.push_back(event);
        self.arrived.notify_all();
    }

    pub(super) fn grown(&self) {
        let first = !std::mem::replace(&mut self.lock().grown, true);
        if first {
            self.arrived.notify_all();
        }
    }

    pub(super) fn wake(&self) {
        self.lock().woken = true;
        self.arrived.notify_all();
    }

    /// Empties the box.
    pub(super) fn take(&self) -> Letters {
        std::mem::take(&mut self.lock())
    }

    /// Waits until something is in the box, or until `deadline`; tells which.
    pub(super) fn wait(&self, deadline: Instant) -> bool {
        let mut letters = self.lock();
        loop {
            if letters.grown || letters.woken || !letters.events.is_empty() {
                return true;
            }
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return false;
            }
            letters = self
                .arrived
                .wait_timeout(letters, left)
                .unwrap_or_else(PoisonError::into_inner)
                .0;
        }
    }

    fn lock(&self) -> MutexGuard<'_, Letters> {
        self.letters.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
