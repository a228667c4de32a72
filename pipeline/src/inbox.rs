//! What reaches a worker's cores from beside the log, from any thread.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};

use schemas::Shard;

use crate::log::Waker;

/// A queue into a worker. Clones share it; it outlives the worker's connections.
pub struct Inbox<I> {
    shared: Arc<Mutex<Shared<I>>>,
}

struct Shared<I> {
    queue: VecDeque<(Shard, I)>,
    waker: Option<Waker>,
}

impl<I> Inbox<I> {
    /// An empty one, not yet connected to a worker.
    #[must_use]
    pub fn new() -> Self {
        let shared = Shared {
            queue: VecDeque::new(),
            waker: None,
        };
        Self {
            shared: Arc::new(Mutex::new(shared)),
        }
    }

    /// Queues `input` for the core of `shard` and wakes the worker. It is dropped if the worker does
    /// not own that shard when it gets there.
    pub fn push(&self, shard: Shard, input: I) {
        let waker = {
            let mut shared = self.lock();
            shared.queue.push_back((shard, input));
            // One wake per batch: who finds the queue non-empty knows that somebody woke the worker.
            if shared.queue.len() == 1 {
                shared.waker.clone()
            } else {
                None
            }
        };
        if let Some(wake) = waker {
            wake();
        }
    }

    /// As [`Inbox::push`] of each, under one lock and with one wake.
    pub fn push_all(&self, inputs: impl Iterator<Item = (Shard, I)>) {
        let waker = {
            let mut shared = self.lock();
            let was_empty = shared.queue.is_empty();
            shared.queue.extend(inputs);
            if was_empty && !shared.queue.is_empty() {
                shared.waker.clone()
            } else {
                None
            }
        };
        if let Some(wake) = waker {
            wake();
        }
    }

    pub(crate) fn connect(&self, waker: Waker) {
        self.lock().waker = Some(waker);
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.lock().queue.is_empty()
    }

    pub(crate) fn take(&self) -> VecDeque<(Shard, I)> {
        std::mem::take(&mut self.lock().queue)
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Shared<I>> {
        self.shared.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<I> Clone for Inbox<I> {
    fn clone(&self) -> Self {
        Self {
            shared: Arc::clone(&self.shared),
        }
    }
}

impl<I> Default for Inbox<I> {
    fn default() -> Self {
        Self::new()
    }
}

impl<I> std::fmt::Debug for Inbox<I> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Inbox")
            .field("queued", &self.lock().queue.len())
            .finish()
    }
}
