//! Commands on many tasks at once.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod world;

use planner::PlannerConfig;
use schemas::index::Forward;
use schemas::{DeadLetter, Millis, RequestId, Shard, Shards, Topic};
use serde_json::{Value, json};

use world::script::{check, json as command, run};
use world::{START, World};

#[test]
fn a_pause_by_tag_meets_those_with_the_tag_and_no_others() {
    check(
        "waiting, planted, recurring; a tag, another, none",
        "register a 1h tags=x,y  => 1 created
         register b 1m tags=x    => 2 created
         register c 1h tags=y    => 3 created
         register d 1h           => 4 created
         register e every=20s tags=x => 5 created
         pause #x                =>
         sweep 6                 => 3 of 5 changed 3
         show a                  => paused
         show b                  => paused
         show c                  => pending
         show d                  => pending
         show e                  => paused
         pause #x                =>
         sweep 7                 => 3 of 5 unchanged 3
         sweep 9                 => none
         resume #x               =>
         sweep 8                 => 3 of 5 changed 3
         show a                  => pending
         show b                  => scheduled
         show e                  => scheduled",
    );
    check(
        "all, but none that ended",
        "register a 1h           => 1 created
         register b 1h           => 2 created
         cancel a                => 3 cancelled
         cancel #all             =>
         sweep 4                 => 1 of 2 cancelled 1
         show b                  => cancelled",
    );
}

#[test]
fn what_comes_later_is_not_touched() {
    check(
        "registered and changed behind it",
        "register a 1h tags=x    => 1 created
         pause #x                =>
         register b 1h tags=x    => 3 created
         resume a                => 4 changed
         cancel a                => 5 cancelled
         register a 1h tags=x    => 6 created
         show a                  => pending
         show b                  => pending",
    );
    check(
        "a tag that an update gave or took",
        "register a 1h tags=x    => 1 created
         register b 1h           => 2 created
         update a tags=y         => 3 changed
         update b tags=x         => 4 changed
         cancel #x               =>
         sweep 5                 => 1 of 2 cancelled 1
         show a                  => pending
         show b                  => cancelled",
    );
}

#[test]
fn what_is_planted_is_counted_once_it_is_decided() {
    check(
        "taken back, begun, and who asks meanwhile",
        "register a 1m tags=x    => 1 created
         register b 1m tags=x    => 2 created
         register c 1h tags=x    => 3 created
         fire b                  =>
         begin b                 =>
         stop                    =>
         cancel #x               =>
         sweep 4                 => 3 of 3 undecided 2 cancelled 1
         cancel a                =>
         go                      => 5 cancelled
         sweep 4                 => 3 of 3 cancelled 2 too_late 1
         end b again 5s          =>
         show b                  => cancelled
         wheel                   =>",
    );
    check(
        "a pause, then a resume, while all is still being decided",
        "register a 1m tags=x    => 1 created
         register e every=20s tags=x => 2 created
         stop                    =>
         pause #x                =>
         resume #x               =>
         go                      =>
         sweep 3                 => 2 of 2 changed 2
         sweep 4                 => 2 of 2 changed 2
         show a                  => scheduled
         show e                  => scheduled",
    );
    check(
        "a register behind a cancel that is not decided: the sweep meets it by its own tags",
        "register a 1m tags=x    => 1 created
         register b 1m tags=y    => 2 created
         stop                    =>
         cancel a                =>
         register a 1m tags=y    =>
         cancel b                =>
         register b 1m tags=x    =>
         cancel #x               => 6 conflict
         go                      => 3 cancelled, 4 created, 5 cancelled
         sweep 7                 => 1 of 2 cancelled 1
         show a                  => scheduled
         show b                  => cancelled",
    );
    check(
        "steps that wait are held back, those that ended are not",
        "register g/a 1h tags=x  => 1 created
         register g/b needs=a tags=x => 2 created
         pause #x                =>
         sweep 3                 => 2 of 2 changed 2
         show g/b                => paused
         resume #x               =>
         show g/b                => held
         cancel #x               =>
         sweep 5                 => 2 of 2 cancelled 2",
    );
}

fn small() -> PlannerConfig {
    PlannerConfig {
        turn_swept: 7,
        ..PlannerConfig::default()
    }
}

/// Many tasks, more than a few turns look at.
fn many(world: &mut World) {
    for n in 0..200 {
        let tag = if n % 2 == 0 { "tags=x" } else { "tags=y" };
        let id = format!("task-{n:03}");
        let when = if n % 3 == 0 { "2m" } else { "2h" };
        world.ask(
            Topic::Registrations,
            &command(&["register", &id, when, tag]),
        );
    }
    world.pump();
    world.answers.clear();
}

#[test]
fn it_goes_on_where_it_was_whatever_is_lost() {
    for (abort_all, lose) in [(false, false), (true, false), (true, true)] {
        let mut world = World::with(small(), Shard(0), 1);
        many(&mut world);
        (world.abort_all, world.lose_stores) = (abort_all, lose);
        let request = world.ask(Topic::Registrations, &command(&["pause", "#x"]));
        // A turn at a time, the core gone between two of them.
        let mut turns = 0;
        while !world.sweep(request).ends_with("changed 100") {
            world.step();
            turns += 1;
            assert!(turns < 10_000, "{}", world.sweep(request));
            if turns % 3 == 0 {
                world.crash();
            }
        }
        assert!(turns > 20, "a few tasks a turn");
        world.pump();
        assert_eq!(world.sweep(request), "100 of 200 changed 100");
        world.lose();
        world.pump();
        world.compact();
        world.lose();
        world.pump();
        assert_eq!(world.sweep(request), "100 of 200 changed 100");
        let paused = (0..200).filter(|n| {
            let view = world.view(&format!("task-{n:03}")).unwrap();
            view.state == schemas::TaskState::Paused
        });
        assert_eq!(paused.count(), 100);
        assert!(world.answers.is_empty(), "nobody else was told");
        run(&mut world, "time 61m");
        assert_eq!(world.sweep(request), "none", "in the end it is forgotten");
    }
}

#[test]
fn two_of_them_come_true_in_their_order_and_spare_what_came_between() {
    let mut world = World::with(small(), Shard(0), 1);
    many(&mut world);
    let pause = world.ask(Topic::Registrations, &command(&["pause", "#all"]));
    world.step();
    assert!(world.sweep(pause).ends_with("goes on"));
    let resume = world.ask(Topic::Registrations, &command(&["resume", "#x"]));
    let cancel = world.ask(Topic::Registrations, &command(&["cancel", "#y"]));
    world.ask(
        Topic::Registrations,
        &command(&["register", "task-190b", "2h", "tags=y"]),
    );
    world.step();
    let waiting = world.sweep(resume);
    assert!(
        waiting.starts_with("0 of 0"),
        "{waiting}: one behind the other"
    );
    world.pump();
    assert_eq!(world.sweep(pause), "200 of 201 changed 200");
    assert_eq!(world.sweep(resume), "100 of 201 changed 100");
    assert_eq!(world.sweep(cancel), "100 of 201 cancelled 100");
    world.answers.clear();
    assert_eq!(run(&mut world, "show task-190b"), "pending");
}

#[test]
fn it_is_passed_on_to_all_other_shards_once() {
    let mut world = World::with(PlannerConfig::default(), Shard(1), 3);
    let body = json!({"op": "pause", "tenant": "t", "tag": "x"});
    let request = world.ask(Topic::RegistrationsBulk, &body);
    world.pump();
    assert_eq!(world.sweep(request), "0 of 0");
    let homes: Vec<u16> = world.outside.iter().map(|it| it.to.shard.0).collect();
    assert_eq!(homes, [0, 2]);
    for record in &world.outside {
        let (forward, value) = Forward::decode(record.value.as_ref().unwrap()).unwrap();
        assert_eq!(record.to.topic, Topic::Forwards);
        assert_eq!((forward.shard, forward.offset), (Shard(1), 0));
        assert_eq!(forward.request, Some(RequestId(request)));
        let value: Value = serde_json::from_slice(&value).unwrap();
        assert_eq!(value, body);
    }
}

#[test]
fn one_that_was_passed_on_counts_once_and_goes_no_further() {
    let shards = Shards::new(2).unwrap();
    let own = (0..)
        .map(|n| format!("task-{n}"))
        .find(|id| world::task(id).shard(shards) == Shard(0))
        .unwrap();
    let mut world = World::with(PlannerConfig::default(), Shard(0), 2);
    run(&mut world, &format!("register {own} 1h tags=x"));
    let forward = Forward {
        topic: Topic::Registrations,
        shard: Shard(1),
        offset: 5,
        appended: Millis(START),
        request: None,
    };
    let body = json!({"op": "pause", "tenant": "t", "all": true});
    let value = forward.encode(&serde_json::to_vec(&body).unwrap());
    for _ in 0..2 {
        world.append(Topic::Forwards, Some(value.clone()), Vec::new());
        world.pump();
        world.lose();
    }
    assert!(world.outside.is_empty());
    world.pump();
    // Nobody named it: it is called by where it stood.
    let id = RequestId::of_place("registrations", Shard(1), 5);
    assert_eq!(world.sweep(id.0), "1 of 1 changed 1");
    assert_eq!(run(&mut world, &format!("show {own}")), "paused");
}

#[test]
fn names_that_planners_give_are_nobody_elses() {
    let mut world = World::new();
    let request = RequestId::of_sweep(7).to_string();
    let header = (schemas::answer::REQUEST_HEADER.to_owned(), request.into());
    let body = serde_json::to_vec(&command(&["register", "a", "1h"])).unwrap();
    world.append(Topic::Registrations, Some(body.into()), vec![header]);
    world.pump();
    assert!(world.answers.is_empty());
    assert_eq!(run(&mut world, "show a"), "pending");
}

#[test]
fn more_than_can_be_held_are_refused_and_kept_for_people() {
    let mut world = World::new();
    run(&mut world, "register a 1m");
    world.behind.stopped = true;
    for _ in 0..1_001 {
        world.ask(Topic::Registrations, &command(&["cancel", "#all"]));
    }
    world.pump();
    let letters = world
        .log
        .get(&Topic::DeadLetters)
        .map_or(&[][..], Vec::as_slice);
    let [letter] = letters else {
        panic!("one letter, not {}", letters.len());
    };
    let letter = DeadLetter::decode(letter.value.as_ref().unwrap()).unwrap();
    assert!(
        letter.reason.contains("1000 commands on many"),
        "{}",
        letter.reason
    );
    world.behind.stopped = false;
    world.pump();
    assert_eq!(run(&mut world, "sweep 2"), "1 of 1 cancelled 1");
    world.ask(Topic::Registrations, &command(&["cancel", "#all"]));
    world.pump();
    assert_eq!(run(&mut world, "sweep 2"), "none", "the oldest made room");
}
