//! Random placements, revokes, cuts, crashes and restarts against the obvious model: every placement
//! is fired, revoked or expired, once.

mod world;

use std::collections::BTreeMap;

use rand::rngs::SmallRng;
use rand::seq::IndexedRandom;
use rand::{Rng, SeedableRng};
use schemas::slot::WIDTH_MS;
use schemas::{FireId, Instance, Millis};
use trigger::Config;

use self::world::{Said, World};

const START: i64 = 1_796_086_800_000;
const HORIZON_MS: i64 = 300_000;

/// The planner as far as the trigger sees it.
#[derive(Default)]
struct Planner {
    /// Not yet sealed, with placements and revokes counted.
    open: BTreeMap<Instance, (u64, u64)>,
    /// Sealed, not yet drained, with placements.
    sealed: BTreeMap<Instance, u64>,
    /// Slots that take no new instance: by the instance they still hold.
    held: BTreeMap<u8, Instance>,
    planted: Vec<Planted>,
    next: u128,
    heard: usize,
}

struct Planted {
    instance: Instance,
    id: FireId,
    revoked: bool,
}

impl Planner {
    fn plant(&mut self, world: &mut World, rng: &mut SmallRng) {
        let now = world.now;
        let due = match rng.random_range(0..4) {
            0 => now.0 - rng.random_range(0..60_000),
            1 => now.0 + rng.random_range(0..2_000),
            2 => now.0 + 7_777 - now.0 % 7_777,
            _ => now.0 + rng.random_range(0..HORIZON_MS),
        };
        let instance = Instance::of(Millis(due)).max(Instance::of(now));
        let slot = instance.slot().0;
        if self.held.get(&slot).is_some_and(|held| *held != instance) {
            return;
        }
        if self.sealed.contains_key(&instance) {
            return;
        }
        self.held.insert(slot, instance);
        for _ in 0..rng.random_range(1..6) {
            self.next += 1;
            let id = FireId(self.next.to_be_bytes());
            let expires = rng
                .random_bool(0.1)
                .then(|| due + rng.random_range(0..5_000));
            world.place(instance, id, due, expires);
            self.open.entry(instance).or_default().0 += 1;
            self.planted.push(Planted {
                instance,
                id,
                revoked: false,
            });
        }
    }

    fn revoke(&mut self, world: &mut World, rng: &mut SmallRng) {
        let recent = self.planted.len().saturating_sub(40);
        let pick = recent..self.planted.len();
        if pick.is_empty() {
            return;
        }
        let planted = &mut self.planted[rng.random_range(pick)];
        if planted.revoked {
            return;
        }
        planted.revoked = true;
        let (instance, id) = (planted.instance, planted.id);
        let freed = self.held.get(&instance.slot().0) != Some(&instance);
        let slot = if freed {
            // As the planner does: a slot that was freed gets no more of that instance.
            let current = Instance::of(world.now);
            let slot = current.slot();
            let held = self.held.entry(slot.0).or_insert(current);
            if *held != current || self.sealed.contains_key(&current) {
                self.planted.iter_mut().for_each(|it| {
                    if it.id == id {
                        it.revoked = false;
                    }
                });
                return;
            }
            self.open.entry(current).or_default().1 += 1;
            slot
        } else {
            if let Some(counts) = self.open.get_mut(&instance) {
                counts.1 += 1;
            }
            instance.slot()
        };
        world.revoke(slot, instance, id);
    }

    /// Seals what is over, frees what it heard was drained.
    fn tick(&mut self, world: &mut World) {
        let over: Vec<_> = self
            .open
            .keys()
            .copied()
            .filter(|instance| instance.end() <= world.now)
            .collect();
        for instance in over {
            if let Some((placements, revokes)) = self.open.remove(&instance) {
                world.seal(instance, placements, revokes);
                self.sealed.insert(instance, placements);
            }
        }
        for said in world.said.split_off(self.heard) {
            if let Said::Drained(drained) = &said {
                let placements = self.sealed.remove(&drained.instance);
                assert_eq!(placements, Some(drained.placements), "{drained:?}");
                let told = drained.fired + drained.revoked + drained.expired;
                assert_eq!(told, drained.placements, "{drained:?}");
                self.held.remove(&drained.instance.slot().0);
                world.free(drained.instance);
            }
            world.said.push(said);
        }
        self.heard = world.said.len();
    }
}

fn config(rng: &mut SmallRng) -> Config {
    let turns = [1, 2, 5, 50, 10_000];
    let loads = [1 << 10, 1 << 14, 128 << 20];
    Config {
        max_fires_per_turn: *turns.choose(rng).expect("not empty"),
        loaded_bytes: *loads.choose(rng).expect("not empty"),
        ..Config::default()
    }
}

#[test]
fn every_placement_is_fired_or_revoked_or_expired_once() {
    for seed in 0..300 {
        walk(seed);
    }
}

fn walk(seed: u64) {
    let mut rng = SmallRng::seed_from_u64(seed);
    let config = config(&mut rng);
    let mut world = World::new(START, config);
    let mut planner = Planner::default();
    let crashes = [0.0, 0.02, 0.2][rng.random_range(0..3)];
    let stride = [50, 1_000, 20_000][rng.random_range(0..3)];
    for _ in 0..rng.random_range(100..600) {
        match rng.random_range(0..10) {
            0..2 => planner.plant(&mut world, &mut rng),
            2 => planner.revoke(&mut world, &mut rng),
            3 => {
                let to = world.now.0 + rng.random_range(0..stride);
                world.advance(to);
            }
            4..7 => {
                let slots = world.reading();
                if let Some(slot) = slots.choose(&mut rng) {
                    let most = rng.random_range(0..20);
                    world.deliver_of(*slot, most);
                }
                world.deliver(rng.random_range(0..3));
            }
            7 => planner.tick(&mut world),
            _ => {
                if world.wants_turn() || rng.random_bool(0.1) {
                    world.cut();
                    if rng.random_bool(crashes) {
                        world.crash();
                        continue;
                    }
                    world.commit();
                }
            }
        }
        if rng.random_bool(crashes / 4.0) {
            world.crash();
        }
    }
    settle(&mut world, &mut planner, seed);
    check(&world, &planner, seed);
}

/// Goes on without further input until all is drained.
fn settle(world: &mut World, planner: &mut Planner, seed: u64) {
    let mut rounds = 0;
    while !(planner.open.is_empty() && planner.sealed.is_empty()) {
        let to = world.now.0 + WIDTH_MS / 3;
        world.advance(to);
        for _ in 0..1_000_000 {
            let read = world.deliver(1_000);
            let due = world.wants_turn();
            if due {
                world.turn();
            }
            planner.tick(world);
            if !read && !due {
                break;
            }
        }
        rounds += 1;
        assert!(
            rounds < 200,
            "seed {seed}: never drained: {:?}",
            planner.sealed
        );
    }
}

fn check(world: &World, planner: &Planner, seed: u64) {
    let mut ends: BTreeMap<FireId, Vec<&Said>> = BTreeMap::new();
    for said in &world.said {
        match said {
            Said::Fire(id) | Said::Recall(id) | Said::Revoked(id) | Said::Expired(id) => {
                ends.entry(*id).or_default().push(said);
            }
            Said::Drained(_) => {}
            Said::Dead(reason) => panic!("seed {seed}: {reason}"),
        }
    }
    for planted in &planner.planted {
        let id = planted.id;
        let said = ends.get(&id).map_or(&[][..], Vec::as_slice);
        let legal = match (said, planted.revoked) {
            ([Said::Fire(_) | Said::Expired(_)], false) => true,
            ([Said::Revoked(_)], true) => true,
            // A recall behind the fire, never before it.
            ([Said::Fire(_) | Said::Expired(_), Said::Recall(_)], true) => true,
            _ => false,
        };
        assert!(
            legal,
            "seed {seed}: {id} of {:?}: {said:?}",
            planted.instance
        );
    }
    assert_eq!(world.core.waiting(), 0, "seed {seed}");
}
