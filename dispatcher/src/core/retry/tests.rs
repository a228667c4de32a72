use rand::SeedableRng;
use rand::rngs::SmallRng;

use super::*;

fn backoff(first_ms: u64, factor: f64, max_ms: u64, jitter: Jitter) -> RetryPlan {
    RetryPlan::Backoff {
        first_ms,
        factor,
        max_ms,
        jitter,
    }
}

fn wait(plan: &RetryPlan, max_attempts: u32, attempt: u32, wished: Option<u64>) -> Option<u64> {
    let policy = RetryPolicy {
        max_attempts,
        plan: plan.clone(),
    };
    wait_ms(&policy, attempt, wished, &mut SmallRng::seed_from_u64(7))
}

#[test]
fn waits_grow_by_the_factor_up_to_the_cap_and_end_with_the_attempts() {
    let doubling = backoff(1_000, 2.0, 600_000, Jitter::None);
    let flat = backoff(500, 1.0, 600_000, Jitter::None);
    let shrinking = backoff(500, 0.1, 600_000, Jitter::None);
    let absurd = backoff(500, f64::INFINITY, 9_000, Jitter::None);
    let undefined = backoff(0, f64::INFINITY, 9_000, Jitter::None);
    let capped_first = backoff(5_000, 2.0, 1_000, Jitter::None);
    let listed = RetryPlan::Explicit(vec![0, 5_000, 300_000]);
    let empty = RetryPlan::Explicit(Vec::new());
    let cases: [(&RetryPlan, u32, u32, Option<u64>); 19] = [
        (&doubling, 5, 1, Some(1_000)),
        (&doubling, 5, 2, Some(2_000)),
        (&doubling, 5, 4, Some(8_000)),
        (&doubling, 5, 5, None),
        (&doubling, 5, 6, None),
        (&doubling, 1, 1, None),
        (&doubling, u32::MAX, 10, Some(512_000)),
        (&doubling, u32::MAX, 11, Some(600_000)),
        (&doubling, u32::MAX, u32::MAX - 1, Some(600_000)),
        (&flat, 99, 50, Some(500)),
        (&shrinking, 99, 50, Some(500)),
        (&absurd, 9, 2, Some(9_000)),
        (&undefined, 9, 2, Some(9_000)),
        (&capped_first, 9, 1, Some(1_000)),
        (&listed, 9, 1, Some(0)),
        (&listed, 9, 2, Some(5_000)),
        (&listed, 9, 3, Some(300_000)),
        (&listed, 9, 8, Some(300_000)),
        (&empty, 9, 8, Some(0)),
    ];
    for (plan, max_attempts, attempt, expected) in cases {
        assert_eq!(
            wait(plan, max_attempts, attempt, None),
            expected,
            "{plan:?}, attempt {attempt} of {max_attempts}"
        );
    }
}

#[test]
fn jitter_keeps_within_its_bounds_and_reaches_both_halves() {
    let cases = [
        (Jitter::None, 1_000, 1_000),
        (Jitter::Equal, 500, 1_000),
        (Jitter::Full, 0, 1_000),
    ];
    let mut rng = SmallRng::seed_from_u64(3);
    for (jitter, least, most) in cases {
        let waits: Vec<u64> = (0..500).map(|_| spread(1_000, jitter, &mut rng)).collect();
        assert!(
            waits.iter().all(|wait| (least..=most).contains(wait)),
            "{jitter:?}"
        );
        let middle = least.midpoint(most);
        assert!(waits.iter().any(|wait| *wait <= middle), "{jitter:?}");
        assert!(waits.iter().any(|wait| *wait >= middle), "{jitter:?}");
        assert_eq!(spread(0, jitter, &mut rng), 0, "{jitter:?}");
    }
}

#[test]
fn what_the_endpoint_wishes_raises_the_wait_but_never_past_a_day() {
    let plan = RetryPlan::Explicit(vec![5_000]);
    let day = LONGEST_WISH_MS;
    let cases = [
        (None, 5_000),
        (Some(0), 5_000),
        (Some(4_999), 5_000),
        (Some(7_000), 7_000),
        (Some(day), day),
        (Some(u64::MAX), day),
    ];
    for (wished, expected) in cases {
        assert_eq!(wait(&plan, 2, 1, wished), Some(expected), "{wished:?}");
    }
}

#[test]
fn retry_after_is_seconds_or_a_date_and_anything_else_is_nothing() {
    // 1994-11-06T08:49:37Z
    let date = 784_111_777_000;
    let now = Millis(date - 90_000);
    let cases = [
        ("0", Some(0)),
        ("120", Some(120_000)),
        (" 7 ", Some(7_000)),
        ("99999999999999999999999", Some(u64::MAX)),
        ("Sun, 06 Nov 1994 08:49:37 GMT", Some(90_000)),
        ("Sun, 06 Nov 1994 08:48:07 GMT", Some(0)),
        ("Sun, 06 Nov 1990 08:48:07 GMT", Some(0)),
        ("", None),
        ("-1", None),
        ("1.5", None),
        ("soon", None),
        ("Sun, 06 Nov 1994 08:49:37 CET", None),
        ("Sun, 06 Nov 1994 24:49:37 GMT", None),
        ("Sun, 6 Nov 1994 08:49:37 GMT", None),
        ("Sun, 06 Nov 1994 08:49:37 GMT x", None),
        ("Sun, 06 nov 1994 08:49:37 GMT", None),
        ("Sunday, 06-Nov-94 08:49:37 GMT", None),
    ];
    for (header, expected) in cases {
        assert_eq!(wish_ms(header, now), expected, "{header}");
    }
}

#[test]
fn dates_are_counted_across_leap_years() {
    let cases = [
        ("Thu, 01 Jan 1970 00:00:00 GMT", 0),
        ("Tue, 29 Feb 2000 00:00:00 GMT", 951_782_400),
        ("Wed, 01 Mar 2000 00:00:00 GMT", 951_868_800),
        ("Sat, 21 Nov 2026 05:00:00 GMT", 1_795_237_200),
        ("Fri, 31 Dec 9999 23:59:59 GMT", 253_402_300_799),
    ];
    for (text, seconds) in cases {
        assert_eq!(http_date(text), Some(Millis(seconds * 1_000)), "{text}");
    }
}
