//! The one loop over the log in memory: replay after an abort, hand-over, effects at their time.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

#[path = "driver/copier.rs"]
mod copier;

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::rc::Rc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use pipeline::memory::{Fate, MemoryBroker, MemoryConfig, Told};
use pipeline::{Broker, Clock, Driver, Inbox, LogError, Now, Outgoing, TopicPartition};
use schemas::{Millis, Role, Shard, Shards};

use copier::{ANEW, Copiers, IN, OUT, STILL};

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

/// One worker and what it did.
struct Worker {
    driver: Driver<Copiers>,
    inbox: Inbox<u32>,
    opened: Rc<RefCell<Vec<(u16, u64)>>>,
    missed: Rc<RefCell<Vec<u32>>>,
    effects: Vec<String>,
}

struct World {
    clock: Arc<Hand>,
    broker: MemoryBroker,
    fates: Arc<Mutex<Vec<Fate>>>,
    /// Whether workers must finish what they began.
    finishes: Cell<bool>,
}

impl World {
    fn new(shards: u16) -> Self {
        let clock = Arc::new(Hand::default());
        let config = MemoryConfig {
            shards: Shards::new(shards).unwrap(),
            ..Default::default()
        };
        let broker = MemoryBroker::new(config, Arc::clone(&clock) as Arc<dyn Clock>);
        let fates: Arc<Mutex<Vec<Fate>>> = Arc::default();
        let script = Arc::clone(&fates);
        broker.set_fates(Box::new(move |_, _, _| {
            script.lock().unwrap().pop().unwrap_or_default()
        }));
        Self {
            clock,
            broker,
            fates,
            finishes: Cell::new(false),
        }
    }

    fn worker(&self, member: &str) -> Worker {
        let opened = Rc::new(RefCell::new(Vec::new()));
        let missed = Rc::default();
        let inbox = Inbox::new();
        let driver = Driver::new(
            Role::Planner,
            self.broker.shards(),
            self.broker.join(Role::Planner, member).unwrap(),
            Copiers {
                opened: Rc::clone(&opened),
                missed: Rc::clone(&missed),
                finishes: self.finishes.get(),
                unfinished: BTreeMap::new(),
            },
            Arc::clone(&self.clock) as Arc<dyn Clock>,
            inbox.clone(),
        );
        Worker {
            driver,
            inbox,
            opened,
            missed,
            effects: Vec::new(),
        }
    }

    fn write(&self, shard: u16, text: &str) {
        let record = Outgoing {
            to: TopicPartition::new(IN, Shard(shard)),
            key: None,
            value: Some(Bytes::from(text.to_owned())),
            headers: Vec::new(),
        };
        let producer = self.broker.producer().unwrap();
        producer.send(record, Box::new(|written| assert!(written.is_ok())));
    }

    /// Lets `ms` pass in steps of one, each worker turning once a step.
    fn run(&self, workers: &mut [&mut Worker], ms: u64) {
        for _ in 0..ms {
            self.clock.0.fetch_add(1, Ordering::Relaxed);
            self.broker.tick();
            for worker in &mut *workers {
                worker.turn().unwrap();
            }
        }
    }

    /// What stands in `OUT`, by shard, to a reader of committed records.
    fn copies(&self) -> BTreeMap<u16, Vec<String>> {
        let mut reader = self.broker.reader().unwrap();
        for shard in self.broker.shards().all() {
            reader.read(TopicPartition::new(OUT, shard), 0).unwrap();
        }
        let mut events = Vec::new();
        reader.poll(Duration::ZERO, &mut events).unwrap();
        let mut copies: BTreeMap<u16, Vec<String>> = BTreeMap::new();
        for event in events {
            let pipeline::LogEvent::Batch { from, records, .. } = event else {
                continue;
            };
            let texts = records
                .into_iter()
                .map(|it| String::from_utf8(it.value.unwrap().to_vec()).unwrap());
            copies.entry(from.shard.0).or_default().extend(texts);
        }
        copies.retain(|_, texts| !texts.is_empty());
        copies
    }
}

impl Worker {
    fn turn(&mut self) -> Result<(), LogError> {
        let effects = &mut self.effects;
        self.driver
            .turn(Duration::ZERO, &mut |_, effect| effects.push(effect))
    }

    fn said(&self, text: &str) -> usize {
        self.effects.iter().filter(|effect| *effect == text).count()
    }
}

#[test]
fn effects_wait_for_the_commit_that_they_belong_to() {
    let world = World::new(1);
    let mut worker = world.worker("a");
    world.run(&mut [&mut worker], 5);
    let slow = Fate {
        end_after_ms: 50,
        ..Fate::default()
    };
    world.fates.lock().unwrap().push(slow);
    world.write(0, "x");
    world.run(&mut [&mut worker], 40);
    assert_eq!((worker.said("read x"), worker.said("copied x")), (1, 0));
    world.run(&mut [&mut worker], 40);
    assert_eq!((worker.said("read x"), worker.said("copied x")), (1, 1));
}

#[test]
fn the_loop_goes_on_while_a_commit_is_on_its_way() {
    let world = World::new(1);
    let mut worker = world.worker("a");
    world.run(&mut [&mut worker], 5);
    world.fates.lock().unwrap().push(Fate {
        end_after_ms: 500,
        ..Fate::default()
    });
    world.write(0, "x");
    world.run(&mut [&mut worker], 10);
    world.write(0, "y");
    world.run(&mut [&mut worker], 10);
    assert_eq!(worker.said("read y"), 1, "read while x was being committed");
    assert_eq!(worker.said("copied y"), 0);
    world.run(&mut [&mut worker], 600);
    assert_eq!(world.copies()[&0], ["x", "y"]);
}

#[test]
fn an_aborted_turn_is_replayed_by_a_fresh_core() {
    let world = World::new(1);
    let mut worker = world.worker("a");
    world.write(0, "x");
    world.run(&mut [&mut worker], 5);
    world.fates.lock().unwrap().push(Fate {
        abort: true,
        ..Fate::default()
    });
    world.write(0, "y");
    world.run(&mut [&mut worker], 200);
    assert_eq!(world.copies()[&0], ["x", "y"], "once each");
    assert_eq!(
        *worker.opened.borrow(),
        [(0, 0), (0, 1)],
        "rebuilt from the note of the first turn"
    );
    assert_eq!((worker.said("read y"), worker.said("copied y")), (2, 1));
}

#[test]
fn a_turn_in_doubt_ends_the_connection_and_is_not_repeated_if_it_stood() {
    let world = World::new(1);
    let mut worker = world.worker("a");
    world.run(&mut [&mut worker], 5);
    world.fates.lock().unwrap().push(Fate {
        told: Told::Doubt(0),
        ..Fate::default()
    });
    world.write(0, "x");
    let mut lost = false;
    for _ in 0..100 {
        world.clock.0.fetch_add(1, Ordering::Relaxed);
        world.broker.tick();
        if let Err(error) = worker.turn() {
            assert!(matches!(error, LogError::Fatal(_)), "{error}");
            lost = true;
            break;
        }
    }
    assert!(lost);
    assert_eq!(
        worker.said("copied x"),
        0,
        "nobody was told what is in doubt"
    );
    drop(worker);
    let mut successor = world.worker("a");
    world.run(&mut [&mut successor], 2_000);
    assert_eq!(world.copies()[&0], ["x"]);
}

#[test]
fn shards_move_and_nothing_is_copied_twice() {
    let world = World::new(4);
    let mut first = world.worker("a");
    world.run(&mut [&mut first], 5);
    for shard in 0..4 {
        world.write(shard, "1");
    }
    world.run(&mut [&mut first], 20);
    let mut second = world.worker("b");
    for shard in 0..4 {
        world.write(shard, "2");
    }
    world.run(&mut [&mut first, &mut second], 500);
    assert_eq!(
        (first.driver.owned_shards(), second.driver.owned_shards()),
        (2, 2)
    );
    drop(second);
    for shard in 0..4 {
        world.write(shard, "3");
    }
    world.run(&mut [&mut first], 20_000);
    assert_eq!(first.driver.owned_shards(), 4);
    for shard in 0..4 {
        assert_eq!(world.copies()[&shard], ["1", "2", "3"], "shard {shard}");
    }
}

#[test]
fn what_is_open_may_end_before_a_shard_is_given_up_but_not_for_ever() {
    for open_for in [Some(1_000), None] {
        let world = World::new(1);
        let mut worker = world.worker("a");
        world.run(&mut [&mut worker], 5);
        worker.inbox.push(Shard(0), 1);
        world.run(&mut [&mut worker], 5);
        worker.driver.drain();
        world.run(&mut [&mut worker], open_for.unwrap_or(4_900));
        assert_eq!(worker.driver.owned_shards(), 1, "{open_for:?}");
        if open_for.is_some() {
            worker.inbox.push(Shard(0), 0);
        }
        world.run(&mut [&mut worker], 200);
        assert!(worker.driver.owns_nothing(), "{open_for:?}");
        assert_eq!(worker.said("revoked"), 1);
    }
}

#[test]
fn what_nobody_else_can_finish_is_finished_though_a_turn_failed_at_the_hand_over() {
    // The turn fails behind 20 ms, a core is made anew 10 ms later.
    for (revoked_after, finishes) in [(5, true), (5, false), (24, true), (24, false)] {
        let world = World::new(1);
        world.finishes.set(finishes);
        let mut worker = world.worker("a");
        world.run(&mut [&mut worker], 5);
        world.fates.lock().unwrap().push(Fate {
            abort: true,
            end_after_ms: 20,
            ..Fate::default()
        });
        world.write(0, "x");
        world.run(&mut [&mut worker], revoked_after);
        worker.driver.drain();
        world.run(&mut [&mut worker], 200);
        assert!(worker.driver.owns_nothing());
        let copied = world.copies().contains_key(&0);
        assert_eq!(copied, finishes, "revoked behind {revoked_after} ms");
    }
}

#[test]
fn a_shard_that_stands_still_says_so_and_can_be_given_up() {
    for shards in [1, 2] {
        let world = World::new(shards);
        let mut worker = world.worker("a");
        world.run(&mut [&mut worker], 5);
        worker.inbox.push(Shard(0), STILL);
        world.run(&mut [&mut worker], 2_000);
        let still: Vec<_> = worker.driver.still_shards().collect();
        assert_eq!(still, [(Shard(0), "told to")]);
        worker.driver.drain();
        world.run(&mut [&mut worker], 200);
        assert!(worker.driver.owns_nothing(), "of {shards}");
        drop(worker);
        let mut next = world.worker("b");
        world.run(&mut [&mut next], 200);
        assert_eq!(next.driver.open_shards().count(), usize::from(shards));
    }
}

#[test]
fn a_core_that_asks_for_it_is_made_anew_and_the_others_go_on() {
    let world = World::new(2);
    let mut worker = world.worker("a");
    world.run(&mut [&mut worker], 5);
    world.fates.lock().unwrap().push(Fate {
        end_after_ms: 50,
        ..Fate::default()
    });
    world.write(0, "x");
    world.run(&mut [&mut worker], 5);
    // While its turn is on its way, which is not void for that.
    worker.inbox.push(Shard(0), ANEW);
    world.run(&mut [&mut worker], 5);
    worker.inbox.push(Shard(0), 7);
    world.run(&mut [&mut worker], 1);
    assert_eq!(*worker.missed.borrow(), [7], "no core to tell it to");
    world.run(&mut [&mut worker], 200);
    assert_eq!(*worker.opened.borrow(), [(0, 0), (1, 0), (0, 1)]);
    assert_eq!((worker.said("copied x"), world.copies()[&0].len()), (1, 1));
}

#[test]
fn what_it_owns_is_settled_by_an_assignment_even_of_nothing() {
    let world = World::new(1);
    let mut first = world.worker("a");
    assert!(!first.driver.is_settled(), "not before the group's word");
    world.run(&mut [&mut first], 5);
    assert!(first.driver.is_settled());
    first.inbox.push(Shard(0), 1);
    world.run(&mut [&mut first], 5);
    let mut second = world.worker("b");
    world.run(&mut [&mut first, &mut second], 100);
    assert!(!first.driver.is_settled(), "it is giving up");
    assert!(!second.driver.is_settled());
    first.inbox.push(Shard(0), 0);
    world.run(&mut [&mut first, &mut second], 100);
    assert!(first.driver.is_settled() && second.driver.is_settled());
    assert!(second.driver.owns_nothing());
}

#[test]
fn ownership_is_proved_about_once_a_second_when_idle() {
    let world = World::new(1);
    let mut worker = world.worker("a");
    world.run(&mut [&mut worker], 10_000);
    let proofs = worker.said("committed");
    assert!((9..=12).contains(&proofs), "{proofs}");
}
