//! Calendars and what they do to recurring tasks; the start is at 01:00:00.

mod world;

use planner::PlannerConfig;
use schemas::Shard;
use world::World;
use world::script::{check, run};

#[test]
fn closed_occurrences_are_left_out_or_moved() {
    check(
        "left out, not counted",
        "calendar c 01:00:15-01:00:35 => 1 created
         register a every=10s calendars=c => 2 created
         wheel                 => a.1#1, a.2#1, a.3#1, a.4#1, a.5#1, a.6#1, a.7#1
         calls take 1s         =>
         time 1m               =>
         calls                 => 1@10 2@40 3@50 4@60
         left                  =>
         tally a               => ended 3 live 8",
    );
    check(
        "moved, several are one",
        "calendar c 01:00:15-01:00:35 => 1 created
         register a every=10s calendars=c on_closed=move => 2 created
         calls take 1s         =>
         time 1m               =>
         calls                 => 1@10 2@35 3@40 4@50 5@60",
    );
    check(
        "a fixed delay waits for the open",
        "calendar c 01:00:15-01:00:35 => 1 created
         calls take 1s         =>
         register a after_each=10s calendars=c => 2 created
         time 1m               =>
         calls                 => 1@10 2@35 3@46 4@57",
    );
}

#[test]
fn a_task_is_parked_until_its_calendars_are_known() {
    check(
        "from the start: what came due meanwhile is late",
        "calls take 1s         =>
         register a every=10s calendars=c,d misfire=skip threshold=5s => 1 created
         show a                => parked
         reason a              => calendar `c` is not known; the task goes on once it is registered
         calendar c 01:00:40-01:00:50 => 2 created
         reason a              => calendar `d` is not known; the task goes on once it is registered
         time 25s              =>
         calls                 =>
         calendar d 01:01:10-01:01:20 => 3 created
         left                  => 1-1 late 10..10
         time 1m               =>
         reason a              =>
         calls                 => 2@20 3@30 4@50 5@60 6@80",
    );
    check(
        "a calendar that goes takes back what is planted",
        "calendar c 02:00-03:00 => 1 created
         register a every=20s calendars=c => 2 created
         wheel                 => a.1#1, a.2#1, a.3#1, a.4#1
         calendar c            => 3 removed
         wheel                 =>
         show a                => parked
         tally a               => taken 4
         time 10s              =>
         calendar c 02:00-03:00 => 4 created
         wheel                 => a.5#1, a.6#1, a.7#1, a.8#1, a.9#1
         tally a               => taken 4 live 5",
    );
    check(
        "commands reach a parked one",
        "register a every=20s calendars=c => 1 created
         pause a               => 2 changed
         show a                => paused
         resume a              => 3 changed
         show a                => parked
         update a url=x        => 4 changed
         show a                => parked
         calendar c 02:00-03:00 => 5 created
         show a                => scheduled
         cancel a              => 6 cancelled
         register b every=20s calendars=d => 7 created
         cancel b              => 8 cancelled
         show b                => cancelled",
    );
}

#[test]
fn a_calendar_that_closes_all_parks_too() {
    check(
        "and the task goes on once it changes",
        "calendar c 00:00-24:00 => 1 created
         register a every=20s calendars=c => 2 created
         show a                => parked
         reason a              => its calendars close every occurrence of the next eight years; it goes on once one of them changes
         calendar c 02:00-03:00 => 3 changed
         wheel                 => a.1#1, a.2#1, a.3#1, a.4#1
         calendar c 00:00-24:00 => 4 changed
         wheel                 =>
         show a                => parked
         calendar c 02:00-03:00 => 5 changed
         wheel                 => a.5#1, a.6#1, a.7#1, a.8#1",
    );
}

#[test]
#[expect(clippy::too_many_lines, reason = "a table of cases")]
fn a_change_takes_back_from_the_first_difference_on_and_plans_anew() {
    check(
        "closes one in the middle",
        "calendar c 02:00-03:00 => 1 created
         register a every=20s calendars=c => 2 created
         wheel                 => a.1#1, a.2#1, a.3#1, a.4#1
         calendar c 01:00:35-01:00:45 => 3 changed
         wheel                 => a.1#1, a.5#1, a.6#1
         tally a               => taken 3 live 3
         calls take 1s         =>
         time 1m40s            =>
         calls                 => 1@20 5@60 6@80 7@100",
    );
    check(
        "opens one in the middle",
        "calendar c 01:00:35-01:00:45 => 1 created
         register a every=20s calendars=c => 2 created
         wheel                 => a.1#1, a.2#1, a.3#1
         calendar c 02:00-03:00 => 3 changed
         calls take 1s         =>
         time 1m40s            =>
         calls                 => 1@20 4@40 5@60 6@80 7@100",
    );
    check(
        "what stays as it is is left alone",
        "calendar c 02:00-03:00 => 1 created
         register a every=20s calendars=c => 2 created
         wheel                 => a.1#1, a.2#1, a.3#1, a.4#1
         calendar c 02:00-03:30 => 3 changed
         wheel                 => a.1#1, a.2#1, a.3#1, a.4#1
         tally a               => live 4",
    );
    check(
        "the last one of the schedule is planted: it is closed",
        "calendar c 02:00-03:00 => 1 created
         register a every=20s end=1m calendars=c => 2 created
         wheel                 => a.1#1, a.2#1, a.3#1
         calendar c 01:00:35-01:01:05 => 3 changed
         wheel                 => a.1#1
         tally a               => taken 2 live 1
         calls take 1s         =>
         time 1m40s            =>
         calls                 => 1@20
         show a                => completed",
    );
    check(
        "the last one is planted: it moves, and opens",
        "calendar c 01:00:55-01:01:05 => 1 created
         register a every=20s end=1m calendars=c => 2 created
         register b every=20s end=1m calendars=c on_closed=move => 3 created
         wheel                 => a.1#1, a.2#1, b.1#1, b.2#1, b.3#1
         calendar c 01:00:55-01:01:25 => 4 changed
         wheel                 => a.1#1, a.2#1, b.1#1, b.2#1, b.4#1
         calendar c 02:00-03:00 => 5 changed
         calls take 1s         =>
         time 1m40s            =>
         calls                 => 1@20 1@20 2@40 2@40 3@60 5@60
         show a                => completed",
    );
    check(
        "the last one waits for the firing before it to end",
        "calendar c 02:00-03:00 => 1 created
         calls take 25s        =>
         register a every=10s end=30s overlap=buffer_all calendars=c => 2 created
         time 32s              =>
         tally a               => buffered 2 live 1
         calendar c 01:00:15-01:00:35 => 3 changed
         time 2m               =>
         calls                 => 1@10 2@20 3@30
         show a                => completed",
    );
    check(
        "twice, while the first is not decided",
        "calendar c 02:00-03:00 => 1 created
         register a every=20s calendars=c => 2 created
         wheel                 => a.1#1, a.2#1, a.3#1, a.4#1
         stop                  =>
         calendar c 01:00:55-01:01:05 => 3 changed
         calendar c 01:00:35-01:00:45 => 4 changed
         go                    =>
         calls take 1s         =>
         time 1m40s            =>
         calls                 => 1@20 5@60 6@80 7@100",
    );
    check(
        "others are left alone, paused ones too",
        "calendar c 02:00-03:00 => 1 created
         register a every=20s calendars=d => 2 created
         register b every=20s calendars=c => 3 created
         pause b               => 4 changed
         calendar c 01:00:35-01:00:45 => 5 changed
         show a                => parked
         show b                => paused
         resume b              => 6 changed
         calls take 1s         =>
         time 1m               =>
         calls                 => 5@20 6@60",
    );
    check(
        "what waits for a firing to end is past and stays",
        "calendar c 02:00-03:00 => 1 created
         calls take 25s        =>
         register a every=10s overlap=buffer_all calendars=c => 2 created
         time 32s              =>
         tally a               => buffered 2 live 1
         calendar c 01:00:15-01:00:35,01:00:55-01:01:25 => 3 changed
         time 2m               =>
         calls                 => 1@10 2@20 3@30 4@40 5@50 6@90",
    );
    check(
        "what begins before the revoke reaches it is not fired twice",
        "calendar c 02:00-03:00 => 1 created
         register a every=20s calendars=c => 2 created
         time 19s              =>
         fire a                =>
         begin a               =>
         stop                  =>
         calendar c 01:00:10-01:00:45 => 3 changed
         calendar c 02:00-03:00 => 4 changed
         go                    =>
         time 1s               =>
         end a success         =>
         wheel                 => a.5#1, a.6#1, a.7#1, a.8#1
         calls take 1s         =>
         time 1m               =>
         calls                 => 5@40 6@60 7@80",
    );
}

#[test]
fn a_change_is_worked_off_over_many_turns_whatever_fails() {
    let config = PlannerConfig {
        turn_replanned: 3,
        ..PlannerConfig::default()
    };
    for (abort_all, lose_stores) in [(false, false), (true, false), (true, true)] {
        let mut world = World::with(config.clone(), Shard(0), 1);
        (world.abort_all, world.lose_stores) = (abort_all, lose_stores);
        run(&mut world, "calendar c 02:00-03:00");
        for n in 0..40 {
            run(&mut world, &format!("register t{n} every=1m calendars=c"));
            run(&mut world, &format!("register u{n} every=1m"));
        }
        let before = world.turns;
        run(&mut world, "calendar c 01:00:30-01:01:30");
        assert!(world.turns - before > 10, "{} turns", world.turns - before);
        for n in 0..40 {
            assert_eq!(
                run(&mut world, &format!("tally t{n}")),
                "taken 1 live 1",
                "t{n}"
            );
            assert_eq!(run(&mut world, &format!("tally u{n}")), "live 1", "u{n}");
        }
        let rows = world.rows_of_index();
        assert!(
            rows.iter().all(|row| !row.starts_with(['x', 'y'])),
            "{rows:?}"
        );
    }
}
