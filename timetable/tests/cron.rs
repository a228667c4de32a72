//! Expressions: what they mean on the wall clock, and how the faulty ones are refused.

use chrono::NaiveDateTime;
use timetable::Cron;

fn wall(text: &str) -> i64 {
    NaiveDateTime::parse_from_str(text, "%Y-%m-%dT%H:%M:%S")
        .expect(text)
        .and_utc()
        .timestamp()
}

fn text(wall: i64) -> String {
    chrono::DateTime::from_timestamp(wall, 0)
        .expect("in range")
        .format("%Y-%m-%dT%H:%M:%S")
        .to_string()
}

/// Expression, from when on, the next times; `#` begins a remark.
const NEXT_TIMES: &str = "\
* * * * * | 2026-01-01T00:00:01 | 2026-01-01T00:01:00, 2026-01-01T00:02:00
30 2 * * MON-FRI | 2026-11-20T02:30:01 | 2026-11-23T02:30:00
0 30 2 * * MON-FRI | 2026-11-20T02:30:00 | 2026-11-20T02:30:00, 2026-11-23T02:30:00
*/20 * * * * * | 2026-12-31T23:59:41 | 2027-01-01T00:00:00, 2027-01-01T00:00:20
5/20 8-9 * * * | 2026-01-01T09:45:01 | 2026-01-02T08:05:00, 2026-01-02T08:25:00
0 0 1,15 * * | 2026-01-15T00:00:01 | 2026-02-01T00:00:00
0 0 31 * * | 2026-01-31T00:00:01 | 2026-03-31T00:00:00, 2026-05-31T00:00:00
0 0 29 2 * | 2097-01-01T00:00:00 | 2104-02-29T00:00:00
0 0 29 feb ? | 2026-01-01T00:00:00 | 2028-02-29T00:00:00
# Either day field is enough.
0 0 13 * FRI | 2026-11-01T00:00:00 | 2026-11-06T00:00:00, 2026-11-13T00:00:00, 2026-11-20T00:00:00
0 0 1 * * | 2026-11-01T00:00:01 | 2026-12-01T00:00:00
# Sunday is 0 and 7, and ends a week.
0 0 * * 0 | 2026-11-21T00:00:00 | 2026-11-22T00:00:00
0 0 * * 7 | 2026-11-21T00:00:00 | 2026-11-22T00:00:00
0 0 * * sat-sun | 2026-11-21T00:00:01 | 2026-11-22T00:00:00, 2026-11-28T00:00:00
0 0 * * 1 | 2026-11-21T00:00:00 | 2026-11-23T00:00:00
0 0 * * 5-7 | 2026-11-23T00:00:00 | 2026-11-27T00:00:00, 2026-11-28T00:00:00, 2026-11-29T00:00:00
# Ends of months.
0 0 L * * | 2026-02-01T00:00:00 | 2026-02-28T00:00:00, 2026-03-31T00:00:00
0 0 L-3 * * | 2026-02-01T00:00:00 | 2026-02-25T00:00:00, 2026-03-28T00:00:00
0 0 LW * * | 2026-01-01T00:00:00 | 2026-01-30T00:00:00, 2026-02-27T00:00:00, 2026-03-31T00:00:00
# Saturday the 15th goes back, Sunday the 1st goes on, Saturday the 1st may not leave its month.
0 0 15W 8 * | 2026-01-01T00:00:00 | 2026-08-14T00:00:00
0 0 1W 2 * | 2026-01-01T00:00:00 | 2026-02-02T00:00:00
0 0 1W 8 * | 2026-01-01T00:00:00 | 2026-08-03T00:00:00
0 0 31W 5 * | 2026-01-01T00:00:00 | 2026-05-29T00:00:00
0 0 * * FRIL | 2026-11-01T00:00:00 | 2026-11-27T00:00:00
0 0 * * 5L | 2026-11-27T00:00:01 | 2026-12-25T00:00:00
0 0 * * MON#5 | 2026-01-01T00:00:00 | 2026-03-30T00:00:00, 2026-06-29T00:00:00
0 0 * * FRI#2,SUN#1 | 2026-11-01T00:00:00 | 2026-11-01T00:00:00, 2026-11-13T00:00:00
# Years.
0 0 0 1 1 * 2030,2032-2034/2 | 2026-01-01T00:00:00 | 2030-01-01T00:00:00, 2032-01-01T00:00:00, 2034-01-01T00:00:00
59 59 23 31 12 ? 2199 | 1970-01-01T00:00:00 | 2199-12-31T23:59:59
# Nicknames.
@hourly | 2026-11-21T08:00:01 | 2026-11-21T09:00:00
@midnight | 2026-11-21T08:00:01 | 2026-11-22T00:00:00
 @Weekly  | 2026-11-21T08:00:01 | 2026-11-22T00:00:00
@monthly | 2026-11-21T08:00:01 | 2026-12-01T00:00:00
@annually | 2026-11-21T08:00:01 | 2027-01-01T00:00:00
";

#[test]
fn the_next_times_of_every_form() {
    for line in NEXT_TIMES.lines().filter(|line| !line.starts_with('#')) {
        let parts: Vec<&str> = line.split(" | ").collect();
        let [expression, from, expected] = parts[..] else {
            panic!("three columns: {line}");
        };
        let cron = Cron::parse(expression).expect(expression);
        let mut from = wall(from);
        for expected in expected.split(", ") {
            let next = cron.next_wall(from).expect(expression);
            assert_eq!(text(next), expected, "{expression}");
            from = next + 1;
        }
    }
}

#[test]
fn years_end() {
    let cron = Cron::parse("0 0 0 1 1 * 2030").unwrap();
    assert_eq!(cron.next_wall(wall("2030-01-01T00:00:01")), None);
    let cron = Cron::parse("0 0 1 1 *").unwrap();
    assert_eq!(cron.next_wall(wall("9999-01-01T00:00:01")), None);
}

#[test]
fn what_is_wrong_is_said_with_its_place() {
    let cases = [
        ("", 0, "is empty"),
        ("   ", 0, "is empty"),
        ("* * * *", 7, "has 4 fields"),
        ("* * * * * * * *", 14, "has 8 fields"),
        ("61 * * * *", 0, "`61` is not in 0 to 59, the minutes"),
        ("0 24 * * *", 2, "not in 0 to 23"),
        ("0 0 0 * *", 4, "not in 1 to 31"),
        ("0 0 1 13 *", 6, "not in 1 to 12"),
        ("0 0 * * 8", 8, "not in 0 to 7"),
        (
            "0 0 * * FRO",
            8,
            "`FRO` is not understood; write 0 to 7 or SUN to SAT",
        ),
        ("0 0 * * MONDAY", 11, "`DAY` is not understood"),
        ("0 0 * JANUARY *", 9, "`UARY` is not understood"),
        ("0 5-1 * * *", 2, "empty"),
        ("0 0 * * FRI-MON", 8, "empty"),
        ("0 0,,1 * * *", 4, "missing"),
        ("0 0, * * *", 4, "missing"),
        ("0 1- * * *", 4, "missing"),
        ("*/0 * * * *", 2, "a step of 0"),
        ("*/60 * * * *", 2, "a step of 60 reaches no second value"),
        ("*/x * * * *", 2, "stands a step"),
        ("99999 * * * *", 0, "too large"),
        ("0 0 30 2 *", 4, "never occurs"),
        ("0 0 31 4,6,9,11 *", 4, "never occurs"),
        ("0 0 30W 2 *", 4, "never occurs"),
        ("0 0 0 29 2 * 2025-2027", 13, "no year of it"),
        ("0 0 0 1 1 * 1969", 12, "not in 1970 to 2199"),
        ("0 0 0 1 1 * 2200", 12, "not in 1970 to 2199"),
        ("0 0 0 1 1 * H", 12, "cannot choose a year"),
        ("0 0 L * L", 8, "`L` wants a weekday"),
        ("0 0 * * FRI#6", 12, "which one of the month"),
        ("0 0 L-31 * *", 6, "how many days before"),
        ("0 L * * *", 2, "`L` is not understood"),
        ("0 0 15WW * *", 7, "`W` is not understood"),
        ("0 ? * * *", 2, "`?` stands alone"),
        ("0 0 ?,1 * *", 4, "`?` stands alone"),
        ("0 0 H(1-31) * *", 6, "may reach to 28"),
        ("H(5 * * * *", 3, "wants a range"),
        ("H(5-9 * * * *", 5, "not closed"),
        ("0 0 * * * é", 10, "`é` means nothing"),
        ("@every 10s", 0, "is not cron"),
        ("@reboot", 0, "means nothing here"),
        ("@dayly", 0, "is not a nickname"),
        ("@daily 5", 7, "whole by itself"),
        ("CRON_TZ=UTC 0 0 * * *", 0, "the zone stands in `zone`"),
        ("-5 * * * *", 0, "`-5` is not understood"),
        ("1.5 * * * *", 1, "`.5` is not understood"),
    ];
    for (expression, position, reason) in cases {
        let error = Cron::parse(expression).expect_err(expression);
        assert!(error.reason.contains(reason), "{expression}: {error}");
        assert_eq!(error.position, position, "{expression}: {error}");
    }
    let long = "1,".repeat(400);
    assert_eq!(Cron::parse(&long).unwrap_err().position, 512);
}

#[test]
fn what_is_past_for_ever_is_refused_where_now_is_known() {
    let now = wall("2026-11-21T00:00:00") * 1000;
    let error = Cron::parse_after("0 0 0 1 1 ? 2020-2025", now).unwrap_err();
    assert_eq!(error.position, 12);
    assert!(error.reason.contains("past"), "{error}");
    assert!(Cron::parse_after("0 0 0 1 1 ? 2020-2027", now).is_ok());
}

#[test]
fn hashed_values_stay_in_their_bounds_and_spread() {
    let cron = Cron::parse("H H(1-3) H * H").unwrap();
    assert!(cron.is_hashed());
    let mut minutes = std::collections::BTreeSet::new();
    for seed in 0..600 {
        let one = cron.hashed(seed);
        assert_eq!(one, cron.hashed(seed));
        let next = one.next_wall(wall("2026-02-01T00:00:00")).unwrap();
        let hour = next / 3600 % 24;
        assert!((1..=3).contains(&hour), "{}", text(next));
        minutes.insert(next / 60 % 60);
    }
    assert_eq!(minutes.len(), 60);
    // Every 15 minutes from a minute that the seed chose.
    let cron = Cron::parse("H/15 * * * *").unwrap().hashed(7);
    let first = cron.next_wall(wall("2026-02-01T00:00:00")).unwrap();
    assert_eq!(cron.next_wall(first + 1), Some(first + 900));
    // Changing the hash would move every task that says H.
    let cron = Cron::parse("H H H H H").unwrap().hashed(1);
    assert_eq!(text(cron.next_wall(0).unwrap()), "1970-06-02T18:45:00");
}

#[test]
fn a_seed_stays_the_same_for_ever() {
    assert_ne!(timetable::seed("shop/a"), timetable::seed("shop/b"));
    assert_eq!(timetable::seed("shop/a"), 8_545_300_932_284_812_800);
}
