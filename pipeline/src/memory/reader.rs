//! Readers and producers that are nobody's members, and how to wait.

use std::sync::{Arc, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use super::Shared;
use super::state::{ConnId, State};
use crate::error::LogError;
use crate::log::{LogEvent, Producer, Reader, Written};
use crate::record::{Outgoing, TopicPartition};

/// Reads committed records.
pub(super) struct MemoryReader {
    shared: Arc<Shared>,
    conn: ConnId,
}

impl MemoryReader {
    pub(super) fn new(shared: Arc<Shared>, conn: ConnId) -> Self {
        Self { shared, conn }
    }
}

impl Reader for MemoryReader {
    fn read(&mut self, from: TopicPartition, offset: i64) -> Result<(), LogError> {
        self.shared.state().read(self.conn, from, offset);
        Ok(())
    }

    fn poll(&mut self, wait: Duration, events: &mut Vec<LogEvent>) -> Result<(), LogError> {
        let all = &mut |_| usize::MAX;
        drop(wait_for_news(
            &self.shared,
            self.conn,
            wait,
            all,
            events,
            |_| false,
        ));
        Ok(())
    }

    fn ends(&mut self, of: &[TopicPartition]) -> Result<Vec<(i64, i64)>, LogError> {
        Ok(self.shared.state().ends(of))
    }
}

impl Drop for MemoryReader {
    fn drop(&mut self) {
        self.shared.state().conns.remove(&self.conn);
    }
}

/// Writes what is visible at once.
pub(super) struct MemoryProducer {
    shared: Arc<Shared>,
}

impl MemoryProducer {
    pub(super) fn new(shared: Arc<Shared>) -> Self {
        Self { shared }
    }
}

impl Producer for MemoryProducer {
    fn send(&self, record: Outgoing, written: Written) {
        let mut state = self.shared.state();
        let offset = state.append(record, None);
        self.shared.changed(state);
        written(Ok(offset));
    }
}

/// Waits up to `wait` until there is something for `conn`, its waker is called, or `stop` says so;
/// appends it to `events`. `stop` is asked before every look.
pub(super) fn wait_for_news<'a>(
    shared: &'a Shared,
    conn: ConnId,
    wait: Duration,
    appetite: &mut dyn FnMut(TopicPartition) -> usize,
    events: &mut Vec<LogEvent>,
    mut stop: impl FnMut(&mut State) -> bool,
) -> MutexGuard<'a, State> {
    let before = events.len();
    let mut state = shared.state();
    let begun = (!wait.is_zero()).then(Instant::now);
    loop {
        let stopped = stop(&mut state);
        state.collect(conn, appetite, events);
        let woken = state
            .conns
            .get_mut(&conn)
            .is_none_or(|conn| std::mem::take(&mut conn.woken));
        let left = begun.map_or(Duration::ZERO, |begun| wait.saturating_sub(begun.elapsed()));
        if stopped || woken || events.len() > before || left.is_zero() {
            return state;
        }
        let next = state
            .next_timeout()
            .map(|at| at.saturating_sub(state.now.mono).max(1));
        let left = next.map_or(left, |ms| left.min(Duration::from_millis(ms)));
        state.waiting += 1;
        state = shared
            .changed
            .wait_timeout(state, left)
            .unwrap_or_else(PoisonError::into_inner)
            .0;
        state.waiting -= 1;
        state.advance(shared.clock.now());
    }
}
