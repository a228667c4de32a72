//! What the threads of one member share: events for the worker, its word for the group.

use std::collections::{BTreeSet, VecDeque};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use schemas::Shard;

use super::ffi::GroupMetadata;
use super::signal::Signal;
use crate::error::LogError;
use crate::log::LogEvent;

/// Shared by the worker, its membership thread and its commit thread. `M` proves an assignment.
pub(super) struct Shared<M = GroupMetadata> {
    pub(super) signal: Arc<Signal>,
    state: Mutex<State<M>>,
    /// Told when shards were released, or the member closes.
    released: Condvar,
}

/// What the worker is to be told.
enum Told<M> {
    Event(LogEvent),
    Assigned(Vec<Shard>, Option<Arc<M>>),
}

struct State<M> {
    events: VecDeque<Told<M>>,
    /// Set once; this member can never go on.
    failure: Option<LogError>,
    /// What a turn proves itself with: set from the moment at which the worker learns of an assignment
    /// to that assignment's end. What it cut before it learns of the next is not proved by that.
    metadata: Option<Arc<M>>,
    /// Revoked, and not yet given back by the worker.
    unreleased: BTreeSet<Shard>,
    /// The worker was told that these are lost, and has not said that it gave them up: when it does,
    /// they may have been assigned and revoked anew, and that is another thing.
    lost: BTreeSet<Shard>,
    in_flight: bool,
    closing: bool,
}

impl<M> Default for Shared<M> {
    fn default() -> Self {
        let state = State {
            events: VecDeque::new(),
            failure: None,
            metadata: None,
            unreleased: BTreeSet::new(),
            lost: BTreeSet::new(),
            in_flight: false,
            closing: false,
        };
        Self {
            signal: Arc::default(),
            state: Mutex::new(state),
            released: Condvar::new(),
        }
    }
}

impl<M> Shared<M> {
    /// Shards were assigned, with what proves it; none need no proof.
    pub(super) fn assigned(&self, shards: Vec<Shard>, metadata: Option<M>) {
        let mut state = self.lock();
        let told = Told::Assigned(shards, metadata.map(Arc::new));
        state.events.push_back(told);
        drop(state);
        self.signal.wake();
    }

    /// Shards already belong to somebody else.
    pub(super) fn lost(&self, shards: Vec<Shard>) {
        let mut state = self.lock();
        state.metadata = None;
        state.unreleased.clear();
        state.tell(LogEvent::Revoked { shards, lost: true });
        drop(state);
        self.signal.wake();
    }

    /// Asks the worker for its shards and waits until it gave them back, `limit` at most. What it did
    /// not give back by then counts as lost.
    pub(super) fn revoke(&self, shards: Vec<Shard>, limit: Duration) {
        let mut state = self.lock();
        state.unreleased = shards.iter().copied().collect();
        state.tell(LogEvent::Revoked {
            shards,
            lost: false,
        });
        self.signal.wake();
        let waiting = |state: &mut State<M>| {
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
            state.tell(LogEvent::Revoked {
                shards: left,
                lost: true,
            });
            self.signal.wake();
        }
    }

    /// The worker gives shards back.
    pub(super) fn release(&self, shards: &[Shard]) {
        let mut state = self.lock();
        for shard in shards {
            if !state.lost.remove(shard) {
                state.unreleased.remove(shard);
            }
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
        while let Some(told) = state.events.pop_front() {
            events.push(state.learn(told));
        }
        Ok(())
    }

    /// Begins a turn: what it proves itself with.
    pub(super) fn begin(&self) -> Result<Arc<M>, LogError> {
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
        state.tell(result);
        drop(state);
        self.signal.wake();
    }

    /// Whether a turn is on its way.
    pub(super) fn in_flight(&self) -> bool {
        self.lock().in_flight
    }

    fn lock(&self) -> MutexGuard<'_, State<M>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<M> State<M> {
    fn tell(&mut self, event: LogEvent) {
        self.events.push_back(Told::Event(event));
    }

    /// The worker learns of it now.
    fn learn(&mut self, told: Told<M>) -> LogEvent {
        match told {
            Told::Assigned(shards, metadata) => {
                self.metadata = metadata;
                LogEvent::Assigned(shards)
            }
            Told::Event(LogEvent::Revoked { shards, lost: true }) => {
                self.metadata = None;
                self.lost.extend(&shards);
                LogEvent::Revoked { shards, lost: true }
            }
            Told::Event(event) => event,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LONG: Duration = Duration::from_secs(60);

    fn events(shared: &Shared<u32>) -> Vec<LogEvent> {
        let mut events = Vec::new();
        shared.take(&mut events).unwrap();
        events
    }

    /// Revokes on a thread of its own, as a rebalance does; comes back when the worker can see it.
    fn revoking<'s>(
        scope: &'s std::thread::Scope<'s, '_>,
        shared: &'s Shared<u32>,
    ) -> std::thread::ScopedJoinHandle<'s, ()> {
        let revoking = scope.spawn(|| shared.revoke(vec![Shard(1)], LONG));
        while shared.lock().unreleased.is_empty() {
            std::thread::yield_now();
        }
        revoking
    }

    #[test]
    fn giving_up_what_was_lost_takes_nothing_from_the_next_assignment() {
        let shared = Shared::<u32>::default();
        shared.assigned(vec![Shard(1)], Some(5));
        shared.lost(vec![Shard(1)]);
        shared.assigned(vec![Shard(1)], Some(7));
        std::thread::scope(|scope| {
            let revoking = revoking(scope, &shared);
            assert_eq!(events(&shared).len(), 4);
            // The word for the loss, then the one for the revocation.
            shared.release(&[Shard(1)]);
            assert!(shared.lock().unreleased.contains(&Shard(1)));
            assert_eq!(shared.begin(), Ok(Arc::new(7)), "it may still commit");
            shared.release(&[Shard(1)]);
            revoking.join().unwrap();
        });
        let over = shared.begin().unwrap_err();
        assert!(matches!(over, LogError::Aborted(_)), "{over}");
    }

    #[test]
    fn a_turn_is_not_proved_by_an_assignment_its_worker_has_not_heard_of() {
        let shared = Shared::<u32>::default();
        shared.assigned(vec![Shard(1)], Some(5));
        assert_eq!(events(&shared).len(), 1);
        assert_eq!(shared.begin(), Ok(Arc::new(5)));
        let proven_at = 1;
        shared.end(LogEvent::Committed { proven_at });
        // While the worker is busy its shard goes to another and comes back.
        shared.lost(vec![Shard(1)]);
        shared.assigned(vec![Shard(1)], Some(7));
        assert!(matches!(shared.begin(), Err(LogError::Aborted(_))));
        assert_eq!(events(&shared).len(), 3);
        assert_eq!(shared.begin(), Ok(Arc::new(7)));
    }
}
