use super::*;

fn host() -> Host {
    Host::named("here")
}

/// Lets in until one has to wait; how many entered.
fn fill(gates: &mut Gates<u32>) -> usize {
    let mut inside = 0;
    while gates.enter(&host(), 0).is_some() {
        inside += 1;
    }
    inside
}

fn numbers(look: Look<u32>) -> Vec<u32> {
    look.entered.into_iter().map(|(_, who)| who).collect()
}

#[test]
fn few_enter_at_once_and_the_next_takes_over() {
    let mut gates = Gates::new();
    assert_eq!(fill(&mut gates), FEW);
    assert_eq!(gates.enter(&host(), 7), None);
    assert_eq!(gates.leave(&host()), Some(0));
    assert_eq!(gates.leave(&host()), Some(7));
    assert_eq!(gates.leave(&host()), None);
    assert_eq!(gates.enter(&host(), 8), Some(8));
}

#[test]
fn hosts_do_not_wait_for_each_other() {
    let mut gates = Gates::new();
    fill(&mut gates);
    assert_eq!(gates.enter(&Host::named("there"), 7), Some(7));
}

/// 4,000 calls, all but the first few wait.
fn crowd() -> Gates<u32> {
    let mut gates = Gates::new();
    for who in 0..4_000 {
        gates.enter(&host(), who);
    }
    gates
}

/// Looks until 4,000 calls that never end are let in.
fn looks_until_all_are_in(busy: bool) -> u32 {
    let mut gates = crowd();
    let mut entered = Vec::new();
    let mut looks = 0;
    while FEW + entered.len() < 4_000 {
        entered.extend(numbers(gates.look(busy)));
        looks += 1;
    }
    let in_order: Vec<u32> = (64..4_000).collect();
    assert_eq!(entered, in_order);
    looks
}

#[test]
fn a_host_that_does_not_answer_gets_thousands_in_a_few_looks() {
    assert_eq!(looks_until_all_are_in(false), 11);
    assert_eq!(looks_until_all_are_in(true), 36);
}

/// Calls at once at most, of 4,000 of which `ended` end between two looks.
fn at_once(ended: usize, busy: bool) -> usize {
    let mut gates = crowd();
    let (mut inside, mut most) = (FEW, FEW);
    loop {
        inside += numbers(gates.look(busy)).len();
        most = most.max(inside);
        for _ in 0..ended {
            if gates.leave(&host()).is_none() {
                return most;
            }
        }
    }
}

/// Calls that end between two looks, whether there is no time left, calls at once. The first look comes
/// before anything could end.
#[test]
fn a_host_that_answers_fast_or_cannot_be_served_faster_is_kept_busy_by_few() {
    let first = FEW + FEW / 2;
    let first_busy = FEW + FEW / 8;
    for (ended, busy, most) in [
        (FEW, false, first),
        (FEW, true, first_busy),
        (FEW / 4, true, first_busy),
    ] {
        assert_eq!(at_once(ended, busy), most, "{ended} {busy}");
    }
    assert!(at_once(FEW / 4, false) > 4 * FEW);
}

#[test]
fn what_was_slow_once_is_forgotten_after_a_while_and_an_unused_host_at_once() {
    let mut gates = Gates::new();
    fill(&mut gates);
    assert!(gates.look(false).again);
    // One that waited was let in by the look, and one waits now.
    assert_eq!(fill(&mut gates), FEW / 2 - 1);
    while gates.leave(&host()).is_some() {}
    for _ in 0..FEW {
        assert_eq!(gates.leave(&host()), None);
    }
    for look in 1..=QUIET {
        assert_eq!(gates.look(false).again, look < QUIET, "{look}");
    }
    while gates.of.contains_key(&host()) {
        gates.leave(&host());
    }
    assert_eq!(fill(&mut gates), FEW);
}

#[test]
fn a_host_that_nobody_calls_any_more_takes_no_room() {
    let mut gates = Gates::new();
    assert_eq!(gates.enter(&host(), 1), Some(1));
    assert!(gates.of.contains_key(&host()));
    assert_eq!(gates.leave(&host()), None);
    assert!(gates.of.is_empty());
}
