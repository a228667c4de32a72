//! One worker's connection.

use std::sync::Arc;
use std::time::Duration;

use schemas::{Role, Shard};

use super::reading::Reading;
use super::request::{Committing, OutsideFate, Request, fenced};
use crate::error::LogError;
use crate::log::{Log, LogEvent, Waker};
use crate::record::{Outgoing, Position, TopicPartition};

/// Nobody can take a shard over but by a join in this process, which fences at once; this only bounds
/// how stale a proof of ownership may be.
const SESSION_MS: u64 = 10_000;

/// See the module.
#[derive(Debug)]
pub(super) struct Member {
    role: Role,
    epoch: u64,
    reading: Reading,
    outside: OutsideFate,
    in_flight: bool,
}

impl Member {
    pub(super) fn new(role: Role, epoch: u64, reading: Reading) -> Self {
        Self {
            role,
            epoch,
            reading,
            outside: OutsideFate::default(),
            in_flight: false,
        }
    }
}

impl Log for Member {
    fn poll(
        &mut self,
        wait: Duration,
        appetite: &mut dyn FnMut(TopicPartition) -> usize,
        events: &mut Vec<LogEvent>,
    ) -> Result<(), LogError> {
        let before = events.len();
        self.reading.wait(wait, appetite, events)?;
        let decided =
            |event: &LogEvent| matches!(event, LogEvent::Committed { .. } | LogEvent::Failed(_));
        if events[before..].iter().any(decided) {
            self.in_flight = false;
        }
        Ok(())
    }

    fn read(&mut self, from: TopicPartition, offset: i64) -> Result<(), LogError> {
        self.reading.start(from, offset);
        Ok(())
    }

    fn stop(&mut self, from: TopicPartition) -> Result<(), LogError> {
        self.reading.stop(from);
        Ok(())
    }

    fn committed(&mut self, of: &[TopicPartition]) -> Result<Vec<Option<Position>>, LogError> {
        self.reading.inner.state().committed(self.role, of)
    }

    fn ends(&mut self, of: &[TopicPartition]) -> Result<Vec<(i64, i64)>, LogError> {
        Ok(self.reading.inner.state().ends(of))
    }

    fn send_outside(&mut self, record: Outgoing) -> Result<(), LogError> {
        let fate = Arc::clone(&self.outside);
        self.reading.inner.submit(Request::Outside { record, fate });
        Ok(())
    }

    fn commit(
        &mut self,
        records: Vec<Outgoing>,
        positions: Vec<(TopicPartition, Position)>,
        now_mono: u64,
    ) -> Result<(), LogError> {
        if self.in_flight {
            let text = "the transaction before it is still on its way".to_owned();
            return Err(LogError::Aborted(text));
        }
        if let Some((of, _)) = positions
            .iter()
            .find(|(_, position)| position.note.len() > Position::NOTE_MAX)
        {
            return Err(LogError::Aborted(format!("the note of {of} is too long")));
        }
        let mut state = self.reading.inner.state();
        if state.owners.get(&self.role).map(|owner| owner.epoch) != Some(self.epoch) {
            return Err(fenced(self.role));
        }
        *state.undecided.entry(self.role).or_default() += 1;
        drop(state);
        self.in_flight = true;
        let by = Committing {
            role: self.role,
            epoch: self.epoch,
            signal: Arc::clone(&self.reading.signal),
            outside: Arc::clone(&self.outside),
            proven_at: now_mono,
        };
        self.reading.inner.submit(Request::Commit {
            by,
            records,
            positions,
        });
        Ok(())
    }

    fn release(&mut self, shards: &[Shard]) {
        tracing::debug!(
            role = self.role.name(),
            ?shards,
            "released; nobody takes them"
        );
    }

    fn waker(&self) -> Waker {
        let signal = Arc::clone(&self.reading.signal);
        Arc::new(move || signal.wake())
    }

    fn session_timeout_ms(&self) -> u64 {
        SESSION_MS
    }
}
