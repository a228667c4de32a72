use super::*;

const MOST_IDLE: usize = 4_096;

/// Lets in until one has to wait; those inside, and who waits.
fn fill(gate: &mut Gate<u32>) -> (usize, oneshot::Receiver<Pass<u32>>) {
    for inside in 0.. {
        if let Err(waiting) = gate.enter() {
            return (inside, waiting);
        }
    }
    unreachable!("somebody waits sometime")
}

#[test]
fn few_enter_at_once_and_the_next_takes_over_a_connection() {
    let mut gate = Gate::new();
    let (inside, mut waiting) = fill(&mut gate);
    assert_eq!(inside, FEW);
    gate.leave(Some(7), MOST_IDLE);
    assert_eq!(waiting.try_recv(), Ok(Pass::Line(7)));
}

/// A connection that broke frees a place all the same.
#[test]
fn a_call_that_leaves_no_connection_lets_another_open_one() {
    let mut gate = Gate::new();
    let (_, mut waiting) = fill(&mut gate);
    gate.leave(None, MOST_IDLE);
    assert_eq!(waiting.try_recv(), Ok(Pass::Open));
}

#[test]
fn who_gave_up_waiting_is_passed_over() {
    let mut gate = Gate::new();
    let (_, gone) = fill(&mut gate);
    let Err(mut next) = gate.enter() else {
        panic!("it is full");
    };
    drop(gone);
    gate.leave(Some(7), MOST_IDLE);
    assert_eq!(next.try_recv(), Ok(Pass::Line(7)));
    gate.leave(Some(8), MOST_IDLE);
    assert_eq!(gate.enter().ok(), Some(Pass::Line(8)));
}

/// Looks until 4,000 calls that never end are let in.
fn looks_until_all_are_in(busy: bool) -> u32 {
    let mut gate: Gate<u32> = Gate::new();
    let mut waiting = Vec::new();
    for _ in 0..4_000 {
        waiting.extend(gate.enter().err());
    }
    let looks = (1..).find(|_| !gate.look(busy));
    for receiver in &mut waiting {
        assert_eq!(receiver.try_recv(), Ok(Pass::Open));
    }
    looks.expect("all are let in")
}

#[test]
fn a_host_that_does_not_answer_gets_thousands_in_a_few_looks() {
    assert_eq!(looks_until_all_are_in(false), 11);
    assert_eq!(looks_until_all_are_in(true), 36);
}

/// Connections opened for 4,000 calls of which `ended` end between two looks.
fn opened(ended: usize, busy: bool) -> usize {
    let mut gate = Gate::new();
    let mut waiting = Vec::new();
    for _ in 0..4_000 {
        waiting.extend(gate.enter().err());
    }
    while gate.look(busy) {
        for _ in 0..ended {
            gate.leave(Some(1), MOST_IDLE);
        }
    }
    let mut passes = waiting.iter_mut().map(oneshot::Receiver::try_recv);
    FEW + passes
        .by_ref()
        .filter(|pass| *pass == Ok(Pass::Open))
        .count()
}

/// Calls that end between two looks, whether there is no time left, connections. The first look comes
/// before anything could end.
#[test]
fn a_host_that_answers_fast_or_cannot_be_served_faster_is_kept_busy_by_few() {
    let first = FEW + FEW / 2;
    let first_busy = FEW + FEW / 8;
    for (ended, busy, connections) in [
        (FEW, false, first),
        (FEW, true, first_busy),
        (FEW / 4, true, first_busy),
    ] {
        assert_eq!(opened(ended, busy), connections, "{ended} {busy}");
    }
    assert!(opened(FEW / 4, false) > 4 * FEW);
}

#[test]
fn what_was_slow_once_is_forgotten_and_an_unused_host_too() {
    let mut gate: Gate<u32> = Gate::new();
    let (_, _waiting) = fill(&mut gate);
    gate.look(false);
    let (more, _) = fill(&mut gate);
    assert_eq!(more, FEW / 2 - 1);
    for _ in 0..FEW + FEW / 2 {
        gate.leave(Some(3), MOST_IDLE);
    }
    assert!(gate.forget(|_| false), "connections are kept");
    assert!(!gate.forget(|_| true));
    assert_eq!(fill(&mut gate).0, FEW);
}

#[test]
fn idle_connections_beyond_the_most_are_dropped_oldest_first() {
    let mut gate = Gate::new();
    for _ in 0..3 {
        assert_eq!(gate.enter().ok(), Some(Pass::Open));
    }
    for line in 1..=3 {
        gate.leave(Some(line), 2);
    }
    assert_eq!(gate.another(), Some(3));
    assert_eq!(gate.another(), Some(2));
    assert_eq!(gate.another(), None);
}
