//! What a core does beside firing: a position that is gone, a shard given up, memory.

mod world;

use pipeline::Stage;
use schemas::{FireId, Instance, Millis, Slot};
use trigger::Config;

use self::world::{Said, World};

const START: i64 = 1_796_086_800_000;

fn id(number: u128) -> FireId {
    FireId(number.to_be_bytes())
}

#[test]
fn a_lost_position_of_a_used_slot_shuts_that_slot_alone() {
    let mut world = World::new(START, Config::default());
    let first = Instance(Millis(START));
    world.place(first, id(1), START + 1_000, None);
    world.place(first.next(), id(2), START + 1_000, None);
    while world.deliver(10) {}
    world.turn();
    assert!(world.committed(first.slot()).is_some());
    // The driver topic's position is there, so this shard was at work before.
    let shut = if first.slot() == Slot(0) {
        first.next().slot()
    } else {
        first.slot()
    };
    world.forget_position(shut);
    world.crash();
    assert!(!world.reading().contains(&shut));
    assert_eq!(world.reading().len(), 23);
    while world.deliver(10) {}
    world.advance(START + 1_000);
    world.turn();
    assert_eq!(world.said.len(), 1);
    assert!(world.committed(shut).is_none());
}

#[test]
fn a_shard_given_up_begins_nothing_new() {
    let mut world = World::new(START, Config::default());
    world.place(Instance(Millis(START)), id(1), START + 1_000, None);
    while world.deliver(10) {}
    world.advance(START + 1_000);
    assert!(world.wants_turn());
    let now = world.clock();
    world.core.handle_revoke(now);
    assert!(world.core.is_idle());
    assert!(!world.wants_turn());
    world.turn();
    assert_eq!(world.said, []);
    world.crash();
    while world.deliver(10) {}
    world.turn();
    assert_eq!(world.said, [Said::Fire(id(1))]);
}

#[test]
fn what_is_loaded_ahead_of_need_is_bounded() {
    let bound = 1 << 20;
    let config = Config {
        loaded_bytes: bound,
        max_fires_per_turn: 10_000,
        ..Config::default()
    };
    let mut world = World::new(START, config);
    let current = Instance(Millis(START));
    let next = current.next();
    for name in 0..20_000_u32 {
        let id = FireId(u128::from(name).to_be_bytes());
        world.place(next, id, next.start().0 + i64::from(name % 1_000), None);
    }
    while world.deliver(100_000) {}
    assert!(world.core.loaded_bytes() < bound + 4_096 * 300);
    // Its time has come: now all of it is let in, and leaves.
    world.advance(next.start().0);
    world.turn();
    while world.deliver(100_000) {}
    world.advance(next.end().0);
    // Turns behind a pause grow: 256, 512, …
    for _ in 0..7 {
        world.turn();
    }
    assert_eq!(world.said.len(), 20_000);
    assert_eq!(world.core.loaded_bytes(), 0);
}

/// Long gone, a planner frees a slot and fills its next lap in one commit.
#[test]
fn a_lap_that_comes_with_the_free_before_it_outlives_a_crash() {
    let mut world = World::new(START, Config::default());
    let first = Instance(Millis(START));
    world.place(first, id(1), START + 1_000, None);
    while world.deliver(10) {}
    world.advance(START + 1_000);
    world.turn();
    world.advance(first.end().0);
    world.seal(first, 1, 0);
    while world.deliver(10) {}
    world.turn();
    let lap = first.next_lap();
    let due = lap.start().0 + 5_000;
    world.advance(lap.start().0);
    world.free(first);
    world.place(lap, id(2), due, None);
    while world.deliver(10) {}
    world.turn();
    world.crash();
    while world.deliver(10) {}
    world.advance(due);
    world.turn();
    assert_eq!(world.said.last(), Some(&Said::Fire(id(2))));
}
