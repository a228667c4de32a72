//! Bugs put in on purpose, to show that the verdict sees them.

use std::collections::BTreeSet;
use std::time::Duration;

use bytes::Bytes;
use pipeline::log::Waker;
use pipeline::{Log, LogError, LogEvent, Outgoing, Position, TopicPartition};
use schemas::index::{BackfillRow, Follow};
use schemas::outcome::End;
use schemas::{BucketRecord, OutcomeRecord, Role, Shard, Topic};

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
    /// Dispatchers forget what they called when a turn of theirs fails: doubled.
    ForgottenCalls,
    /// Some rows never reach the archive, though it says so: lost.
    LostRow,
    /// Of flows: planners take every fifth success for a failure: taken is what should not be.
    FalseBranch,
    /// Of flows: planners take a retry for a success: steps begin before what they need has ended.
    EarlyStep,
    /// Of flows: that not all were told of an end is not in the changelog: a part is never told.
    LostFollow,
    /// How far a backfill came is not in the changelog: lost.
    LostBackfill,
    /// What is left out of a recurring task is not told: lost.
    Untold,
    /// A fixed rate is a millisecond slow: lost, and occurrences that nobody asked for.
    DriftingRate,
    /// Every overlap is allowed: doubled.
    OverlapIgnored,
    /// Broadcasts are a shard short: doubled, for the others are told a wrong number.
    ShortBroadcast,
    /// Misfires are fired whatever the policy says: doubled.
    MisfireIgnored,
    /// A command on many tasks names others: what it was for is called all the same.
    SparedBySweep,
    /// Calendars never change once they are known: doubled, and lost.
    CalendarIgnored,
    /// What planners put off is passed over for good: lost.
    PassedOver,
    /// Other time zone data are not noticed: doubled, and lost.
    ZonesIgnored,
}

/// The connection of a worker of `role`, with the bug in it if it is one of the log.
#[must_use]
pub fn tamper(log: Box<dyn Log>, role: Role, bug: Option<Bug>) -> Box<dyn Log> {
    match (bug, role) {
        (
            Some(
                bug @ (Bug::LostPlacement
                | Bug::LostFollow
                | Bug::LostBackfill
                | Bug::Untold
                | Bug::PassedOver),
            ),
            Role::Planner,
        )
        | (Some(bug @ (Bug::FalseBranch | Bug::EarlyStep)), Role::Planner)
        | (Some(bug @ Bug::LostNotes), Role::Trigger) => Box::new(Tampered {
            log,
            bug,
            count: 0,
            read: BTreeSet::new(),
        }),
        _ => log,
    }
}

/// Loses placements and rows on the way in, and notes on the way out; turns outcomes around.
struct Tampered {
    log: Box<dyn Log>,
    bug: Bug,
    /// Of what it may have tampered with.
    count: u64,
    /// What was ever read of it.
    read: BTreeSet<TopicPartition>,
}

impl Tampered {
    /// The outcome that a planner reads instead.
    fn turned(&mut self, value: &Bytes) -> Option<Bytes> {
        let Ok(OutcomeRecord::Ended(mut ended)) = OutcomeRecord::decode(value) else {
            return None;
        };
        match (self.bug, &ended.end) {
            (Bug::FalseBranch, End::Success) => {
                self.count += 1;
                ended.end = End::Dead {
                    reason: "no".to_owned(),
                };
                let turned = self.count.is_multiple_of(5);
                turned.then(|| OutcomeRecord::Ended(ended).encode())
            }
            (Bug::EarlyStep, End::Again { .. }) => {
                ended.end = End::Success;
                Some(OutcomeRecord::Ended(ended).encode())
            }
            _ => None,
        }
    }

    fn is_lost(&mut self, record: &Outgoing) -> bool {
        let Some(value) = &record.value else {
            return false;
        };
        match (self.bug, record.to.topic) {
            (Bug::LostPlacement, Topic::Bucket(_)) => {
                let record = BucketRecord::decode(value);
                let placement = matches!(record, Ok(BucketRecord::Placement(..)));
                self.count += u64::from(placement);
                placement && self.count.is_multiple_of(7)
            }
            (Bug::LostFollow, Topic::Index) => Follow::decode(value).is_ok(),
            (Bug::LostBackfill, Topic::Index) => BackfillRow::decode(value).is_ok(),
            (Bug::Untold, Topic::Outcomes) => {
                matches!(OutcomeRecord::decode(value), Ok(OutcomeRecord::Missed(_)))
            }
            _ => false,
        }
    }
}

impl Log for Tampered {
    fn poll(
        &mut self,
        wait: Duration,
        appetite: &mut dyn FnMut(TopicPartition) -> usize,
        events: &mut Vec<LogEvent>,
    ) -> Result<(), LogError> {
        let first = events.len();
        self.log.poll(wait, appetite, events)?;
        for event in events.iter_mut().skip(first) {
            let LogEvent::Batch { from, records, .. } = event else {
                continue;
            };
            for record in records.iter_mut().filter(|_| from.topic == Topic::Outcomes) {
                let turned = record.value.as_ref().and_then(|value| self.turned(value));
                record.value = turned.or_else(|| record.value.take());
            }
        }
        Ok(())
    }

    fn read(&mut self, from: TopicPartition, offset: i64) -> Result<(), LogError> {
        let again = !self.read.insert(from);
        if again && self.bug == Bug::PassedOver && from.topic == Topic::Outcomes {
            return Ok(());
        }
        self.log.read(from, offset)
    }

    fn stop(&mut self, from: TopicPartition) -> Result<(), LogError> {
        self.log.stop(from)
    }

    fn committed(&mut self, of: &[TopicPartition]) -> Result<Vec<Option<Position>>, LogError> {
        let mut committed = self.log.committed(of)?;
        for (of, position) in of.iter().zip(&mut committed) {
            if let (Bug::LostNotes, Topic::Bucket(_), Some(position)) =
                (self.bug, of.topic, position)
            {
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
        records.retain(|record| !self.is_lost(record));
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
