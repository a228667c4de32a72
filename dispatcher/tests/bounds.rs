//! What is bounded: open fires, calls in flight, notes; and what happens when a shard is given up.

mod world;

use dispatcher::Config;
use pipeline::Stage;
use schemas::{OutcomeRecord, Topic};
use world::{HIGH, LOW, NORMAL, World, id, ok, status, wish};

#[test]
fn no_more_fires_are_taken_than_may_be_open_and_one_slow_call_stops_nobody() {
    let mut world = World::proved(Config {
        max_open: 10,
        ..Config::default()
    });
    for number in 0..500 {
        world.write(NORMAL, wish(number, 0).record());
    }
    let mut answered = 0;
    while answered < 499 {
        world.read();
        assert!(world.core.calls() <= 10);
        let next = world
            .calls
            .iter()
            .map(|call| call.fire.fire_id)
            .find(|fire_id| *fire_id != id(0))
            .expect("others go on");
        let number = (1..500).find(|n| id(*n) == next).expect("one of ours");
        world.answer(number, ok());
        world.turn();
        answered += 1;
    }
    assert_eq!(
        world.committed[&NORMAL].offset, 0,
        "the slow one is still open"
    );
    world.answer(0, ok());
    world.turn();
    assert_eq!(world.committed[&NORMAL].offset, 500);
    assert_eq!(world.outcomes.len(), 500);
    assert_eq!(world.begun.len(), 500);
}

#[test]
fn large_payloads_are_bounded_by_their_bytes() {
    static LARGE: [u8; 100_000] = [b'x'; 100_000];
    let mut world = World::proved(Config {
        max_open_bytes: 1 << 20,
        ..Config::default()
    });
    for number in 0..100 {
        let fire = world::Wish {
            payload: &LARGE,
            ..wish(number, 6_000)
        };
        world.write(NORMAL, fire.record());
    }
    let mut taken = 0;
    while world.core.appetite(NORMAL) > 0 && taken < 100 {
        let record = world.logs[&NORMAL][taken].clone();
        let record = pipeline::Record {
            offset: i64::try_from(taken).expect("short"),
            appended: world.now().wall,
            key: None,
            value: record,
            headers: Vec::new(),
        };
        let position = record.offset + 1;
        world
            .core
            .handle_batch(NORMAL, vec![record], position, world.now());
        taken += 1;
    }
    assert!((5..=11).contains(&taken), "{taken}");
}

#[test]
fn due_fires_of_a_higher_lane_go_first_but_the_lower_ones_keep_their_part() {
    let mut world = World::proved(Config {
        max_calls_per_shard: 32,
        ..Config::default()
    });
    for number in 0..100 {
        world.write(LOW, wish(number, 0).record());
        world.write(NORMAL, wish(1_000 + number, 0).record());
        world.write(HIGH, wish(2_000 + number, 0).record());
    }
    world.crash();
    world.read();
    assert_eq!(world.begun, []);
    world.turn();
    let count = |world: &World, from: u32| {
        let of = (from..from + 100).map(id).collect::<Vec<_>>();
        let is_of = |call: &&dispatcher::CallOrder| of.contains(&call.fire.fire_id);
        world.calls.iter().filter(is_of).count()
    };
    let shares = [2_000, 1_000, 0].map(|from| count(&world, from));
    assert_eq!(shares, [26, 4, 2]);
    world.answer(2_000, ok());
    let shares = [2_000, 1_000, 0].map(|from| count(&world, from));
    assert_eq!(shares, [26, 4, 2], "a freed place goes to the same lane");
}

/// Answers every other of many fires that each stand behind a marker: a note that tells all of it
/// would be too long, so answers wait, and go as soon as there is room.
#[test]
fn an_answer_that_the_note_cannot_tell_of_waits_until_it_can() {
    let many = 6_000;
    let mut world = World::proved(Config {
        max_open: 10_000,
        max_calls_per_shard: 10_000,
        ..Config::default()
    });
    for number in 0..many {
        world.write(NORMAL, wish(number, 0).record());
        world.marker(NORMAL);
    }
    while world.read() > 0 {}
    assert_eq!(world.calls.len(), many as usize);
    let odd = |number: &u32| number % 2 == 1;
    for number in (0..many).filter(odd).rev() {
        world.answer(number, ok());
    }
    world.turn();
    let told = world.outcomes.len();
    let note = world.committed[&NORMAL].note.len();
    assert!((1..many as usize / 2).contains(&told), "{told}");
    assert!((3_850..=3_900).contains(&note), "{note}");
    assert!(!world.core.wants_turn(world.now()), "no turn would help");
    world.turn();
    assert_eq!(world.outcomes.len(), told);

    // A crash now makes again what waited, and nothing that was told.
    world.calls.clear();
    let begun = world.begun.len();
    world.crash();
    world.turn();
    while world.read() > 0 {}
    assert_eq!(world.begun.len() - begun, many as usize - told);
    let again: Vec<u32> = (0..many).filter(|n| world.is_called(*n)).collect();
    for number in again {
        world.answer(number, ok());
    }
    for _ in 0..20 {
        world.turn();
    }
    assert_eq!(world.outcomes.len(), many as usize);
    let position = &world.committed[&NORMAL];
    assert_eq!(
        (position.offset, position.note.as_str()),
        (2 * i64::from(many), "d1:")
    );
    assert!((0..many).step_by(97).all(|n| world.ends(n) == ["Success"]));
}

#[test]
fn a_shard_that_is_given_up_begins_nothing_new_and_commits_what_ends() {
    let mut world = World::proved(Config::default());
    world.fire(NORMAL, &wish(1, 5_000));
    world.fire(NORMAL, &wish(2, 5_500));
    world.core.handle_revoke(world.now());
    assert!(!world.core.is_idle());
    assert_eq!(world.core.appetite(NORMAL), 0);
    world.at(6_000);
    world.turn();
    assert!(!world.is_called(2));
    world.answer(1, ok());
    assert!(world.core.is_idle());
    assert!(world.core.wants_turn(world.now()));
    world.turn();
    assert_eq!(world.ends(1), ["Success"]);
    assert_eq!(world.committed[&NORMAL].offset, 1);
    world.crash();
    world.read();
    world.turn();
    assert!(world.is_called(2), "the successor goes on");
}

#[test]
fn an_order_that_was_not_handed_out_when_the_shard_is_given_up_has_not_begun() {
    let mut world = World::proved(Config::default());
    world.write(NORMAL, wish(1, 5_000).record());
    let record = pipeline::Record {
        offset: 0,
        appended: world.now().wall,
        key: None,
        value: world.logs[&NORMAL][0].clone(),
        headers: Vec::new(),
    };
    let now = world.now();
    world.core.handle_batch(NORMAL, vec![record], 1, now);
    assert!(!world.core.is_idle(), "its call is ordered");
    world.core.handle_revoke(now);
    assert!(world.core.is_idle());
    assert!(world.core.poll_effect().is_none());
}

#[test]
fn every_turn_tells_the_position_of_every_lane_the_driver_topic_first() {
    let mut world = World::proved(Config::default());
    world.fire(HIGH, &wish(1, 5_000));
    let turn = world.core.take_turn(world.now());
    let topics: Vec<Topic> = turn.positions.iter().map(|(topic, _)| *topic).collect();
    assert_eq!(topics, [NORMAL, HIGH, LOW]);
    assert!(turn.after.is_empty() && turn.records.is_empty());
}

#[test]
fn records_of_one_fire_stay_together_and_in_the_order_decided() {
    let mut world = World::proved(Config::default());
    for number in 0..5 {
        world.fire(NORMAL, &wish(number, 5_000));
    }
    for number in [3, 0, 4, 1, 2] {
        world.answer(number, ok());
    }
    world.turn();
    let order: Vec<_> = world
        .outcomes
        .iter()
        .map(|outcome| match outcome {
            OutcomeRecord::Ended(ended) => ended.fire_id,
            other => panic!("{other:?}"),
        })
        .collect();
    assert_eq!(order, [3, 0, 4, 1, 2].map(id));
}

#[test]
fn nothing_is_remembered_of_a_fire_whose_end_is_committed() {
    let mut world = World::proved(Config::default());
    let fresh = format!("{:?}", world.core).len();
    for number in 0..200 {
        world.fire(NORMAL, &wish(number, 5_000));
        world.answer(number, ok());
        world.turn();
    }
    let grown = format!("{:?}", world.core).len() - fresh;
    assert!(grown < 100, "{:?}", world.core);
}

#[test]
fn a_burst_is_handed_out_in_parts() {
    let mut world = World::proved(Config::default());
    for number in 0..600 {
        world.write(NORMAL, wish(number, 6_000).record());
    }
    while world.read() > 0 {}
    world.mono = 6_000;
    let mut parts = Vec::new();
    while world
        .core
        .poll_timeout()
        .is_some_and(|at| at <= world.now().wall)
    {
        world.core.handle_timeout(world.now());
        parts.push(std::iter::from_fn(|| world.core.poll_effect()).count());
    }
    assert_eq!(parts, [256, 256, 88]);
}

#[test]
fn legs_that_ended_well_share_a_record_and_others_do_not() {
    let mut world = World::proved(Config::default());
    for number in 0..41 {
        world.fire(NORMAL, &wish(number, 5_000));
    }
    for number in 0..41 {
        world.answer(number, if number == 7 { status(404) } else { ok() });
    }
    let turn = world.core.take_turn(world.now());
    let of: Vec<usize> = turn
        .records
        .iter()
        .filter(|record| record.to.topic == Topic::Outcomes)
        .map(|record| OutcomeRecord::decode(record.value.as_ref().expect("a value")))
        .map(|outcome| outcome.expect("an outcome").into_each().count())
        .collect();
    assert_eq!(of, [32, 8, 1], "the failure stands alone");
    assert_eq!(turn.folded, 38);
}

#[test]
fn what_is_to_be_called_later_is_told_of_ahead_and_not_too_often() {
    let mut world = World::proved(Config::default());
    for number in 0..200 {
        world.write(NORMAL, wish(number, 6_000).record());
    }
    while world.read() > 0 {}
    assert_eq!((world.soon, world.calls.len()), (64, 0));
    world.fire(NORMAL, &wish(300, 0));
    world.at(8_000);
    world.fire(NORMAL, &wish(301, 0));
    assert_eq!(world.soon, 64, "what is due already is called");
    world.fire(NORMAL, &wish(302, 9_000));
    assert_eq!(world.soon, 65);
}
