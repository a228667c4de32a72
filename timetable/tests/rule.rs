//! Wall clock to UTC, through every kind of jump.

use chrono::DateTime;
use timetable::{Cron, Every, Fold, Gap, Rule, Zone};

fn ms(text: &str) -> i64 {
    DateTime::parse_from_rfc3339(text)
        .expect(text)
        .timestamp_millis()
}

fn text(ms: i64) -> String {
    DateTime::from_timestamp_millis(ms)
        .expect("in range")
        .format("%Y-%m-%dT%H:%M:%SZ")
        .to_string()
}

fn rule(expression: &str, zone: &str, gap: &str, fold: &str) -> Rule {
    Rule::new(
        Cron::parse(expression).expect(expression),
        Zone::parse(zone).expect(zone),
        (gap != "-").then(|| Gap::parse(gap).expect(gap)),
        (fold != "-").then(|| Fold::parse(fold).expect(fold)),
    )
}

/// Expression, zone, gap, fold, from when on, the next times; `-` leaves the default, `#` begins a remark.
const JUMPS: &str = "\
# New York: 2026-03-08 02:00 EST is 03:00 EDT (07:00Z); 2026-11-01 02:00 EDT is 01:00 EST (06:00Z).
30 2 * * * | America/New_York | skip | - | 2026-03-08T05:00:00Z | 2026-03-09T06:30:00Z
30 2 * * * | America/New_York | shift | - | 2026-03-08T05:00:00Z | 2026-03-08T07:30:00Z, 2026-03-09T06:30:00Z
30 2 * * * | America/New_York | end | - | 2026-03-08T05:00:00Z | 2026-03-08T07:00:00Z, 2026-03-09T06:30:00Z
30 2 * * * | America/New_York | - | - | 2026-03-08T05:00:00Z | 2026-03-08T07:00:00Z
# Several times of one gap are one occurrence at its end, and shifted ones mix with those that are there.
0,20,40 2,3 * * * | America/New_York | end | - | 2026-03-08T05:00:00Z | 2026-03-08T07:00:00Z, 2026-03-08T07:20:00Z
10 2,3 * * * | America/New_York | shift | - | 2026-03-08T05:00:00Z | 2026-03-08T07:10:00Z, 2026-03-09T06:10:00Z
10 2 * * * | America/New_York | shift | - | 2026-03-08T07:05:00Z | 2026-03-08T07:10:00Z
10 2 * * * | America/New_York | end | - | 2026-03-08T07:00:00Z | 2026-03-09T06:10:00Z
# Every hour goes by elapsed time.
30 * * * * | America/New_York | - | - | 2026-03-08T05:00:00Z | 2026-03-08T05:30:00Z, 2026-03-08T06:30:00Z, 2026-03-08T07:30:00Z
30 * * * * | America/New_York | - | - | 2026-11-01T04:30:00Z | 2026-11-01T05:30:00Z, 2026-11-01T06:30:00Z, 2026-11-01T07:30:00Z
30 * * * * | America/New_York | - | first | 2026-11-01T04:30:00Z | 2026-11-01T05:30:00Z, 2026-11-01T07:30:00Z
30 * * * * | America/New_York | - | last | 2026-11-01T04:30:00Z | 2026-11-01T06:30:00Z, 2026-11-01T07:30:00Z
30 1 * * * | America/New_York | - | - | 2026-11-01T04:30:00Z | 2026-11-01T05:30:00Z, 2026-11-02T06:30:00Z
30 1 * * * | America/New_York | - | last | 2026-11-01T04:30:00Z | 2026-11-01T06:30:00Z, 2026-11-02T06:30:00Z
30 1 * * * | America/New_York | - | both | 2026-11-01T04:30:00Z | 2026-11-01T05:30:00Z, 2026-11-01T06:30:00Z, 2026-11-02T06:30:00Z
# A rare one from within a fold.
30 1 1 11 * | America/New_York | - | both | 2026-11-01T05:45:00Z | 2026-11-01T06:30:00Z, 2027-11-01T05:30:00Z
# Half an hour: Lord Howe, 2026-10-04 02:00 is 02:30 (15:30Z the day before).
15 2 * * * | Australia/Lord_Howe | end | - | 2026-10-03T15:00:00Z | 2026-10-03T15:30:00Z
15 2 * * * | Australia/Lord_Howe | shift | - | 2026-10-03T15:00:00Z | 2026-10-03T15:45:00Z
# Midnight is missing: Santiago, 2026-09-06 00:00 is 01:00 (04:00Z).
0 0 * * * | America/Santiago | - | - | 2026-09-06T03:00:00Z | 2026-09-06T04:00:00Z, 2026-09-07T03:00:00Z
# A whole day is missing: Apia had no 2011-12-30.
0 12 30 12 * | Pacific/Apia | skip | - | 2011-12-01T00:00:00Z | 2012-12-29T22:00:00Z
0 12 30 12 * | Pacific/Apia | end | - | 2011-12-01T00:00:00Z | 2011-12-30T10:00:00Z
0 12 30 12 * | Pacific/Apia | shift | - | 2011-12-01T00:00:00Z | 2011-12-30T22:00:00Z
0 2 30 * * | Asia/Shanghai | - | - | 2026-11-29T18:00:00Z | 2026-12-29T18:00:00Z
# Behind the last change that is known, the last offset stays.
0 0 1 7 * | Europe/Paris | - | - | 2150-01-01T00:00:00Z | 2150-06-30T23:00:00Z
";

#[test]
fn gaps_and_folds() {
    for line in JUMPS.lines().filter(|line| !line.starts_with('#')) {
        let parts: Vec<&str> = line.split(" | ").collect();
        let [expression, zone, gap, fold, from, expected] = parts[..] else {
            panic!("six columns: {line}");
        };
        let rule = rule(expression, zone, gap, fold);
        let mut from = ms(from);
        for expected in expected.split(", ") {
            let next = rule.next_after(from).expect(line);
            assert_eq!(text(next), expected, "{line}");
            from = next;
        }
    }
}

#[test]
fn a_fixed_rate_keeps_to_its_grid() {
    let every = Every::new(1_000, 300).unwrap();
    for (after, next) in [
        (1_000, 1_300),
        (1_299, 1_300),
        (999, 1_000),
        (0, 100),
        (-1, 100),
        (-300, -200),
    ] {
        assert_eq!(every.next_after(after), Some(next), "{after}");
    }
    assert!(Every::new(0, 99).is_err());
    assert!(Every::new(0, u64::MAX).is_err());
    assert_eq!(every.next_after(i64::MAX), None);
}

#[test]
fn a_zone_that_is_none_is_refused_with_a_hint() {
    let error = Zone::parse("europe/paris").unwrap_err().to_string();
    assert!(error.contains("did you mean `Europe/Paris`"), "{error}");
    let error = Zone::parse("Shanghai").unwrap_err().to_string();
    assert!(error.contains("did you mean `Asia/Shanghai`"), "{error}");
    assert!(Zone::parse("Mars/Base").unwrap_err().near.is_none());
    assert_eq!(Zone::parse("UTC").unwrap(), Zone::utc());
    assert_eq!(timetable::tzdata_version().len(), 5);
}
