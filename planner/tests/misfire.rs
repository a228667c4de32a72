//! What came too late: which occurrences are fired all the same, and at which pace.

mod world;

use planner::PlannerConfig;
use schemas::Shard;
use world::World;
use world::script::{check, run};

#[test]
fn each_policy_keeps_what_it_says() {
    // Down from 15 s on, back at 3,615 s. Occurrences 2 to 9 were planted before; of those that were
    // not, 10 to 355 are more than a minute late.
    for (policy, calls, left, tally) in [
        ("skip", "", "10-355 late 100..3550", "missed 354"),
        ("once", "355@3550", "10-354 late 100..3540", "missed 345"),
        (
            "all most=3",
            "353@3530 354@3540 355@3550",
            "10-352 late 100..3520",
            "missed 343",
        ),
        (
            "window window=90s",
            "353@3530 354@3540 355@3550",
            "10-352 late 100..3520",
            "missed 343",
        ),
    ] {
        let script = format!(
            "calls take 1s         =>
             register a every=10s max_runs=1000 misfire={policy} => 1 created
             time 15s              =>
             calls                 => 1@10
             down 1h               =>
             time 500ms            =>
             left                  => {left}"
        );
        let mut world = World::new();
        for line in script.lines().map(str::trim) {
            let (step, expected) = line.split_once("=>").unwrap();
            assert_eq!(
                run(&mut world, step.trim()),
                expected.trim(),
                "{policy}: {step}"
            );
        }
        let late: Vec<&str> = calls.split_whitespace().collect();
        run(&mut world, "time 10s");
        let called = world.calls();
        let called: Vec<&str> = called.split_whitespace().collect();
        let kept: Vec<&&str> = called.iter().filter(|it| late.contains(it)).collect();
        assert_eq!(kept.len(), late.len(), "{policy}: {called:?}");
        assert!(
            called.contains(&"356@3560") && called.contains(&"361@3610"),
            "{policy}: what is late within the threshold is fired: {called:?}"
        );
        assert!(
            world.tally("a").contains(tally),
            "{policy}: {}",
            world.tally("a")
        );
    }
}

#[test]
fn a_fixed_delay_is_never_left_out() {
    check(
        "down for a day",
        "calls take 1s         =>
         register a after_each=10s => 1 created
         time 5s               =>
         down 1d               =>
         time 20s              =>
         left                  =>
         tally a               => ended 3 live 1",
    );
}

#[test]
fn late_firings_are_released_at_a_pace() {
    let config = PlannerConfig {
        late_per_second: 2,
        ..PlannerConfig::default()
    };
    let mut world = World::with(config, Shard(0), 1);
    run(&mut world, "calls take 1s");
    for n in 0..10 {
        let register = format!("register t{n} every=30m misfire=once");
        run(&mut world, &register);
    }
    run(&mut world, "time 1s");
    run(&mut world, "down 130m");
    let mut calls = Vec::new();
    for _ in 0..5 {
        run(&mut world, "time 1s");
        calls.push(world.behind.calls.len());
        world.behind.calls.clear();
    }
    assert!(calls.iter().all(|count| *count <= 3), "{calls:?}");
    assert_eq!(calls.iter().sum::<usize>(), 10, "{calls:?}");
}
