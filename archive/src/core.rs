//! One shard of the archive: outcomes into batches, batches to the database, positions behind them.

mod batch;
mod giving_way;

use std::collections::VecDeque;

use bytes::Bytes;
use pipeline::{
    Ask, Factory, Now, Opening, Outgoing, Position, Record, Stage, TopicPartition, Turn,
};
use schemas::dead_letter::{DeadLetter, Origin};
use schemas::outcome::Completed;
use schemas::{Millis, OutcomeRecord, Role, Shard, Topic};

use crate::config::Config;
use crate::event::{Effect, Input};
use crate::metrics;
use crate::row::Row;

use batch::{Batch, Entry};
use giving_way::GivingWay;

/// Makes the cores.
#[derive(Clone, Debug, Default)]
pub struct ArchiveFactory {
    config: Config,
    /// Cores made so far.
    opened: u64,
}

/// One shard. See the crate's documentation.
#[derive(Debug)]
pub struct ArchiveCore {
    shard: Shard,
    config: Config,
    asks: VecDeque<Ask>,
    effects: VecDeque<Effect>,
    /// Dead letters with the offsets of their originals; each is sent once the frontier has passed that.
    dead: Vec<(i64, Outgoing)>,
    /// Read, not yet in a batch.
    gathered: Vec<Entry>,
    /// Bytes of everything read and not yet written.
    bytes: usize,
    /// When the first of `gathered` was read, monotonic and wall.
    gathered_since: Option<Now>,
    /// Everything visible below this was read.
    read_end: i64,
    /// Batches to write, first to last; the first may be on its way.
    batches: VecDeque<Batch>,
    next_batch: u64,
    /// Everything below this is written.
    frontier: i64,
    giving_way: GivingWay,
    /// Given up: nothing more is taken.
    leaving: bool,
}

impl ArchiveFactory {
    /// Cores with these options.
    #[must_use]
    pub fn new(config: Config) -> Self {
        Self { config, opened: 0 }
    }
}

impl Factory for ArchiveFactory {
    type Stage = ArchiveCore;

    fn topics(&self) -> Vec<Topic> {
        vec![Topic::Outcomes]
    }

    fn open(&mut self, opening: Opening) -> ArchiveCore {
        let low = opening
            .ends
            .get(&Topic::Outcomes)
            .map_or(0, |(low, _)| *low);
        let start = opening
            .committed
            .get(&Topic::Outcomes)
            .map_or(low, |it| it.offset.max(low));
        self.opened += 1;
        ArchiveCore {
            shard: opening.shard,
            config: self.config.clone(),
            asks: VecDeque::from([Ask::Read(Topic::Outcomes, start)]),
            effects: VecDeque::new(),
            dead: Vec::new(),
            gathered: Vec::new(),
            bytes: 0,
            gathered_since: None,
            read_end: start,
            batches: VecDeque::new(),
            // An answer to a core that is no more must not pass for one to its successor.
            next_batch: self.opened << 32,
            frontier: start,
            giving_way: GivingWay::default(),
            leaving: false,
        }
    }

    fn close(&mut self, _shard: Shard, _stage: ArchiveCore) {}
}

impl Stage for ArchiveCore {
    type Input = Input;
    type Effect = Effect;

    fn handle_batch(&mut self, _topic: Topic, records: Vec<Record>, position: i64, now: Now) {
        if self.leaving {
            // What stood before these was left to the successor, so these are too.
            return;
        }
        self.giving_way.tick(now.wall);
        for record in records {
            let Some(value) = &record.value else { continue };
            let outcome = OutcomeRecord::decode(value);
            if let Ok(OutcomeRecord::Completed(it)) = &outcome {
                self.giving_way.read(it.latest_ms, &self.config);
            }
            match outcome.and_then(Row::of) {
                Ok(rows) => {
                    let many = rows.len();
                    self.bytes += value.len() / many.max(1) * many;
                    let entry = |(number, row)| Entry {
                        row,
                        offset: record.offset,
                        original: value.clone(),
                        number,
                        bytes: value.len() / many,
                    };
                    self.gathered
                        .extend(rows.into_iter().enumerate().map(entry));
                }
                Err(error) => self.bury(&error.to_string(), record.offset, value, now),
            }
        }
        self.read_end = self.read_end.max(position);
        if !self.gathered.is_empty() && self.gathered_since.is_none() {
            self.gathered_since = Some(now);
        }
        self.cut_batches(now);
        self.move_frontier();
    }

    fn handle_input(&mut self, input: Input, now: Now) {
        self.giving_way.tick(now.wall);
        match input {
            Input::Busy => self.giving_way.busy(),
            Input::Written { batch } => self.handle_written(batch),
            Input::Unavailable { batch, reason } => self.handle_unavailable(batch, &reason, now),
            Input::Refused { batch, reason } => self.handle_refused(batch, &reason, now),
        }
        self.cut_batches(now);
        self.send_first(now);
        self.move_frontier();
    }

    fn handle_timeout(&mut self, now: Now) {
        self.giving_way.tick(now.wall);
        self.cut_batches(now);
        self.send_first(now);
    }

    fn poll_timeout(&self) -> Option<Millis> {
        if let Some(until) = self.giving_way.until(&self.config) {
            return Some(until);
        }
        let age = self
            .gathered_since
            .map(|since| since.wall.plus(self.config.batch_age_ms));
        let age = age.filter(|_| self.batches.is_empty());
        let retry = self.batches.front().and_then(|batch| batch.retry_at());
        [age, retry].into_iter().flatten().min()
    }

    fn appetite(&self, _topic: Topic) -> usize {
        let waits = self.giving_way.until(&self.config).is_some();
        if self.leaving || waits || self.bytes >= self.config.max_bytes {
            return 0;
        }
        let held = self.gathered.len() + self.batches.iter().map(Batch::len).sum::<usize>();
        // A record may hold many.
        let left = self.config.max_rows.saturating_sub(held);
        left.div_ceil(Completed::MOST)
    }

    fn poll_ask(&mut self) -> Option<Ask> {
        self.asks.pop_front()
    }

    fn handle_end(&mut self, _topic: Topic, _end: i64, _now: Now) {}

    fn poll_effect(&mut self) -> Option<Effect> {
        self.effects.pop_front()
    }

    fn wants_turn(&self, _now: Now) -> bool {
        self.dead.iter().any(|(offset, _)| *offset < self.frontier)
    }

    fn take_turn(&mut self, _now: Now) -> Turn<Effect> {
        let position = Position {
            offset: self.frontier,
            note: String::new(),
        };
        let frontier = self.frontier;
        let passed = self.dead.extract_if(.., |(offset, _)| *offset < frontier);
        Turn {
            records: passed.map(|(_, letter)| letter).collect(),
            positions: vec![(Topic::Outcomes, position)],
            after: Vec::new(),
            folded: 0,
        }
    }

    fn handle_committed(&mut self, _proven_at: u64, _now: Now) {}

    fn handle_revoke(&mut self, _now: Now) {
        // What is not on its way is left to the successor.
        self.leaving = true;
        self.gathered.clear();
        self.gathered_since = None;
        self.batches.truncate(1);
        if self
            .batches
            .front()
            .is_some_and(|batch| !batch.is_on_its_way())
        {
            self.batches.clear();
        }
        self.read_end = self.batches.back().map_or(self.frontier, |batch| batch.end);
        self.asks.push_back(Ask::Stop(Topic::Outcomes));
    }

    fn is_idle(&self) -> bool {
        self.batches.is_empty()
    }
}

impl ArchiveCore {
    /// Everything below it is in the database.
    #[must_use]
    pub fn frontier(&self) -> i64 {
        self.frontier
    }

    /// Makes a batch of what is gathered when it is large or old enough and nothing waits before it.
    fn cut_batches(&mut self, now: Now) {
        let Some(since) = self.gathered_since else {
            return;
        };
        let full = self.gathered.len() >= self.config.batch_rows;
        let old = now.wall.since(since.wall) >= self.config.batch_age_ms
            || now.mono.saturating_sub(since.mono) >= self.config.batch_age_ms;
        if !self.batches.is_empty() || !(full || old) {
            return;
        }
        let entries = std::mem::take(&mut self.gathered);
        self.gathered_since = None;
        let batch = self.new_batch(entries, self.read_end);
        self.batches.push_back(batch);
        self.send_first(now);
    }

    fn new_batch(&mut self, entries: Vec<Entry>, end: i64) -> Batch {
        self.next_batch += 1;
        Batch::new(self.next_batch, entries, end)
    }

    fn send_first(&mut self, now: Now) {
        if self.giving_way.until(&self.config).is_some() {
            return;
        }
        if let Some(batch) = self.batches.front_mut()
            && let Some(rows) = batch.send(now.wall)
        {
            self.effects.push_back(Effect::Write {
                batch: batch.id,
                rows,
            });
        }
    }

    fn handle_written(&mut self, id: u64) {
        if self.batches.front().is_some_and(|batch| batch.id == id)
            && let Some(batch) = self.batches.pop_front()
        {
            let rows = u64::try_from(batch.len()).unwrap_or(u64::MAX);
            ::metrics::counter!(metrics::ROWS).increment(rows);
            self.bytes = self.bytes.saturating_sub(batch.bytes());
            self.frontier = self.frontier.max(batch.end);
        }
    }

    fn handle_unavailable(&mut self, id: u64, reason: &str, now: Now) {
        let Some(batch) = self.batches.front_mut().filter(|batch| batch.id == id) else {
            return;
        };
        if self.leaving {
            // Left to the successor: what was read is no longer on its way to be written.
            self.batches.clear();
            self.read_end = self.frontier;
            return;
        }
        let wait = batch.wait(&self.config);
        batch.retry(now.wall.plus(wait));
        ::metrics::counter!(metrics::RETRIES).increment(1);
        tracing::warn!(
            shard = self.shard.0,
            reason,
            wait_ms = wait,
            "the archive waits for its database and tries again"
        );
    }

    /// Halves the batch until the one row that is refused stands alone; that one is buried.
    fn handle_refused(&mut self, id: u64, reason: &str, now: Now) {
        if self.batches.front().is_none_or(|batch| batch.id != id) {
            return;
        }
        let Some(batch) = self.batches.pop_front() else {
            return;
        };
        let end = batch.end;
        let mut entries = batch.into_entries();
        if entries.len() <= 1 {
            for entry in entries {
                ::metrics::counter!(metrics::REFUSED).increment(1);
                self.bytes = self.bytes.saturating_sub(entry.bytes);
                self.bury(reason, entry.offset, &entry.own_original(), now);
            }
            self.frontier = self.frontier.max(end);
            return;
        }
        let second = entries.split_off(entries.len() / 2);
        let middle = second.first().map_or(end, |entry| entry.offset);
        let second = self.new_batch(second, end);
        let first = self.new_batch(entries, middle);
        self.batches.push_front(second);
        self.batches.push_front(first);
    }

    /// With nothing left to write, what was read is dealt with.
    fn move_frontier(&mut self) {
        if self.batches.is_empty() && self.gathered.is_empty() {
            self.frontier = self.frontier.max(self.read_end);
        }
    }

    fn bury(&mut self, reason: &str, offset: i64, original: &Bytes, now: Now) {
        let letter = DeadLetter {
            reason: format!("outcome cannot be archived: {reason}"),
            role: Role::Archive.name().to_owned(),
            origin: Origin {
                topic: Topic::Outcomes.name(),
                shard: self.shard.0,
                offset,
            },
            task: None,
            fire_id: None,
            at: now.wall,
            original: original.clone(),
        };
        let letter = Outgoing {
            to: TopicPartition::new(Topic::DeadLetters, self.shard),
            key: None,
            value: Some(letter.encode()),
            headers: Vec::new(),
        };
        self.dead.push((offset, letter));
    }
}
