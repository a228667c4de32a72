//! Sharded broadcasts: one firing, many calls, joined.

mod world;

use planner::PlannerConfig;
use schemas::{Shard, Topic};
use world::script::{check, json, run};
use world::{START, World};

#[test]
fn a_broadcast_is_a_call_a_shard_and_ends_once_all_have() {
    check(
        "completed",
        "register a 5s broadcast=3 payload=x => 1 created
         wheel                 => a~0#1, a~1#1, a~2#1
         payloads a            => x x x
         show a                => scheduled
         shares a              => 3: live 3
         time 5s               =>
         fire a~1              =>
         begin a~1             =>
         end a~1 success       =>
         show a                => running
         shares a              => 3: live 2 completed 1
         fire a                =>
         begin a               =>
         end a again 2s        =>
         wheel                 => a~2#1, a~0#2
         fire a~2              =>
         begin a~2             =>
         end a~2 success       =>
         show a                => running
         fire a~0              =>
         begin a~0             =>
         end a~0 success       =>
         show a                => completed
         shares a              => 3: completed 3
         register a 5s broadcast=3 payload=x => 2 unchanged
         register a 5s broadcast=2 payload=x => 3 conflict",
    );
    check(
        "one given up",
        "register a 5s broadcast=2 => 1 created
         time 5s               =>
         fire a                =>
         begin a               =>
         end a dead            =>
         show a                => running
         fire a                =>
         begin a               =>
         end a success         =>
         show a                => dead
         shares a              => 2: completed 1 dead 1",
    );
    check(
        "one expired",
        "register a 5s broadcast=2 expires=1s => 1 created
         time 5s               =>
         fire a                =>
         begin a               =>
         end a success         =>
         late a                =>
         show a                => expired
         shares a              => 2: completed 1 expired 1",
    );
}

#[test]
fn far_ones_are_made_when_their_time_is_near() {
    check(
        "an hour",
        "register a 1h broadcast=2 => 1 created
         show a                => pending
         shares a              => 2:
         time 54m              =>
         wheel                 =>
         time 2m               =>
         wheel                 => a~0#1, a~1#1",
    );
    check(
        "too late as a whole",
        "register a 1h broadcast=2 expires=1s => 1 created
         down 2h               =>
         show a                => expired
         wheel                 =>",
    );
    check(
        "at once",
        "register a 0s broadcast=2 => 1 created
         wheel                 => a~0#1, a~1#1",
    );
}

#[test]
fn a_cancel_takes_back_what_has_not_begun() {
    check(
        "in the index",
        "register a 1h broadcast=2 => 1 created
         cancel a              => 2 cancelled
         show a                => cancelled
         register a 5s broadcast=2 => 3 created
         wheel                 => a~0#1, a~1#1",
    );
    check(
        "in the wheel",
        "register a 5s broadcast=3 => 1 created
         cancel a              => 2 cancelled
         wheel                 =>
         show a                => cancelled
         shares a              => 3: cancelled 3
         register a 5s broadcast=2 => 3 created
         wheel                 => a~0#1, a~1#1",
    );
    check(
        "one had begun",
        "register a 5s broadcast=3 => 1 created
         time 5s               =>
         fire a~1              =>
         begin a~1             =>
         cancel a              => 2 too_late
         wheel                 =>
         show a                => running
         shares a              => 3: live 1 cancelled 2
         cancel a              => 3 too_late
         end a~1 again 5s      =>
         wheel                 =>
         show a                => cancelled
         shares a              => 3: cancelled 3",
    );
    check(
        "one had ended",
        "register a 5s broadcast=3 => 1 created
         time 5s               =>
         fire a~1              =>
         begin a~1             =>
         end a~1 success       =>
         cancel a              => 2 too_late
         wheel                 =>
         show a                => cancelled
         shares a              => 3: completed 1 cancelled 2",
    );
    check(
        "one waits to be tried again",
        "register a 5s broadcast=2 => 1 created
         time 5s               =>
         fire a                =>
         begin a               =>
         end a again 10m       =>
         cancel a              => 2 too_late
         show a                => cancelled
         wheel                 =>",
    );
    check(
        "a register waits behind it",
        "register a 5s broadcast=2 => 1 created
         stop                  =>
         cancel a              =>
         register a 9s broadcast=3 =>
         go                    => 2 cancelled, 3 created
         wheel                 => a~0#1, a~1#1, a~2#1",
    );
}

#[test]
fn a_move_needs_that_no_call_began() {
    check(
        "none",
        "register a 5s broadcast=3 => 1 created
         reschedule a 8s       => 2 changed
         wheel                 => a~0#1, a~1#1, a~2#1
         time 7s               =>
         fire a                =>
         begin a               =>
         reschedule a 1m       => 3 too_late
         wheel                 => a~1#2, a~2#2
         show a                => running
         reschedule a 1m       => 4 too_late
         wheel                 => a~1#2, a~2#2",
    );
    check(
        "taken back, and one had begun: they go on by their next leg",
        "register a 5s broadcast=3 => 1 created
         time 5s               =>
         fire a~2              =>
         begin a~2             =>
         reschedule a 1m       => 2 too_late
         wheel                 => a~0#2, a~1#2
         end a~2 success       =>
         fire a                =>
         begin a               =>
         end a success         =>
         fire a                =>
         begin a               =>
         end a success         =>
         show a                => completed",
    );
    check(
        "a move, then a cancel",
        "register a 5s broadcast=3 => 1 created
         stop                  =>
         reschedule a 1m       =>
         cancel a              =>
         go                    => 2 cancelled, 3 cancelled
         show a                => cancelled
         wheel                 =>",
    );
    check(
        "paused, and another number of shards",
        "register a 5s broadcast=3 => 1 created
         pause a               => 2 changed
         show a                => paused
         wheel                 =>
         update a broadcast=2  => 3 changed
         time 9s               =>
         resume a              => 4 changed
         wheel                 => a~0#1, a~1#1",
    );
    check(
        "run now",
        "register a 1h broadcast=2 payload=x => 1 created
         run a payload=y       => 2 changed
         wheel                 => a~0#1, a~1#1
         payloads a            => y y",
    );
}

#[test]
fn a_broadcast_is_one_step_of_a_flow() {
    check(
        "joined, then the next",
        "register g/a 0s broadcast=2 => 1 created
         register g/b needs=a  => 2 created
         register g/c needs=a:failure broadcast=2 => 3 created
         fire g/a              =>
         begin g/a             =>
         end g/a success       =>
         show g/b              => held
         fire g/a              =>
         begin g/a             =>
         end g/a success       =>
         wheel                 => g/b#1
         show g/c              => skipped",
    );
    check(
        "as a step that waits; its answers are nobody's payload",
        "register g/a 0s       => 1 created
         register g/b needs=a broadcast=2 from=a => 2 created
         register g/c needs=b from=b payload=own => 3 created
         fire g/a              =>
         end g/a success text/plain=said =>
         wheel                 => g/b~0#1, g/b~1#1
         payloads g/b          => said said
         fire g/b              =>
         end g/b success text/plain=one =>
         fire g/b              =>
         end g/b success text/plain=two =>
         payload g/c           => application/json \"own\"",
    );
}

#[test]
fn a_recurring_broadcast_counts_as_one_firing() {
    check(
        "each occurrence in all its shards",
        "calls take 1s         =>
         register a every=10s max_runs=2 broadcast=2 => 1 created
         time 1m               =>
         calls                 => 1@10 1@10 2@20 2@20
         tally a               => ended 2
         show a                => completed
         time 16m              =>
         rows                  =>",
    );
    check(
        "a fixed delay counts from the last of them",
        "register a after_each=10s broadcast=2 => 1 created
         time 10s              =>
         fire a                =>
         begin a               =>
         end a success         =>
         time 7s               =>
         wheel                 => a~1#1
         fire a                =>
         begin a               =>
         end a success         =>
         time 10s              =>
         wheel                 => a.2~0#1, a.2~1#1
         tally a               => ended 1 live 1",
    );
    check(
        "overlap looks at the whole",
        "register a every=10s overlap=skip broadcast=2 => 1 created
         time 10s              =>
         fire a                =>
         begin a               =>
         end a success         =>
         time 12s              =>
         tally a               => skipped 1 live 1",
    );
    check(
        "the one before is cancelled where none of its calls has begun",
        "register a every=10s overlap=cancel_previous broadcast=2 => 1 created
         time 21s              =>
         wheel                 => a.2~0#1, a.2~1#1
         tally a               => taken 1 live 1",
    );
    check(
        "commands",
        "register a every=20s broadcast=2 => 1 created
         wheel                 => a~0#1, a~1#1, a.2~0#1, a.2~1#1, a.3~0#1, a.3~1#1, a.4~0#1, a.4~1#1
         pause a               => 2 changed
         wheel                 =>
         resume a              => 3 changed
         time 20s              =>
         fire a                =>
         begin a               =>
         cancel a              => 4 too_late
         wheel                 =>
         end a success         =>
         show a                => cancelled",
    );
    check(
        "an update keeps what has begun",
        "register a every=20s broadcast=2 payload=x => 1 created
         time 20s              =>
         fire a~1              =>
         begin a~1             =>
         update a payload=y broadcast=3 => 2 changed
         payloads a            => x y y y y y y y y y y y y
         run a payload=z       => 3 changed
         payloads a            => x y y y y y y y y y y y y z z z",
    );
}

#[test]
fn a_herd_of_broadcasts_is_made_a_bounded_step_a_turn() {
    let config = PlannerConfig {
        turn_placements: 64,
        ..PlannerConfig::default()
    };
    let mut world = World::with(config, Shard(0), 1);
    for n in 0..8 {
        let id = format!("a{n}");
        world.ask(
            Topic::Registrations,
            &json(&["register", &id, "1m", "broadcast=100"]),
        );
    }
    world.pump();
    assert_eq!(world.behind.wheel_ids().len(), 800);
    assert!(world.turns >= 800 / 64, "{} turns", world.turns);
    world.keep_answers = true;
    for n in 0..8 {
        run(&mut world, &format!("cancel a{n}"));
    }
    assert_eq!(world.behind.wheel_ids().len(), 0);
    assert_eq!(world.now.0, START);
}

#[test]
fn a_large_payload_stands_once() {
    let mut world = World::new();
    let payload = "x".repeat(100_000);
    let word = format!("payload={payload}");
    world.ask(
        Topic::Registrations,
        &json(&["register", "a", "1h", "broadcast=500", &word]),
    );
    world.pump();
    world.now = world.now.plus(56 * 60_000);
    world.pump();
    assert!(
        world.behind.wheel_ids().len() < 500,
        "an instance is bounded"
    );
    let index = world.log[&Topic::Index].iter();
    let bytes: usize = index
        .filter_map(|record| record.value.as_ref())
        .map(bytes::Bytes::len)
        .sum();
    assert!(bytes < 1_000_000, "{bytes} bytes of index");
    world.now = world.now.plus(5 * 60_000);
    world.pump();
    assert_eq!(world.behind.wheel_ids().len(), 500);
}
