//! The table is read back before anything else is handled.

use std::sync::Arc;

use bytes::Bytes;
use pipeline::invariant::{Invariant, check};
use pipeline::{Ask, Opening, Position, Record};
use schemas::index::SEQUENCE_HEADER;
use schemas::{Millis, Slot, Topic};

use super::calendars::Calendars;
use super::follow::Following;
use super::forget::Forgetting;
use super::index::Table;
use super::lanes::Lanes;
use super::plant::Cursor;
use super::putoff::PuttingOff;
use super::ring::Ring;
use super::series::{Backfilling, Looking, Pacer, Rules};
use super::sweep::Sweeping;
use super::tally::Tally;
use super::{Checkpoint, Life, Outbox, PlannerCore};
use crate::config::PlannerConfig;
use crate::error::StoreError;
use crate::metrics;
use crate::restore::{Plan, committed_sequence, note, plan};
use crate::store::Store;

/// Under way: what is needed once the table is whole.
#[derive(Clone, Debug)]
pub(super) struct Restoring {
    /// Everything below this offset of `index` must have been seen. It is where the partition ended,
    /// undecided records included, after the predecessor was fenced off.
    until: i64,
    /// The lanes and where to read each from.
    lanes: Vec<(Topic, i64)>,
    /// The first lane's position as committed.
    first: Option<Position>,
}

impl Restoring {
    /// The first lane's committed offset and note, to be committed again unchanged.
    pub(super) fn first_position(&self) -> (Option<i64>, String) {
        match &self.first {
            Some(position) => (Some(position.offset), position.note.clone()),
            None => (None, String::new()),
        }
    }
}

impl<S: Store> PlannerCore<S> {
    pub(super) fn open(
        opening: &Opening,
        config: Arc<PlannerConfig>,
        store: Result<S, StoreError>,
    ) -> Self {
        let mut table = Table::new(store);
        let plan = plan(opening, table.facts(), &config);
        let restoring = Restoring {
            until: opening.ends.get(&Topic::Index).map_or(0, |(_, end)| *end),
            lanes: lanes_of(opening),
            first: opening.committed.get(&Topic::Registrations).cloned(),
        };
        let mut core = Self {
            shard: opening.shard,
            shards: opening.shards,
            life: Life::Restoring(restoring),
            leaving: false,
            rebuilt: matches!(plan, Plan::Rebuild { .. }),
            now: opening.now.wall,
            table,
            ring: Ring::new(config.instance_bytes, config.late_bytes),
            cursor: Cursor::new(),
            looking: Looking::new(),
            rules: Rules::by(config.zones.clone()),
            pacer: Pacer::new(config.late_per_second),
            forgetting: Forgetting::new(),
            following: Following::new(),
            calendars: Calendars::default(),
            sweeping: Sweeping::default(),
            backfilling: Backfilling::default(),
            lanes: Lanes::new(config.turn_commands, config.turn_outcomes),
            putting_off: PuttingOff::default(),
            outbox: Outbox::default(),
            tally: Tally::default(),
            asks: std::collections::VecDeque::new(),
            effects: std::collections::VecDeque::new(),
            checkpoint: Checkpoint::default(),
            config,
        };
        core.stop_if_broken();
        core.follow(plan);
        core
    }

    fn follow(&mut self, plan: Plan) {
        if !matches!(self.life, Life::Restoring(_)) {
            return;
        }
        let from = match plan {
            Plan::Resume { from } => from,
            Plan::Rebuild { from, because } => {
                tracing::info!(
                    shard = self.shard.0,
                    because,
                    "the local table is built anew"
                );
                self.table.wipe();
                from
            }
            Plan::Stop { because } => return self.stop(because),
        };
        self.checkpoint.offset = from;
        let Life::Restoring(restoring) = &self.life else {
            return;
        };
        if from < restoring.until {
            self.asks.push_back(Ask::Read(Topic::Index, from));
        } else {
            self.begin();
        }
    }

    /// Applies index records; begins once all are there.
    pub(super) fn restore(&mut self, records: Vec<Record>, position: i64) {
        let count = u64::try_from(records.len()).unwrap_or(0);
        ::metrics::counter!(metrics::RESTORED).increment(count);
        for record in records {
            let sequence = record.header(SEQUENCE_HEADER).map(Bytes::as_ref);
            let sequence =
                sequence.and_then(|bytes| Some(u64::from_be_bytes(bytes.try_into().ok()?)));
            match (sequence, record.key) {
                (Some(sequence), Some(key)) => {
                    self.table.restore(key, record.value, sequence);
                }
                _ => {
                    let offset = record.offset;
                    let because = format!("the index record at {offset} has no key or sequence");
                    return self.stop(because);
                }
            }
        }
        self.table.settle(position, self.now);
        self.checkpoint.offset = self.checkpoint.offset.max(position);
        if let Life::Restoring(restoring) = &self.life
            && position >= restoring.until
        {
            self.asks.push_back(Ask::Stop(Topic::Index));
            self.begin();
        }
    }

    /// The table is whole: the lanes are read from where they were committed.
    fn begin(&mut self) {
        let life = std::mem::replace(&mut self.life, Life::Running);
        let Life::Restoring(restoring) = life else {
            return;
        };
        if let Some(sequence) = committed_sequence(restoring.first.as_ref()) {
            let found = self.table.written();
            check(Invariant::T1, found >= sequence, || {
                let shard = self.shard.0;
                format!("shard {shard}: the index ends at {found}, {sequence} was committed")
            });
            self.table.not_below(sequence);
        }
        // Every turn commits the first lane's position. Where it is gone but the table is not, it was
        // lost, and reading the lane anew would plan again what is long done.
        if restoring.first.is_none() && self.table.written() > 0 {
            let because = "the committed position of `registrations` is gone; restore it by hand";
            return self.stop(because.to_owned());
        }
        for slot in Slot::all() {
            let row = self.table.ring(slot);
            self.ring.load(slot, row);
        }
        let pace = self.table.pace();
        self.pacer.load(pace);
        for (task, number, row) in self.table.backfills() {
            self.backfilling.load(task, number, row);
        }
        for (number, row) in self.table.sweeps() {
            self.sweeping.load(number, row);
        }
        self.heed_zones();
        for (topic, offset) in restoring.lanes {
            if topic == Topic::Outcomes {
                self.putting_off.read_from(offset);
            }
            self.lanes.add(topic, offset);
            self.asks.push_back(Ask::Read(topic, offset));
        }
        self.tell_calendars();
        self.calendars.replans = true;
        self.checkpoint.asked_at = Millis::MIN;
        tracing::debug!(
            shard = self.shard.0,
            sequence = self.table.written(),
            note = note(self.table.written()),
            "the table is whole"
        );
    }
}

/// Where each lane is read from: what was committed, or the first record still there.
fn lanes_of(opening: &Opening) -> Vec<(Topic, i64)> {
    let lanes = opening.ends.iter();
    lanes
        .filter(|(topic, _)| **topic != Topic::Index)
        .map(|(topic, (low, _))| {
            let committed = opening.committed.get(topic);
            let from = committed.map_or(*low, |position| position.offset.max(*low));
            (*topic, from)
        })
        .collect()
}
