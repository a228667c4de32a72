//! Waking the one thread that waits in `poll`.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Condvar, Mutex, PoisonError};
use std::time::Duration;

/// A latch: a wake that comes before the wait ends it at once.
#[derive(Debug, Default)]
pub(super) struct Signal {
    woken: Mutex<bool>,
    condition: Condvar,
}

impl Signal {
    pub(super) fn wake(&self) {
        *self.woken.lock().unwrap_or_else(PoisonError::into_inner) = true;
        self.condition.notify_one();
    }

    /// Waits for the next wake, `wait` at most.
    pub(super) fn wait(&self, wait: Duration) {
        let woken = self.woken.lock().unwrap_or_else(PoisonError::into_inner);
        let (mut woken, _) = self
            .condition
            .wait_timeout_while(woken, wait, |woken| !*woken)
            .unwrap_or_else(PoisonError::into_inner);
        *woken = false;
    }
}

/// Says that one queue has something, and wakes whoever polls it.
#[derive(Debug)]
pub(super) struct Ready {
    flag: AtomicBool,
    signal: Arc<Signal>,
}

impl Ready {
    /// Ready at first: what came before anybody listened is found.
    pub(super) fn new(signal: &Arc<Signal>) -> Arc<Self> {
        Arc::new(Self {
            flag: AtomicBool::new(true),
            signal: Arc::clone(signal),
        })
    }

    pub(super) fn set(&self) {
        self.flag.store(true, Ordering::Release);
        self.signal.wake();
    }

    /// Sets the flag without waking: for who leaves something behind by its own choice.
    pub(super) fn keep(&self) {
        self.flag.store(true, Ordering::Release);
    }

    /// Whether there may be something. Clears the flag, so call it before taking what is there.
    pub(super) fn take(&self) -> bool {
        self.flag.swap(false, Ordering::AcqRel)
    }
}
