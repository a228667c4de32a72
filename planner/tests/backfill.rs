//! Past ranges of recurring tasks, fired belatedly.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod world;

use planner::PlannerConfig;
use schemas::{Shard, Topic};

use world::World;
use world::script::{check, json as command, run};

#[test]
fn each_occurrence_of_the_range_is_fired_with_its_own_due_time() {
    check(
        "half open; beside the schedule, not counted by it",
        "calls take 1s            =>
         register a every=1h anchor=0s => 1 created
         backfill a from=-3h to=0s => 2 changed
         backfills a              => released 3, live 3
         time 2s                  =>
         calls                    => 1@-10800 2@-7200 3@-3600
         backfills a              => released 3, over
         tally a                  =>
         show a                   => pending",
    );
    check(
        "the same once more is the same; another is another",
        "register a every=1h anchor=0s => 1 created
         backfill a from=-2h to=0s => 2 changed
         wheel                    => a.back1.1, a.back1.2
         backfill a from=-2h to=0s => 3 unchanged
         backfill a from=-1h to=0s => 4 changed
         wheel                    => a.back1.1, a.back1.2, a.back2.1",
    );
    check(
        "expiry and misfire policy are for what is late by itself",
        "calls take 1s            =>
         register a every=1h anchor=0s expires=1m misfire=skip => 1 created
         backfill a from=-1h to=0s => 2 changed
         time 2s                  =>
         calls                    => 1@-3600",
    );
}

#[test]
fn what_cannot_be_is_refused() {
    check(
        "where and why",
        "register a every=1h anchor=0s => 1 created
         register b after_each=1h => 2 created
         register c 1h            => 3 created
         backfill a from=-1h to=1h => 4 refused to
         backfill a from=-50m to=-10m => 5 refused from
         backfill a from=-9h to=0s max=8 => 6 refused max
         backfill a from=-9h to=0s max=9 => 7 changed
         backfill a from=-8h to=0s stop=true => 8 refused stop
         backfill b from=-1h to=0s => 9 refused op
         backfill c from=-1h to=0s => 10 refused op
         backfill d from=-1h to=0s => 11 unknown
         backfill a from=-1h to=-1h => 12 refused to",
    );
}

#[test]
fn firings_that_must_not_overlap_are_released_one_by_one() {
    check(
        "the next at the end of the one before",
        "register a every=1h anchor=0s overlap=skip => 1 created
         backfill a from=-3h to=0s => 2 changed
         backfills a              => released 1, live 1, next -7200
         wheel                    => a.back1.1
         fire a                   =>
         begin a                  =>
         end a success            =>
         wheel                    => a.back1.2
         backfills a              => released 2, live 1, next -3600",
    );
}

#[test]
fn a_backfill_is_held_stopped_and_cancelled() {
    check(
        "held by a pause",
        "register a every=1h anchor=0s overlap=skip => 1 created
         backfill a from=-3h to=0s => 2 changed
         pause a                  => 3 changed
         fire a                   =>
         begin a                  =>
         end a success            =>
         backfills a              => released 1, next -7200
         resume a                 => 4 changed
         backfills a              => released 2, live 1, next -3600",
    );
    check(
        "stopped: what was released goes on",
        "register a every=1h anchor=0s overlap=skip => 1 created
         backfill a from=-3h to=0s => 2 changed
         backfill a from=-3h to=0s stop=true => 3 changed
         backfills a              => released 1, live 1, stopping
         fire a                   =>
         begin a                  =>
         end a success            =>
         backfills a              => released 1, stopped
         wheel                    =>
         backfill a from=-3h to=0s => 4 changed
         wheel                    => a.back2.1",
    );
    check(
        "cancelled with its task",
        "register a every=1h anchor=0s => 1 created
         backfill a from=-3h to=0s => 2 changed
         cancel a                 => 3 cancelled
         wheel                    =>
         show a                   => cancelled
         backfill a from=-3h to=0s => 4 unknown",
    );
    check(
        "a schedule that is over stays until it is done",
        "calls take 20s           =>
         register a every=20s end=30s overlap=skip => 1 created
         time 25s                 =>
         backfill a from=-60s to=0s => 2 changed
         time 2m                  =>
         calls                    => 1@20 1@-60 2@-40 3@-20
         show a                   => completed",
    );
}

#[test]
fn a_large_one_is_released_at_a_pace_and_outlives_its_core() {
    for (abort_all, lose_stores) in [(false, false), (true, false), (true, true)] {
        let config = PlannerConfig {
            late_per_second: 100,
            ..PlannerConfig::default()
        };
        let mut world = World::with(config, Shard(0), 1);
        (world.abort_all, world.lose_stores) = (abort_all, lose_stores);
        run(&mut world, "calls take 1s");
        run(&mut world, "register a every=1s anchor=0s start=1h");
        run(&mut world, "register b every=1s anchor=0s");
        run(&mut world, "pause b");
        let words = ["backfill", "b", "from=-500s", "to=0s"];
        world.ask(Topic::Registrations, &command(&words));
        world.pump();
        assert_eq!(world.backfills("b"), "released 0, next -500", "paused");
        run(&mut world, "resume b");
        run(&mut world, "pause b");
        assert_eq!(world.backfills("b"), "released 100, live 100, next -400");
        run(&mut world, "resume b");
        let mut seconds = 0;
        while !world.backfills("b").ends_with("over") {
            run(&mut world, "time 500ms");
            if seconds % 4 == 0 {
                world.lose();
                world.pump();
            }
            seconds += 1;
            assert!(seconds < 60, "{}", world.backfills("b"));
        }
        // A hundred a second: five seconds and the last call.
        assert!(seconds >= 10, "{seconds}");
        assert_eq!(world.backfills("b"), "released 500, over");
        run(&mut world, "cancel b");
        run(&mut world, "cancel a");
        run(&mut world, "time 20m");
        assert_eq!(world.rows_of_index(), ["w"], "nothing is left of it");
    }
}
