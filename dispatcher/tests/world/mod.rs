//! A log in a vector, a clock in a field and one dispatcher core between them.

#![allow(dead_code, reason = "each test binary uses a part of the world")]

mod wish;

use std::collections::BTreeMap;

use bytes::Bytes;
use dispatcher::{CallOrder, Config, Dispatcher, DispatcherFactory, Effect, Input, Reply, Token};
use pipeline::{Ask, Factory, Now, Opening, Position, Record, Stage};
use schemas::fire::Recall;
use schemas::outcome::{End, Ended};
use schemas::{
    DeadLetter, FireId, LaneRecord, Millis, OutcomeRecord, Priority, Purpose, Shard, Shards,
    TaskId, TaskKey, TenantId, Topic,
};

pub(crate) use wish::{Wish, id, wish};

pub(crate) const NORMAL: Topic = Topic::Fires(Priority::Normal);
pub(crate) const HIGH: Topic = Topic::Fires(Priority::High);
pub(crate) const LOW: Topic = Topic::Fires(Priority::Low);
pub(crate) const SHARD: Shard = Shard(3);
pub(crate) const SESSION_MS: u64 = 10_000;
/// Wall clock at monotonic 0.
pub(crate) const EPOCH: i64 = 1_800_000_000_000;

pub(crate) struct World {
    pub(crate) factory: DispatcherFactory,
    pub(crate) core: Dispatcher,
    pub(crate) mono: u64,
    /// Per lane, what stands at each offset; `None` is a transaction marker.
    pub(crate) logs: BTreeMap<Topic, Vec<Option<Bytes>>>,
    reads: BTreeMap<Topic, i64>,
    pub(crate) committed: BTreeMap<Topic, Position>,
    /// Committed, in order.
    pub(crate) outcomes: Vec<OutcomeRecord>,
    pub(crate) dead_letters: Vec<DeadLetter>,
    /// Handed out and not answered.
    pub(crate) calls: Vec<CallOrder>,
    /// Calls told of before they began.
    pub(crate) soon: usize,
    /// Every call ever handed out.
    pub(crate) begun: Vec<(FireId, u32)>,
}

pub(crate) fn task(number: u32) -> TaskKey {
    TaskKey {
        tenant: TenantId::new("shop").expect("a name"),
        id: TaskId::new(&format!("order-{number}")).expect("a name"),
    }
}

pub(crate) fn recall(number: u32, leg: u32, purpose: Purpose) -> Bytes {
    LaneRecord::Recall(Recall {
        fire_id: id(number),
        leg,
        purpose,
    })
    .encode()
}

pub(crate) fn ok() -> Reply {
    status(200)
}

pub(crate) fn status(status: u16) -> Reply {
    Reply::Status {
        status,
        body: None,
        retry_after: None,
    }
}

impl World {
    pub(crate) fn new(config: Config) -> Self {
        let mut factory = DispatcherFactory::new(config, 11);
        let core = factory.open(opening(&BTreeMap::new(), 0));
        let logs = factory
            .topics()
            .into_iter()
            .map(|topic| (topic, Vec::new()))
            .collect();
        let mut world = Self {
            factory,
            core,
            mono: 0,
            logs,
            reads: BTreeMap::new(),
            committed: BTreeMap::new(),
            outcomes: Vec::new(),
            dead_letters: Vec::new(),
            calls: Vec::new(),
            soon: 0,
            begun: Vec::new(),
        };
        world.settle();
        world
    }

    /// A core that has proved itself and may cancel.
    pub(crate) fn proved(config: Config) -> Self {
        let mut world = Self::new(config);
        world.at(SESSION_MS / 2);
        world.turn();
        world
    }

    pub(crate) fn now(&self) -> Now {
        Now {
            wall: Millis(EPOCH).plus(self.mono),
            mono: self.mono,
        }
    }

    /// Lets time pass to `mono`, and the core do what it asks for on the way.
    pub(crate) fn at(&mut self, mono: u64) {
        while let Some(at) = self.core.poll_timeout() {
            let at = at.since(Millis(EPOCH));
            if at > mono {
                break;
            }
            assert!(
                at > self.mono,
                "a timeout at {at} that is over at {}",
                self.mono
            );
            self.mono = at;
            self.core.handle_timeout(self.now());
            self.settle();
        }
        self.mono = mono;
        self.core.handle_timeout(self.now());
        self.settle();
    }

    pub(crate) fn write(&mut self, topic: Topic, value: Bytes) -> i64 {
        let log = self.logs.get_mut(&topic).expect("a lane");
        log.push(Some(value));
        i64::try_from(log.len()).expect("short") - 1
    }

    pub(crate) fn marker(&mut self, topic: Topic) {
        self.logs.get_mut(&topic).expect("a lane").push(None);
    }

    /// Writes a fire and hands it in.
    pub(crate) fn fire(&mut self, topic: Topic, wish: &Wish) -> i64 {
        let offset = self.write(topic, wish.record());
        self.read();
        offset
    }

    /// Hands in what the core has an appetite for; returns how many records.
    pub(crate) fn read(&mut self) -> usize {
        let mut count = 0;
        for topic in self.factory.topics() {
            let from = *self.reads.get(&topic).expect("asked for");
            let log = &self.logs[&topic];
            let mut records = Vec::new();
            let mut position = from;
            while let Some(at) = log.get(usize::try_from(position).expect("positive")) {
                if let Some(value) = at {
                    if records.len() == self.core.appetite(topic) {
                        break;
                    }
                    records.push(Record {
                        offset: position,
                        appended: Millis(EPOCH),
                        key: None,
                        value: Some(value.clone()),
                        headers: Vec::new(),
                    });
                }
                position += 1;
            }
            if position > from {
                count += records.len();
                self.reads.insert(topic, position);
                self.core.handle_batch(topic, records, position, self.now());
            }
        }
        self.settle();
        count
    }

    /// Answers the call of fire `number`.
    pub(crate) fn answer(&mut self, number: u32, reply: Reply) {
        let token = self.take_call(number);
        let began_at = self.now().wall.minus(3);
        let input = Input::Answered {
            token,
            reply,
            began_at,
            ended_at: self.now().wall,
        };
        self.core.handle_input(input, self.now());
        self.settle();
    }

    pub(crate) fn not_begun(&mut self, number: u32) {
        let token = self.take_call(number);
        self.core
            .handle_input(Input::NotBegun { token }, self.now());
        self.settle();
    }

    fn take_call(&mut self, number: u32) -> Token {
        let at = self
            .calls
            .iter()
            .position(|call| call.fire.fire_id == id(number));
        self.calls.remove(at.expect("in flight")).token
    }

    pub(crate) fn is_called(&self, number: u32) -> bool {
        self.calls
            .iter()
            .any(|call| call.fire.fire_id == id(number))
    }

    /// Cuts a turn and commits it.
    pub(crate) fn turn(&mut self) {
        self.turn_in_doubt();
        self.core.handle_committed(self.mono, self.now());
        self.settle();
    }

    /// Cuts a turn and commits it; the core is not told.
    pub(crate) fn turn_in_doubt(&mut self) {
        let turn = self.core.take_turn(self.now());
        let first = turn.positions.first();
        assert_eq!(first.map(|(topic, _)| *topic), Some(NORMAL));
        for record in turn.records {
            let value = record.value.expect("a value");
            assert_eq!(record.to.shard, SHARD);
            match record.to.topic {
                Topic::Outcomes => self.outcomes.extend(
                    OutcomeRecord::decode(&value)
                        .expect("an outcome")
                        .into_each(),
                ),
                Topic::DeadLetters => self
                    .dead_letters
                    .push(DeadLetter::decode(&value).expect("a dead letter")),
                other => panic!("a record for {other:?}"),
            }
        }
        for (topic, position) in turn.positions {
            assert!(position.note.len() <= 3_900 && position.note.is_ascii());
            let before = self.committed.insert(topic, position.clone());
            assert!(before.is_none_or(|before| before.offset <= position.offset));
        }
    }

    /// Drops the core with all that was not committed, and opens its successor.
    pub(crate) fn crash(&mut self) {
        self.reads.clear();
        self.core = self.factory.open(opening(&self.committed, self.mono));
        self.settle();
    }

    /// As [`World::crash`], in one process; between the cores the factory takes `inputs`.
    pub(crate) fn rebuild(&mut self, inputs: Vec<Input>) {
        let nobody =
            DispatcherFactory::new(Config::default(), 0).open(opening(&BTreeMap::new(), 0));
        self.factory
            .close(SHARD, std::mem::replace(&mut self.core, nobody));
        for input in inputs {
            self.factory.handle_input(SHARD, input);
        }
        self.crash();
    }

    fn settle(&mut self) {
        while let Some(ask) = self.core.poll_ask() {
            let Ask::Read(topic, offset) = ask else {
                panic!("asked for {ask:?}");
            };
            self.reads.insert(topic, offset);
        }
        let now = self.now();
        while let Some(effect) = self.core.poll_effect() {
            let Effect::Call(call) = effect else {
                self.soon += 1;
                continue;
            };
            assert!(call.fire.due <= now.wall, "early by {now:?}: {call:?}");
            assert!(call.begin_by > now.mono);
            self.begun.push((call.fire.fire_id, call.fire.leg));
            self.calls.push(*call);
        }
    }

    /// How fire `number` ended, in words, for each outcome.
    pub(crate) fn ends(&self, number: u32) -> Vec<String> {
        self.outcomes
            .iter()
            .filter_map(|outcome| match outcome {
                OutcomeRecord::Ended(ended) if ended.fire_id == id(number) => Some(words(ended)),
                OutcomeRecord::Recalled(recalled, _) if recalled.fire_id == id(number) => {
                    Some(format!("{:?}", recalled.decision))
                }
                _ => None,
            })
            .collect()
    }

    pub(crate) fn ended(&self, number: u32) -> &Ended {
        self.outcomes
            .iter()
            .find_map(|outcome| match outcome {
                OutcomeRecord::Ended(ended) if ended.fire_id == id(number) => Some(ended),
                _ => None,
            })
            .expect("ended")
    }
}

fn words(ended: &Ended) -> String {
    match &ended.end {
        End::Success => "Success".to_owned(),
        End::Again { at, attempt, why } => format!("{why:?} {attempt} at {}", at.0 - EPOCH),
        End::Dead { reason } => format!("Dead: {reason}"),
        End::Expired => "Expired".to_owned(),
    }
}

fn opening(committed: &BTreeMap<Topic, Position>, mono: u64) -> Opening {
    let now = Now {
        wall: Millis(EPOCH).plus(mono),
        mono,
    };
    let ends = [NORMAL, HIGH, LOW].map(|topic| (topic, (0, i64::MAX)));
    Opening {
        shard: SHARD,
        shards: Shards::DEFAULT,
        now,
        session_timeout_ms: SESSION_MS,
        committed: committed.clone(),
        ends: ends.into_iter().collect(),
    }
}
