//! One shard's log, one planner core over it, and a tiny trigger and dispatcher behind it.

#![allow(dead_code, reason = "each test file uses its part")]
#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

pub(crate) mod behind;
mod folded;
mod harm;
pub(crate) mod script;
pub(crate) mod shares;
mod shown;

use std::collections::BTreeMap;

use bytes::Bytes;
use pipeline::{Ask, Factory, Now, Opening, Outgoing, Position, Record, Stage};
use planner::store::{MemoryStore, MemoryStores};
use planner::{Effect, Input, PlannerConfig, PlannerCore, PlannerFactory};
use schemas::answer::REQUEST_HEADER;
use schemas::{CommandAnswer, Millis, Shard, Shards, TaskId, TaskKey, TaskView, TenantId, Topic};

use behind::Behind;
use folded::folded;

/// Where time starts: the beginning of an instance.
pub(crate) const START: i64 = 1_796_086_800_000;

pub(crate) struct World {
    pub(crate) shard: Shard,
    pub(crate) shards: Shards,
    pub(crate) now: Millis,
    factory: PlannerFactory<MemoryStores>,
    core: Option<PlannerCore<MemoryStore>>,
    pub(crate) log: BTreeMap<Topic, Vec<Record>>,
    committed: BTreeMap<Topic, Position>,
    reads: BTreeMap<Topic, i64>,
    /// What was told, in order.
    pub(crate) answers: Vec<(u128, CommandAnswer)>,
    pub(crate) outside: Vec<Outgoing>,
    pub(crate) behind: Behind,
    /// Every turn is first cut in vain.
    pub(crate) abort_all: bool,
    /// A core that is dropped loses its store too.
    pub(crate) lose_stores: bool,
    /// Steps leave what was told, for the end.
    pub(crate) keep_answers: bool,
    /// Legs that ended well come in records of many.
    pub(crate) fold: bool,
    /// Until then the machine has no time left.
    pub(crate) busy_until: Millis,
    /// Why the core stands still, if it does.
    pub(crate) broken: Option<String>,
    /// Turns that were committed.
    pub(crate) turns: u64,
    requests: u128,
    asked: BTreeMap<u128, TaskId>,
}

impl World {
    pub(crate) fn new() -> Self {
        Self::with(PlannerConfig::default(), Shard(0), 1)
    }

    pub(crate) fn with(config: PlannerConfig, shard: Shard, shards: u16) -> Self {
        Self {
            shard,
            shards: Shards::new(shards).unwrap(),
            now: Millis(START),
            factory: PlannerFactory::new(config, MemoryStores::default()),
            core: None,
            log: BTreeMap::new(),
            committed: BTreeMap::new(),
            reads: BTreeMap::new(),
            answers: Vec::new(),
            outside: Vec::new(),
            behind: Behind::default(),
            abort_all: false,
            lose_stores: false,
            keep_answers: false,
            fold: false,
            busy_until: Millis::MIN,
            broken: None,
            turns: 0,
            requests: 0,
            asked: BTreeMap::new(),
        }
    }

    pub(crate) fn clock(&self) -> Now {
        Now {
            wall: self.now,
            mono: u64::try_from(self.now.0).unwrap(),
        }
    }

    /// Appends a record to `topic`.
    pub(crate) fn append(
        &mut self,
        topic: Topic,
        value: Option<Bytes>,
        headers: Vec<(String, Bytes)>,
    ) {
        let appended = self.now;
        self.append_keyed(topic, None, value, headers, appended);
    }

    fn append_keyed(
        &mut self,
        topic: Topic,
        key: Option<Bytes>,
        value: Option<Bytes>,
        headers: Vec<(String, Bytes)>,
        appended: Millis,
    ) {
        let log = self.log.entry(topic).or_default();
        log.push(Record {
            offset: end_of(log),
            appended,
            key,
            value,
            headers,
        });
    }

    /// Appends a command with a request of its own; tells its number.
    pub(crate) fn ask(&mut self, topic: Topic, json: &serde_json::Value) -> u128 {
        self.requests += 1;
        if let Some(id) = json["id"].as_str() {
            self.asked.insert(self.requests, TaskId::new(id).unwrap());
        }
        let request = format!("{:032x}", self.requests);
        let header = (REQUEST_HEADER.to_owned(), Bytes::from(request));
        let value = Bytes::from(serde_json::to_vec(json).unwrap());
        self.append(topic, Some(value), vec![header]);
        self.requests
    }

    /// Appends a record of `calendars`, with a request of its own; tells its number.
    pub(crate) fn calendar(&mut self, key: &str, json: Option<&str>) -> u128 {
        self.requests += 1;
        let request = format!("{:032x}", self.requests);
        let header = (REQUEST_HEADER.to_owned(), Bytes::from(request));
        let (key, json) = (key.to_owned(), json.map(str::to_owned));
        let appended = self.now;
        self.append_keyed(
            Topic::Calendars,
            Some(Bytes::from(key)),
            json.map(Bytes::from),
            vec![header],
            appended,
        );
        self.requests
    }

    pub(crate) fn core(&mut self) -> &mut PlannerCore<MemoryStore> {
        if self.core.is_none() {
            self.open();
        }
        self.core.as_mut().unwrap()
    }

    fn open(&mut self) {
        let topics = self.factory.topics();
        let end = |topic: &Topic| {
            let end = self.log.get(topic).map_or(0, |log| end_of(log));
            (*topic, (0, end))
        };
        let opening = Opening {
            shard: self.shard,
            shards: self.shards,
            now: self.clock(),
            session_timeout_ms: 10_000,
            committed: self.committed.clone(),
            ends: topics.iter().map(end).collect(),
        };
        self.reads.clear();
        self.core = Some(self.factory.open(opening));
    }

    /// Lets everything happen that can without time passing.
    pub(crate) fn pump(&mut self) {
        for _ in 0..100_000 {
            if !self.step() {
                return;
            }
        }
        panic!("the core never comes to rest");
    }

    /// Hands the core what came, and lets it cut a turn; what it asks for behind that it does not get.
    pub(crate) fn half_step(&mut self) {
        self.feed();
        self.turn();
    }

    /// As far as one turn; whether anything happened.
    pub(crate) fn step(&mut self) -> bool {
        let mut busy = self.feed();
        busy |= self.turn();
        let mut outcomes = Vec::new();
        self.behind.work(&self.log, self.now, &mut outcomes);
        busy |= !outcomes.is_empty();
        if self.fold {
            outcomes = folded(outcomes);
        }
        for outcome in outcomes {
            self.append(Topic::Outcomes, Some(outcome.encode()), Vec::new());
        }
        busy
    }

    /// Hands the core what it asked for.
    fn feed(&mut self) -> bool {
        let now = self.clock();
        self.core();
        if now.wall < self.busy_until {
            self.core().handle_input(Input::Busy, now);
        }
        let mut busy = self.answer_asks();
        let reads: Vec<Topic> = self.reads.keys().copied().collect();
        for topic in reads {
            // What is read may be asked for anew in between.
            let Some(offset) = self.reads.get(&topic).copied() else {
                continue;
            };
            let core = self.core.as_mut().unwrap();
            let log = self.log.get(&topic).map_or(&[][..], Vec::as_slice);
            let from = log.partition_point(|record| record.offset < offset);
            let records: Vec<Record> = log[from..]
                .iter()
                .take(core.appetite(topic))
                .cloned()
                .collect();
            let Some(last) = records.last() else {
                continue;
            };
            let position = last.offset + 1;
            self.reads.insert(topic, position);
            core.handle_batch(topic, records, position, now);
            busy = true;
            self.answer_asks();
        }
        let core = self.core.as_mut().unwrap();
        if let Some(effect) = core.poll_effect() {
            panic!("nobody asked: {effect:?}");
        }
        self.broken = core.stands_still().map(str::to_owned);
        if core.poll_timeout().is_some_and(|at| at <= now.wall) {
            core.handle_timeout(now);
        }
        busy
    }

    fn answer_asks(&mut self) -> bool {
        let now = self.clock();
        let mut busy = false;
        while let Some(ask) = self.core.as_mut().unwrap().poll_ask() {
            busy = true;
            match ask {
                Ask::Read(topic, offset) => {
                    self.reads.insert(topic, offset);
                }
                Ask::Stop(topic) => {
                    self.reads.remove(&topic);
                }
                Ask::End(topic) => {
                    let end = self.log.get(&topic).map_or(0, |log| end_of(log));
                    self.core.as_mut().unwrap().handle_end(topic, end, now);
                }
                Ask::SendOutside(record) => self.outside.push(record),
                Ask::Reopen => {
                    self.crash();
                    self.core();
                }
            }
        }
        busy
    }

    fn turn(&mut self) -> bool {
        let now = self.clock();
        if !self.core().wants_turn(now) {
            return false;
        }
        if self.abort_all {
            // Cut, and void: the next core must come to the same.
            let before = self.outside.len();
            drop(self.core().take_turn(now));
            self.crash();
            while self.feed() {}
            self.outside.truncate(before);
        }
        let core = self.core();
        if !core.wants_turn(now) {
            return true;
        }
        let turn = core.take_turn(now);
        self.turns += 1;
        for record in turn.records {
            assert_eq!(record.to.shard, self.shard);
            let at = self.now;
            self.append_keyed(
                record.to.topic,
                record.key,
                record.value,
                record.headers,
                at,
            );
        }
        assert!(
            turn.positions
                .iter()
                .any(|(topic, _)| *topic == Topic::Registrations)
        );
        self.committed.extend(turn.positions);
        self.core().handle_committed(now.mono, now);
        for effect in turn.after {
            let Effect::Answer { request, answer } = effect else {
                panic!("only answers wait for a commit: {effect:?}");
            };
            if let Some(id) = self.asked.get(&request.0) {
                self.behind.told(id, &answer);
            }
            self.answers.push((request.0, answer));
        }
        true
    }

    /// How many commands were given.
    pub(crate) fn requests(&self) -> u128 {
        self.requests
    }

    pub(crate) fn view(&mut self, id: &str) -> Option<TaskView> {
        self.core().get(&task(id))
    }
}

/// Behind the last record.
fn end_of(log: &[Record]) -> i64 {
    log.last().map_or(0, |record| record.offset + 1)
}

pub(crate) fn task(id: &str) -> TaskKey {
    TaskKey {
        tenant: TenantId::new("t").unwrap(),
        id: TaskId::new(id).unwrap(),
    }
}
