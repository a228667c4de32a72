use std::collections::BTreeMap;

use rand::rngs::SmallRng;
use rand::{Rng, SeedableRng};

use super::*;

type Model = BTreeMap<(Millis, u64), Key>;

/// One random walk: how far ahead entries are due, and how far time goes in a step.
struct Walk {
    name: &'static str,
    spread: i64,
    step: i64,
}

const fn walk(name: &'static str, spread: i64, step: i64) -> Walk {
    Walk { name, spread, step }
}

const WALKS: [Walk; 6] = [
    walk("one tick", 1, 1),
    walk("one level", 64, 10),
    walk("a slot", 30_000, 150),
    walk("the ring", 720_000, 5_000),
    walk("a century", 3_155_760_000_000, 1_000_000_000),
    walk("leaps", 100, 1_000_000),
];

#[test]
fn the_wheel_agrees_with_an_ordered_map_under_random_steps() {
    for walk in WALKS {
        for seed in 0..20 {
            run(&walk, seed);
        }
    }
}

fn run(walk: &Walk, seed: u64) {
    let mut rng = SmallRng::seed_from_u64(seed);
    let mut now = Millis(rng.random_range(-1_000_000..1_800_000_000_000));
    let mut wheel = Wheel::new(now);
    let mut model = Model::new();
    let mut rank = 0_u64;
    let what = format!("{} with seed {seed}", walk.name);
    for _ in 0..2_000 {
        match rng.random_range(0..10) {
            0..5 => {
                let due = Millis(now.0 + rng.random_range(-walk.spread / 8..=walk.spread));
                for _ in 0..rng.random_range(1..4) {
                    rank += 1;
                    let key = wheel.insert(due, rank, rank);
                    model.insert((due, rank), key);
                }
            }
            5..7 => remove_any(&mut wheel, &mut model, &mut rng, &what),
            7 => {
                now = Millis(now.0 + rng.random_range(0..=walk.step));
                wheel.advance(now);
                let due = model.keys().next().filter(|(due, _)| *due <= now);
                let told = wheel.next().filter(|next| next.at <= now);
                let exact = told.map(|next| (next.at, next.exact));
                assert_eq!(exact, due.map(|(due, _)| (*due, true)), "{what}");
            }
            _ => {
                for _ in 0..rng.random_range(1..8) {
                    pop(&mut wheel, &mut model, now, &what);
                }
            }
        }
        assert_eq!(wheel.len(), model.len(), "{what}");
        let next = wheel.next().map(|next| next.at);
        assert!(
            next <= model.keys().next().map(|(due, _)| *due),
            "{what}: {next:?}"
        );
        assert_eq!(next.is_none(), model.is_empty(), "{what}");
    }
    while !model.is_empty() {
        pop(&mut wheel, &mut model, Millis::MAX, &what);
    }
    assert_eq!(wheel.pop(Millis::MAX), None, "{what}");
}

fn remove_any(wheel: &mut Wheel<u64, u64>, model: &mut Model, rng: &mut SmallRng, what: &str) {
    if model.is_empty() {
        return;
    }
    let nth = rng.random_range(0..model.len());
    let Some(id) = model.keys().nth(nth).copied() else {
        return;
    };
    if let Some(key) = model.remove(&id) {
        assert_eq!(wheel.remove(key), Some(id.1), "{what}");
        assert_eq!(wheel.remove(key), None, "{what}");
    }
}

fn pop(wheel: &mut Wheel<u64, u64>, model: &mut Model, limit: Millis, what: &str) {
    let first = model
        .keys()
        .next()
        .copied()
        .filter(|(due, _)| *due <= limit);
    let expected = first.and_then(|id| model.remove(&id).map(|key| (key, id.1)));
    assert_eq!(wheel.pop(limit), expected, "{what}");
}

#[test]
fn a_herd_at_one_tick_moves_down_as_one_and_leaves_in_order() {
    let herd = 100_000_u64;
    let due = Millis(1_796_086_800_123);
    let mut wheel = Wheel::new(Millis(due.0 - 299_000));
    for rank in 0..herd {
        wheel.insert(due, rank, rank);
    }
    let mut moves = 0;
    while let Some(next) = wheel.next().filter(|next| !next.exact) {
        wheel.advance(next.at);
        moves += 1;
    }
    assert!(moves <= 3, "{moves} moves for a due time 5 minutes ahead");
    for rank in 0..herd {
        assert_eq!(wheel.pop(due).map(|(_, rank)| rank), Some(rank));
    }
    assert_eq!(wheel.len(), 0);
}

#[test]
fn every_time_there_is_can_be_waited_for() {
    let times = [i64::MIN, -1, 0, 1, 253_402_300_799_999, i64::MAX];
    let mut wheel = Wheel::new(Millis(0));
    for (rank, time) in times.into_iter().enumerate().rev() {
        wheel.insert(Millis(time), rank, rank);
    }
    for (rank, time) in times.into_iter().enumerate() {
        let popped = wheel.pop(Millis::MAX).map(|(_, rank)| rank);
        assert_eq!(popped, Some(rank), "{time}");
    }
}
