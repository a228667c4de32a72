use super::*;

fn call(number: u32, webhook_id: &str, attempt: u32, at_us: i64) -> Call<'_> {
    Call {
        number,
        webhook_id,
        attempt,
        due: 1_000,
        at_us,
    }
}

fn tally(tasks: u32) -> Tally {
    let mut tally = Tally::new(0);
    for _ in 0..tasks {
        let number = tally.plan(1_000, true, false);
        tally.accepted(number);
    }
    tally
}

/// Calls of one task due at 1,000 ms as (webhook-id, attempt, arrival in us), and what is to be
/// counted: early, doubled, retried, lost.
#[test]
fn calls_are_judged_by_id_attempt_and_arrival() {
    type Case = (&'static [(&'static str, u32, i64)], [u64; 4]);
    let cases: &[Case] = &[
        (&[], [0, 0, 0, 1]),
        (&[("a", 1, 1_000_000)], [0, 0, 0, 0]),
        (&[("a", 1, 999_999)], [1, 0, 0, 0]),
        (&[("a", 1, 1_000_001), ("a", 1, 1_000_009)], [0, 1, 0, 0]),
        (&[("a", 1, 1_000_001), ("a", 2, 1_000_009)], [0, 0, 1, 0]),
        (&[("a", 2, 1_000_001), ("a", 1, 1_000_009)], [0, 0, 1, 0]),
        (
            &[
                ("a", 1, 1_000_001),
                ("a", 2, 1_000_009),
                ("a", 2, 1_000_010),
            ],
            [0, 1, 1, 0],
        ),
        (&[("a", 1, 1_000_001), ("b", 1, 1_000_009)], [0, 1, 0, 0]),
    ];
    for (calls, expected) in cases {
        let mut tally = tally(1);
        for (id, attempt, at_us) in *calls {
            tally.called(&call(0, id, *attempt, *at_us));
        }
        let counts = tally.counts();
        let lost = tally.missing().count() as u64;
        let got = [counts.early, counts.doubled, counts.retried, lost];
        assert_eq!(got, *expected, "{calls:?}");
    }
}

#[test]
fn lost_is_what_was_acknowledged_and_awaited_and_never_came() {
    let mut tally = tally(3);
    let refused = tally.plan(1_000, true, false);
    tally.refused(refused);
    let open = tally.plan(1_000, true, false);
    let far = tally.plan(9_000_000, false, false);
    tally.accepted(far);
    let commanded = tally.plan(1_000, true, true);
    tally.accepted(commanded);
    tally.called(&call(1, "a", 1, 1_000_500));
    assert_eq!(tally.missing().collect::<Vec<_>>(), [0, 2]);
    tally.called(&call(refused, "b", 1, 1_000_400));
    assert_eq!(tally.counts().awaited_fired, 1);
    tally.accepted(open);
    assert_eq!(tally.missing().collect::<Vec<_>>(), [0, 2, 4]);
    assert_eq!(tally.lateness_us().max(), 500);
    assert_eq!(tally.due_span(), Some((1_000, 1_000)));
}

#[test]
fn calls_with_another_due_time_and_of_other_runs_are_counted_apart() {
    let mut tally = tally(1);
    tally.called(&call(7, "x", 1, 2_000_000));
    tally.called(&Call {
        due: 1_001,
        ..call(0, "a", 1, 2_000_000)
    });
    let counts = tally.counts();
    assert_eq!((counts.foreign, counts.wrong_due, counts.fired), (1, 1, 1));
}

#[test]
fn a_call_of_a_cancelled_task_is_counted_as_such_and_its_silence_is_no_loss() {
    let mut tally = tally(0);
    let (silent, called) = (tally.doom(1_000), tally.doom(1_000));
    for number in [silent, called] {
        tally.accepted(number);
        tally.cancelled();
    }
    tally.called(&call(called, "a", 1, 1_000_500));
    let counts = tally.counts();
    assert_eq!((counts.cancelled, counts.called_cancelled), (2, 1));
    assert_eq!(tally.missing().count(), 0);
}
