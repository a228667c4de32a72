//! How long turns take. Printed, not asserted: run with `--nocapture`.

use std::time::{Duration, Instant};

use pipeline::{Broker, LogEvent};
use schemas::Role;

use super::support::{Member, World, at, position, record};
use super::{INPUT, OUTPUT};

#[test]
fn small_turns_and_large_ones_are_measured() {
    let Some(world) = World::new(8, &[INPUT, OUTPUT]) else {
        return;
    };
    joining(&world);
    let mut member = world.member(Role::Planner, "one");
    println!("\nrecords a turn, turns: p50, p90, p99, longest in ms; records a second");
    for (records, turns) in [(0, 100), (20, 200), (1_000, 30), (10_000, 10)] {
        let begun = Instant::now();
        let mut took = turns_of(&mut member, records, turns);
        let total = begun.elapsed().as_secs_f64();
        let rate = f64::from(u32::try_from(records * turns).unwrap()) / total;
        println!(
            "{records:6}, {turns:3}: {}; {rate:8.0}",
            quantiles(&mut took)
        );
    }
    reading(&world, &mut member);
}

#[test]
fn the_way_from_a_commit_to_a_reader_is_measured() {
    let Some(world) = World::new(8, &[INPUT, OUTPUT]) else {
        return;
    };
    let mut member = world.member(Role::Planner, "one");
    let mut reader = world.broker.reader().unwrap();
    for shard in 0..8 {
        reader.read(at(OUTPUT, shard), 0).unwrap();
    }
    let mut took = Vec::new();
    let mut events = Vec::new();
    for turn in 0..100 {
        let positions = (0..8).map(|shard| (at(INPUT, shard), position(turn, "")));
        let records = vec![record(at(OUTPUT, 0), "value")];
        let one = Instant::now();
        member.log.commit(records, positions.collect(), 0).unwrap();
        let mut seen = 0;
        while seen == 0 {
            reader
                .poll(Duration::from_millis(100), &mut events)
                .unwrap();
            for event in events.drain(..) {
                if let LogEvent::Batch { records, .. } = event {
                    seen += records.len();
                }
            }
        }
        took.push(one.elapsed().as_secs_f64() * 1e3);
        member.outcome().unwrap();
    }
    println!("\nfrom commit to reader: {}", quantiles(&mut took));
}

fn reading(world: &World, member: &mut Member) {
    let output = at(OUTPUT, 0);
    let (_, end) = member.ends(&[output])[0];
    let mut reader = world.broker.reader().unwrap();
    let begun = Instant::now();
    reader.read(output, 0).unwrap();
    let (mut count, mut reached, mut events) = (0_u32, 0, Vec::new());
    while reached < end {
        reader
            .poll(Duration::from_millis(100), &mut events)
            .unwrap();
        for event in events.drain(..) {
            if let LogEvent::Batch {
                records, position, ..
            } = event
            {
                count += u32::try_from(records.len()).unwrap();
                reached = position;
            }
        }
    }
    let took = begun.elapsed().as_secs_f64();
    let rate = f64::from(count) / took;
    println!("{count} records of one partition read in {took:.3} s: {rate:.0}/s");
}

/// What a restart costs.
fn joining(world: &World) {
    let begun = Instant::now();
    let lap = |what: &str| println!("{what} after {:.0} ms", begun.elapsed().as_secs_f64() * 1e3);
    println!();
    let mut member = world.joining(Role::Planner, "one");
    lap("joining");
    member.assigned();
    lap("assigned");
    let of: Vec<_> = (0..8).map(|shard| at(INPUT, shard)).collect();
    member.committed(&of);
    lap("told its positions");
    member.ends(&of);
    lap("told the ends");
    turns_of(&mut member, 1, 1);
    lap("first turn");
    drop(member);
    lap("closed");
}

fn turns_of(member: &mut Member, records: usize, turns: usize) -> Vec<f64> {
    let value = "v".repeat(300);
    let mut took = Vec::new();
    for turn in 0..turns {
        let records = (0..records)
            .map(|_| record(at(OUTPUT, 0), &value))
            .collect();
        let offset = i64::try_from(turn).unwrap();
        let positions = (0..8).map(|shard| (at(INPUT, shard), position(offset, "note")));
        let one = Instant::now();
        member.commit(records, positions.collect()).unwrap();
        took.push(one.elapsed().as_secs_f64() * 1e3);
    }
    took
}

fn quantiles(took: &mut [f64]) -> String {
    took.sort_by(f64::total_cmp);
    let at = |per_cent: usize| took[(took.len() - 1) * per_cent / 100];
    format!(
        "p50 {:.1} p90 {:.1} p99 {:.1} longest {:.1} ms",
        at(50),
        at(90),
        at(99),
        at(100)
    )
}
