//! Recalls: at every moment of a fire's life.

mod world;

use dispatcher::Config;
use schemas::outcome::Decision;
use schemas::{OutcomeRecord, Purpose, Work};
use world::{NORMAL, World, ok, recall, status, task, wish};

fn config() -> Config {
    Config::default()
}

/// Something that happens to a world whose fire 1 is due at 5,100.
type Step = fn(&mut World);

/// A recall of leg 1 arrives.
fn take_back(world: &mut World) {
    world.write(NORMAL, recall(1, 1, Purpose::Cancel));
    world.read();
}

/// Fire 1 is read at `read_at`; `before`, then the recall, then `after`; then all of its outcomes
/// are `expected`, and a restart adds none.
fn check(name: &str, read_at: u64, before: Step, after: Step, expected: &[&str]) {
    let mut world = World::new(config());
    world.at(4_000);
    world.turn();
    world.write(NORMAL, wish(1, 5_100).record());
    world.at(read_at);
    world.read();
    before(&mut world);
    take_back(&mut world);
    after(&mut world);
    world.turn();
    assert_eq!(world.ends(1), expected, "{name}");
    world.crash();
    world.read();
    world.turn();
    world.turn();
    assert_eq!(world.ends(1), expected, "{name}: told once");
}

#[test]
fn a_recall_is_decided_by_where_it_meets_its_fire() {
    let nothing: Step = |_| {};
    let called: Step = |w| w.at(5_100);
    let succeeds: Step = |w| w.answer(1, ok());
    let ended: Step = |w| {
        w.at(5_100);
        w.answer(1, ok());
    };
    let committed: Step = |w| {
        w.at(5_100);
        w.answer(1, ok());
        w.turn();
    };
    let cases: [(&str, Step, Step, &[&str]); 8] = [
        ("held", nothing, |w| w.at(9_000), &["Cancelled"]),
        ("due now", |w| w.at(5_099), called, &["Cancelled"]),
        ("called", called, succeeds, &["TooLate", "Success"]),
        (
            "called, fails",
            called,
            |w| w.answer(1, status(500)),
            &["TooLate", "Retry 2 at 6100"],
        ),
        ("ended", ended, nothing, &["Success", "Gone"]),
        ("committed", committed, nothing, &["Success", "Gone"]),
        ("recalled", take_back, nothing, &["Cancelled", "Gone"]),
        (
            "called, did not begin after all",
            called,
            |w| {
                w.at(20_000);
                w.not_begun(1);
                w.turn();
                w.answer(1, ok());
            },
            &["TooLate", "Success"],
        ),
    ];
    for (name, before, after, expected) in cases {
        check(name, 5_000, before, after, expected);
    }
}

#[test]
fn a_new_owner_cancels_nothing_while_its_predecessor_may_call() {
    let cases: [(&str, Step, Step, &[&str]); 2] = [
        (
            "due in its quiet time",
            |w| {
                w.at(4_500);
                w.crash();
                w.read();
                w.turn();
            },
            |w| {
                w.at(5_099);
                w.turn();
                assert_eq!(w.ends(1), Vec::<String>::new(), "not decided yet");
                w.at(9_600);
            },
            &["TooLate"],
        ),
        (
            "not proved in its quiet time",
            |w| {
                w.at(4_500);
                w.crash();
                w.read();
            },
            |w| w.at(9_600),
            &["Cancelled"],
        ),
    ];
    for (name, before, after, expected) in cases {
        check(name, 4_000, before, after, expected);
    }
}

#[test]
fn a_recall_of_one_leg_leaves_another_alone() {
    let next_leg: Step = |w| {
        w.at(5_100);
        w.answer(1, status(500));
        w.turn();
        let leg = world::Wish {
            leg: 2,
            attempt: 2,
            ..wish(1, 6_100)
        };
        w.fire(NORMAL, &leg);
    };
    let called: Step = |w| {
        w.at(6_100);
        w.answer(1, ok());
    };
    // Of one turn, what ended well comes first: the recall was not about it.
    let expected = ["Retry 2 at 6100", "Success", "Gone"];
    check("another leg", 5_000, next_leg, called, &expected);
}

#[test]
fn a_cancelled_fire_gives_its_work_back() {
    let mut world = World::proved(config());
    let fire = wish(1, 5_100);
    world.fire(NORMAL, &fire);
    world.write(NORMAL, recall(1, 1, Purpose::Move));
    world.read();
    world.turn();
    let [OutcomeRecord::Recalled(recalled, body)] = &world.outcomes[..] else {
        panic!("{:?}", world.outcomes);
    };
    assert_eq!(recalled.decision, Decision::Cancelled);
    assert_eq!(recalled.purpose, Purpose::Move);
    assert_eq!(recalled.task, Some(task(1)));
    let (work, payload) = Work::decode(body).expect("its work");
    assert_eq!((work, &payload[..]), (fire.work(), fire.payload));
    assert_eq!(world.begun, []);
}

#[test]
fn a_fire_that_ends_while_its_recall_waits_leaves_it_gone() {
    let expires_at = Some(4_300);
    for (due, expected) in [(4_200, "Expired"), (9_000, "Hold 1 at 9000")] {
        let mut world = World::new(config());
        world.at(3_900);
        world.write(
            NORMAL,
            world::Wish {
                expires_at: expires_at.filter(|at| *at > due),
                ..wish(1, due)
            }
            .record(),
        );
        world.write(NORMAL, recall(1, 1, Purpose::Cancel));
        world.read();
        world.at(4_400);
        world.turn();
        world.turn();
        assert_eq!(world.ends(1), [expected, "Gone"]);
        assert_eq!(world.committed[&NORMAL].offset, 2);
    }
}

#[test]
fn a_call_that_a_recall_was_told_of_begins_even_behind_its_expiry() {
    let mut world = World::proved(config());
    let fire = world::Wish {
        expires_at: Some(6_000),
        ..wish(1, 5_100)
    };
    world.fire(NORMAL, &fire);
    world.at(5_100);
    take_back(&mut world);
    world.at(20_000);
    world.not_begun(1);
    world.turn();
    assert!(world.is_called(1));
    world.answer(1, ok());
    world.turn();
    assert_eq!(world.ends(1), ["TooLate", "Success"]);
}
