//! Members come, go and hang; every turn must be there once.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use pipeline::{LogError, LogEvent};
use schemas::{Role, Shard};

use super::support::{Member, World, at, position, record};
use super::{INPUT, OUTPUT};

const SHARDS: u16 = 4;
const LENGTH: Duration = Duration::from_secs(15);

#[test]
fn whoever_comes_goes_or_hangs_every_turn_is_there_once() {
    let Some(world) = World::new(SHARDS, &[INPUT, OUTPUT]) else {
        return;
    };
    let stop = AtomicBool::new(false);
    let (turns, failed) = (AtomicU32::new(0), AtomicU32::new(0));
    thread::scope(|scope| {
        for (name, seed) in [("one", 1), ("two", 2), ("three", 3)] {
            let (world, stop, turns, failed) = (&world, &stop, &turns, &failed);
            scope.spawn(move || {
                let mut dice = Dice(seed);
                while !stop.load(Ordering::Relaxed) {
                    let life = Duration::from_millis(dice.roll(2_000, 9_000));
                    let mut worker = Worker::join(world, name);
                    worker.live(life, &mut dice, stop);
                    turns.fetch_add(worker.turns, Ordering::Relaxed);
                    failed.fetch_add(worker.failed, Ordering::Relaxed);
                }
            });
        }
        thread::sleep(LENGTH);
        stop.store(true, Ordering::Relaxed);
    });
    let mut member = world.member(Role::Planner, "judge");
    for shard in 0..SHARDS {
        let (input, output) = (at(INPUT, shard), at(OUTPUT, shard));
        let last = member.committed(&[input])[0]
            .as_ref()
            .map_or(0, |position| position.offset);
        let (_, end) = member.ends(&[output])[0];
        member.log.read(output, 0).unwrap();
        let written = member.values_until(output, end);
        let expected: Vec<String> = (1..=last).map(|turn| turn.to_string()).collect();
        assert_eq!(written, expected, "shard {shard}");
        assert!(last > 0, "shard {shard} stood still");
    }
    println!("\n{turns:?} turns, {failed:?} failed");
}

/// Writes the numbers from 1 on into each of its shards, one a turn, as a driver would.
struct Worker {
    member: Member,
    /// The next number of each owned shard; `None` until it was asked for.
    next: BTreeMap<Shard, Option<i64>>,
    in_flight: Vec<Shard>,
    flying: bool,
    turns: u32,
    failed: u32,
}

impl Worker {
    fn join(world: &World, name: &str) -> Self {
        Self {
            member: world.joining(Role::Planner, name),
            next: BTreeMap::new(),
            in_flight: Vec::new(),
            flying: false,
            turns: 0,
            failed: 0,
        }
    }

    fn live(&mut self, life: Duration, dice: &mut Dice, stop: &AtomicBool) {
        let born = Instant::now();
        while born.elapsed() < life && !stop.load(Ordering::Relaxed) {
            if dice.roll(0, 300) == 0 {
                // Deaf to the group for longer than a turn takes.
                thread::sleep(Duration::from_millis(dice.roll(10, 1_500)));
            }
            let wait = Duration::from_millis(dice.roll(0, 20));
            let mut events = Vec::new();
            self.member.log.poll(wait, &mut |_| 0, &mut events).unwrap();
            for event in events {
                self.handle(event);
            }
            if self.ask() && !self.flying {
                self.commit();
            }
        }
    }

    fn handle(&mut self, event: LogEvent) {
        match event {
            LogEvent::Assigned(shards) => {
                self.next
                    .extend(shards.into_iter().map(|shard| (shard, None)));
            }
            LogEvent::Revoked { shards, .. } => {
                // Whatever is in flight may commit or not: the group decides.
                self.next.retain(|shard, _| !shards.contains(shard));
                self.member.log.release(&shards);
            }
            LogEvent::Committed { .. } => {
                self.flying = false;
                self.turns += 1;
                for shard in std::mem::take(&mut self.in_flight) {
                    if let Some(Some(next)) = self.next.get_mut(&shard) {
                        *next += 1;
                    }
                }
            }
            LogEvent::Failed(_) => {
                self.flying = false;
                self.failed += 1;
                self.in_flight.clear();
                self.next.values_mut().for_each(|next| *next = None);
            }
            LogEvent::Batch { .. } => {}
        }
    }

    /// Asks where unknown shards stand; whether all are known.
    fn ask(&mut self) -> bool {
        for (shard, next) in &mut self.next {
            if next.is_none() {
                let of = [at(INPUT, shard.0)];
                match self.member.log.committed(&of) {
                    Ok(found) => {
                        *next = Some(found[0].as_ref().map_or(1, |found| found.offset + 1));
                    }
                    Err(LogError::Retry(_)) => return false,
                    Err(error) => panic!("{error}"),
                }
            }
        }
        true
    }

    fn commit(&mut self) {
        let (mut records, mut positions) = (Vec::new(), Vec::new());
        for (shard, next) in &self.next {
            if let Some(next) = next {
                records.push(record(at(OUTPUT, shard.0), &next.to_string()));
                positions.push((at(INPUT, shard.0), position(*next, "")));
            }
        }
        if positions.is_empty() {
            return;
        }
        match self.member.log.commit(records, positions, 0) {
            Ok(()) => {
                self.flying = true;
                self.in_flight = self.next.keys().copied().collect();
            }
            // The shards are being taken away; the event is on its way.
            Err(LogError::Aborted(_)) => {}
            Err(error) => panic!("{error}"),
        }
    }
}

/// Numbers that are the same for the same seed.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, from: u64, below: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        from + (z ^ (z >> 31)) % (below - from)
    }
}
