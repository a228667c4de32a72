//! `POST /v1/schedules:explain`.

mod door;

use door::{Fake, request};
use serde_json::{Value, json};

async fn ask(body: &Value) -> (u16, Value) {
    let body = body.to_string();
    let asked = request("POST", "/v1/schedules:explain", &body);
    let answer = Fake::new().answer(asked).await;
    (answer.status, answer.body)
}

#[tokio::test]
async fn a_schedule_is_explained_with_its_calendars() {
    let (status, body) = ask(&json!({
        "schedule": {"cron": "30 2 * * *", "zone": "Europe/Paris", "calendars": ["weekend"]},
        "calendars": {"weekend": {"zone": "Europe/Paris", "excluded": [{"weekdays": ["SAT"]}]}},
        "from": "2026-03-27T12:00:00Z", "n": 2,
    }))
    .await;
    assert_eq!(status, 200, "{body}");
    assert_eq!(body["words"], "At 02:30. In Europe/Paris.");
    assert_eq!(
        (&body["gap"], &body["fold"]),
        (&json!("end"), &json!("first"))
    );
    let first = &body["occurrences"][0];
    assert_eq!(first["utc"], "2026-03-29T01:00:00Z");
    assert_eq!(first["local"], "2026-03-29T03:00:00+02:00");
    assert_eq!(first["notes"].as_array().map(Vec::len), Some(2), "{first}");
    assert_eq!(body["occurrences"][1]["utc"], "2026-03-30T00:30:00Z");
}

#[tokio::test]
async fn a_fixed_rate_is_explained_too() {
    let (status, body) = ask(&json!({
        "schedule": {"every": "1h", "start": "2026-01-01T00:00:00Z", "end": "2026-01-01T01:00:00Z"},
        "from": 0,
    }))
    .await;
    assert_eq!(status, 200, "{body}");
    assert_eq!(body["occurrences"].as_array().map(Vec::len), Some(2));
    assert_eq!(body["ends"], "the schedule ends at 2026-01-01T01:00:00Z");
}

#[tokio::test]
async fn every_fault_is_named_and_the_expressions_has_its_place() {
    let (status, body) = ask(&json!({
        "schedule": {"cron": "0 25 * * *", "zone": "Paris", "gap": "x", "fold": 1, "jitter": "x",
            "on_closed": "x", "anchor": 5, "start": "soon", "calendars": ["none"], "evry": 1},
        "calendars": {"bad": {"excluded": [{"time": "x"}]}}, "n": 0, "what": 1,
    }))
    .await;
    assert_eq!(status, 422, "{body}");
    let errors = body["errors"].as_array().cloned().unwrap_or_default();
    let fields: Vec<&str> = errors.iter().filter_map(|e| e["field"].as_str()).collect();
    let expected = [
        "what",
        "n",
        "calendars.bad.excluded[0].time",
        "schedule.evry",
        "schedule.anchor",
        "schedule.cron",
        "schedule.zone",
        "schedule.gap",
        "schedule.fold",
    ];
    assert_eq!(fields, expected);
    assert_eq!(errors[5]["position"], 2);
    // The rest is looked at once there is a beat.
    let (_, body) = ask(&json!({
        "schedule": {"every": "1s", "zone": "UTC", "jitter": "2d", "window": 5, "on_closed": "x",
            "start": "soon", "calendars": ["none"]},
    }))
    .await;
    let errors = body["errors"].as_array().cloned().unwrap_or_default();
    let fields: Vec<&str> = errors.iter().filter_map(|e| e["field"].as_str()).collect();
    let expected = [
        "schedule.zone",
        "schedule.start",
        "schedule.jitter",
        "schedule.window",
        "schedule.on_closed",
        "schedule.calendars[0]",
    ];
    assert_eq!(fields, expected);
    for (body, status) in [
        (json!({}), 422),
        (json!([]), 400),
        (json!({"schedule": {"every": "1ms"}}), 422),
        (
            json!({"schedule": {"cron": "* * * * *", "every": "1s"}}),
            422,
        ),
    ] {
        assert_eq!(ask(&body).await.0, status, "{body}");
    }
}
