//! Calendars, whole schedules, and what is said of them.

use chrono::DateTime;
use serde_json::json;
use timetable::{
    Beat, Calendar, Cron, Every, NoMore, OnClosed, Rule, Spread, Timetable, Zone, explain, moved,
};

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

fn calendar(value: serde_json::Value) -> Calendar {
    Calendar::parse(&value).expect("a calendar")
}

fn cron(expression: &str, zone: &str) -> Timetable {
    let cron = Cron::parse(expression).expect(expression);
    let zone = Zone::parse(zone).expect(zone);
    Timetable::of(Beat::Cron(Rule::new(cron, zone, None, None)))
}

fn every(ms: u64) -> Timetable {
    Timetable::of(Beat::Every(Every::new(0, ms).expect("a period")))
}

#[test]
fn closed_times_end_where_the_windows_say() {
    let weekend = json!({"zone": "Europe/Paris", "excluded": [{"weekdays": ["SAT-SUN"]}]});
    let night = json!({"zone": "Europe/Paris", "excluded": [{"time": "22:00-06:00"}]});
    let office = json!({"zone": "Europe/Paris", "allowed": [{"weekdays": ["MON-FRI"], "time": "09:00-17:30"}]});
    let friday_night =
        json!({"zone": "UTC", "excluded": [{"weekdays": ["FRI"], "time": "22:00-06:00"}]});
    let new_year = json!({"zone": "Asia/Shanghai", "excluded": [{"from": "12-30", "to": "01-02"}]});
    let once =
        json!({"excluded": [{"date": "2026-11-21"}, {"from": "2026-11-22", "to": "2026-11-23"}]});
    let leap = json!({"allowed": [{"date": "02-29"}]});
    let past = json!({"allowed": [{"date": "2020-01-01"}]});
    // Calendar, when, and until when it is closed; `open` where it is not, `-` for no end in sight.
    let cases = [
        (&weekend, "2026-11-20T22:59:59Z", "open"),
        (&weekend, "2026-11-20T23:00:00Z", "2026-11-22T23:00:00Z"),
        (&night, "2026-11-20T21:00:00Z", "2026-11-21T05:00:00Z"),
        (&night, "2026-11-21T04:59:59Z", "2026-11-21T05:00:00Z"),
        (&night, "2026-11-21T05:00:00Z", "open"),
        // The night in which clocks go back is an hour longer.
        (&night, "2026-10-24T20:00:00Z", "2026-10-25T05:00:00Z"),
        (&office, "2026-11-20T16:30:00Z", "2026-11-23T08:00:00Z"),
        (&office, "2026-11-23T08:00:00Z", "open"),
        // Of Friday, also behind midnight; Saturday's night is free.
        (
            &friday_night,
            "2026-11-21T05:59:59Z",
            "2026-11-21T06:00:00Z",
        ),
        (&friday_night, "2026-11-21T23:00:00Z", "open"),
        (&new_year, "2026-12-30T00:00:00Z", "2027-01-02T16:00:00Z"),
        (&once, "2026-11-21T12:00:00Z", "2026-11-24T00:00:00Z"),
        (&leap, "2096-03-01T00:00:00Z", "2104-02-29T00:00:00Z"),
        (&past, "2026-11-21T12:00:00Z", "-"),
    ];
    for (value, at, until) in cases {
        let calendar = calendar(value.clone());
        let found = match calendar.closed_until(ms(at)) {
            Some(end) => text(end),
            None if calendar.is_closed(ms(at)) => "-".to_owned(),
            None => "open".to_owned(),
        };
        assert_eq!(found, until, "{value} at {at}");
    }
}

#[test]
fn every_problem_of_a_calendar_is_said() {
    let value = json!({"zone": "Mars", "closed": 1, "excluded": [
        {}, 5, {"date": "2026-02-30"}, {"from": "2026-01-01"}, {"from": "2026-01-02", "to": "2026-01-01"},
        {"from": "01-02", "to": "2026-01-01"}, {"weekdays": ["MO"]}, {"weekdays": []}, {"time": "09:00"},
        {"time": "09:00-25:00"}, {"time": "09:00-09:00"}, {"date": "12-25", "tme": "x"}, {"date": "1-5"},
    ]});
    let problems = Calendar::parse(&value).expect_err("all wrong");
    let fields: Vec<&str> = problems.iter().map(|p| p.field.as_str()).collect();
    let expected = [
        "closed",
        "zone",
        "excluded[0]",
        "excluded[1]",
        "excluded[2].date",
        "excluded[3]",
        "excluded[4].to",
        "excluded[5].to",
        "excluded[6].weekdays",
        "excluded[7].weekdays",
        "excluded[8].time",
        "excluded[9].time",
        "excluded[10].time",
        "excluded[11].tme",
        "excluded[12].date",
    ];
    assert_eq!(fields, expected);
    for value in [
        json!([]),
        json!({}),
        json!({"excluded": [], "allowed": []}),
        json!({"allowed": []}),
    ] {
        assert!(Calendar::parse(&value).is_err(), "{value}");
    }
}

#[test]
fn calendars_skip_or_move_occurrences() {
    let weekend = calendar(json!({"excluded": [{"weekdays": ["SAT", "SUN"]}]}));
    let monday = calendar(json!({"excluded": [{"date": "2026-11-23"}]}));
    let both = [&weekend, &monday];
    let mut daily = cron("0 9 * * *", "UTC");
    let skipped = daily
        .next_after(ms("2026-11-20T09:00:00Z"), &both)
        .expect("one");
    assert_eq!(text(skipped.due), "2026-11-24T09:00:00Z");
    assert_eq!(
        skipped.left_out.map(text).as_deref(),
        Some("2026-11-21T09:00:00Z")
    );
    daily.on_closed = OnClosed::Move;
    let moved = daily
        .next_after(ms("2026-11-20T09:00:00Z"), &both)
        .expect("one");
    assert_eq!(text(moved.due), "2026-11-24T00:00:00Z");
    assert_eq!(text(moved.beat), "2026-11-21T09:00:00Z");
    // The two others of the closed time are the same one; the next is that of the day itself.
    let next = daily.next_after(moved.due, &both).expect("one");
    assert_eq!(text(next.due), "2026-11-24T09:00:00Z");
}

#[test]
fn what_calendars_never_let_through_is_told_apart_from_an_end() {
    let night = calendar(json!({"excluded": [{"time": "00:00-06:00"}]}));
    let at_night = cron("0 3 * * *", "UTC");
    assert_eq!(at_night.next_after(0, &[&night]), Err(NoMore::Closed));
    let mut over = every(1000);
    over.end = Some(5_000);
    assert_eq!(over.next_after(4_000, &[]).map(|o| o.due), Ok(5_000));
    assert_eq!(over.next_after(5_000, &[]), Err(NoMore::Ended));
    over.start = Some(3_500);
    assert_eq!(over.next_after(0, &[]).map(|o| o.due), Ok(4_000));
}

#[test]
fn jitter_and_window_never_reorder() {
    for (period, jitter, window) in [
        (100, 30_000, 0),
        (1_000, 900, 0),
        (60_000, 30_000, 300_000),
        (1_000, 0, 5_000),
    ] {
        let mut spread = every(period);
        spread.spread = Spread {
            jitter_ms: jitter,
            window_ms: window,
            seed: 42,
        };
        let mut after = 0;
        for number in 1..2_000 {
            let occurrence = spread.next_after(after, &[]).expect("one");
            assert_eq!(occurrence.at, number * period as i64);
            assert!(
                occurrence.due >= occurrence.at && occurrence.due < occurrence.at + period as i64
            );
            assert_eq!(spread.next_after(after, &[]), Ok(occurrence));
            after = occurrence.due;
        }
    }
    // With closed times, moved ends and jitter together.
    let night = calendar(json!({"excluded": [{"time": "10:00-12:00"}]}));
    let mut spread = every(1_800_000);
    (spread.spread.jitter_ms, spread.on_closed) = (86_400_000, OnClosed::Move);
    for seed in 0..200 {
        spread.spread.seed = seed;
        let mut after = ms("2026-11-21T08:00:00Z") - 1;
        let ats: Vec<String> = (0..7)
            .map(|_| {
                let occurrence = spread.next_after(after, &[&night]).expect("one");
                assert!(occurrence.due > after);
                after = occurrence.due;
                text(occurrence.at)[11..16].to_owned()
            })
            .collect();
        assert_eq!(
            ats,
            [
                "08:00", "08:30", "09:00", "09:30", "12:00", "12:30", "13:00"
            ]
        );
    }
}

#[test]
fn what_is_due_later_than_a_time_is_found_though_its_beat_is_past() {
    // By a window: each occurrence is due long behind its beat.
    let mut hourly = cron("0 * * * *", "Europe/Paris");
    hourly.spread.window_ms = 3_600_000;
    let mut every = every(3_600_000);
    every.spread = hourly.spread;
    for table in [hourly, every] {
        let before = table.next_after(0, &[]).expect("one");
        let next = table.next_after(before.due, &[]).expect("one");
        assert!(next.due > next.beat, "{next:?}");
        for after in [before.due, next.beat - 1, next.beat, next.due - 1] {
            assert_eq!(table.due_after(after, &[]), Ok(next), "{after}");
        }
        assert!(
            table
                .due_after(next.due, &[])
                .is_ok_and(|it| it.beat > next.beat)
        );
    }
    // By a closed time: the weekly occurrence of Saturday waits for Monday.
    let weekend = calendar(json!({"excluded": [{"weekdays": ["SAT", "SUN"]}]}));
    let mut weekly = cron("0 12 * * SAT", "UTC");
    weekly.on_closed = OnClosed::Move;
    let sunday = ms("2026-11-22T08:00:00Z");
    let due = |after| {
        let found = weekly.due_after(after, &[&weekend]);
        text(found.expect("one").due)
    };
    assert_eq!(due(sunday), "2026-11-23T00:00:00Z");
    assert_eq!(due(ms("2026-11-23T00:00:00Z")), "2026-11-30T00:00:00Z");
    // One that is skipped is not pending.
    weekly.on_closed = OnClosed::Skip;
    let never = weekly.due_after(sunday, &[&weekend]);
    assert_eq!(never, Err(NoMore::Closed));
}

#[test]
fn an_explanation_says_what_is_unusual() {
    let paris = cron("30 2 * * *", "Europe/Paris");
    let spring = explain(&paris, &[], ms("2026-03-28T12:00:00Z"), 2);
    assert_eq!(spring.words, "At 02:30. In Europe/Paris.");
    assert_eq!((spring.gap, spring.fold), (Some("end"), Some("first")));
    let first = &spring.occurrences[0];
    assert_eq!(first.utc, "2026-03-29T01:00:00Z");
    assert_eq!(first.local, "2026-03-29T03:00:00+02:00");
    assert_eq!(first.abbreviation.as_deref(), Some("CEST"));
    assert!(first.notes[0].contains("over 02:30"), "{:?}", first.notes);
    assert!(spring.occurrences[1].notes.is_empty());
    let autumn = explain(&paris, &[], ms("2026-10-24T12:00:00Z"), 1);
    assert!(autumn.occurrences[0].notes[0].contains("this is the first"));
    let hourly = cron("30 * * * *", "Europe/Paris");
    let hours = explain(&hourly, &[], ms("2026-10-25T00:00:00Z"), 2);
    assert!(hours.occurrences[1].notes[0].contains("this is the second"));
    let skipped = explain(&hourly, &[], ms("2026-03-29T00:30:00Z"), 1);
    assert!(skipped.occurrences[0].notes[0].contains("02:30 on 2026-03-29 is skipped"));
    let weekend = calendar(json!({"excluded": [{"weekdays": ["SAT", "SUN"]}]}));
    let closed = explain(&paris, &[&weekend], ms("2026-11-20T12:00:00Z"), 1);
    assert!(closed.occurrences[0].notes[0].contains("a calendar is closed: skipped"));
    let over = explain(
        &cron("0 0 0 1 1 ? 2027", "UTC"),
        &[],
        ms("2026-11-20T12:00:00Z"),
        3,
    );
    assert_eq!(over.occurrences.len(), 1);
    assert!(over.ends.is_some());
}

#[test]
fn words_know_what_croner_does_not() {
    let words = |expression| explain(&cron(expression, "UTC"), &[], 0, 0).words;
    assert!(words("0 0 L-3 * *").contains("On the days `L-3` of the month."));
    assert!(words("@midnight").starts_with("At 00:00."));
    let hashed = words("H 4 * * *");
    assert!(
        hashed.starts_with("At 04:") && !hashed.contains('H'),
        "{hashed}"
    );
    assert_eq!(explain(&every(90_000), &[], 0, 0).words, "Every 1m30s.");
}

#[test]
fn what_moved_is_listed() {
    let daily = cron("0 9 * * *", "Europe/Paris");
    let from = ms("2026-11-20T12:00:00Z");
    let right = ms("2026-11-21T08:00:00Z");
    let list = [
        ("same", &daily, &[] as &[&Calendar], from, Some(right)),
        ("an hour later", &daily, &[], from, Some(right - 3_600_000)),
    ];
    let found: Vec<_> = moved(list).collect();
    assert_eq!(found.len(), 1);
    assert_eq!(
        (found[0].key, found[0].after),
        ("an hour later", Some(right))
    );
}
