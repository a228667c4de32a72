//! What the threads of one member share: events for the worker, its word for the group.

use std::collections::{BTreeSet, VecDeque};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use schemas::Shard;

use super::ffi::GroupMetadata;
use super::signal::Signal;
use crate::error::LogError;
use crate::log::LogEvent;

/// Shared by the worker, its membership thread and its commit thread.
#[derive(Default)]
pub(super) struct Shared {
    pub(super) signal: Arc<Signal>,
    state: Mutex<State>,
    /// Told when shards were released, or the member closes.
    released: Condvar,
}

#[derive(Default)]
struct State {
    events: VecDeque<LogEvent>,
    /// Set once; this member can never go on.
    failure: Option<LogError>,
    /// What a turn proves itself with: set from an assignment to its end.
    metadata: Option<Arc<GroupMetadata>>,
    /// Revoked, and not yet given back by the worker.
    unreleased: BTreeSet<Shard>,
    in_flight: bool,
    closing: bool,
}

impl Shared {
    /// Shards were assigned, with what proves it.
    pub(super) fn assigned(&self, shards: Vec<Shard>, metadata: GroupMetadata) {
        let mut state = self.lock();
        state.metadata = Some(Arc::new(metadata));
        state.events.push_back(LogEvent::Assigned(shards));
        drop(state);
        self.signal.wake();
    }

    /// Shards already belong to somebody else.
    pub(super) fn lost(&self, shards: Vec<Shard>) {
        let mut state = self.lock();
        state.metadata = None;
        state.unreleased.clear();
        state
            .events
            .push_back(LogEvent::Revoked { shards, lost: true });
        drop(state);
        self.signal.wake();
    }

    /// Asks the worker for its shards and waits until it gave them back, `limit` at most. What it did
    /// not give back by then counts as lost.
    pub(super) fn revoke(&self, shards: Vec<Shard>, limit: Duration) {
        let mut state = self.lock();
        state.unreleased = shards.iter().copied().collect();
        state.events.push_back(LogEvent::Revoked {
            shards,
            lost: false,
        });
        self.signal.wake();
        let waiting = |state: &mut State| {
            !state.unreleased.is_empty() && !state.closing && state.failure.is_none()
        };
        let (mut state, _) = self
            .released
            .wait_timeout_while(state, limit, waiting)
            .unwrap_or_else(PoisonError::into_inner);
        state.metadata = None;
        let left: Vec<Shard> = std::mem::take(&mut state.unreleased).into_iter().collect();
        if !left.is_empty() && !state.closing {
            tracing::warn!(shards = ?left, "shards were not released in time; taken as lost");
            let event = LogEvent::Revoked {
                shards: left,
                lost: true,
            };
            state.events.push_back(event);
            self.signal.wake();
        }
    }

    /// The worker gives shards back.
    pub(super) fn release(&self, shards: &[Shard]) {
        let mut state = self.lock();
        for shard in shards {
            state.unreleased.remove(shard);
        }
        if state.unreleased.is_empty() {
            self.released.notify_all();
        }
    }

    /// This member can never go on.
    pub(super) fn fail(&self, error: LogError) {
        let mut state = self.lock();
        state.metadata = None;
        state.failure.get_or_insert(error);
        self.released.notify_all();
        drop(state);
        self.signal.wake();
    }

    /// Nobody will release any more.
    pub(super) fn close(&self) {
        self.lock().closing = true;
        self.released.notify_all();
    }

    pub(super) fn is_closing(&self) -> bool {
        self.lock().closing
    }

    /// Whether no turn will come any more.
    pub(super) fn is_over(&self) -> bool {
        let state = self.lock();
        state.closing || state.failure.is_some()
    }

    /// Appends what happened to `events`; that this member can never go on is told when nothing else
    /// is left, so that no turn stays without its result.
    pub(super) fn take(&self, events: &mut Vec<LogEvent>) -> Result<(), LogError> {
        let mut state = self.lock();
        if state.events.is_empty() {
            return state.failure.clone().map_or(Ok(()), Err);
        }
        events.extend(state.events.drain(..));
        Ok(())
    }

    /// Begins a turn: what it proves itself with.
    pub(super) fn begin(&self) -> Result<Arc<GroupMetadata>, LogError> {
        let mut state = self.lock();
        if let Some(failure) = &state.failure {
            return Err(failure.clone());
        }
        if state.in_flight {
            return Err(LogError::Aborted(
                "the turn before is still on its way".to_owned(),
            ));
        }
        let none = || LogError::Aborted("this worker is not a member of its group now".to_owned());
        let metadata = state.metadata.clone().ok_or_else(none)?;
        state.in_flight = true;
        Ok(metadata)
    }

    /// Ends a turn with its result.
    pub(super) fn end(&self, result: LogEvent) {
        let mut state = self.lock();
        state.in_flight = false;
        state.events.push_back(result);
        drop(state);
        self.signal.wake();
    }

    /// Whether a turn is on its way.
    pub(super) fn in_flight(&self) -> bool {
        self.lock().in_flight
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
