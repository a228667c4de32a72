//! Nothing was up for an hour, or for a day: every misfire policy is exact, every occurrence has a fate,
//! and what is late is released at its pace.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod world;

use std::collections::BTreeSet;

use planner::PlannerConfig;
use schemas::Shard;
use world::World;
use world::script::run;

/// Later than this is a misfire, s; as it is unless asked otherwise.
const THRESHOLD: u64 = 60;

/// Which of the occurrences that misfired are fired all the same.
#[derive(Clone, Copy, Debug)]
enum Policy {
    Skip,
    Once,
    All(usize),
    /// Not older than so many s.
    Window(u64),
}

impl Policy {
    fn words(self) -> String {
        match self {
            Self::Skip => "misfire=skip".to_owned(),
            Self::Once => "misfire=once".to_owned(),
            Self::All(most) => format!("misfire=all most={most}"),
            Self::Window(s) => format!("misfire=window window={s}s"),
        }
    }

    fn keeps(self, misfired: &[u64], now: u64) -> Vec<u64> {
        let last = |most: usize| misfired[misfired.len().saturating_sub(most)..].to_vec();
        match self {
            Self::Skip => Vec::new(),
            Self::Once => last(1),
            Self::All(most) => last(most),
            Self::Window(s) => {
                let young = misfired.iter().filter(|due| *due + s >= now);
                young.copied().collect()
            }
        }
    }
}

/// The due times in `1@10 2@20`, s behind the start.
fn dues(calls: &str) -> BTreeSet<u64> {
    let dues = calls
        .split_whitespace()
        .map(|it| it.split_once('@').unwrap().1);
    dues.map(|due| due.parse().unwrap()).collect()
}

/// The due times in `10-355 late 100..3550`, of a schedule with that period.
fn left_out(told: &[String], period: u64) -> BTreeSet<u64> {
    let mut all = BTreeSet::new();
    for told in told {
        let words: Vec<&str> = told.split(' ').collect();
        assert_eq!(words[1], "late", "{told}");
        let number = |text: &str| text.parse::<u64>().unwrap();
        let (first, last) = words[0].split_once('-').unwrap();
        let (from, to) = words[2].split_once("..").unwrap();
        let span: Vec<u64> = (number(from)..=number(to))
            .step_by(usize::try_from(period).unwrap())
            .collect();
        assert_eq!(
            span.len() as u64,
            number(last) - number(first) + 1,
            "{told}"
        );
        let before = all.len();
        all.extend(&span);
        assert_eq!(all.len(), before + span.len(), "{told} was told before");
    }
    all
}

fn after_an_outage(down_s: u64, policy: Policy, (schedule, period): (&str, u64)) {
    let mut world = World::new();
    run(&mut world, "calls take 1s");
    run(
        &mut world,
        &format!("register a {schedule} {}", policy.words()),
    );
    run(&mut world, "time 35s");
    let mut called = dues(&world.calls());
    // What stands in its slot is called by those behind, however late.
    let planted: BTreeSet<u64> = {
        let wheel = world.behind.planted();
        let number = |name: &String| {
            name["a.".len()..name.find('#').unwrap()]
                .parse::<u64>()
                .unwrap()
        };
        wheel.iter().map(|name| number(name) * period).collect()
    };
    run(&mut world, &format!("down {down_s}s"));
    let back = 35 + down_s;
    for _ in 0..20 {
        run(&mut world, "time 5s");
        called.extend(dues(&world.calls()));
    }
    let end = back + 100;
    let all: BTreeSet<u64> = (1..)
        .map(|n| n * period)
        .take_while(|due| *due <= end)
        .collect();
    let unplanted = all
        .iter()
        .filter(|due| **due > 35 && !planted.contains(due));
    // The first look is 500 ms behind the return.
    let misfired: Vec<u64> = unplanted
        .copied()
        .filter(|due| due + THRESHOLD <= back)
        .collect();
    let kept = policy.keeps(&misfired, back + 1);
    let missed: BTreeSet<u64> = misfired
        .iter()
        .copied()
        .filter(|due| !kept.contains(due))
        .collect();
    let what = format!("down {down_s} s, `{schedule}`, {policy:?}");
    assert_eq!(
        left_out(&world.left_out(), period),
        missed,
        "{what}: left out"
    );
    // What stood in its slot is called late, or, where nothing late is wanted, has expired there.
    let expired = planted
        .iter()
        .copied()
        .filter(|due| due + THRESHOLD <= back);
    let expired: BTreeSet<u64> = expired.filter(|_| matches!(policy, Policy::Skip)).collect();
    let missed: BTreeSet<u64> = missed.union(&expired).copied().collect();
    let fired: BTreeSet<u64> = all.difference(&missed).copied().collect();
    assert_eq!(called, fired, "{what}: called");
    let tally = world.tally("a");
    let counted = tally.split_once("missed ").map_or(0, |(_, rest)| {
        rest.split(' ').next().unwrap().parse::<usize>().unwrap()
    });
    assert_eq!(counted, missed.len(), "{what}: {tally}");
    println!(
        "table line: {what}: {} due, {} missed, {} kept, none else",
        all.len(),
        missed.len(),
        kept.len()
    );
}

#[test]
fn every_policy_keeps_exactly_what_it_says() {
    let policies = [
        Policy::Skip,
        Policy::Once,
        Policy::All(1),
        Policy::All(7),
        Policy::All(10_000),
        Policy::Window(90),
        Policy::Window(1_800),
        Policy::Window(90_000),
    ];
    for down_s in [3_600, 86_400] {
        for policy in policies {
            after_an_outage(down_s, policy, ("every=10s", 10));
            after_an_outage(down_s, policy, ("every=7m", 420));
            after_an_outage(down_s, policy, ("cron=*/30_*_*_*_*_*", 30));
            after_an_outage(down_s, policy, ("cron=*/10_*_*_*_* zone=Asia/Kolkata", 600));
        }
    }
}

#[test]
fn what_is_late_is_released_at_its_pace() {
    const TASKS: usize = 200;
    const KEPT: usize = 5;
    const PER_SECOND: usize = 100;
    for down in ["64m", "1444m"] {
        let config = PlannerConfig {
            late_per_second: u32::try_from(PER_SECOND).unwrap(),
            ..PlannerConfig::default()
        };
        let mut world = World::with(config, Shard(0), 1);
        world.keep_answers = true;
        run(&mut world, "calls take 1s");
        for n in 0..TASKS {
            run(
                &mut world,
                &format!("register t{n} cron=0_*/6_*_*_*_* misfire=all most={KEPT}"),
            );
        }
        run(&mut world, "time 1s");
        run(&mut world, &format!("down {down}"));
        let mut late = Vec::new();
        for _ in 0..30 {
            run(&mut world, "time 1s");
            late.push(world.behind.calls.len());
            world.behind.calls.clear();
        }
        let all: usize = late.iter().sum();
        let most = late.iter().max().copied().unwrap_or(0);
        assert_eq!(all, TASKS * KEPT, "{late:?}");
        let full = PER_SECOND - PER_SECOND / 20..=PER_SECOND + PER_SECOND / 20;
        let mut whole = late.iter().take(all / PER_SECOND - 1);
        assert!(
            full.contains(&most) && whole.all(|it| full.contains(it)),
            "{late:?}"
        );
        println!("table line: down {down}, {all} late: at most {most} a second of {PER_SECOND}");
    }
}
