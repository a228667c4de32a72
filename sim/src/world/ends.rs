//! When a run is over.

use std::collections::BTreeMap;
use std::time::Duration;

use bytes::Bytes;
use pipeline::log::Reader;
use pipeline::memory::MemoryBroker;
use pipeline::{Broker, LogError, LogEvent, Record, TopicPartition};
use schemas::index::{Phase, RingPhase, RingRow, SweepRow, TaskRow};
use schemas::{Millis, Role, Shard, Topic};

use super::{PATIENCE_MS, World};

/// How often it is looked, ms of virtual time.
const LOOK_MS: u64 = 2_000;
/// Nothing is due later than a due time by more than this, all retries included, ms.
const SLACK_MS: u64 = 600_000;

impl World {
    /// Whether everything planned has happened and everything is drained, or never will be.
    pub(super) fn is_over(&mut self) -> bool {
        let now = self.clock.elapsed();
        // What was sent last is not read, and not even to be seen, at once.
        if now < self.plan.over_at() + LOOK_MS || now < self.looked_at + LOOK_MS {
            return false;
        }
        // An answer waits for it.
        if self.broker.is_telling() {
            return false;
        }
        self.looked_at = now;
        if !self.agenda.is_empty() {
            return false;
        }
        self.tail.catch_up();
        if self.leftovers().is_empty() {
            return true;
        }
        now > self.last_due() + SLACK_MS + PATIENCE_MS
    }

    /// With nothing on the agenda and nothing in a slot: when the first task that waits is to be
    /// planted, less a little, ms behind the beginning.
    pub(super) fn far_off(&mut self) -> Option<u64> {
        self.tail.catch_up();
        let mut first = None;
        for value in self.tail.rows.values() {
            if let Ok((row, _)) = TaskRow::decode(value) {
                match row.phase {
                    Phase::Waiting => {
                        let due = row.firing.leg_due;
                        first = Some(first.map_or(due, |first: Millis| first.min(due)));
                    }
                    Phase::Planted { .. } => return None,
                    Phase::Held
                    | Phase::Paused
                    | Phase::Parked
                    | Phase::Busy
                    | Phase::Ended { .. } => {}
                }
            } else if SweepRow::decode(value).is_ok_and(|row| !row.is_over())
                || RingRow::decode(value).is_ok_and(|row| row.phase != RingPhase::Free)
            {
                return None;
            }
        }
        let due = first?.since(self.plan.base);
        Some(due.saturating_sub(2 * schemas::slot::HORIZON_MS))
    }

    /// The latest due time anybody was told of, ms behind the beginning.
    fn last_due(&self) -> u64 {
        use schemas::CommandAnswer::{Changed, Created, Unchanged};
        let answers = self.history.answers.values().flatten();
        let due = answers.filter_map(|it| match it.answer {
            Created { due, .. } | Unchanged { due, .. } | Changed { due, .. } => Some(due),
            _ => None,
        });
        // Of some, the answer was lost.
        let rows = self.tail.rows.values();
        let rows = rows.filter_map(|value| Some(TaskRow::decode(value).ok()?.0.firing.leg_due));
        let last = due.chain(rows).max();
        let last = last.map_or(0, |due| due.since(self.plan.base));
        last.max(self.plan.over_at())
    }

    /// What is not drained, in words.
    #[must_use]
    pub fn leftovers(&self) -> Vec<String> {
        let mut left: Vec<String> = self
            .broker
            .undecided()
            .iter()
            .map(|of| format!("{of} is undecided"))
            .collect();
        for ((_, key), value) in &self.tail.rows {
            if let Ok((row, _)) = TaskRow::decode(value) {
                let over = matches!(
                    row.phase,
                    Phase::Ended { .. } | Phase::Paused | Phase::Parked
                );
                if !over || row.wish.as_ref().is_some_and(|wish| !wish.told) {
                    left.push(format!("{key:?} is {:?}, wish {:?}", row.phase, row.wish));
                }
            } else if let Ok(row) = SweepRow::decode(value) {
                if !row.is_over() {
                    left.push(format!("{row:?}"));
                }
            } else if let Ok(row) = RingRow::decode(value)
                && row.phase != RingPhase::Free
            {
                left.push(format!("slot {:?} is {row:?}", row.instance.slot()));
            }
        }
        for (role, topic) in [
            (Role::Planner, Topic::Registrations),
            (Role::Planner, Topic::RegistrationsBulk),
            (Role::Planner, Topic::Intake(0)),
            (Role::Planner, Topic::Intake(1)),
            (Role::Planner, Topic::Forwards),
            (Role::Planner, Topic::Calendars),
            (Role::Planner, Topic::Outcomes),
            (Role::Archive, Topic::Outcomes),
            (Role::Dispatcher, Topic::Fires(schemas::Priority::High)),
            (Role::Dispatcher, Topic::Fires(schemas::Priority::Normal)),
            (Role::Dispatcher, Topic::Fires(schemas::Priority::Low)),
        ] {
            left.extend(self.behind(role, topic));
        }
        left
    }

    fn behind(&self, role: Role, topic: Topic) -> Vec<String> {
        let of = self
            .plan
            .shards
            .all()
            .map(|shard| TopicPartition::new(topic, shard));
        let unread = of.filter_map(|of| {
            let applied = self.broker.applied(role, of);
            let unread = self.records(of, applied.map_or(0, |it| it.offset)).len();
            (unread > 0).then(|| format!("{} is {unread} records behind in {of}", role.name()))
        });
        unread.collect()
    }

    /// All visible records of a partition, from an offset on.
    #[must_use]
    pub fn records(&self, of: TopicPartition, from: i64) -> Vec<Record> {
        let mut events = Vec::new();
        let mut read = || -> Result<(), LogError> {
            let mut reader = self.broker.reader()?;
            reader.read(of, from)?;
            reader.poll(Duration::ZERO, &mut events)
        };
        if read().is_err() {
            return Vec::new();
        }
        let batches = events.into_iter().filter_map(|event| match event {
            LogEvent::Batch { records, .. } => Some(records),
            _ => None,
        });
        batches.flatten().collect()
    }
}

/// The planner's table, of all shards, as far as it was read.
pub(super) struct Tail {
    reader: Box<dyn Reader>,
    rows: BTreeMap<(Shard, Bytes), Bytes>,
}

impl Tail {
    pub(super) fn new(broker: &MemoryBroker) -> Result<Self, LogError> {
        let mut reader = broker.reader()?;
        for shard in broker.shards().all() {
            reader.read(TopicPartition::new(Topic::Index, shard), 0)?;
        }
        Ok(Self {
            reader,
            rows: BTreeMap::new(),
        })
    }

    /// Reads on.
    fn catch_up(&mut self) {
        let mut events = Vec::new();
        // A reader of memory does not fail.
        if self.reader.poll(Duration::ZERO, &mut events).is_err() {
            return;
        }
        for event in events {
            let LogEvent::Batch { from, records, .. } = event else {
                continue;
            };
            for record in records {
                let Some(key) = record.key else { continue };
                match record.value {
                    Some(value) => self.rows.insert((from.shard, key), value),
                    None => self.rows.remove(&(from.shard, key)),
                };
            }
        }
    }
}
