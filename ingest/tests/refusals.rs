//! Every way in which a request is turned away, and that nothing is written then.
#![allow(clippy::unwrap_used, reason = "what fails here fails its test")]

mod door;

use std::time::Duration;

use door::{Fake, Fate, TASK, WHOLE, request};
use ingest::Config;
use schemas::CommandAnswer;

/// Method, path, body; the status, and the fields complained of.
const WRONG: &[(&str, &str, &str, u16, &[&str])] = &[
    ("POST", "/v1/tasks", "{", 400, &[]),
    ("POST", "/v1/tasks", "nonsense", 400, &[]),
    ("POST", "/v1/tasks", "", 400, &[]),
    ("POST", "/v1/tasks", "[1", 400, &[]),
    ("POST", "/v1/tasks", "[] []", 400, &[]),
    (
        "POST",
        "/v1/tasks",
        "{}",
        422,
        &["tenant", "id", "schedule", "call"],
    ),
    (
        "POST",
        "/v1/tasks?wiat=1s",
        "{}",
        422,
        &["wiat", "tenant", "id", "schedule", "call"],
    ),
    (
        "POST",
        "/v1/tasks?wait=soon&lane=fast",
        TASK,
        422,
        &["lane", "wait"],
    ),
    ("POST", "/v1/tasks?wait=31s", TASK, 422, &["wait"]),
    ("POST", "/v1/tasks?wait=1s&wait=2s", TASK, 422, &["wait"]),
    ("POST", "/v1/tasks?lane=x", "[]", 422, &["lane"]),
    (
        "POST",
        "/v1/tasks",
        r#"{"op": "report", "tenant": "t", "id": "a", "fire_id": "0123456789abcdef0123456789abcdef", "result": "success"}"#,
        422,
        &["op"],
    ),
    ("PUT", "/v1/tasks/shop/a", "", 400, &[]),
    ("PUT", "/v1/tasks/shop/a", "[]", 400, &[]),
    ("PUT", "/v1/tasks/shop/a", "{}", 422, &[""]),
    ("PUT", "/v1/tasks/Shop/a%20b", WHOLE, 422, &["tenant", "id"]),
    (
        "PUT",
        "/v1/tasks/shop/a",
        r#"{"id": "b", "tag": 1}"#,
        422,
        &["id", "tag"],
    ),
    (
        "POST",
        "/v1/tasks/shop/a:reschedule",
        "",
        422,
        &["schedule"],
    ),
    (
        "POST",
        "/v1/tasks/shop/a:run",
        r#"{"timeout": "1s"}"#,
        422,
        &["timeout"],
    ),
    ("POST", "/v1/tasks/shop/a:fly", "", 404, &[]),
    ("POST", "/v1/tasks/shop/a", "", 405, &[]),
    ("POST", "/v1/fires/xyz:report", "{}", 422, &["", "fire_id"]),
    ("PATCH", "/v1/tasks/shop/a", "{}", 405, &[]),
];

#[tokio::test]
async fn what_is_wrong_is_told_field_by_field_and_nothing_is_written() {
    let fake = Fake::new();
    for (method, path, body, status, fields) in WRONG {
        let answer = fake.answer(request(method, path, body)).await;
        assert_eq!(answer.status, *status, "{method} {path} {body}: {answer:?}");
        let mut found = answer.fields();
        found.sort_unstable();
        let mut expected = fields.to_vec();
        expected.sort_unstable();
        assert_eq!(found, expected, "{method} {path}: {answer:?}");
        assert_eq!(
            answer.header("content-type"),
            "application/problem+json",
            "{path}"
        );
        assert_eq!(answer.body["status"], *status, "{path}");
        for name in ["type", "title", "detail"] {
            assert!(answer.body[name].is_string(), "{path}: {name}");
        }
        assert!(fake.take_records().is_empty(), "{method} {path}");
    }
    let nowhere = fake.answer(request("GET", "/v2/tasks", "")).await;
    assert_eq!((nowhere.status, nowhere.kind()), (404, "unknown-route"));
}

#[tokio::test]
async fn what_is_too_large_is_refused() {
    let config = Config {
        allow_anonymous_loopback: true,
        max_body: 2_000,
        max_array_body: 6_000,
        max_items: 3,
        ..Config::default()
    };
    let fake = Fake::with(config);
    let long = TASK.replace("1.50", &format!("\"{}\"", "x".repeat(2_000)));
    let cases = [
        ("POST", "/v1/tasks", long.clone(), 413),
        ("PUT", "/v1/tasks/shop/a", long.clone(), 413),
        ("POST", "/v1/tasks", format!("[{long}]"), 207),
        ("POST", "/v1/tasks", format!("[{long},{long},{long}]"), 413),
        (
            "POST",
            "/v1/tasks",
            format!("[{TASK},{TASK},{TASK},{TASK}]"),
            413,
        ),
        ("POST", "/v1/tasks", format!("[{TASK},{TASK},{TASK}]"), 207),
        (
            "POST",
            "/v1/tasks",
            format!("{{\"payload\":{}", "[".repeat(100)),
            400,
        ),
    ];
    for (method, path, body, status) in cases {
        let answer = fake.answer(request(method, path, &body)).await;
        assert_eq!(answer.status, status, "{method} {path} {body}: {answer:?}");
    }
    let mut wide = request("GET", "/v1/tasks?tenant=shop", "");
    wide.headers_mut()
        .insert("x-wide", "x".repeat(40_000).parse().unwrap());
    assert_eq!(fake.answer(wide).await.status, 431);
}

#[tokio::test]
async fn beyond_the_common_budget_callers_are_told_to_come_back() {
    let fake = Fake::with(Config {
        allow_anonymous_loopback: true,
        max_body: 2_000,
        max_array_body: 2_000,
        max_bodies: 2_000,
        ..Config::default()
    });
    *fake.world.fate.lock().unwrap() = Fate::Silent;
    let padded = format!("{TASK}{}", " ".repeat(1_200));
    let first = request("POST", "/v1/tasks", &padded);
    let second = request("POST", "/v1/tasks", &padded);
    let mut first = Box::pin(fake.answer(first));
    // The log is silent, so the first request keeps its share of the budget.
    tokio::select! {
        biased;
        answer = &mut first => panic!("{answer:?}"),
        () = std::future::ready(()) => {}
    }
    let answer = fake.answer(second).await;
    assert_eq!((answer.status, answer.kind()), (429, "busy"));
    assert_eq!(answer.header("retry-after"), "1");
    drop(first);
    *fake.world.fate.lock().unwrap() = Fate::Durable;
    assert_eq!(
        fake.answer(request("POST", "/v1/tasks", &padded))
            .await
            .status,
        202
    );
}

#[tokio::test]
async fn only_json_is_taken() {
    let fake = Fake::new();
    let cases = [
        ("application/json", 202),
        ("application/json; charset=utf-8", 202),
        ("application/cloudevents+json", 202),
        ("text/plain", 415),
        ("application/x-www-form-urlencoded", 415),
        ("application/json5", 415),
    ];
    for (kind, status) in cases {
        let mut request = request("POST", "/v1/tasks", TASK);
        request
            .headers_mut()
            .insert("content-type", kind.parse().unwrap());
        assert_eq!(fake.answer(request).await.status, status, "{kind}");
    }
    let mut zipped = request("POST", "/v1/tasks", TASK);
    zipped
        .headers_mut()
        .insert("content-encoding", "gzip".parse().unwrap());
    assert_eq!(fake.answer(zipped).await.status, 415);
}

#[tokio::test]
async fn a_log_that_does_not_acknowledge_is_503_and_never_202() {
    let fake = Fake::with(Config {
        allow_anonymous_loopback: true,
        produce_timeout: Duration::from_millis(5),
        ..Config::default()
    });
    for fate in [Fate::Refused, Fate::Silent] {
        *fake.world.fate.lock().unwrap() = fate;
        for path in ["/v1/tasks", "/v1/tasks?wait=2s"] {
            fake.will_answer([CommandAnswer::Cancelled]);
            let answer = fake.answer(request("POST", path, TASK)).await;
            assert_eq!(
                (answer.status, answer.kind()),
                (503, "unavailable"),
                "{fate:?} {path}"
            );
            assert_eq!(answer.header("retry-after"), "1");
        }
        let answer = fake
            .answer(request("POST", "/v1/tasks", &format!("[{TASK}]")))
            .await;
        assert_eq!(answer.body[0]["code"], 503, "{fate:?}: {answer:?}");
    }
}
