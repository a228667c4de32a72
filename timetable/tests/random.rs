//! A small part of the proof that `cargo xtask show time.1` gives in full.

mod proof;

use proof::trial::{Tally, ask};
use proof::{ZONES, edges, malformed, zones};
use rand::SeedableRng;
use rand::rngs::SmallRng;

#[test]
fn random_expressions_are_as_the_walk_says() {
    let mut tally = Tally::default();
    for seed in 0..3 {
        let mut rng = SmallRng::seed_from_u64(seed);
        let mut part = Tally::default();
        for _ in 0..500 {
            ask(&mut rng, &mut part);
        }
        tally.add(part);
    }
    assert_eq!(tally.trials, 1_500);
    assert_eq!(tally.wrong, Vec::<String>::new());
    assert!(
        tally.compared.values().all(|count| *count > 100),
        "{tally:?}"
    );
}

#[test]
fn clock_changes_are_as_documented() {
    for zone in ["America/New_York", "Antarctica/Troll"] {
        let (changes, _, wrong) = edges::check(zone);
        assert_eq!(changes, 14);
        assert_eq!(wrong, Vec::<String>::new());
    }
    assert_eq!(ZONES.len(), 20);
}

#[test]
fn malformed_expressions_are_refused_where_the_fault_is() {
    let mut rng = SmallRng::seed_from_u64(2);
    for _ in 0..5_000 {
        let (text, place) = malformed::random(&mut rng);
        assert_eq!(malformed::judge(&text, &place), None);
    }
}

#[test]
fn offsets_are_those_of_the_time_zone_data() {
    let mut rng = SmallRng::seed_from_u64(3);
    let some: Vec<_> = zones::all().iter().copied().step_by(60).collect();
    let (count, closest, wrong) = zones::check(&mut rng, &some, 500);
    assert!(count >= 9);
    assert!(closest > 86_400, "{closest} s");
    assert_eq!(wrong, Vec::<String>::new());
}
