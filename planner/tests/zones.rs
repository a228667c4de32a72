//! Other time zone data, as another release brings them: by those of `west` clocks of Paris show what those
//! of London do. The start is at 01:00:00Z in winter, 02:00:00 in Paris.

mod world;

use planner::PlannerConfig;
use schemas::Shard;
use world::World;
use world::script::{check, run};

#[test]
fn what_other_data_move_is_listed_and_planned_anew() {
    check(
        "planted or not; what no zone has a say in stays",
        "tzdata east1          =>
         register a cron=2_2_*_*_* zone=Europe/Paris => 1 created
         register b cron=*/2_*_*_*_* zone=Europe/Paris => 2 created
         register c cron=2_1_*_*_* => 3 created
         register d cron=30_5_*_*_* zone=Europe/Paris => 4 created
         register e every=2m   => 5 created
         register f cron=0_0_1_*_* zone=Asia/Tokyo => 6 created
         register g after=2m   => 7 created
         wheel                 => a.1#1, b.1#1, c.1#1, e.1#1, g#1
         moved                 =>
         tzdata west2          =>
         moved                 => a 120>3720 east1>west2, d 12600>16200 east1>west2
         wheel                 => b.1#1, c.1#1, e.1#1, g#1
         tally a               => taken 1
         tally b               => live 1
         calls take 1s         =>
         time 63m              =>
         tally a               => ended 1 taken 1",
    );
    check(
        "the same data again change nothing, the old ones move it back",
        "tzdata east1          =>
         register a cron=2_2_*_*_* zone=Europe/Paris => 1 created
         tzdata west2          =>
         crash                 =>
         moved                 => a 120>3720 east1>west2
         lose                  =>
         moved                 => a 120>3720 east1>west2
         tzdata west3          =>
         moved                 => a 120>3720 east1>west2
         tzdata east4          =>
         moved                 => a 3720>120 west3>east4
         wheel                 => a.2#1
         tally a               => taken 1 live 1",
    );
    check(
        "a change of the task, or its end, takes it off the list",
        "tzdata east1          =>
         register a cron=30_5_*_*_* zone=Europe/Paris => 1 created
         register b cron=30_5_*_*_* zone=Europe/Paris => 2 created
         register c cron=30_5_*_*_* zone=Europe/Paris => 3 created
         pause c               => 4 changed
         tzdata west2          =>
         moved                 => a 12600>16200 east1>west2, b 12600>16200 east1>west2
         time 1s               =>
         update a cron=40_5_*_*_* zone=Europe/Paris => 5 changed
         cancel b              => 6 cancelled
         moved                 => b 12600>16200 east1>west2
         time 30m              =>
         moved                 =>",
    );
}

#[test]
fn what_was_done_to_a_task_is_forgotten_with_it() {
    let mut world = World::new();
    for step in [
        "tzdata east1",
        "register a cron=30_5_*_*_* zone=Europe/Paris",
        "tzdata west2",
        "cancel a",
    ] {
        run(&mut world, step);
    }
    let listed = |world: &World| world.rows_of_index().iter().any(|row| row.starts_with('z'));
    assert!(listed(&world));
    run(&mut world, "time 30m");
    assert!(!listed(&world));
}

#[test]
fn many_are_compared_over_many_turns_whatever_fails() {
    for (crash_at, lose) in [(0, false), (1, false), (2, true), (4, false), (7, true)] {
        let config = PlannerConfig {
            turn_swept: 40,
            ..PlannerConfig::default()
        };
        let mut world = World::with(config, Shard(0), 1);
        run(&mut world, "tzdata east1");
        for n in 0..60 {
            // A third is due in five minutes' time and planted.
            let hour = if n % 3 == 0 { 2 } else { 9 };
            let zone = if n % 4 == 0 {
                "Asia/Tokyo"
            } else {
                "Europe/Paris"
            };
            let zone = if hour == 2 && n % 4 == 0 { "UTC" } else { zone };
            let task = format!("register a-{n:02} cron=3_{hour}_*_*_* zone={zone}");
            run(&mut world, &task);
        }
        run(&mut world, "tzdata west2");
        for _ in 0..crash_at {
            world.step();
        }
        if lose {
            world.lose()
        } else {
            world.crash()
        }
        let moved = run(&mut world, "moved");
        let moved: Vec<&str> = moved.split(", ").collect();
        assert_eq!(moved.len(), 45, "{moved:?}");
        assert!(moved.iter().all(|it| it.ends_with("east1>west2")));
        assert_eq!(run(&mut world, "wheel"), "");
        assert_eq!(run(&mut world, "tally a-03"), "taken 1");
    }
}
