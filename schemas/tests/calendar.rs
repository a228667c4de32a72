//! The JSON Schema of calendars: its text is what the builder says, and it agrees with the parser.

use schemas::calendar::read_calendar;
use schemas::json_schema;

const TEXT: &str = include_str!("../json/calendar.schema.json");

#[test]
fn the_checked_in_schema_is_what_the_builder_says() {
    let mut text = serde_json::to_string_pretty(&json_schema::calendar()).expect("JSON");
    text.push('\n');
    if std::env::var_os("WRITE_SCHEMA").is_some() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/json/calendar.schema.json");
        std::fs::write(path, &text).expect("the schema is writable");
        return;
    }
    assert!(
        text == TEXT,
        "json/calendar.schema.json is out of date: WRITE_SCHEMA=1 cargo test -p schemas"
    );
}

#[test]
fn the_schema_and_the_parser_agree() {
    let schema = jsonschema::validator_for(&json_schema::calendar()).expect("a schema");
    let good = [
        r#"{"excluded": [{"weekdays": ["SAT", "sun"]}]}"#,
        r#"{"zone": "Europe/Paris", "allowed": [{"weekdays": ["MON-FRI"], "time": "09:00-17:30"}]}"#,
        r#"{"excluded": [{"date": "12-25"}, {"date": "2027-02-28"}, {"time": "22:00:30-24:00"}]}"#,
        r#"{"excluded": [{"from": "12-24", "to": "01-02"}, {"from": "2026-12-24", "to": "2027-01-02"}]}"#,
    ];
    let bad = [
        "[]",
        "{}",
        r#"{"excluded": []}"#,
        r#"{"excluded": [{}]}"#,
        r#"{"excluded": [{"date": "12-25"}], "allowed": [{"date": "12-25"}]}"#,
        r#"{"excluded": [{"date": "Christmas"}]}"#,
        r#"{"excluded": [{"date": "12-25", "from": "12-24", "to": "12-26"}]}"#,
        r#"{"excluded": [{"from": "12-24"}]}"#,
        r#"{"excluded": [{"weekdays": []}]}"#,
        r#"{"excluded": [{"weekdays": ["SATURDAY"]}]}"#,
        r#"{"excluded": [{"time": "9-5"}]}"#,
        r#"{"excluded": [{"day": "SAT"}]}"#,
        r#"{"excluded": [{"date": "12-25"}], "timezone": "UTC"}"#,
        r#"{"excluded": [{"date": "12-25"}], "zone": 1}"#,
    ];
    for (text, is_good) in good
        .map(|it| (it, true))
        .into_iter()
        .chain(bad.map(|it| (it, false)))
    {
        let value = serde_json::from_str(text).expect(text);
        assert_eq!(read_calendar(text.as_bytes()).is_ok(), is_good, "{text}");
        assert_eq!(schema.is_valid(&value), is_good, "{text}");
    }
    // Only the parser knows which dates and zones there are.
    for text in [
        r#"{"excluded": [{"date": "02-30"}]}"#,
        r#"{"zone": "Mars", "excluded": [{"date": "12-25"}]}"#,
    ] {
        assert!(read_calendar(text.as_bytes()).is_err(), "{text}");
    }
}
