//! The whole core through its public verbs.

mod world;

use bytes::Bytes;
use dispatcher::{Config, Input, Reply};
use pipeline::Stage;
use schemas::{AnswerBody, Millis};
use world::{EPOCH, HIGH, LOW, NORMAL, SESSION_MS, World, id, ok, status, task, wish};

fn config() -> Config {
    Config::default()
}

#[test]
fn a_fire_is_held_to_the_millisecond() {
    let mut world = World::proved(config());
    world.fire(NORMAL, &wish(1, 5_100));
    world.fire(HIGH, &wish(2, 5_101));
    world.fire(LOW, &wish(3, 4_000));
    assert!(world.is_called(3), "overdue ones are called at once");
    for (mono, first, second) in [
        (5_099, false, false),
        (5_100, true, false),
        (5_101, true, true),
    ] {
        world.at(mono);
        assert_eq!(world.is_called(1), first, "{mono}");
        assert_eq!(world.is_called(2), second, "{mono}");
    }
}

#[test]
fn an_outcome_carries_every_phase_and_what_the_endpoint_said() {
    let mut world = World::proved(config());
    world.fire(NORMAL, &wish(1, 5_100));
    world.at(5_110);
    let reply = Reply::Status {
        status: 201,
        body: Some(AnswerBody {
            bytes: "x".repeat(5_000).into(),
            content_type: Some("text/plain".to_owned()),
            cut: false,
        }),
        retry_after: None,
    };
    world.answer(1, reply);
    assert!(world.core.wants_turn(world.now()));
    world.turn();
    let ended = world.ended(1);
    assert_eq!(
        (ended.task.clone(), ended.version, ended.occurrence),
        (task(1), 4, 2)
    );
    let answer = ended.answer.as_ref().expect("a call began");
    assert_eq!((answer.status, &answer.error), (Some(201), &None));
    let body = answer.body.as_ref().expect("there is one");
    assert_eq!((body.bytes.len(), body.cut), (4_096, true));
    assert_eq!(body.content_type.as_deref(), Some("text/plain"));
    let phases = ended.phases;
    let times = [
        (phases.registered_at, -2_000),
        (phases.planted_at, -1_000),
        (phases.due, 5_093),
        (phases.leg_due, 5_100),
        (phases.triggered_at, 4_950),
        (phases.received_at, 5_000),
        (phases.began_at.expect("began"), 5_107),
        (phases.ended_at, 5_110),
    ];
    for (time, expected) in times {
        assert_eq!(time.0 - EPOCH, expected);
    }
}

fn failed(error: &str) -> Reply {
    Reply::Failed {
        error: error.to_owned(),
        status: None,
    }
}

fn wished(status: u16, after: &str) -> Reply {
    Reply::Status {
        status,
        body: None,
        retry_after: Some(after.to_owned()),
    }
}

/// Attempt, of so many, expiry.
type Leg = (u32, u32, Option<i64>);

/// A world whose one fire, `leg`, was answered with `reply` at 5,200, and where it stood.
fn answered(leg: Leg, reply: Reply) -> (World, i64) {
    let mut world = World::proved(config());
    let (attempt, max_attempts, expires_at) = leg;
    let fire = world::Wish {
        attempt,
        max_attempts,
        expires_at,
        ..wish(1, 5_100)
    };
    let offset = world.fire(NORMAL, &fire);
    world.at(5_200);
    world.answer(1, reply);
    world.turn();
    assert_eq!(world.ended(1).attempt, attempt);
    (world, offset)
}

#[test]
fn a_reply_is_a_success_or_asks_for_another_attempt() {
    let first = (1, 3, None);
    let cases: [(Leg, Reply, &str); 14] = [
        (first, status(200), "Success"),
        ((3, 3, None), status(204), "Success"),
        (first, wished(202, "9"), "Success"),
        (first, status(301), "Retry 2 at 6200"),
        (first, status(404), "Retry 2 at 6200"),
        (first, status(410), "Retry 2 at 6200"),
        (first, status(500), "Retry 2 at 6200"),
        ((2, 3, None), status(500), "Retry 3 at 65200"),
        (first, failed("timed out"), "Retry 2 at 6200"),
        (first, wished(429, "2"), "Retry 2 at 7200"),
        (first, wished(503, "0"), "Retry 2 at 6200"),
        (first, wished(503, "999999"), "Retry 2 at 86405200"),
        (first, wished(503, "soon"), "Retry 2 at 6200"),
        ((1, 3, Some(6_200)), status(500), "Retry 2 at 6200"),
    ];
    for (leg, reply, expected) in cases {
        let (world, _) = answered(leg, reply);
        assert_eq!(world.ends(1), [expected]);
        assert_eq!(world.dead_letters.len(), 0, "{expected}");
    }
}

#[test]
fn a_retry_may_come_later_than_the_first_leg_might() {
    let mut world = World::proved(config());
    let fire = world::Wish {
        leg_expires_at: Some(5_300),
        ..wish(1, 5_100)
    };
    world.fire(NORMAL, &fire);
    world.at(5_200);
    world.answer(1, status(500));
    world.turn();
    assert_eq!(world.ends(1), ["Retry 2 at 6200"]);
}

#[test]
fn a_leg_without_another_attempt_is_dead_and_leaves_a_letter() {
    let refused = Reply::Refused {
        reason: "no such place".to_owned(),
    };
    let (last, only) = ((3, 3, None), (1, 1, None));
    let cases: [(Leg, Reply, &str); 7] = [
        (last, status(500), "answered 500; attempt 3 was the last"),
        (
            only,
            status(302),
            "answered 302; redirects are not followed; attempt 1 was the last",
        ),
        (
            only,
            wished(503, "5"),
            "answered 503; attempt 1 was the last",
        ),
        (
            only,
            failed("timed out"),
            "timed out; attempt 1 was the last",
        ),
        (
            (1, 3, Some(6_199)),
            status(500),
            "expired before the next attempt; attempt 1: answered 500",
        ),
        (
            (1, 3, Some(9_000)),
            wished(429, "60"),
            "expired before the next attempt; attempt 1: answered 429",
        ),
        ((1, 3, None), refused, "no such place"),
    ];
    for (leg, reply, reason) in cases {
        let (world, offset) = answered(leg, reply);
        assert_eq!(world.ends(1), [format!("Dead: {reason}")]);
        let [letter] = &world.dead_letters[..] else {
            panic!("{reason}: {:?}", world.dead_letters);
        };
        assert_eq!(letter.original, Bytes::from_static(wish(1, 0).payload));
        let task_and_fire = (letter.task.clone(), letter.fire_id);
        assert_eq!(task_and_fire, (Some(task(1)), Some(id(1))));
        let origin = &letter.origin;
        let place = (origin.topic.as_str(), origin.shard, origin.offset);
        assert_eq!(place, ("fires.normal", 3, offset));
        assert_eq!(letter.reason, reason);
    }
}

#[test]
fn a_fire_that_is_too_late_expires_and_one_that_is_far_too_early_goes_back() {
    let bound = i64::try_from(config().longest_hold_ms()).expect("short");
    // due, expiry, read at, outcome by 5,000 + bound
    let cases = [
        (4_000, Some(4_999), "Expired"),
        (4_000, Some(5_000), "called"),
        (5_000 + bound, None, "called"),
        (5_001 + bound, None, "Hold 1 at 6151"),
        (900_000, None, "Hold 1 at 900000"),
    ];
    for (due, expires_at, expected) in cases {
        let mut world = World::proved(config());
        let fire = world::Wish {
            expires_at,
            ..wish(1, due)
        };
        world.fire(NORMAL, &fire);
        world.at(5_000 + config().longest_hold_ms());
        world.turn();
        if expected == "called" {
            assert!(world.is_called(1), "due {due}, expires {expires_at:?}");
        } else {
            assert_eq!(world.ends(1), [expected]);
            assert_eq!(world.ended(1).answer, None);
            assert_eq!(world.ended(1).phases.began_at, None);
            assert_eq!(world.begun, []);
        }
    }
}

#[test]
fn no_call_begins_before_the_first_proof_or_behind_a_stale_one() {
    let mut world = World::new(config());
    assert!(world.core.wants_turn(world.now()), "proves itself at once");
    world.fire(NORMAL, &wish(1, 10));
    world.at(2_000);
    assert_eq!(world.begun, []);
    world.turn();
    assert!(world.is_called(1), "the proof came");
    world.fire(NORMAL, &wish(2, 2_000 + 4_999));
    world.fire(NORMAL, &wish(3, 2_000 + 5_000));
    assert_eq!(world.ends(2), Vec::<String>::new());
    // Both would be held too long and go back; read them when they are near.
    let mut world = World::new(config());
    world.turn();
    world.at(4_500);
    world.fire(NORMAL, &wish(2, 4_999));
    world.fire(NORMAL, &wish(3, 5_000));
    world.at(60_000);
    assert!(world.is_called(2));
    assert!(!world.is_called(3), "half a session behind the proof");
    assert_eq!(
        world.core.poll_timeout(),
        None,
        "waits for a commit, not for a time"
    );
    world.turn();
    assert!(world.is_called(3), "it waited, it did not fail");
    assert_eq!(world.calls[1].begin_by, 60_000 + SESSION_MS / 2);
}

#[test]
fn a_call_that_did_not_begin_is_held_again() {
    let mut world = World::proved(config());
    world.fire(NORMAL, &wish(1, 5_100));
    world.at(5_100);
    world.not_begun(1);
    assert!(world.is_called(1), "still proved: ordered again at once");
    world.at(20_000);
    world.not_begun(1);
    assert!(!world.is_called(1));
    world.turn();
    assert!(world.is_called(1));
    world.answer(1, ok());
    world.turn();
    assert_eq!(world.ends(1), ["Success"]);
}

#[test]
fn what_is_not_understood_is_a_dead_letter_and_stops_nobody() {
    let mut world = World::proved(config());
    let fire = schemas::Fire {
        fire_id: id(9),
        leg: 1,
        due: Millis(EPOCH),
        expires_at: None,
        triggered_at: Millis(EPOCH),
    };
    let bad_work = schemas::LaneRecord::Fire(fire, Bytes::from_static(b"junk")).encode();
    let cases = [
        (Bytes::from_static(b""), None),
        (Bytes::from_static(b"{\"op\":\"register\"}"), None),
        (bad_work, Some(id(9))),
    ];
    for (value, _) in &cases {
        world.write(NORMAL, value.clone());
    }
    world.read();
    world.turn();
    assert_eq!(world.committed[&NORMAL].offset, 3);
    assert_eq!(world.outcomes.len(), 0);
    assert_eq!(world.dead_letters.len(), cases.len());
    for ((value, fire_id), letter) in cases.iter().zip(&world.dead_letters) {
        assert_eq!((&letter.original, letter.fire_id), (value, *fire_id));
        assert!(!letter.reason.is_empty());
    }
}

#[test]
fn an_answer_for_a_core_that_is_no_more_is_dropped() {
    let mut world = World::proved(config());
    world.fire(NORMAL, &wish(1, 5_000));
    let stale = world.calls[0].token;
    world.calls.clear();
    world.crash();
    world.read();
    world.turn();
    assert!(world.is_called(1), "made again");
    let now = world.now();
    let input = Input::Answered {
        token: stale,
        reply: ok(),
        began_at: now.wall,
        ended_at: now.wall,
    };
    world.core.handle_input(input, now);
    world.turn();
    assert_eq!(world.ends(1), Vec::<String>::new());
    world.answer(1, ok());
    world.turn();
    assert_eq!(world.ends(1), ["Success"]);
}
