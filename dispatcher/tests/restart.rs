//! Random lives of a shard with crashes at any moment: whatever is committed must make sense.

mod world;

use std::collections::{BTreeMap, BTreeSet};

use dispatcher::{Config, Input, Reply};
use pipeline::Stage;
use rand::rngs::SmallRng;
use rand::{Rng, SeedableRng};
use schemas::outcome::Decision;
use schemas::{FireId, OutcomeRecord, Priority, Purpose, Topic};
use world::{World, id, ok, recall, status, wish};

type Leg = (FireId, u32);

/// What was written, to be held against what was committed.
#[derive(Default)]
struct Written {
    fires: BTreeSet<Leg>,
    recalls: BTreeMap<Leg, usize>,
    next: u32,
}

struct Life {
    world: World,
    rng: SmallRng,
    written: Written,
    /// Calls handed out by the process that is now, not said to have not begun.
    begun_here: BTreeSet<Leg>,
}

impl Life {
    fn new(seed: u64) -> Self {
        let mut rng = SmallRng::seed_from_u64(seed);
        let config = Config {
            max_open: rng.random_range(2..60),
            max_calls_per_shard: rng.random_range(1..40),
            ..Config::default()
        };
        Self {
            world: World::new(config),
            rng,
            written: Written::default(),
            begun_here: BTreeSet::new(),
        }
    }

    fn step(&mut self) {
        match self.rng.random_range(0..100) {
            0..25 => self.write_fire(),
            25..35 => self.write_recall(),
            35..40 => {
                let topic = self.lane();
                self.world.marker(topic);
            }
            40..55 => {
                self.world.read();
            }
            55..65 => {
                let passed = self.rng.random_range(0..400);
                self.world.at(self.world.mono + passed);
            }
            65..83 => self.answer(),
            83..86 => self.not_begun(),
            86..96 => {
                self.world.turn();
                self.check_committed();
            }
            96 => self.crash(true),
            97 => self.crash(false),
            _ => self.rebuild(),
        }
        self.check_calls();
    }

    fn lane(&mut self) -> Topic {
        Topic::Fires(Priority::ALL[self.rng.random_range(0..3)])
    }

    fn write_fire(&mut self) {
        let number = self.written.next;
        self.written.next += 1;
        let now = i64::try_from(self.world.mono).expect("short");
        let due = now + self.rng.random_range(-500..1_500);
        let expires_at = self.rng.random_bool(0.2).then(|| due + 300);
        let fire = world::Wish {
            expires_at,
            ..wish(number, due)
        };
        let topic = Topic::Fires(Priority::ALL[number as usize % 3]);
        self.world.write(topic, fire.record());
        self.written.fires.insert((id(number), 1));
    }

    fn write_recall(&mut self) {
        if self.written.next == 0 {
            return;
        }
        let least = self.written.next.saturating_sub(20);
        let number = self.rng.random_range(least..self.written.next);
        let purpose = if self.rng.random_bool(0.5) {
            Purpose::Cancel
        } else {
            Purpose::Move
        };
        let topic = Topic::Fires(Priority::ALL[number as usize % 3]);
        self.world.write(topic, recall(number, 1, purpose));
        *self.written.recalls.entry((id(number), 1)).or_default() += 1;
    }

    fn some_call(&mut self) -> Option<u32> {
        let count = self.world.calls.len();
        if count == 0 {
            return None;
        }
        let call = &self.world.calls[self.rng.random_range(0..count)];
        u32::try_from(u128::from_be_bytes(call.fire.fire_id.0)).ok()
    }

    fn answer(&mut self) {
        let Some(number) = self.some_call() else {
            return;
        };
        let reply = match self.rng.random_range(0..4) {
            0 => status(500),
            1 => Reply::Refused {
                reason: "no".to_owned(),
            },
            _ => ok(),
        };
        self.world.answer(number, reply);
    }

    fn not_begun(&mut self) {
        if let Some(number) = self.some_call() {
            self.begun_here.remove(&(id(number), 1));
            self.world.not_begun(number);
        }
    }

    /// The core is lost, with a turn cut and not committed (`torn`) or without. What it had in flight
    /// answers to its successor, which must not care.
    fn crash(&mut self, torn: bool) {
        if torn {
            let now = self.world.now();
            drop(self.world.core.take_turn(now));
        }
        let orphans = std::mem::take(&mut self.world.calls);
        self.world.crash();
        self.begun_here.clear();
        let now = self.world.now();
        for order in orphans {
            let input = Input::Answered {
                token: order.token,
                reply: ok(),
                began_at: now.wall,
                ended_at: now.wall,
            };
            self.world.core.handle_input(input, now);
        }
    }

    /// The core is lost and the process is not: its turn failed, or was told to have failed and did
    /// not. What was called is not called again, whatever answers meanwhile or later.
    fn rebuild(&mut self) {
        match self.rng.random_range(0..3) {
            0 => {
                let now = self.world.now();
                drop(self.world.core.take_turn(now));
            }
            1 => self.world.turn_in_doubt(),
            _ => {}
        }
        let mut inputs = Vec::new();
        let now = self.world.now();
        for order in std::mem::take(&mut self.world.calls) {
            let leg = (order.fire.fire_id, order.fire.leg);
            match self.rng.random_range(0..4) {
                0 => inputs.push(Input::Answered {
                    token: order.token,
                    reply: ok(),
                    began_at: now.wall,
                    ended_at: now.wall,
                }),
                1 => {
                    self.begun_here.remove(&leg);
                    inputs.push(Input::NotBegun { token: order.token });
                }
                _ => self.world.calls.push(order),
            }
        }
        self.world.rebuild(inputs);
    }

    /// No call of what is committed as ended; none twice in one core's life.
    fn check_calls(&mut self) {
        let ended = self.ended();
        for leg in self.world.begun.drain(..) {
            assert!(
                !ended.contains_key(&leg),
                "{leg:?} was called behind its end"
            );
            assert!(
                self.begun_here.insert(leg),
                "{leg:?} was called twice by one process"
            );
        }
    }

    fn ended(&self) -> BTreeMap<Leg, usize> {
        let mut ended = BTreeMap::new();
        for leg in self.world.outcomes.iter().filter_map(ends_leg) {
            *ended.entry(leg).or_default() += 1;
        }
        ended
    }

    fn check_committed(&self) {
        let ended = self.ended();
        for (leg, times) in &ended {
            assert_eq!(*times, 1, "{leg:?} ended {times} times");
        }
        let mut seen = BTreeSet::new();
        let mut recalls: BTreeMap<Leg, usize> = BTreeMap::new();
        for outcome in &self.world.outcomes {
            seen.extend(ends_leg(outcome));
            if let OutcomeRecord::Recalled(recalled, _) = outcome {
                let leg = (recalled.fire_id, recalled.leg);
                *recalls.entry(leg).or_default() += 1;
                if recalled.decision == Decision::Gone {
                    assert!(seen.contains(&leg), "{leg:?} is gone before its end");
                }
            }
        }
        for (leg, times) in recalls {
            assert!(times <= self.written.recalls[&leg], "{leg:?}");
        }
    }

    /// No more trouble: everything written must end.
    fn finish(&mut self) {
        let mut rounds = 0;
        while !self.is_drained() {
            self.world.turn();
            self.check_calls();
            self.world.read();
            self.world.at(self.world.mono + 100);
            while !self.world.calls.is_empty() {
                self.answer();
            }
            self.check_calls();
            rounds += 1;
            assert!(rounds < 2_000, "{:?}", self.world.committed);
        }
        self.check_committed();
        assert_eq!(
            self.ended().into_keys().collect::<BTreeSet<_>>(),
            self.written.fires
        );
        let answered = |outcome: &&OutcomeRecord| matches!(outcome, OutcomeRecord::Recalled(..));
        assert_eq!(
            self.world.outcomes.iter().filter(answered).count(),
            self.written.recalls.values().sum::<usize>()
        );
    }

    /// Whether every lane is committed to its end.
    fn is_drained(&self) -> bool {
        self.world.logs.iter().all(|(topic, log)| {
            let end = i64::try_from(log.len()).expect("short");
            let position = self.world.committed.get(topic);
            position.is_some_and(|at| (at.offset, at.note.as_str()) == (end, "d1:"))
        })
    }
}

/// Whether an outcome ends a leg.
fn ends_leg(outcome: &OutcomeRecord) -> Option<(FireId, u32)> {
    match outcome {
        OutcomeRecord::Ended(ended) => Some((ended.fire_id, ended.leg)),
        OutcomeRecord::Recalled(it, _) if it.decision == Decision::Cancelled => {
            Some((it.fire_id, it.leg))
        }
        _ => None,
    }
}

#[test]
fn whatever_happens_each_fire_ends_once_and_only_uncommitted_calls_are_made_again() {
    for seed in 0..60 {
        let mut life = Life::new(seed);
        for _ in 0..600 {
            life.step();
        }
        life.finish();
    }
}

#[test]
fn an_answer_that_was_not_committed_is_the_outcome_all_the_same() {
    let mut world = World::proved(Config::default());
    let now = i64::try_from(world.mono).expect("short");
    for number in 1..=3 {
        world.fire(world::NORMAL, &wish(number, now));
    }
    assert_eq!(world.begun.len(), 3);
    world.answer(1, ok());
    let order = world.calls.iter().find(|it| it.fire.fire_id == id(2));
    let answered = Input::Answered {
        token: order.expect("in flight").token,
        reply: status(410),
        began_at: world.now().wall,
        ended_at: world.now().wall,
    };
    drop(world.core.take_turn(world.now()));
    // One was answered before, one while there is no core; one answers when it likes.
    world.calls.retain(|it| it.fire.fire_id == id(3));
    world.rebuild(vec![answered]);
    world.write(world::NORMAL, recall(3, 1, Purpose::Cancel));
    world.read();
    world.turn();
    assert_eq!(world.ends(3), ["TooLate"], "its call goes on");
    world.answer(3, ok());
    world.turn();
    assert_eq!(world.begun.len(), 3, "nobody was called again");
    assert_eq!(world.ends(1), ["Success"]);
    assert_eq!(
        world.ended(2).answer.as_ref().and_then(|it| it.status),
        Some(410)
    );
    assert_eq!(world.ends(3), ["TooLate", "Success"]);
}

#[test]
fn calls_of_a_failed_turn_are_told_before_a_revoked_shard_is_given_up() {
    let mut world = World::proved(Config::default());
    let now = i64::try_from(world.mono).expect("short");
    for (number, due) in [(1, now), (2, now), (3, now + 1_000)] {
        world.fire(world::NORMAL, &wish(number, due));
    }
    world.answer(1, ok());
    drop(world.core.take_turn(world.now()));
    world.rebuild(Vec::new());
    world.core.handle_revoke(world.now());
    assert!(!world.core.is_idle(), "two calls are to be read back");
    world.read();
    assert!(!world.core.is_idle(), "one has no answer yet");
    world.at(world.mono + 1_500);
    world.answer(2, ok());
    assert!(world.core.is_idle());
    world.turn();
    for number in [1, 2] {
        assert_eq!(world.ends(number), ["Success"], "{number}");
    }
    assert_eq!(world.begun.len(), 2, "a revoked core calls nobody");
}

#[test]
fn a_restart_at_every_committed_turn_ends_each_fire_once() {
    let many = 40;
    for crash_at in 0..many {
        let mut life = Life::new(1);
        life.world = World::proved(Config::default());
        for _ in 0..many {
            life.write_fire();
            life.world.marker(Topic::Fires(Priority::Normal));
        }
        life.world.read();
        for turn in 0..many {
            life.world.at(life.world.mono + 40);
            life.check_calls();
            life.answer();
            life.check_calls();
            life.world.turn();
            life.check_calls();
            life.check_committed();
            if turn == crash_at {
                life.crash(turn % 2 == 0);
                life.world.turn();
                while life.world.read() > 0 {}
            }
        }
        life.finish();
    }
}
