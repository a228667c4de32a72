//! A run at once, with another payload if one is given, and what an update leaves as it was.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod world;

use schemas::TaskState;
use world::World;
use world::script::{check, run};

#[test]
fn a_run_carries_the_payload_it_is_given() {
    check(
        "of a task that waits, is planted, is paused",
        "register a 1h payload=own => 1 created
         run a payload=other      => 2 changed
         wheel                    => a#1
         payloads a               => other
         register b 1m payload=own => 3 created
         run b payload=other      => 4 changed
         payloads b               => other
         register c 1h payload=own => 5 created
         pause c                  => 6 changed
         run c                    => 7 changed
         payloads c               => own
         fire a                   =>
         begin a                  =>
         run a payload=third      => 8 too_late",
    );
    check(
        "of a step that waits: it waits no longer, and takes nothing over",
        "register g/a 1h          => 1 created
         register g/b needs=a from=a => 2 created
         run g/b payload=other    => 3 changed
         payloads g/b             => other
         show g/a                 => pending",
    );
    check(
        "of a recurring task: its schedule and what it carries stay",
        "calls take 1s            =>
         register a every=20s payload=own => 1 created
         run a payload=other      => 2 changed
         payloads a               => own own own own
         time 25s                 =>
         calls                    => 5@0 1@20
         tally a                  => ended 1 live 3",
    );
}

#[test]
fn an_update_keeps_the_history_and_changes_what_is_to_come() {
    let mut world = World::new();
    for step in [
        "calls take 1s",
        "register a every=20s payload=old",
        "time 50s",
        "update a payload=new",
    ] {
        run(&mut world, step);
    }
    let view = world.view("a").unwrap();
    let firings = |of: &schemas::TaskView, state| -> Vec<(u64, i64)> {
        let all = of.firings.iter().filter(|it| it.state == state);
        all.map(|it| (it.occurrence, it.due.0 - world::START))
            .collect()
    };
    // What ended stays, under the numbers and times it had; what was planted is planted anew.
    assert_eq!(
        firings(&view, TaskState::Completed),
        [(1, 20_000), (2, 40_000)]
    );
    let tally = view.occurrences.unwrap();
    assert_eq!((tally.ended, tally.taken, tally.missed), (2, 4, 0));
    let live = firings(&view, TaskState::Scheduled);
    assert_eq!(live[0], (7, 60_000), "no number is given twice");
    run(&mut world, "time 15s");
    let view = world.view("a").unwrap();
    assert_eq!(view.occurrences.unwrap().ended, 3);
    assert_eq!(run(&mut world, "calls"), "1@20 2@40 7@60");
    assert!(view.version > 1, "{}", view.version);
}
