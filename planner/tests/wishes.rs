//! What is wished of a planted task while nobody has decided yet.

mod world;

use schemas::CommandAnswer;

use world::script::{check, run};
use world::{START, World};

#[test]
fn an_outcome_that_comes_before_the_decision_decides() {
    let before = "register a 10s => 1 created
         fire a                 =>
         stop                   =>";
    for (name, rest) in [
        (
            "success",
            "begin a            =>
             cancel a           =>
             end a success      => 2 too_late
             go                 =>
             show a             => completed",
        ),
        (
            "again, cancelled",
            "begin a            =>
             cancel a           =>
             end a again 10s    => 2 cancelled
             go                 =>
             show a             => cancelled
             wheel              =>",
        ),
        (
            "again, moved",
            "begin a            =>
             reschedule a 1h    =>
             end a again 10s    => 2 changed
             go                 =>
             show a             => pending",
        ),
        (
            "again, run now: the attempt counts on",
            "begin a            =>
             run a              =>
             end a again 20m    => 2 changed
             go                 =>
             show a             => failed
             wheel              => a#2",
        ),
        (
            "again, paused",
            "begin a            =>
             pause a            =>
             end a again 10s    => 2 changed
             go                 =>
             show a             => paused",
        ),
    ] {
        check(name, &format!("{before}\n{rest}"));
    }
}

#[test]
fn an_end_without_a_call_decides_too() {
    let before = "register a 10s => 1 created
         fire a                 =>
         stop                   =>";
    for (name, rest) in [
        (
            "a hold is no call",
            "cancel a           =>
             end a hold 10s     => 2 cancelled
             go                 =>
             show a             => cancelled",
        ),
        (
            "given up without a call",
            "cancel a           =>
             end a dead         => 2 cancelled
             go                 =>
             show a             => dead",
        ),
        (
            "expired without a call",
            "cancel a           =>
             reschedule a 1h    =>
             end a expired      => 2 cancelled, 3 cancelled
             go                 =>
             show a             => expired",
        ),
        (
            "a move met the end",
            "reschedule a 1h    =>
             end a expired      => 2 conflict
             go                 =>",
        ),
    ] {
        check(name, &format!("{before}\n{rest}"));
    }
}

#[test]
fn later_commands_fold_into_the_wish() {
    let before = "register a 10s => 1 created
         stop                   =>";
    for (name, rest) in [
        (
            "the last move counts",
            "reschedule a 1h    =>
             update a url=x     =>
             reschedule a 20s   =>
             register a 20s url=x => 5 unchanged
             register a 10s     => 6 unchanged
             register a 10s url=y => 7 conflict
             go                 => 2 changed, 3 changed, 4 changed
             wheel              => a#1",
        ),
        (
            "cancel wins",
            "reschedule a 1h    =>
             cancel a           =>
             run a              =>
             go                 => 2 cancelled, 3 cancelled, 4 cancelled
             wheel              =>",
        ),
        (
            "a register behind a cancel is a successor",
            "cancel a           =>
             register a 20s     =>
             register a 20s     =>
             register a 30s     => 5 conflict
             run a              => 6 conflict
             go                 => 2 cancelled, 3 created, 4 unchanged
             wheel              => a#1",
        ),
        (
            "a cancel behind the successor takes it along",
            "cancel a           =>
             register a 20s     =>
             cancel a           => 3 conflict
             go                 => 2 cancelled, 4 cancelled
             wheel              =>",
        ),
        (
            "the successor of one that was called is a register like any other",
            "go                 =>
             fire a             =>
             begin a            =>
             stop               =>
             cancel a           =>
             register a 10s     =>
             go                 => 2 too_late, 3 unchanged
             end a success      =>
             show a             => completed",
        ),
        (
            "resume takes a pause back",
            "resume a           => 2 unchanged
             pause a            =>
             resume a           =>
             go                 => 3 changed, 4 changed
             wheel              => a#2",
        ),
        (
            "a version of what is wished",
            "reschedule a 20s   =>
             cancel a version=1 => 3 conflict
             go                 => 2 changed",
        ),
    ] {
        check(name, &format!("{before}\n{rest}"));
    }
}

#[test]
fn each_of_several_moves_is_told_what_it_asked_for() {
    let mut world = World::new();
    for step in [
        "register a 10s",
        "stop",
        "reschedule a 1h",
        "reschedule a 20s",
        "go",
    ] {
        world.keep_answers = true;
        run(&mut world, step);
    }
    let told = world.answers.iter().map(|(request, answer)| match answer {
        CommandAnswer::Created { version, due } | CommandAnswer::Changed { version, due } => {
            (*request, *version, due.0 - START)
        }
        other => panic!("{request} was told {other:?}"),
    });
    let told: Vec<_> = told.collect();
    let dues: Vec<_> = told
        .iter()
        .map(|(request, _, due)| (*request, *due))
        .collect();
    assert_eq!(dues, [(1, 10_000), (2, 3_600_000), (3, 20_000)]);
    assert!(told.is_sorted_by_key(|(_, version, _)| *version));
}
