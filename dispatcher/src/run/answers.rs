//! Answers on their way to the worker: gathered for a moment, so that it is woken once for many.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use pipeline::inbox::Inbox;
use schemas::Shard;
use tokio::sync::Notify;

use crate::event::Input;

/// Outcomes wait longer than this for their turn: nobody notices.
const GATHER: Duration = Duration::from_millis(2);

/// The answers of one thread's calls.
#[derive(Debug)]
pub(super) struct Answers {
    inbox: Inbox<Input>,
    gathered: Mutex<Vec<(Shard, Input)>>,
    some: Notify,
}

impl Answers {
    pub(super) fn new(inbox: Inbox<Input>) -> Self {
        Self {
            inbox,
            gathered: Mutex::default(),
            some: Notify::new(),
        }
    }

    /// Takes an answer that may wait for others.
    pub(super) fn give(&self, shard: Shard, input: Input) {
        let first = {
            let mut gathered = self.gathered.lock().unwrap_or_else(PoisonError::into_inner);
            gathered.push((shard, input));
            gathered.len() == 1
        };
        if first {
            self.some.notify_one();
        }
    }

    /// Takes an answer where nobody may be left to run [`Answers::pass_on`].
    pub(super) fn give_now(&self, shard: Shard, input: Input) {
        self.inbox.push(shard, input);
    }

    /// Passes answers on for as long as it is run.
    pub(super) async fn pass_on(&self) {
        loop {
            self.some.notified().await;
            tokio::time::sleep(GATHER).await;
            self.flush();
        }
    }

    fn flush(&self) {
        let mut gathered = self.gathered.lock().unwrap_or_else(PoisonError::into_inner);
        self.inbox.push_all(gathered.drain(..));
    }
}

impl Drop for Answers {
    fn drop(&mut self) {
        self.flush();
    }
}
