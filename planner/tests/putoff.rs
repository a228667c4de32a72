//! Bookkeeping gives way to calls, and is made up for.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod world;

use pipeline::{Ask, Record, Stage};
use schemas::Topic;
use schemas::outcome::Drained;
use schemas::{Instance, Millis, OutcomeRecord};
use world::World;
use world::script::{check, run};

#[test]
fn what_ended_well_waits_while_there_is_no_time_and_calls_are_late() {
    check(
        "until there is time",
        "fold                     =>
         register a 1s            => 1 created
         register b 1s            => 2 created
         time 2s                  =>
         busy 20s                 =>
         fire a                   =>
         begin a                  =>
         end a success            =>
         show a                   => scheduled
         fire b                   =>
         begin b                  =>
         end b again 1h           =>
         show b                   => failed
         time 10s                 =>
         show a                   => scheduled
         time 11s                 =>
         show a                   => completed
         show b                   => failed",
    );
    check(
        "not where calls are on time",
        "fold                     =>
         register a 1s            => 1 created
         time 1s                  =>
         busy 20s                 =>
         fire a                   =>
         begin a                  =>
         end a success            =>
         show a                   => completed",
    );
    check(
        "not what is followed by something",
        "fold                     =>
         register a 1s            => 1 created
         time 2s                  =>
         busy 20s                 =>
         fire a                   =>
         begin a                  =>
         end a dead               =>
         show a                   => dead",
    );
    check(
        "not for ever",
        "fold                     =>
         register a 1s            => 1 created
         register b 1s            => 2 created
         time 2s                  =>
         busy 10m                 =>
         fire a                   =>
         begin a                  =>
         end a success            =>
         time 20s                 =>
         show a                   => scheduled
         time 11s                 =>
         show a                   => completed
         fire b                   =>
         begin b                  =>
         end b success            =>
         show b                   => scheduled
         time 31s                 =>
         show b                   => completed",
    );
}

#[test]
fn whoever_takes_over_makes_up_for_it() {
    for crash in ["crash", "lose", "down 1s"] {
        let script = format!(
            "fold                     =>
             register a 1s            => 1 created
             register b 1s            => 2 created
             register c 1s            => 3 created
             time 2s                  =>
             busy 20s                 =>
             fire a                   =>
             begin a                  =>
             end a success            =>
             fire b                   =>
             begin b                  =>
             end b again 5s           =>
             fire c                   =>
             begin c                  =>
             end c dead               =>
             {crash}                  =>
             show a                   => scheduled
             show b                   => failed
             show c                   => dead
             time 21s                 =>
             show a                   => completed
             show b                   => failed
             fire b                   =>
             begin b                  =>
             end b success            =>
             show b                   => completed
             register d 1h            => 4 created
             show d                   => pending"
        );
        check(crash, &script);
    }
}

#[test]
fn who_comes_too_late_is_told_so() {
    check(
        "a cancel that finds the call over",
        "fold                     =>
         register a 1s            => 1 created
         time 2s                  =>
         busy 20s                 =>
         fire a                   =>
         begin a                  =>
         end a success            =>
         cancel a                 => 2 too_late
         show a                   => running
         time 21s                 =>
         show a                   => completed",
    );
    check(
        "one that finds it begun",
        "fold                     =>
         register a 1s            => 1 created
         time 2s                  =>
         busy 20s                 =>
         fire a                   =>
         begin a                  =>
         cancel a                 => 2 too_late
         end a success            =>
         cancel a                 => 3 too_late
         time 21s                 =>
         show a                   => completed",
    );
}

/// What still comes of a reading that is about to begin anew must not pass for the new one.
#[test]
fn nothing_that_was_left_is_committed_before_it_is_read_again() {
    let mut world = World::new();
    for step in [
        "fold",
        "register a 1s",
        "time 2s",
        "busy 1s",
        "fire a",
        "begin a",
        "end a success",
    ] {
        run(&mut world, step);
    }
    let left = i64::try_from(world.log[&Topic::Outcomes].len()).unwrap() - 1;
    world.now = world.now.plus(5_000);
    let now = world.clock();
    let committed = |world: &mut World| {
        let turn = world.core().take_turn(now);
        let of = turn.positions.iter().find(|(of, _)| *of == Topic::Outcomes);
        of.map(|(_, position)| position.offset)
    };
    // It is time, and nobody was asked yet.
    assert!([None, Some(left)].contains(&committed(&mut world)));
    let other = OutcomeRecord::Drained(Drained {
        instance: Instance(Millis(0)),
        placements: 0,
        fired: 0,
        revoked: 0,
        expired: 0,
    });
    let came = Record {
        offset: left + 1,
        appended: now.wall,
        key: None,
        value: Some(other.encode()),
        headers: Vec::new(),
    };
    let core = world.core();
    core.handle_batch(Topic::Outcomes, vec![came], left + 2, now);
    assert!([None, Some(left)].contains(&committed(&mut world)));
    let ask = world.core().poll_ask();
    assert_eq!(ask, Some(Ask::Read(Topic::Outcomes, left)));
    assert!([None, Some(left)].contains(&committed(&mut world)));
}
