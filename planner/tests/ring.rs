//! Slots: what is planted when, how much of it, sealed, freed, used again.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod world;

use planner::PlannerConfig;
use schemas::bucket::Seal;
use schemas::index::RingPhase;
use schemas::{BucketRecord, Instance, Millis, Shard, Topic};
use serde_json::json;

use world::script::run;
use world::{START, World};

fn steps(world: &mut World, script: &str) {
    for line in script
        .lines()
        .map(str::trim)
        .filter(|line| !line.is_empty())
    {
        let (step, expected) = line.split_once("=>").unwrap_or((line, ""));
        let told = run(world, step.trim());
        assert_eq!(told, expected.trim(), "`{step}`");
    }
}

/// What was written to the slot of `instance`.
fn bucket(world: &World, instance: i64) -> Vec<BucketRecord> {
    let topic = Topic::Bucket(Instance(Millis(instance)).slot());
    let records = world.log.get(&topic).map_or(&[][..], Vec::as_slice);
    let decode = |record: &pipeline::Record| BucketRecord::decode(record.value.as_ref().unwrap());
    records
        .iter()
        .map(|record| decode(record).unwrap())
        .collect()
}

fn index_records(world: &World) -> usize {
    world.log.get(&Topic::Index).map_or(0, Vec::len)
}

/// Registers `count` tasks named `prefix-n`, `after` ahead.
fn register_many(world: &mut World, topic: Topic, prefix: &str, count: usize, after: &str) {
    for n in 0..count {
        let body = json!({"tenant": "t", "id": format!("{prefix}-{n}"),
            "schedule": {"after": after}, "call": {"url": "http://h/"}});
        world.ask(topic, &body);
    }
}

#[test]
fn an_instance_is_sealed_with_its_counts_drained_freed_and_its_slot_used_again() {
    let mut world = World::new();
    steps(
        &mut world,
        "register a 10s         => 1 created
         register b 10s         => 2 created
         cancel b               => 3 cancelled
         time 30s               =>",
    );
    let records = bucket(&world, START);
    let seal = Seal {
        instance: Instance(Millis(START)),
        placements: 2,
        revokes: 1,
    };
    assert_eq!(records.last(), Some(&BucketRecord::Seal(seal)));
    steps(
        &mut world,
        "time 5m                =>
         fire a                 =>",
    );
    let records = bucket(&world, START);
    assert_eq!(records.last(), Some(&BucketRecord::Free(seal.instance)));
    // A cancel of what was fired there: the slot is freed, so the revoke goes into the current one.
    let count = records.len();
    steps(&mut world, "cancel a => 4 cancelled");
    assert_eq!(bucket(&world, START).len(), count);
    // The same slot one lap later.
    steps(
        &mut world,
        "time 390s              =>
         register c 10s         => 5 created
         wheel                  => c#1",
    );
    assert!(bucket(&world, START).len() > count);
}

#[test]
fn a_slot_still_at_an_earlier_use_takes_nothing_and_its_tasks_go_next_door() {
    let mut world = World::new();
    steps(
        &mut world,
        "register a 10s         => 1 created
         time 9m                =>",
    );
    // Never fired: the slot of START is sealed, not freed. Its next lap starts at +12m.
    let phase = world.core().ring().map(|row| row.phase).next();
    assert_eq!(phase, Some(RingPhase::Sealed));
    steps(
        &mut world,
        "register b 190s        => 2 created
         wheel                  => a#1, b#1",
    );
    let view = world.view("b").unwrap();
    let next_door = Instance(Millis(START + 750_000)).slot();
    assert_eq!(view.slot, Some(Topic::Bucket(next_door).name()));
}

#[test]
fn far_tasks_wait_in_the_index_and_are_planted_when_the_horizon_reaches_them() {
    let mut world = World::new();
    steps(
        &mut world,
        "register a 10m         => 1 created
         register b 6m          => 2 created
         time 50s               =>
         wheel                  =>
         time 20s               =>
         wheel                  => b#1
         lose                   =>
         time 4m                =>
         wheel                  => b#1, a#1",
    );
}

#[test]
fn a_near_task_costs_one_index_record_and_so_does_its_end() {
    let mut world = World::new();
    steps(&mut world, "register a 10s => 1 created");
    // A new table says once by which time zone data it plans.
    let (task, ring, zones) = (1, 1, 1);
    assert_eq!(index_records(&world), task + ring + zones);
    steps(&mut world, "fire a => \n end a success =>");
    assert_eq!(index_records(&world), 2 * task + ring + zones);
}

#[test]
fn overdue_work_takes_three_quarters_of_an_instance_and_goes_on_in_the_next() {
    let config = PlannerConfig {
        instance_bytes: 20_000,
        late_bytes: 15_000,
        ..PlannerConfig::default()
    };
    let mut world = World::with(config, Shard(0), 1);
    for n in 0..300 {
        let body = json!({"tenant": "t", "id": format!("late-{n}"),
            "schedule": {"at": START - 60_000}, "call": {"url": "http://h/"}});
        world.ask(Topic::Registrations, &body);
    }
    world.pump();
    let row = *world.core().ring().next().unwrap();
    assert!(
        row.late_bytes <= 15_000 && row.late_bytes > 14_000,
        "{row:?}"
    );
    register_many(&mut world, Topic::Registrations, "near", 100, "10s");
    world.pump();
    let row = *world.core().ring().next().unwrap();
    assert!(row.bytes <= 20_000 && row.bytes > 19_000, "{row:?}");
    let planted = world.behind.planted().len();
    let mut seen = planted;
    for _ in 0..20 {
        world.now = world.now.plus(30_000);
        world.pump();
        let now = world.behind.planted().len();
        assert!(now >= seen);
        seen = now;
    }
    assert_eq!(seen, 400, "everything is planted in the end, once");
    for row in world.core().ring() {
        assert!(row.bytes <= 20_000, "{row:?}");
    }
}

#[test]
fn a_backlog_is_planted_in_paced_steps_nearest_first() {
    let config = PlannerConfig {
        turn_placements: 10,
        ..PlannerConfig::default()
    };
    let mut world = World::with(config, Shard(0), 1);
    register_many(&mut world, Topic::RegistrationsBulk, "far", 50, "20m");
    register_many(&mut world, Topic::RegistrationsBulk, "nearer", 50, "19m");
    world.pump();
    world.now = world.now.plus(17 * 60_000);
    world.pump();
    let planted = world.behind.planted();
    assert_eq!(planted.len(), 100);
    assert!(planted[..50].iter().all(|name| name.starts_with("nearer")));
}

#[test]
fn a_clock_that_jumps_back_is_not_followed() {
    let mut world = World::new();
    steps(
        &mut world,
        "register a 10s         => 1 created
         time 40s               =>",
    );
    world.now = Millis(START);
    steps(
        &mut world,
        "register b at=5000     => 2 created
         wheel                  => a#1, b#1",
    );
    // As a new owner whose clock is behind: the instance is sealed, so the next one takes it.
    world.crash();
    steps(
        &mut world,
        "register c at=5000     => 3 created
         wheel                  => a#1, b#1, c#1",
    );
}

#[test]
fn pending_tasks_cost_no_memory_beyond_two_turns() {
    let mut world = World::new();
    for part in 0..20 {
        register_many(
            &mut world,
            Topic::RegistrationsBulk,
            &format!("p{part}"),
            500,
            "30d",
        );
        world.pump();
        assert_eq!(world.core().rows_in_memory(), 0);
    }
}
