//! A table rebuilt is the table that was: from the store, from the changelog, from a compacted one.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod world;

use std::collections::BTreeMap;

use pipeline::Stage;
use planner::PlannerConfig;
use rand::rngs::SmallRng;
use rand::{Rng, SeedableRng};
use schemas::{CommandAnswer, Shard, Topic};

use world::World;
use world::script::{json, run};

fn pick<'a, T: ?Sized>(rng: &mut SmallRng, of: &[&'a T]) -> &'a T {
    of[rng.random_range(0..of.len())]
}

/// Some commands on some of few tasks.
fn ask_something(world: &mut World, rng: &mut SmallRng) {
    let count = rng.random_range(1..4);
    for _ in 0..count {
        let id = format!("task-{}", rng.random_range(0..12));
        let long = format!("payload={}", "x".repeat(1_200));
        let when = pick(rng, &["10s", "10s", "2m", "6m", "1h"]);
        let with = pick(rng, &["url=a", "url=b", "expires=1m", &long]);
        let command = pick(
            rng,
            &[
                "register",
                "register",
                "register",
                "cancel",
                "cancel",
                "reschedule",
                "touch",
                "run",
                "pause",
                "resume",
                "update",
            ],
        );
        let words: Vec<&str> = match command {
            "register" => vec![command, &id, when, "url=a", with],
            "reschedule" => vec![command, &id, when],
            "update" => vec![command, &id, with],
            _ => vec![command, &id],
        };
        let lane = pick(rng, &[&Topic::Registrations, &Topic::RegistrationsBulk]);
        world.ask(*lane, &json(&words));
    }
    world.pump();
}

/// Some command on some of few tasks, or something behind, or some time.
fn step(world: &mut World, rng: &mut SmallRng) {
    let wheel = world.behind.wheel_ids();
    let open = world.behind.open_ids();
    match rng.random_range(0..20) {
        0..=9 => ask_something(world, rng),
        10..=12 if !wheel.is_empty() => {
            let id = &wheel[rng.random_range(0..wheel.len())];
            run(world, &format!("fire {id}"));
        }
        13..=15 if !open.is_empty() => {
            let (id, began) = &open[rng.random_range(0..open.len())];
            let how = match began {
                false => pick(rng, &["begin", "begin", "end hold 5s", "end expired"]),
                true => pick(
                    rng,
                    &["end success", "end again 10s", "end again 7m", "end dead"],
                ),
            };
            let words: Vec<&str> = how.split(' ').collect();
            run(
                world,
                &[&words[..1], &[id.as_str()], &words[1..]]
                    .concat()
                    .join(" "),
            );
        }
        16 => {
            run(world, pick(rng, &["stop", "go", "go"]));
        }
        17 => {
            run(
                world,
                pick(rng, &["time 1s", "time 10s", "time 2m", "time 9m"]),
            );
        }
        _ => {
            let when = pick(rng, &["late"]);
            if let Some(id) = wheel.first() {
                run(world, &format!("{when} {id}"));
            }
        }
    }
}

/// The pictures of a live core, of one over its store, of one without, must be the same.
fn same_after_restarts(world: &mut World, place: &str) {
    let live = world.picture();
    world.crash();
    world.pump();
    assert_eq!(world.picture(), live, "{place}: from the store");
    world.lose();
    world.pump();
    assert_eq!(world.picture(), live, "{place}: from the changelog");
    world.compact();
    world.lose();
    world.pump();
    assert_eq!(
        world.picture(),
        live,
        "{place}: from the compacted changelog"
    );
}

#[test]
fn a_rebuilt_table_is_the_table_that_was_and_every_command_is_answered_once() {
    for seed in 0..60 {
        let mut rng = SmallRng::seed_from_u64(seed);
        let config = PlannerConfig {
            turn_commands: 16,
            turn_outcomes: 7,
            turn_placements: 3,
            turn_forgotten: 2,
            instance_bytes: 6_000,
            late_bytes: 4_000,
            list_rows: 5,
            ..PlannerConfig::default()
        };
        let mut world = World::with(config, Shard(0), 1);
        world.abort_all = seed % 3 == 1;
        let mut told: BTreeMap<u128, CommandAnswer> = BTreeMap::new();
        let mut versions: BTreeMap<u64, u128> = BTreeMap::new();
        world.keep_answers = true;
        for n in 0..120 {
            step(&mut world, &mut rng);
            if n % 20 == 19 {
                world.pump();
                same_after_restarts(&mut world, &format!("seed {seed}, step {n}"));
            }
        }
        run(&mut world, "go");
        finish(&mut world);
        for (request, answer) in std::mem::take(&mut world.answers) {
            if let CommandAnswer::Created { version, .. } = answer {
                let other = versions.insert(version, request);
                assert_eq!(other, None, "seed {seed}: version {version} given twice");
            }
            let other = told.insert(request, answer);
            assert_eq!(other, None, "seed {seed}: {request} was answered twice");
        }
        let asked = world.requests();
        let silent: Vec<u128> = (1..=asked).filter(|n| !told.contains_key(n)).collect();
        assert!(silent.is_empty(), "seed {seed}: nobody told {silent:?}");
        let left = world.rows_of_index();
        assert!(left.is_empty(), "seed {seed}: {left:?} is never forgotten");
    }
}

/// Fires all there is, ends it, and lets time pass until everything is forgotten.
fn finish(world: &mut World) {
    for round in 0..300 {
        for id in world.behind.wheel_ids() {
            if world.behind.wheel_ids().contains(&id) {
                run(world, &format!("fire {id}"));
            }
        }
        for (id, _) in world.behind.open_ids() {
            if world.behind.open_ids().iter().any(|(open, _)| *open == id) {
                run(world, &format!("end {id} success"));
            }
        }
        for n in 0..12 {
            if round == 200 {
                world.ask(
                    Topic::Registrations,
                    &json(&["cancel", &format!("task-{n}")]),
                );
            }
        }
        run(world, "time 30s");
    }
}

#[test]
fn a_local_table_that_does_not_decode_is_built_anew_from_its_changelog() {
    let long = format!("register long 1h url=a payload={}", "x".repeat(1_200));
    // What the store knows of itself, in a layout of no release; tasks, ring and marks, as garbage.
    for prefix in *b"!tru" {
        let mut world = World::new();
        for line in ["register a 1h", "register b 10s", "cancel c", &long] {
            run(&mut world, line);
        }
        let live = world.picture();
        assert!(world.spoil(prefix, b"\xffgarbage") > 0);
        // Some rows are read only when somebody asks.
        world.pump();
        drop(world.picture());
        run(&mut world, "register c 1h");
        let name = char::from(prefix);
        assert_eq!(world.broken, None, "{name}");
        run(&mut world, "cancel c");
        let now = world.picture();
        let kept: Vec<&str> = now.lines().filter(|it| !it.contains("\"c\"")).collect();
        assert_eq!(kept, live.lines().collect::<Vec<_>>(), "{name}");
        same_after_restarts(&mut world, &format!("spoilt {name}"));
    }
}

#[test]
fn a_changelog_that_does_not_decode_stops_the_shard_which_can_still_be_given_up() {
    let mut world = World::new();
    run(&mut world, "register a 1h");
    let row = world.log.get_mut(&Topic::Index).unwrap();
    let row = row
        .iter_mut()
        .find(|it| it.key.as_ref().unwrap()[0] == b't');
    row.unwrap().value = Some(bytes::Bytes::from_static(b"garbage"));
    world.lose();
    world.pump();
    let reason = world.broken.clone().unwrap();
    assert!(reason.contains("cannot understand"), "{reason}");
    let now = world.clock();
    world.core().handle_revoke(now);
    assert!(world.core().is_idle());
    assert!(world.core().take_turn(now).positions.is_empty());
}

#[test]
fn a_table_whose_positions_are_gone_stands_still_rather_than_plan_it_all_again() {
    let mut world = World::new();
    run(&mut world, "register a 1h");
    run(&mut world, "register b 10s");
    same_after_restarts(&mut world, "whole");
    assert_eq!(world.broken, None);
    world.crash();
    world.forget_positions();
    world.pump();
    let reason = world.broken.unwrap();
    assert!(
        reason.contains("position of `registrations` is gone"),
        "{reason}"
    );
}
