//! The whole core through its public verbs: every command at every place a task can be.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod world;

use schemas::TenantId;
use schemas::answer::ListQuery;
use world::World;
use world::script::{check, run};

#[test]
fn a_task_in_the_index_is_changed_in_the_turn() {
    check(
        "cancel",
        "register a 1h          => 1 created
         show a                 => pending
         cancel a               => 2 cancelled
         show a                 => cancelled
         cancel a               => 3 cancelled
         register a 1h          => 4 created
         wheel                  =>",
    );
    check(
        "reschedule, touch, update, run",
        "register a 1h          => 1 created
         touch a                => 2 changed
         reschedule a at=7200000 => 3 changed
         touch a                => 4 refused op
         update a url=x         => 5 changed
         update a url=x         => 6 unchanged
         show a                 => pending
         run a                  => 7 changed
         wheel                  => a#1
         show a                 => scheduled",
    );
    check(
        "null removes",
        "register a 1h expires=1m payload=x => 1 created
         update a expires_after=null         => 2 changed
         update a expires_after=null tags=null retry=null => 3 unchanged
         update a payload=null               => 4 changed
         register a 1h                       => 5 unchanged
         update a expires=1m                 => 6 changed
         register a 1h                       => 7 conflict",
    );
    check(
        "pause and resume",
        "register a 10m         => 1 created
         resume a               => 2 unchanged
         pause a                => 3 changed
         pause a                => 4 unchanged
         time 20m               =>
         show a                 => paused
         wheel                  =>
         resume a               => 5 changed
         wheel                  => a#1",
    );
    check(
        "cancel of a paused one, run of another",
        "register a 10m         => 1 created
         pause a                => 2 changed
         cancel a               => 3 cancelled
         register b 10m         => 4 created
         pause b                => 5 changed
         reschedule b 20s       => 6 changed
         show b                 => paused
         run b                  => 7 changed
         wheel                  => b#1",
    );
}

#[test]
fn a_task_in_its_slot_is_taken_back_by_the_trigger() {
    check(
        "cancel",
        "register a 10s         => 1 created
         wheel                  => a#1
         cancel a               => 2 cancelled
         wheel                  =>
         show a                 => cancelled",
    );
    check(
        "moves",
        "register a 10s         => 1 created
         reschedule a 20s       => 2 changed
         wheel                  => a#1
         run a                  => 3 changed
         wheel                  => a#2
         update a url=x         => 4 changed
         wheel                  => a#1
         reschedule a 1h        => 5 changed
         wheel                  =>
         show a                 => pending",
    );
    check(
        "pause and resume",
        "register a 10s         => 1 created
         pause a                => 2 changed
         wheel                  =>
         show a                 => paused
         resume a               => 3 changed
         wheel                  => a#2",
    );
    check(
        "expired in the wheel",
        "register a 10s expires=1s => 1 created
         late a                 =>
         show a                 => expired
         cancel a               => 2 cancelled",
    );
}

#[test]
fn a_fired_task_is_taken_back_by_the_dispatcher_unless_its_call_began() {
    check(
        "not begun",
        "register a 10s         => 1 created
         fire a                 =>
         cancel a               => 2 cancelled
         show a                 => cancelled",
    );
    check(
        "begun",
        "register a 10s         => 1 created
         fire a                 =>
         begin a                =>
         cancel a               => 2 too_late
         show a                 => running
         cancel a               => 3 too_late
         run a                  => 4 too_late
         register a 10s         => 5 unchanged
         end a success          =>
         show a                 => completed
         cancel a               => 6 too_late
         register a 10s         => 7 unchanged
         register a 11s         => 8 conflict",
    );
    check(
        "a cancel that came too late stops further legs",
        "register a 10s         => 1 created
         fire a                 =>
         begin a                =>
         cancel a               => 2 too_late
         end a again 10s        =>
         show a                 => cancelled
         wheel                  =>",
    );
    check(
        "a move that came too late does not",
        "register a 10s         => 1 created
         fire a                 =>
         begin a                =>
         reschedule a 1h        => 2 too_late
         end a again 10s        =>
         show a                 => failed
         wheel                  => a#2",
    );
    check(
        "not begun, moved",
        "register a 10s         => 1 created
         fire a                 =>
         run a                  => 2 changed
         wheel                  => a#2",
    );
}

#[test]
fn a_retry_waits_in_the_index_and_its_leg_is_counted() {
    check(
        "retries",
        "register a 10s         => 1 created
         fire a                 =>
         begin a                =>
         end a again 20m        =>
         show a                 => failed
         wheel                  =>
         time 16m               =>
         wheel                  => a#2
         fire a                 =>
         begin a                =>
         end a again 10s        =>
         wheel                  => a#3
         fire a                 =>
         end a dead             =>
         show a                 => dead
         cancel a               => 2 too_late",
    );
    check(
        "cancelled, run and moved between two attempts",
        "register a 10s         => 1 created
         fire a                 =>
         end a again 20m        =>
         run a                  => 2 changed
         wheel                  => a#2
         fire a                 =>
         end a again 20m        =>
         reschedule a 30m       => 3 changed
         show a                 => pending
         cancel a               => 4 cancelled",
    );
    check(
        "expired between two attempts",
        "register a 10s expires=1m => 1 created
         fire a                 =>
         begin a                =>
         end a again 2m         =>
         show a                 => expired
         cancel a               => 2 too_late",
    );
}

#[test]
fn a_register_is_idempotent_and_its_id_is_remembered_for_a_while() {
    check(
        "idempotent",
        "register a 1h          => 1 created
         time 10m               =>
         register a 1h          => 2 unchanged
         register a 2h          => 3 conflict
         register a 1h version=7 => 4 conflict
         register b 1h version=7 => 5 conflict
         update b url=x         => 6 unknown
         update b 1h url=x      => 7 created
         update b 1h url=x      => 8 unchanged",
    );
    check(
        "remembered",
        "register a 10s         => 1 created
         fire a                 =>
         end a success          =>
         time 14m               =>
         register a 10s         => 2 unchanged
         update a url=x         => 3 unknown
         time 2m                =>
         show a                 => none
         register a 10s         => 4 created
         wheel                  => a#1",
    );
    check(
        "due in the past fires at once, too late expires",
        "register a at=-60000   => 1 created
         wheel                  => a#1
         register b at=-60000 expires=30s => 2 created
         show b                 => expired",
    );
}

#[test]
fn what_cannot_be_is_refused() {
    check(
        "unknown",
        "cancel a               => 1 unknown
         run a                  => 2 unknown
         touch a                => 3 unknown
         register a 1h          => 4 created
         kill a                 => 5 refused op
         frobnicate a           => 6 refused op",
    );
}

#[test]
fn a_restart_in_between_changes_nothing() {
    check(
        "askers of a wish survive",
        "register a 10s         => 1 created
         register b 20m         => 2 created
         stop                   =>
         cancel a               =>
         register a 20s         =>
         lose                   =>
         crash                  =>
         go                     => 3 cancelled, 4 created
         wheel                  => a#1
         time 15m               =>
         wheel                  => a#1, b#1",
    );
}

#[test]
fn a_retried_task_is_listed_by_the_time_that_its_schedule_wanted() {
    let mut world = World::new();
    for step in [
        "register a 10s",
        "register b 9m",
        "fire a",
        "end a again 10m",
    ] {
        run(&mut world, step);
    }
    let view = world.view("a").unwrap();
    assert_eq!(view.due, view.firings[0].due);
    let later = view.retry_at.unwrap();
    assert!(later > view.due.plus(500_000), "{later:?}");
    let mut list = |from, to| {
        let query = ListQuery {
            tenant: Some(TenantId::new("t").unwrap()),
            due_from: from,
            due_to: to,
            limit: 10,
            ..ListQuery::default()
        };
        let tasks = world.core().list(&query).tasks;
        tasks.iter().map(|it| it.id.to_string()).collect::<Vec<_>>()
    };
    assert_eq!(list(Some(view.due), Some(view.due.plus(1))), ["a"]);
    assert_eq!(list(Some(view.due.plus(1)), None), ["b"]);
}
