//! Calendars: written to their topic, read from planners, refused with every fault at once.
#![allow(clippy::unwrap_used, reason = "what fails here fails its test")]

mod door;

use door::{Fake, request};
use ingest::{ApiKey, Config};
use schemas::answer::CalendarChange;
use schemas::{CalendarKey, CalendarView, CommandAnswer, Shards, Topic};

const AT: &str = "/v1/calendars/shop/holidays";
const WEEKENDS: &str = r#"{"zone": "Europe/Paris", "excluded": [{"weekdays": ["SAT", "SUN"]}]}"#;

fn calendar(name: &str) -> CalendarView {
    let key = CalendarKey::parse(name.as_bytes()).unwrap();
    CalendarView {
        tenant: key.tenant,
        name: key.name,
        version: 7,
        calendar: serde_json::from_str(WEEKENDS).unwrap(),
    }
}

#[tokio::test]
async fn a_calendar_is_one_record_in_the_partition_of_its_key() {
    let fake = Fake::new();
    let answer = fake.answer(request("PUT", AT, WEEKENDS)).await;
    assert_eq!(answer.status, 202);
    assert_eq!(answer.body["status"], "accepted");
    let answer = fake.answer(request("DELETE", AT, "")).await;
    assert_eq!(answer.status, 202);
    let records = fake.take_records();
    let values: Vec<_> = records.iter().map(|it| it.value.as_deref()).collect();
    assert_eq!(values, [Some(WEEKENDS.as_bytes()), None]);
    for record in records {
        assert_eq!(record.to.topic, Topic::Calendars);
        assert_eq!(record.to.shard, Shards::DEFAULT.of_key(b"shop/holidays"));
        assert_eq!(record.key.as_deref(), Some(&b"shop/holidays"[..]));
        assert!(record.headers.is_empty());
    }
}

#[tokio::test]
async fn with_wait_the_planner_says_what_became_of_it() {
    let fake = Fake::new();
    let at = format!("{AT}?wait=2s");
    let says = |change| CommandAnswer::Calendar { version: 7, change };
    for (method, body, said, status, word) in [
        (
            "PUT",
            WEEKENDS,
            says(CalendarChange::Created),
            201,
            "created",
        ),
        (
            "PUT",
            WEEKENDS,
            says(CalendarChange::Changed),
            200,
            "changed",
        ),
        (
            "PUT",
            WEEKENDS,
            says(CalendarChange::Unchanged),
            200,
            "unchanged",
        ),
        ("DELETE", "", says(CalendarChange::Removed), 200, "removed"),
        ("DELETE", "", CommandAnswer::Unknown, 200, "unknown"),
    ] {
        fake.will_answer([said]);
        let answer = fake.answer(request(method, &at, body)).await;
        assert_eq!(
            (answer.status, &answer.body["status"]),
            (status, &word.into())
        );
        assert_eq!(answer.header("location") == AT, status == 201);
    }
    let asked = fake.world.asked.lock().unwrap().clone();
    let home = Shards::DEFAULT.of_key(b"shop/holidays");
    assert!(asked.iter().all(|(shard, ..)| *shard == home));
    assert!(fake.take_records().iter().all(|it| it.headers.len() == 1));
}

#[tokio::test]
async fn every_bad_field_is_told_at_once_and_nothing_is_written() {
    let fake = Fake::new();
    let cases = [
        ("PUT", AT, "", 400, ""),
        ("PUT", AT, "[]", 400, ""),
        ("PUT", AT, "{", 400, ""),
        (
            "PUT",
            AT,
            r#"{"zone": "Mars", "excluded": [{"time": "9"}, {"dates": 1}]}"#,
            422,
            "zone excluded[0].time excluded[1].dates",
        ),
        (
            "PUT",
            "/v1/calendars/shop/holidays?wait=9h&x=1",
            r#"{"zone": "Mars", "allowed": [{"time": "9:00"}]}"#,
            422,
            "zone allowed[0].time x wait",
        ),
        (
            "PUT",
            "/v1/calendars/Shop/Holidays",
            WEEKENDS,
            422,
            "tenant name",
        ),
        ("DELETE", "/v1/calendars/shop/a%20b", "", 422, "name"),
        ("GET", "/v1/calendars", "", 422, "tenant"),
        (
            "GET",
            "/v1/calendars?tenant=T&limit=0&page=A&state=x",
            "",
            422,
            "state tenant limit page",
        ),
    ];
    for (method, path, body, status, fields) in cases {
        let answer = fake.answer(request(method, path, body)).await;
        assert_eq!(answer.status, status, "{method} {path}: {answer:?}");
        assert_eq!(answer.fields().join(" "), fields, "{method} {path}");
    }
    let large = format!("{WEEKENDS}{}", " ".repeat(64 << 10));
    assert_eq!(fake.answer(request("PUT", AT, &large)).await.status, 413);
    assert!(fake.take_records().is_empty());
}

#[tokio::test]
async fn calendars_are_shown_as_planners_know_them() {
    let fake = Fake::new();
    assert_eq!(
        fake.answer(request("GET", AT, "")).await.kind(),
        "unknown-calendar"
    );
    let known = ["bank/x", "shop/a", "shop/b", "shop/holidays"].map(calendar);
    *fake.world.calendars.lock().unwrap() = known.to_vec();
    let answer = fake.answer(request("GET", AT, "")).await;
    assert_eq!(answer.status, 200);
    assert_eq!(answer.body["version"], 7);
    assert_eq!(answer.body["calendar"]["zone"], "Europe/Paris");
    let names = |answer: &door::Answer| -> Vec<String> {
        let all = answer.body["calendars"].as_array().unwrap().iter();
        all.map(|it| it["name"].as_str().unwrap().to_owned())
            .collect()
    };
    let path = "/v1/calendars?tenant=shop&limit=2";
    let first = fake.answer(request("GET", path, "")).await;
    assert_eq!(names(&first), ["a", "b"]);
    let next = format!("{path}&page={}", first.body["page"].as_str().unwrap());
    let second = fake.answer(request("GET", &next, "")).await;
    assert_eq!(names(&second), ["holidays"]);
    assert!(second.body["page"].is_null());
    *fake.world.silent_owners.lock().unwrap() = true;
    assert_eq!(fake.answer(request("GET", AT, "")).await.status, 503);
    assert_eq!(fake.answer(request("GET", path, "")).await.status, 503);
}

#[tokio::test]
async fn a_key_opens_the_calendars_of_its_tenants_only() {
    let fake = Fake::with(Config {
        keys: vec![ApiKey {
            name: "shop".to_owned(),
            sha256: "2bb80d537b1da3e38bd30361aa855686bde0eacd7162fef6a25fe97bf527a25b".to_owned(),
            tenants: vec!["shop".to_owned()],
        }],
        ..Config::default()
    });
    let other = "/v1/calendars/bank/holidays";
    for (method, path, body, key, status) in [
        ("PUT", AT, WEEKENDS, None, 401),
        ("PUT", AT, WEEKENDS, Some("Bearer secret"), 202),
        ("PUT", other, WEEKENDS, Some("Bearer secret"), 403),
        ("GET", other, "", Some("Bearer secret"), 403),
        ("DELETE", other, "", Some("Bearer secret"), 403),
        (
            "GET",
            "/v1/calendars?tenant=bank",
            "",
            Some("Bearer secret"),
            403,
        ),
    ] {
        let mut request = request(method, path, body);
        if let Some(key) = key {
            let headers = request.headers_mut();
            headers.insert("authorization", key.parse().unwrap());
        }
        let answer = fake.answer(request).await;
        assert_eq!(answer.status, status, "{method} {path}");
    }
}
