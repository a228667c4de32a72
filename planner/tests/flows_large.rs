//! Flows larger than one turn tells.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod world;

use planner::PlannerConfig;
use schemas::{Shard, TaskState};
use world::World;
use world::script::run;

/// Steps that one turn tells, in small.
fn few() -> PlannerConfig {
    PlannerConfig {
        turn_followed: 7,
        ..PlannerConfig::default()
    }
}

#[test]
fn a_wide_flow_is_told_a_part_a_turn_and_none_is_forgotten() {
    for (abort_all, lose_stores) in [(false, false), (true, false), (true, true)] {
        let mut world = World::with(few(), Shard(0), 1);
        world.abort_all = abort_all;
        world.lose_stores = lose_stores;
        run(&mut world, "register f/a 10s");
        for n in 0..100 {
            run(&mut world, &format!("register f/s{n:02} needs=a"));
        }
        run(&mut world, "fire f/a");
        let before = world.turns;
        run(&mut world, "end f/a success");
        assert!(world.turns >= before + 15, "{} turns", world.turns - before);
        assert_eq!(world.behind.planted().len(), 100);
        assert!(
            world
                .rows_of_index()
                .iter()
                .all(|row| !row.starts_with('q'))
        );
    }
}

#[test]
fn a_long_chain_that_is_not_taken_is_told_a_part_a_turn() {
    let mut world = World::with(few(), Shard(0), 1);
    run(&mut world, "register f/s000 1s");
    for n in 1..1_000 {
        let before = n - 1;
        run(
            &mut world,
            &format!("register f/s{n:03} needs=s{before:03}"),
        );
    }
    let before = world.turns;
    assert_eq!(run(&mut world, "cancel f/s000"), "1001 cancelled");
    assert!(
        world.turns >= before + 100,
        "{} turns",
        world.turns - before
    );
    for n in 1..1_000 {
        let view = world.view(&format!("f/s{n:03}")).unwrap();
        assert_eq!(view.state, TaskState::Skipped);
    }
    run(&mut world, "time 20m");
    assert_eq!(world.rows_of_index(), Vec::<String>::new());
}
