//! Bugs put in on purpose, to show that the verdict sees them.

use std::time::Duration;

use pipeline::log::Waker;
use pipeline::{Log, LogError, LogEvent, Outgoing, Position, TopicPartition};
use schemas::{BucketRecord, Role, Shard, Topic};

/// What is broken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Bug {
    /// Every seventh placement vanishes on its way into its slot: lost.
    LostPlacement,
    /// Dispatchers' clocks run 400 ms ahead of the clock by which calls are judged: early.
    FastClock,
    /// Triggers find their positions without notes: doubled.
    LostNotes,
    /// Every `too_late` is told as `cancelled`: false answers.
    FalseCancel,
    /// Every third call is made twice: doubled.
    CallTwice,
    /// Some rows never reach the archive, though it says so: lost.
    LostRow,
}

/// The connection of a worker of `role`, with the bug in it if it is one of the log.
#[must_use]
pub fn tamper(log: Box<dyn Log>, role: Role, bug: Option<Bug>) -> Box<dyn Log> {
    match (bug, role) {
        (Some(Bug::LostPlacement), Role::Planner) | (Some(Bug::LostNotes), Role::Trigger) => {
            Box::new(Tampered { log, placements: 0 })
        }
        _ => log,
    }
}

/// Loses placements on the way in, and notes on the way out.
struct Tampered {
    log: Box<dyn Log>,
    placements: u64,
}

impl Log for Tampered {
    fn poll(
        &mut self,
        wait: Duration,
        appetite: &mut dyn FnMut(TopicPartition) -> usize,
        events: &mut Vec<LogEvent>,
    ) -> Result<(), LogError> {
        self.log.poll(wait, appetite, events)
    }

    fn read(&mut self, from: TopicPartition, offset: i64) -> Result<(), LogError> {
        self.log.read(from, offset)
    }

    fn stop(&mut self, from: TopicPartition) -> Result<(), LogError> {
        self.log.stop(from)
    }

    fn committed(&mut self, of: &[TopicPartition]) -> Result<Vec<Option<Position>>, LogError> {
        let mut committed = self.log.committed(of)?;
        for (of, position) in of.iter().zip(&mut committed) {
            if let (Topic::Bucket(_), Some(position)) = (of.topic, position) {
                position.note.clear();
            }
        }
        Ok(committed)
    }

    fn ends(&mut self, of: &[TopicPartition]) -> Result<Vec<(i64, i64)>, LogError> {
        self.log.ends(of)
    }

    fn send_outside(&mut self, record: Outgoing) -> Result<(), LogError> {
        self.log.send_outside(record)
    }

    fn commit(
        &mut self,
        mut records: Vec<Outgoing>,
        positions: Vec<(TopicPartition, Position)>,
        now_mono: u64,
    ) -> Result<(), LogError> {
        records.retain(|record| {
            let value = record
                .value
                .as_ref()
                .filter(|_| matches!(record.to.topic, Topic::Bucket(_)));
            let placement = value.is_some_and(|it| {
                matches!(BucketRecord::decode(it), Ok(BucketRecord::Placement(..)))
            });
            self.placements += u64::from(placement);
            !placement || !self.placements.is_multiple_of(7)
        });
        self.log.commit(records, positions, now_mono)
    }

    fn release(&mut self, shards: &[Shard]) {
        self.log.release(shards);
    }

    fn waker(&self) -> Waker {
        self.log.waker()
    }

    fn session_timeout_ms(&self) -> u64 {
        self.log.session_timeout_ms()
    }
}
