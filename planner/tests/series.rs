//! Recurring tasks: which occurrences are fired, and what commands do to them.

mod world;

use world::script::check;

#[test]
fn occurrences_are_planted_ahead_and_go_on_for_ever() {
    check(
        "every 20s",
        "register a every=20s  => 1 created
         wheel                 => a.1#1, a.2#1, a.3#1, a.4#1
         show a                => scheduled
         time 15s              =>
         wheel                 => a.1#1, a.2#1, a.3#1, a.4#1
         time 30s              =>
         wheel                 => a.1#1, a.2#1, a.3#1, a.4#1, a.5#1, a.6#1
         tally a               => live 6",
    );
    check(
        "a lone one is planted as soon as the one before is past",
        "register a every=4m   => 1 created
         wheel                 => a.1#1
         time 3m               =>
         wheel                 => a.1#1
         time 1m10s            =>
         wheel                 => a.1#1, a.2#1",
    );
    check(
        "far ones wait for the horizon",
        "register a every=1h   => 1 created
         show a                => pending
         time 54m              =>
         wheel                 =>
         time 2m               =>
         wheel                 => a.1#1",
    );
}

/// The world begins at 01:00 UTC on the first of December 2026, a Tuesday: 09:00 in Shanghai.
#[test]
fn a_clock_of_a_zone_says_when() {
    check(
        "every 20 s, then on the hour",
        "calls take 1s         =>
         register a cron=*/20_*_*_*_*_* => 1 created
         time 70s              =>
         calls                 => 1@20 2@40 3@60
         reschedule a cron=0_*_*_*_* => 2 changed
         time 1h               =>
         calls                 => 7@3600
         touch a               => 3 refused op",
    );
    check(
        "in its zone, with a start, an end and a number of runs",
        "calls take 1s         =>
         register a cron=0_10_*_*_* zone=Asia/Shanghai end=2h => 1 created
         register b cron=*/10_*_*_*_* start=25m max_runs=2 => 2 created
         time 65m              =>
         calls                 => 1@1800 2@2400 1@3600
         show a                => completed",
    );
    check(
        "down for a while: the latest is fired",
        "calls take 1s         =>
         register a cron=*/5_*_*_*_* => 1 created
         time 11m              =>
         calls                 => 1@300 2@600
         down 1h               =>
         time 5m               =>
         calls                 => 3@900 13@3900 14@4200 15@4500
         left                  => 4-12 late 1200..3600",
    );
    check(
        "what is past for good is refused",
        "register a cron=0_0_0_1_1_?_2020 => 1 refused schedule
         register a every=1h   => 2 created
         reschedule a cron=0_0_0_1_1_?_2020 => 3 refused schedule",
    );
}

#[test]
fn what_is_planned_anew_in_the_first_turn_of_a_core_is_not_overlooked() {
    check(
        "the only one",
        "register a every=1h   => 1 created
         reschedule a every=2h => 2 changed
         time 1h58m            =>
         wheel                 => a.1#1",
    );
}

#[test]
fn a_schedule_ends() {
    check(
        "by its number of runs",
        "calls take 1s         =>
         register a every=10s max_runs=3 => 1 created
         time 1m               =>
         calls                 => 1@10 2@20 3@30
         show a                => completed
         register a every=10s max_runs=3 => 2 unchanged
         cancel a              => 3 too_late",
    );
    check(
        "by its end",
        "calls take 1s         =>
         register a every=10s start=15s end=40s => 1 created
         time 2m               =>
         calls                 => 1@15 2@25 3@35
         show a                => completed",
    );
    check(
        "before it began",
        "time 1m               =>
         register a every=10s end=40s => 1 refused schedule",
    );
    check(
        "an unknown calendar is told",
        "register a at=5       => 1 created",
    );
}

#[test]
fn a_fixed_delay_counts_from_the_end_of_the_firing_before() {
    check(
        "each 10s behind",
        "calls take 3s         =>
         register a after_each=10s => 1 created
         time 40s              =>
         calls                 => 1@10 2@23 3@36
         tally a               => ended 3 live 1
         show a                => running",
    );
    check(
        "one at a time, retries included",
        "register a after_each=10s => 1 created
         wheel                 => a.1#1
         time 10s              =>
         fire a                =>
         begin a               =>
         show a                => running
         end a again 5s        =>
         time 5s               =>
         wheel                 => a.1#2
         fire a                =>
         begin a               =>
         end a success         =>
         wheel                 => a.2#1",
    );
}

#[test]
fn overlap_decides_what_becomes_of_an_occurrence_that_came_too_soon() {
    for (policy, calls, left, tally) in [
        ("allow", "1@10 2@20 3@30 4@40", "", "ended 1 live 12"),
        (
            "skip",
            "1@10 4@40",
            "2-2 overlap 20..20, 3-3 overlap 30..30",
            "ended 1 skipped 2 live 1",
        ),
        (
            "buffer_one",
            "1@10 2@20",
            "3-3 overlap 30..30",
            "ended 1 skipped 1 live 1",
        ),
        ("buffer_all", "1@10 2@20", "", "ended 1 buffered 1 live 1"),
        (
            "cancel_previous",
            "1@10 2@20 3@30 4@40",
            "",
            "ended 1 live 3",
        ),
    ] {
        let script = format!(
            "calls take 25s        =>
             register a every=10s overlap={policy} => 1 created
             time 40s              =>
             calls                 => {calls}
             left                  => {left}
             tally a               => {tally}"
        );
        check(policy, &script);
    }
}

#[test]
fn a_firing_that_ends_in_time_overlaps_nothing() {
    for policy in ["skip", "buffer_one", "buffer_all", "cancel_previous"] {
        let script = format!(
            "calls take 9999ms     =>
             register a every=10s overlap={policy} => 1 created
             time 41s              =>
             calls                 => 1@10 2@20 3@30 4@40
             left                  =>
             tally a               => ended 3 live 1"
        );
        check(policy, &script);
    }
}

#[test]
fn the_one_before_is_cancelled_where_its_call_has_not_begun() {
    check(
        "in the wheel",
        "register a every=10s overlap=cancel_previous => 1 created
         wheel                 => a.1#1
         time 21s              =>
         wheel                 => a.2#1
         tally a               => taken 1 live 1",
    );
    check(
        "on its way",
        "register a every=10s overlap=cancel_previous => 1 created
         time 10s              =>
         fire a                =>
         stop                  =>
         time 11s              =>
         wheel                 =>
         go                    =>
         wheel                 => a.2#1",
    );
    check(
        "begun: it goes on, without a further attempt",
        "register a every=10s overlap=cancel_previous => 1 created
         time 10s              =>
         fire a                =>
         begin a               =>
         time 11s              =>
         wheel                 => a.2#1
         end a again 5s        =>
         time 5s               =>
         wheel                 => a.2#1
         tally a               => ended 1 live 1",
    );
}
