//! What comes in at the wrong place, or is not understood.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod world;

use bytes::Bytes;
use planner::PlannerConfig;
use schemas::index::Forward;
use schemas::{DeadLetter, Millis, RequestId, Shard, TenantId, Topic};
use serde_json::{Value, json};

use world::script::word;
use world::{START, World, task};

/// A task of the one shard of two, and of the other.
fn ids() -> (String, String) {
    let shards = schemas::Shards::new(2).unwrap();
    let of = |shard| {
        let mut names = (0..).map(|n| format!("task-{n}"));
        names
            .find(|id| task(id).shard(shards) == Shard(shard))
            .unwrap()
    };
    (of(0), of(1))
}

fn body(op: &str, id: &str) -> Value {
    match op {
        "register" => json!({"tenant": "t", "id": id, "schedule": {"after": "1h"},
            "call": {"url": "http://h/"}}),
        op => json!({"op": op, "tenant": "t", "id": id}),
    }
}

fn world() -> World {
    World::with(PlannerConfig::default(), Shard(0), 2)
}

/// Hands a world a forward as another shard would.
fn forward(world: &mut World, offset: i64, appended: i64, request: u128, body: &Value) {
    let forward = Forward {
        topic: Topic::Registrations,
        shard: Shard(1),
        offset,
        appended: Millis(appended),
        request: Some(RequestId(request)),
    };
    let value = forward.encode(&serde_json::to_vec(body).unwrap());
    world.append(Topic::Forwards, Some(value), Vec::new());
    world.pump();
}

fn told(world: &mut World) -> Vec<String> {
    let told = std::mem::take(&mut world.answers);
    told.iter()
        .map(|(n, answer)| format!("{n} {}", word(answer)))
        .collect()
}

fn letters(world: &World) -> Vec<DeadLetter> {
    let records = world
        .log
        .get(&Topic::DeadLetters)
        .map_or(&[][..], Vec::as_slice);
    let decode = |r: &pipeline::Record| DeadLetter::decode(r.value.as_ref().unwrap()).unwrap();
    records.iter().map(decode).collect()
}

#[test]
fn a_command_of_another_shard_is_passed_on_with_all_it_came_with() {
    let (_, other) = ids();
    let mut world = world();
    let request = world.ask(Topic::Registrations, &body("register", &other));
    world.pump();
    assert!(told(&mut world).is_empty());
    let [record] = world.outside.as_slice() else {
        panic!("one forward, not {:?}", world.outside);
    };
    assert_eq!(
        (record.to.topic, record.to.shard),
        (Topic::Forwards, Shard(1))
    );
    let (forward, command) = Forward::decode(record.value.as_ref().unwrap()).unwrap();
    let expected = Forward {
        topic: Topic::Registrations,
        shard: Shard(0),
        offset: 0,
        appended: Millis(START),
        request: Some(RequestId(request)),
    };
    assert_eq!(forward, expected);
    let sent: Value = serde_json::from_slice(&command).unwrap();
    assert_eq!(sent, body("register", &other));
}

#[test]
fn a_forward_counts_once_however_often_it_is_sent() {
    let (own, _) = ids();
    let mut world = world();
    for (offset, op, expected) in [
        (3, "register", "1 created"),
        (3, "register", ""),
        (7, "cancel", "1 cancelled"),
        (3, "register", ""),
        (7, "cancel", ""),
        (8, "register", "1 created"),
    ] {
        forward(&mut world, offset, START, 1, &body(op, &own));
        assert_eq!(told(&mut world).join(", "), expected, "{offset} {op}");
        world.lose();
    }
}

#[test]
fn a_cancel_of_an_unknown_task_stops_a_register_that_took_the_longer_way() {
    let (own, _) = ids();
    let cases = [
        ("appended before the cancel", START - 5, 0, "cancelled"),
        ("appended behind it", START + 5, 0, "created"),
        ("the mark is too old", START - 5, 11 * 60_000, "created"),
    ];
    for (name, appended, wait, expected) in cases {
        let mut world = world();
        world.ask(Topic::Registrations, &body("cancel", &own));
        world.pump();
        assert_eq!(told(&mut world), ["1 unknown"], "{name}");
        world.now = world.now.plus(wait);
        world.lose();
        forward(&mut world, 1, appended, 9, &body("register", &own));
        assert_eq!(told(&mut world), [format!("9 {expected}")], "{name}");
    }
    let mut world = world();
    world.ask(Topic::Registrations, &body("cancel", &own));
    world.ask(Topic::Registrations, &body("register", &own));
    world.pump();
    assert_eq!(
        told(&mut world),
        ["1 unknown", "2 created"],
        "not forwarded"
    );
}

#[test]
fn what_is_not_understood_becomes_a_dead_letter_and_stops_nothing() {
    let (own, other) = ids();
    let mut world = world();
    for garbage in ["", "{", "[1]", "{\"op\":\"register\"}", "\u{0}\u{1}"] {
        world.append(Topic::Registrations, Some(Bytes::from(garbage)), Vec::new());
        world.append(Topic::Forwards, Some(Bytes::from(garbage)), Vec::new());
        world.append(Topic::Outcomes, Some(Bytes::from(garbage)), Vec::new());
    }
    world.append(Topic::Registrations, None, Vec::new());
    world.pump();
    // A home that is not ours either: somebody forwarded it wrongly.
    forward(&mut world, 1, START, 7, &body("register", &other));
    world.ask(Topic::Registrations, &body("register", &own));
    let mut bad = body("register", &own);
    bad["misspelt"] = json!(1);
    world.ask(Topic::Registrations, &bad);
    world.pump();
    assert_eq!(
        told(&mut world),
        ["7 refused ", "1 created", "2 refused misspelt"]
    );
    let letters = letters(&world);
    assert_eq!(letters.len(), 5 * 3 + 1 + 1 + 1);
    assert!(letters.iter().all(|letter| !letter.reason.is_empty()));
    let last = letters.last().unwrap();
    assert_eq!(last.original, serde_json::to_vec(&bad).unwrap());
    assert_eq!(last.origin.topic, "registrations");
    assert!(world.outside.is_empty());
}

#[test]
fn an_intake_takes_tasks_of_its_tenant_only() {
    let (own, other) = ids();
    let config = PlannerConfig {
        intakes: vec![TenantId::new("shop").unwrap(), TenantId::new("t").unwrap()],
        ..PlannerConfig::default()
    };
    let mut world = World::with(config, Shard(0), 2);
    world.ask(Topic::Intake(0), &body("register", &own));
    world.ask(Topic::Intake(1), &body("register", &own));
    world.ask(Topic::Intake(0), &body("register", &other));
    world.ask(Topic::Intake(1), &body("register", &other));
    world.pump();
    let mut told = told(&mut world);
    told.sort();
    assert_eq!(told, ["1 refused tenant", "2 created", "3 refused tenant"]);
    assert_eq!((letters(&world).len(), world.outside.len()), (2, 1));
}
