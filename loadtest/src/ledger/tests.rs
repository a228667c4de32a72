use super::*;

fn call(task: u32, attempt: u32, due: i64, arrived: i64) -> Call {
    Call {
        task,
        fire_id: u128::from(task),
        attempt,
        due,
        arrived,
    }
}

fn accepted(ledger: &Ledger, due: i64) -> u32 {
    let task = ledger.begin(Some(due), true, 0);
    ledger.registered(task, Registered::Accepted);
    task
}

#[test]
fn lost_early_and_doubled_are_counted_exactly() {
    let ledger = Ledger::new();
    for due in [100, 200, 300, 400] {
        accepted(&ledger, due);
    }
    ledger.call(call(0, 1, 100, 105));
    ledger.call(call(1, 1, 200, 199));
    ledger.call(call(2, 1, 300, 300));
    ledger.call(call(2, 1, 300, 350));
    // Another attempt is no double.
    ledger.call(call(2, 2, 300, 900));
    let verdict = ledger.verdict();
    assert_eq!(verdict.registered, 4);
    assert_eq!(verdict.fired, 3);
    assert_eq!((verdict.lost, verdict.lost_tasks), (1, vec![3]));
    assert_eq!(verdict.early, 1);
    assert_eq!(verdict.doubles.len(), 1);
    assert_eq!(verdict.lateness.max(), 600);
    assert_eq!(
        (verdict.first_call, verdict.last_call),
        (Some(105), Some(900))
    );
    assert_eq!(ledger.progress_in_full().outstanding, 1);
}

#[test]
fn what_was_not_taken_in_or_not_expected_is_not_lost() {
    let ledger = Ledger::new();
    for how in [Registered::Refused, Registered::Unclear, Registered::Open] {
        let task = ledger.begin(Some(100), true, 0);
        ledger.registered(task, how);
    }
    let far = ledger.begin(Some(i64::MAX), false, 0);
    ledger.registered(far, Registered::Accepted);
    let verdict = ledger.verdict();
    assert_eq!(verdict.lost, 0);
    assert_eq!((verdict.registered, verdict.pending), (1, 1));
    assert_eq!((verdict.refused, verdict.unclear), (1, 1));
}

#[test]
fn a_call_with_another_due_time_than_asked_for_is_noticed() {
    let ledger = Ledger::new();
    accepted(&ledger, 100);
    ledger.call(call(0, 1, 101, 105));
    ledger.call(call(7, 1, 101, 105));
    let verdict = ledger.verdict();
    assert_eq!((verdict.wrong_due, verdict.strangers), (1, 1));
}

#[test]
fn answers_are_held_against_what_was_received() {
    let at = 1_000;
    let cases: [(&str, Told, &[(i64, i64)], bool); 11] = [
        ("cancelled, not called", Told::Cancelled, &[], false),
        (
            "cancelled, called before",
            Told::Cancelled,
            &[(900, 950)],
            false,
        ),
        (
            "cancelled, called after",
            Told::Cancelled,
            &[(900, 1_001)],
            true,
        ),
        ("too late, called", Told::TooLate, &[(900, 990)], false),
        ("too late, never called", Told::TooLate, &[], true),
        (
            "moved, called then",
            Told::MovedTo(2_000),
            &[(2_000, 2_001)],
            false,
        ),
        ("moved, never called", Told::MovedTo(2_000), &[], true),
        (
            "moved, called at the old",
            Told::MovedTo(2_000),
            &[(1_500, 1_501), (2_000, 2_001)],
            true,
        ),
        ("run, called", Told::Run, &[(1_000, 1_010)], false),
        (
            "run, called much later",
            Told::Run,
            &[(1_000, 61_000)],
            true,
        ),
        ("nothing promised", Told::Nothing, &[(1, 2)], false),
    ];
    for (name, told, calls, is_lie) in cases {
        let calls: Vec<Call> = calls
            .iter()
            .map(|(due, arrived)| call(0, 1, *due, *arrived))
            .collect();
        assert_eq!(
            lie(Answered { told, at }, &calls).is_some(),
            is_lie,
            "{name}"
        );
    }
}

#[test]
fn a_cancelled_task_is_not_lost() {
    let ledger = Ledger::new();
    let task = accepted(&ledger, 100);
    assert!(ledger.command(task));
    assert!(!ledger.command(task));
    let told = Told::Cancelled;
    ledger.answered(task, Answered { told, at: 50 });
    let verdict = ledger.verdict();
    assert_eq!(
        (verdict.lost, verdict.commands, verdict.false_answers),
        (0, 1, 0)
    );
}
