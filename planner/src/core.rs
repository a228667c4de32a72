//! One shard of the planner: takes what comes, lets its organs work, cuts turns.

mod admit;
mod answer;
mod calendars;
mod change;
mod command;
mod factory;
mod follow;
mod forget;
pub(crate) mod index;
mod lanes;
mod outcome;
pub(crate) mod overlay;
mod plant;
mod putoff;
mod read;
mod restoring;
mod revoke;
mod ring;
mod seal;
pub(crate) mod series;
mod shares;
mod still;
mod sweep;
mod tally;

use std::collections::VecDeque;
use std::sync::Arc;

use pipeline::{Ask, Now, Outgoing, Record, Stage, TopicPartition, Turn};
use schemas::{Millis, Shard, Shards, Topic};

use crate::config::PlannerConfig;
use crate::event::{Effect, Input};
use crate::restore::note;
use crate::store::Store;
use calendars::Calendars;
use follow::Following;
use forget::Forgetting;
use index::Table;
use lanes::Lanes;
use plant::Cursor;
use putoff::PuttingOff;
use restoring::Restoring;
use ring::Ring;
use series::{Backfilling, Looking, Pacer, Rules};
use sweep::Sweeping;
use tally::Tally;

pub use factory::PlannerFactory;

/// One shard of the planner.
pub struct PlannerCore<S> {
    shard: Shard,
    shards: Shards,
    config: Arc<PlannerConfig>,
    life: Life,
    leaving: bool,
    /// Whether everything in the table came from the changelog in this core's life.
    rebuilt: bool,
    /// The latest time seen: it never goes back.
    now: Millis,
    table: Table<S>,
    ring: Ring,
    cursor: Cursor,
    looking: Looking,
    rules: Rules,
    pacer: Pacer,
    forgetting: Forgetting,
    following: Following,
    calendars: Calendars,
    sweeping: Sweeping,
    backfilling: Backfilling,
    lanes: Lanes,
    putting_off: PuttingOff,
    outbox: Outbox,
    tally: Tally,
    asks: VecDeque<Ask>,
    effects: VecDeque<Effect>,
    checkpoint: Checkpoint,
}

/// How far a core has come.
#[derive(Clone, Debug)]
enum Life {
    /// Reads its table; nothing is handled before it has all of it.
    Restoring(Restoring),
    /// At work.
    Running,
    /// Its table was wiped: it is about to be replaced.
    Wiped,
    /// Stands still.
    Broken {
        /// Why.
        reason: String,
    },
}

/// What a turn will carry beside index records.
#[derive(Debug, Default)]
struct Outbox {
    records: Vec<Outgoing>,
    bytes: usize,
    after: Vec<Effect>,
}

/// How the store learns a place in the changelog from which everything it lacks can be read.
#[derive(Clone, Copy, Debug, Default)]
struct Checkpoint {
    /// The place it knows.
    offset: i64,
    /// A later one, true once the turn that is on its way is in the store.
    next: Option<i64>,
    /// When one was last asked for.
    asked_at: Millis,
}

/// Places are asked for so often.
const CHECKPOINT_MS: u64 = 60_000;
/// Rows not yet in the store at most: two turns of the largest size, a few rows a record.
const MOST_ROWS: usize = 150_000;

impl<S: Store> PlannerCore<S> {
    /// The ring's rows that are in use: for pages and simulators.
    pub fn ring(&self) -> impl Iterator<Item = &schemas::index::RingRow> {
        self.ring.rows()
    }

    /// Whether its table is whole and it takes commands.
    #[must_use]
    pub fn is_running(&self) -> bool {
        matches!(self.life, Life::Running)
    }

    /// Rows it holds in memory, not yet in its store.
    #[must_use]
    pub fn rows_in_memory(&self) -> usize {
        self.table.pending_rows()
    }

    fn tick(&mut self, now: Now) {
        self.now = self.now.max(now.wall);
    }

    /// Adds a record to the turn.
    fn write(&mut self, topic: Topic, key: Option<bytes::Bytes>, value: bytes::Bytes) {
        self.outbox.bytes += value.len();
        self.outbox.records.push(Outgoing {
            to: TopicPartition::new(topic, self.shard),
            key,
            value: Some(value),
            headers: Vec::new(),
        });
    }

    fn handle_record(&mut self, topic: Topic, record: Record) {
        match topic {
            Topic::Forwards => self.admit_forward(record),
            Topic::Calendars => self.admit_calendar(record),
            _ => self.admit(topic, record),
        }
    }

    /// What may be put off is done when a turn is cut.
    fn work(&mut self) {
        self.tell_waiting();
        self.sweep();
        self.replan();
        self.backfill();
        self.look_round();
        self.plant();
        self.seal();
        self.forget();
    }
}

impl<S: Store> Stage for PlannerCore<S> {
    type Input = Input;
    type Effect = Effect;

    fn handle_batch(&mut self, topic: Topic, records: Vec<Record>, position: i64, now: Now) {
        self.tick(now);
        match (&self.life, topic) {
            (Life::Restoring(_), Topic::Index) => self.restore(records, position),
            (Life::Running, Topic::Outcomes) => self.take_outcomes(records, position),
            (Life::Running, topic) if topic != Topic::Index => {
                self.lanes.took(topic, records.len(), position);
                for record in records {
                    self.handle_record(topic, record);
                }
            }
            _ => {}
        }
        self.stop_if_broken();
    }

    fn handle_input(&mut self, input: Input, now: Now) {
        self.tick(now);
        self.read(input);
        self.stop_if_broken();
    }

    fn handle_timeout(&mut self, now: Now) {
        self.tick(now);
    }

    fn poll_timeout(&self) -> Option<Millis> {
        if self.leaving || !self.is_running() {
            return None;
        }
        let wakes = [
            self.cursor.wake_at(&self.config),
            self.looking.wake_at(&self.config),
            self.ring.next_end(),
            self.forgetting.wake_at(&self.config),
            self.sweeping.wake_at(&self.config),
            self.backfilling.wake_at(&self.config),
            self.putting_off.wake_at(&self.config),
        ];
        // A time that has come is seen by `wants_turn`; woken for it again, nobody would sleep.
        wakes
            .into_iter()
            .flatten()
            .min()
            .filter(|at| *at > self.now)
    }

    fn appetite(&self, topic: Topic) -> usize {
        match &self.life {
            Life::Restoring(_) if topic == Topic::Index => self.config.turn_commands,
            Life::Running if !self.leaving => {
                let full = self.outbox.bytes >= self.config.turn_bytes
                    || self.table.pending_rows() >= MOST_ROWS;
                if full { 0 } else { self.lanes.appetite(topic) }
            }
            _ => 0,
        }
    }

    fn poll_ask(&mut self) -> Option<Ask> {
        let first = self.asks.pop_front();
        first.or_else(|| self.ask_for_what_was_left())
    }

    fn handle_end(&mut self, topic: Topic, end: i64, now: Now) {
        self.tick(now);
        if topic == Topic::Index {
            self.checkpoint.next = Some(end);
        }
    }

    fn poll_effect(&mut self) -> Option<Effect> {
        self.effects.pop_front()
    }

    fn wants_turn(&self, now: Now) -> bool {
        if !self.is_running() {
            return false;
        }
        let now = self.now.max(now.wall);
        let come = |at: Option<Millis>| at.is_some_and(|at| at <= now);
        let gathered = !self.outbox.records.is_empty()
            || !self.outbox.after.is_empty()
            || !self.table.is_clean()
            || !self.sweeping.is_clean()
            || !self.backfilling.is_clean()
            || self.ring.is_dirty();
        let work = || {
            self.lanes.is_full()
                || self.following.has_work()
                || self.calendars.has_work()
                || self.sweeping.has_work()
                || self.backfilling.has_work()
                || come(self.backfilling.wake_at(&self.config))
                || come(self.sweeping.wake_at(&self.config))
                || come(self.cursor.wake_at(&self.config))
                || come(self.looking.wake_at(&self.config))
                || come(self.ring.next_end())
                || come(self.forgetting.wake_at(&self.config))
        };
        gathered || (!self.leaving && work())
    }

    fn take_turn(&mut self, now: Now) -> Turn<Effect> {
        self.tick(now);
        if self.is_running() && !self.leaving {
            self.work();
            self.stop_if_broken();
        }
        self.keep_follows();
        self.keep_calendars();
        if !self.is_running() {
            return self.standing_turn();
        }
        for (slot, row) in self.ring.take_dirty() {
            self.table.set_ring(slot, &row);
        }
        self.tally.tell();
        self.keep_sweeps();
        self.keep_backfills();
        if let Some(pace) = self.pacer.take_dirty() {
            self.table.set_pace(pace);
        }
        let mut outbox = std::mem::take(&mut self.outbox);
        outbox.records.extend(self.table.cut(self.shard));
        Turn {
            records: outbox.records,
            positions: self.lanes.cut(
                note(self.table.written()),
                self.putting_off.position(),
                self.now,
            ),
            after: outbox.after,
            folded: 0,
        }
    }

    fn handle_committed(&mut self, _proven_at: u64, now: Now) {
        self.tick(now);
        if !self.is_running() {
            return;
        }
        self.flush();
        self.tell_calendars();
        self.stop_if_broken();
    }

    fn handle_revoke(&mut self, now: Now) {
        self.tick(now);
        self.leaving = true;
    }

    fn is_ready(&self) -> bool {
        self.is_running()
    }

    fn stands_still(&self) -> Option<&str> {
        match &self.life {
            Life::Broken { reason } => Some(reason),
            _ => None,
        }
    }

    fn is_idle(&self) -> bool {
        let nothing = self.outbox.records.is_empty() && self.outbox.after.is_empty();
        let done = self.sweeping.is_clean() && self.backfilling.is_clean();
        let kept = self.table.is_clean() && done && !self.ring.is_dirty();
        !self.is_running() || (nothing && kept)
    }
}

impl<S: Store> PlannerCore<S> {
    /// What was cut is durable: it goes into the store.
    fn flush(&mut self) {
        if let Some(offset) = self.checkpoint.next.take() {
            self.checkpoint.offset = offset;
        }
        let facts = overlay::StoreFacts {
            sequence: self.table.written(),
            offset: self.checkpoint.offset,
            written_at: self.now,
        };
        self.table.flush(facts);
        if self.now.since(self.checkpoint.asked_at) >= CHECKPOINT_MS {
            self.checkpoint.asked_at = self.now;
            self.asks.push_back(Ask::End(Topic::Index));
        }
    }

    /// A turn that only proves ownership.
    fn standing_turn(&mut self) -> Turn<Effect> {
        let (first, note) = match &self.life {
            Life::Restoring(restoring) => restoring.first_position(),
            _ => (None, String::new()),
        };
        let position = first.map(|offset| pipeline::Position { offset, note });
        Turn {
            records: Vec::new(),
            positions: position
                .map(|position| (Topic::Registrations, position))
                .into_iter()
                .collect(),
            after: Vec::new(),
            folded: 0,
        }
    }
}

impl<S> std::fmt::Debug for PlannerCore<S> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("PlannerCore")
            .field("shard", &self.shard)
            .field("life", &self.life)
            .field("now", &self.now)
            .finish_non_exhaustive()
    }
}
