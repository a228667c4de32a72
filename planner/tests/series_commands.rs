//! What commands do to a recurring task, wherever its firings are.

mod world;

use world::script::check;

#[test]
fn a_cancel_waits_for_every_live_firing() {
    check(
        "none planted",
        "register a every=1h   => 1 created
         cancel a              => 2 cancelled
         show a                => cancelled
         cancel a              => 3 cancelled
         register a every=30m  => 4 created
         time 24m              =>
         wheel                 =>
         time 2m               =>
         wheel                 => a.1#1",
    );
    check(
        "all taken back",
        "register a every=20s  => 1 created
         stop                  =>
         cancel a              =>
         show a                => running
         register a every=5m   =>
         go                    => 2 cancelled, 3 created
         wheel                 => a.1#1
         time 1m               =>
         wheel                 => a.1#1",
    );
    check(
        "one had begun: it goes on, no other does",
        "register a every=20s  => 1 created
         time 20s              =>
         fire a                =>
         begin a               =>
         cancel a              => 2 too_late
         wheel                 =>
         show a                => running
         cancel a              => 3 too_late
         pause a               => 4 too_late
         end a again 5s        =>
         show a                => cancelled
         wheel                 =>
         tally a               => ended 1 taken 3",
    );
    check(
        "a manual run is cancelled too",
        "register a every=1h   => 1 created
         run a                 => 2 changed
         wheel                 => a.run1
         cancel a              => 3 cancelled
         wheel                 =>",
    );
}

#[test]
fn a_pause_takes_back_and_a_resume_goes_on_from_there() {
    check(
        "pause, resume",
        "calls take 1s         =>
         register a every=20s  => 1 created
         time 30s              =>
         pause a               => 2 changed
         show a                => paused
         pause a               => 3 unchanged
         wheel                 =>
         time 5m               =>
         calls                 => 1@20
         resume a              => 4 changed
         resume a              => 5 unchanged
         time 40s              =>
         calls                 => 5@340 6@360
         left                  =>",
    );
    check(
        "an occurrence taken back and still to come gets another number",
        "calls take 1s         =>
         register a every=20s  => 1 created
         pause a               => 2 changed
         time 5s               =>
         resume a              => 3 changed
         time 40s              =>
         calls                 => 5@20 6@40",
    );
    check(
        "what began goes on, and the pause is true all the same",
        "register a every=20s  => 1 created
         time 20s              =>
         fire a                =>
         begin a               =>
         pause a               => 2 changed
         show a                => paused
         end a again 5s        =>
         wheel                 => a.1#2
         fire a                =>
         begin a               =>
         end a success         =>
         show a                => paused
         tally a               => ended 1 taken 3",
    );
    check(
        "a pause that is overtaken by a cancel",
        "register a every=20s  => 1 created
         stop                  =>
         pause a               =>
         cancel a              =>
         go                    => 2 cancelled, 3 cancelled
         show a                => cancelled",
    );
}

#[test]
#[expect(clippy::too_many_lines, reason = "a table of cases")]
fn an_update_changes_what_is_to_come() {
    check(
        "another rate: history and numbers go on",
        "calls take 1s         =>
         register a every=20s  => 1 created
         time 50s              =>
         calls                 => 1@20 2@40
         reschedule a every=30s => 2 changed
         register a every=30s  => 3 unchanged
         register a every=20s  => 4 conflict
         time 1m               =>
         calls                 => 7@80 8@110
         tally a               => ended 3 taken 4 live 4",
    );
    check(
        "another payload: the same times",
        "calls take 1s         =>
         register a every=20s  => 1 created
         time 30s              =>
         update a payload=x    => 2 changed
         update a payload=x    => 3 unchanged
         time 30s              =>
         calls                 => 1@20 5@40 6@60",
    );
    check(
        "what began keeps what it was given",
        "register a every=20s payload=old => 1 created
         time 20s              =>
         fire a                =>
         begin a               =>
         update a payload=new  => 2 changed
         end a again 5s        =>
         wheel                 => a.5#1, a.6#1, a.7#1, a.8#1, a.1#2
         payloads a            => new new new new old",
    );
    check(
        "called before it could be taken back: its time does not come again",
        "register a every=20s overlap=skip => 1 created
         time 19s              =>
         fire a                =>
         stop                  =>
         update a payload=x    =>
         time 2s               =>
         begin a               =>
         go                    => 2 changed
         wheel                 =>
         calls take 1s         =>
         end a success         =>
         time 20s              =>
         calls                 => 2@40
         tally a               => ended 2 live 1",
    );
    check(
        "it ended before it could be taken back, a fixed delay goes on from there",
        "register a after_each=20s => 1 created
         time 19s              =>
         fire a                =>
         stop                  =>
         update a payload=x    =>
         time 2s               =>
         begin a               =>
         time 5s               =>
         end a success         => 2 changed
         go                    =>
         calls take 1s         =>
         time 21s              =>
         calls                 => 2@46",
    );
    check(
        "what comes due while two updates wait is not lost",
        "register a every=10s  => 1 created
         stop                  =>
         update a payload=x    =>
         time 25s              =>
         update a payload=y    =>
         calls take 1s         =>
         go                    => 2 changed, 3 changed
         time 6s               =>
         calls                 => 10@10 11@20 12@30",
    );
    check(
        "a fixed delay keeps its time when something else changes",
        "calls take 1s         =>
         register a after_each=20s => 1 created
         time 5s               =>
         update a payload=x    => 2 changed
         time 20s              =>
         calls                 => 2@20
         time 5s               =>
         reschedule a after_each=10s => 3 changed
         time 10s              =>
         calls                 => 4@40",
    );
    check(
        "a version of what is wished",
        "register a every=20s  => 1 created
         stop                  =>
         reschedule a every=30s =>
         cancel a version=1    => 3 conflict
         go                    => 2 changed",
    );
    check(
        "what recurs stays so, and what does not does not",
        "register a every=20s  => 1 created
         reschedule a at=99    => 2 refused schedule
         update a overlap=skip => 3 changed
         register b 1h         => 4 created
         reschedule b every=1m => 5 refused schedule
         update b overlap=skip => 6 refused overlap",
    );
}

#[test]
fn a_manual_run_stands_beside_the_schedule() {
    check(
        "now, with another payload",
        "register a every=1h payload=own => 1 created
         run a payload=other   => 2 changed
         run a                 => 3 changed
         wheel                 => a.run1, a.run2
         payloads a            => other own
         fire a                =>
         begin a               =>
         end a success         =>
         tally a               => live 1
         show a                => scheduled",
    );
    check(
        "while it is paused",
        "register a every=1h   => 1 created
         pause a               => 2 changed
         run a                 => 3 changed
         wheel                 => a.run1
         show a                => paused",
    );
    check(
        "it holds up nothing",
        "calls take 25s        =>
         register a every=10s overlap=skip => 1 created
         time 5s               =>
         run a                 => 2 changed
         time 6s               =>
         calls                 => 2@5 1@10",
    );
}

#[test]
fn a_touch_counts_anew_where_that_makes_sense() {
    check(
        "a rate from its registration",
        "calls take 1s         =>
         register a every=20s  => 1 created
         time 15s              =>
         touch a               => 2 changed
         time 40s              =>
         calls                 => 5@35 6@55",
    );
    check(
        "not one with an anchor",
        "register a every=20s anchor=5s => 1 created
         touch a               => 2 refused op",
    );
}

#[test]
fn nothing_is_left_of_a_task_that_was_forgotten() {
    check(
        "rows of firings and definitions go too",
        "calls take 1s         =>
         register a every=20s max_runs=2 payload=x => 1 created
         time 30s              =>
         update a payload=y    => 2 changed
         run a payload=z       => 3 changed
         time 1m               =>
         show a                => completed
         time 16m              =>
         rows                  =>",
    );
}
