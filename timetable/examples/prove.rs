//! The proof of `cargo xtask show time.1` and `time.6` in full; writes its figures as JSON.
//!
//! `prove TRIALS MALFORMED [SEED]`

#[path = "../tests/proof/mod.rs"]
mod proof;

use proof::trial::{Tally, ask};
use proof::{ZONES, edges, malformed, zones};
use rand::SeedableRng;
use rand::rngs::SmallRng;
use serde_json::json;
use std::time::Instant;
use timetable::{Cron, Every, Rule, Zone};

fn main() {
    let mut arguments = std::env::args().skip(1).map(|text| text.parse::<u64>());
    let mut next = |default| match arguments.next() {
        Some(number) => number.expect("a number"),
        None => default,
    };
    let (trials, refusals, seed) = (next(1_000_000), next(10_000), next(1));
    let tally = trial(trials, seed);
    let edges: Vec<_> = ZONES.iter().map(|zone| edges::check(zone)).collect();
    let mut rng = SmallRng::seed_from_u64(seed);
    let judged: Vec<String> = (0..refusals)
        .filter_map(|_| {
            let (text, place) = malformed::random(&mut rng);
            malformed::judge(&text, &place)
        })
        .collect();
    let (all_zones, closest, offsets_wrong) = zones::check(&mut rng, zones::all(), 2_000);
    let differ: Vec<_> = tally
        .differ
        .iter()
        .map(|((name, kind), (count, example))| {
            json!({"crate": name, "kind": kind, "count": count, "example": example})
        })
        .collect();
    let few = |list: &[String]| list.iter().take(20).cloned().collect::<Vec<_>>();
    let wrong_edges: Vec<String> = edges
        .iter()
        .flat_map(|(_, _, wrong)| wrong.clone())
        .collect();
    let figures = json!({
        "trials": tally.trials,
        "impossible": tally.impossible,
        "wrong": tally.wrong.len(),
        "wrong_examples": few(&tally.wrong),
        "compared": tally.compared,
        "differ": differ,
        "zones": ZONES.len(),
        "changes": edges.iter().map(|(changes, ..)| changes).sum::<u64>(),
        "edge_questions": edges.iter().map(|(_, questions, _)| questions).sum::<u64>(),
        "edge_wrong": wrong_edges.len(),
        "edge_examples": few(&wrong_edges),
        "all_zones": all_zones,
        "closest_changes_s": closest,
        "offsets_wrong": offsets_wrong.len(),
        "malformed": refusals,
        "malformed_wrong": judged.len(),
        "malformed_examples": few(&judged),
        "drift_ms": drift(),
        "per_second": speed(),
        "parsed_per_second": parse_speed(),
    });
    println!("{figures}");
}

/// On two threads, each with its own seeds.
fn trial(trials: u64, seed: u64) -> Tally {
    let run = |seed: u64, trials: u64| {
        let mut rng = SmallRng::seed_from_u64(seed);
        let mut tally = Tally::default();
        for _ in 0..trials {
            ask(&mut rng, &mut tally);
        }
        tally
    };
    std::thread::scope(|scope| {
        let half = scope.spawn(|| run(seed.wrapping_add(1 << 32), trials / 2));
        let mut tally = run(seed, trials - trials / 2);
        tally.add(half.join().expect("no panic"));
        tally
    })
}

/// The greatest distance, ms, of the nth of a million occurrences from anchor + n periods, over several periods.
fn drift() -> i64 {
    const ANCHOR: i64 = 1_700_000_000_123;
    let mut worst = 0;
    for period in [100, 333, 1_000, 7_919, 3_600_000] {
        let every = Every::new(ANCHOR, period).expect("a period");
        let period = i64::try_from(period).expect("short");
        let mut at = ANCHOR;
        for n in 1..=1_000_000 {
            at = every.next_after(at).expect("a next");
            worst = worst.max((at - (ANCHOR + n * period)).abs());
        }
    }
    worst
}

const COMMON: [&str; 6] = [
    "*/5 * * * *",
    "0 * * * *",
    "30 2 * * *",
    "0 9 * * MON-FRI",
    "0 0 1 * *",
    "*/10 * * * * *",
];

/// Next occurrences a second of the slowest common expression, in a zone with clock changes.
fn speed() -> u64 {
    let zone = Zone::parse("Europe/Paris").expect("a zone");
    let rate = |expression: &&str| {
        let rule = Rule::new(Cron::parse(expression).expect(expression), zone, None, None);
        let begun = Instant::now();
        let mut at = 1_700_000_000_000;
        let mut count = 0_u32;
        // Monthly ones leave the time zone data's years soon, so they begin anew.
        while begun.elapsed().as_millis() < 200 {
            for _ in 0..1_000 {
                at = rule
                    .next_after(at)
                    .filter(|at| *at < 2_000_000_000_000)
                    .unwrap_or(1_700_000_000_000);
            }
            count += 1_000;
        }
        f64::from(count) / begun.elapsed().as_secs_f64()
    };
    COMMON.iter().map(rate).fold(f64::MAX, f64::min) as u64
}

fn parse_speed() -> u64 {
    let begun = Instant::now();
    let mut count = 0_u32;
    while begun.elapsed().as_millis() < 200 {
        for expression in COMMON {
            count += u32::from(Cron::parse(expression).is_ok());
        }
    }
    (f64::from(count) / begun.elapsed().as_secs_f64()) as u64
}
