//! A machine whose clock is ahead of the brokers' gives its shards up, and comes back once it is set.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread::JoinHandle;
use std::time::Duration;

use pipeline::clock::SystemClock;
use pipeline::heartbeat::{self, Heartbeats};
use pipeline::memory::{MemoryBroker, MemoryConfig};
use pipeline::skew::{Reading, Skew, Verdict};
use pipeline::worker::{self, Status};
use pipeline::{
    Ask, Broker, Clock, Factory, Inbox, LogError, Now, Opening, Position, Record, Stage,
    TopicPartition, Turn,
};
use schemas::{Millis, Role, Shard, Shards, Topic};

/// Longest wait for anything that must happen.
const PATIENCE: Duration = Duration::from_secs(40);
const BOUND_MS: u64 = 1_000;

/// The machine's clock, set wrong by so many ms.
#[derive(Debug, Default)]
struct Wrong(AtomicI64);

impl Clock for Wrong {
    fn now(&self) -> Now {
        let now = SystemClock.now();
        let wall = Millis(now.wall.0 + self.0.load(Ordering::Relaxed));
        Now { wall, ..now }
    }
}

/// A core that only owns its shard.
struct Owner {
    driver_topic: Topic,
}

impl Stage for Owner {
    type Input = ();
    type Effect = ();

    fn handle_batch(&mut self, _: Topic, _: Vec<Record>, _: i64, _: Now) {}
    fn handle_input(&mut self, (): (), _: Now) {}
    fn handle_timeout(&mut self, _: Now) {}
    fn poll_timeout(&self) -> Option<Millis> {
        None
    }
    fn appetite(&self, _: Topic) -> usize {
        0
    }
    fn poll_ask(&mut self) -> Option<Ask> {
        None
    }
    fn handle_end(&mut self, _: Topic, _: i64, _: Now) {}
    fn poll_effect(&mut self) -> Option<()> {
        None
    }
    fn wants_turn(&self, _: Now) -> bool {
        false
    }
    fn take_turn(&mut self, _: Now) -> Turn<()> {
        Turn {
            records: Vec::new(),
            positions: vec![(self.driver_topic, Position::default())],
            after: Vec::new(),
            folded: 0,
        }
    }
    fn handle_committed(&mut self, _: u64, _: Now) {}
    fn handle_revoke(&mut self, _: Now) {}
    fn is_idle(&self) -> bool {
        true
    }
}

/// A role on a machine.
type Who = (&'static str, Role);
/// Who opened, or closed, which shard.
type Told = (Who, Shard, bool);

/// Tells what it opens and closes.
struct Owners {
    who: Who,
    told: Sender<Told>,
}

impl Factory for Owners {
    type Stage = Owner;

    fn topics(&self) -> Vec<Topic> {
        vec![self.who.1.driver_topic()]
    }

    fn open(&mut self, opening: Opening) -> Owner {
        self.told.send((self.who, opening.shard, true)).ok();
        Owner {
            driver_topic: self.who.1.driver_topic(),
        }
    }

    fn close(&mut self, shard: Shard, _: Owner) {
        self.told.send((self.who, shard, false)).ok();
    }
}

/// Workers and the heartbeats of their process, each on its thread, under one clock.
struct Machine {
    clock: Arc<Wrong>,
    statuses: Vec<Arc<Status>>,
    workers: Vec<JoinHandle<Result<(), LogError>>>,
    heart: JoinHandle<()>,
}

impl Machine {
    fn start(
        broker: &MemoryBroker,
        machine: &'static str,
        roles: &[Role],
        told: &Sender<Told>,
    ) -> Self {
        let clock = Arc::new(Wrong::default());
        let all: Vec<(Role, Arc<Status>)> = roles.iter().map(|it| (*it, Arc::default())).collect();
        let start = |(role, status): &(Role, Arc<Status>)| {
            let role = *role;
            if heartbeat::goes_by_the_clock(role) {
                status.hold(heartbeat::NOT_MEASURED.to_owned());
            }
            let (broker, status, told) = (broker.clone(), Arc::clone(status), told.clone());
            let clock: Arc<dyn Clock> = Arc::clone(&clock) as Arc<dyn Clock>;
            std::thread::spawn(move || {
                let who = (machine, role);
                let (factory, inbox, sink) = (Owners { who, told }, Inbox::new(), |_, ()| {});
                worker::run(
                    &broker, role, machine, factory, &clock, &inbox, &status, sink,
                )
            })
        };
        let workers = all.iter().map(start).collect();
        let statuses = all.iter().map(|(_, it)| Arc::clone(it)).collect();
        let broker = broker.clone();
        let its: Arc<dyn Clock> = Arc::clone(&clock) as Arc<dyn Clock>;
        let heart =
            std::thread::spawn(move || heartbeat::run(&broker, &its, machine, BOUND_MS, &all));
        Self {
            clock,
            statuses,
            workers,
            heart,
        }
    }

    /// Sets its clock wrong.
    fn set(&self, ms: i64) {
        self.clock.0.store(ms, Ordering::Relaxed);
    }

    fn stop(self) {
        self.statuses.iter().for_each(|it| it.stop());
        for worker in self.workers {
            worker.join().unwrap().unwrap();
        }
        self.heart.join().unwrap();
    }
}

/// Who owns what, as told.
struct Seen {
    tell: Sender<Told>,
    told: Receiver<Told>,
    owned: BTreeMap<Who, BTreeSet<Shard>>,
}

impl Seen {
    fn new() -> Self {
        let (tell, told) = channel();
        let owned = BTreeMap::new();
        Self { tell, told, owned }
    }

    /// Waits until these own so many shards each.
    fn until(&mut self, counts: &[(Who, usize)]) {
        let is_so = |owned: &BTreeMap<Who, BTreeSet<Shard>>| {
            let count = |who| owned.get(who).map_or(0, BTreeSet::len);
            counts.iter().all(|(who, want)| count(who) == *want)
        };
        while !is_so(&self.owned) {
            let told = self.told.recv_timeout(PATIENCE);
            let (who, shard, opened) =
                told.unwrap_or_else(|_| panic!("not {counts:?}, but {:?}", self.owned));
            let owned = self.owned.entry(who).or_default();
            if opened {
                owned.insert(shard);
            } else {
                owned.remove(&shard);
            }
        }
    }
}

fn memory(clock: Arc<dyn Clock>) -> MemoryBroker {
    let shards = Shards::new(4).unwrap();
    let config = MemoryConfig {
        shards,
        ..MemoryConfig::default()
    };
    MemoryBroker::new(config, clock)
}

#[test]
fn a_role_whose_clock_is_ahead_gives_its_shards_up_and_comes_back() {
    for role in [Role::Trigger, Role::Dispatcher] {
        let broker = memory(Arc::new(SystemClock));
        let mut seen = Seen::new();
        let a = Machine::start(&broker, "a", &[role], &seen.tell);
        let b = Machine::start(&broker, "b", &[role], &seen.tell);
        seen.until(&[(("a", role), 2), (("b", role), 2)]);
        a.set(5_000);
        seen.until(&[(("a", role), 0), (("b", role), 4)]);
        let why = a.statuses[0].held().unwrap();
        assert!(why.contains("ahead of the brokers'"), "{why}");
        assert!(!a.statuses[0].is_ready() && b.statuses[0].held().is_none());
        a.set(0);
        seen.until(&[(("a", role), 2), (("b", role), 2)]);
        a.stop();
        b.stop();
    }
}

#[test]
fn a_planner_that_is_ahead_goes_on_and_so_does_a_dispatcher_that_is_behind() {
    let (planner, dispatcher) = (("a", Role::Planner), ("a", Role::Dispatcher));
    let broker = memory(Arc::new(SystemClock));
    let mut seen = Seen::new();
    let a = Machine::start(&broker, "a", &[planner.1, dispatcher.1], &seen.tell);
    seen.until(&[(planner, 4), (dispatcher, 4)]);
    a.set(5_000);
    seen.until(&[(planner, 4), (dispatcher, 0)]);
    a.set(-5_000);
    seen.until(&[(planner, 4), (dispatcher, 4)]);
    a.stop();
}

/// A clock moved by hand.
#[derive(Debug, Default)]
struct Hand(AtomicU64);

impl Clock for Hand {
    fn now(&self) -> Now {
        let mono = self.0.load(Ordering::Relaxed);
        Now {
            wall: Millis(i64::try_from(mono).unwrap()),
            mono,
        }
    }
}

#[test]
fn heartbeats_measure_each_leader_and_one_that_is_odd_is_named() {
    let clock = Arc::new(Hand::default());
    let broker = memory(Arc::clone(&clock) as Arc<dyn Clock>);
    let of = heartbeat::partitions(&broker);
    let mut beats =
        Heartbeats::start(&broker, Arc::clone(&clock) as Arc<dyn Clock>, "a/trigger").unwrap();
    let mut skew = Skew::new(BOUND_MS, of.len(), clock.now());
    let mut run = |skews: [i64; 4]| -> Reading {
        for (partition, ms) in of.iter().zip(skews) {
            broker.set_skew(*partition, ms);
        }
        let mut last = None;
        for _ in 0..400 {
            clock.0.fetch_add(100, Ordering::Relaxed);
            last = Some(beats.round(Duration::ZERO, &mut skew).unwrap());
        }
        last.unwrap()
    };
    let cases = [
        ([0, 0, 0, 0], Verdict::Fine, vec![]),
        ([0, 0, 8_000, 0], Verdict::Fine, vec![Shard(2)]),
        ([-4_000; 4], Verdict::Ahead(4_000), vec![]),
        ([4_000; 4], Verdict::Behind(4_000), vec![]),
        ([30, -30, 0, 7], Verdict::Fine, vec![]),
    ];
    for (skews, verdict, odd) in cases {
        let reading = run(skews);
        assert_eq!((reading.verdict, reading.odd), (verdict, odd), "{skews:?}");
    }
    let written = broker
        .reader()
        .unwrap()
        .ends(&[TopicPartition::new(Topic::Owners, Shard(0))]);
    let (_, end) = written.unwrap()[0];
    assert!(
        (30..=60).contains(&end),
        "one each 5 s for 200 s, not {end}"
    );
}
