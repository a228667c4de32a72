//! Requests in; records and answers out.
#![allow(clippy::unwrap_used, reason = "what fails here fails its test")]

mod door;

use std::time::Duration;

use axum::body::Body;
use axum::http::Request;
use door::{Answer, Fake, TASK, WHOLE, key, request};
use schemas::answer::REQUEST_HEADER;
use schemas::registration::Complaint;
use schemas::{CommandAnswer, Millis, Registration, Shards, Topic};

#[tokio::test]
async fn a_task_is_written_as_it_came_where_it_belongs() {
    let fake = Fake::new();
    let answer = fake.answer(request("POST", "/v1/tasks", TASK)).await;
    assert_eq!(answer.status, 202);
    let expected = serde_json::json!({"tenant": "shop", "id": "a", "status": "accepted"});
    assert_eq!(answer.body, expected);
    let records = fake.take_records();
    let [record] = records.as_slice() else {
        panic!("{records:?}")
    };
    assert_eq!(record.value.as_deref(), Some(TASK.as_bytes()));
    assert_eq!(record.key.as_deref(), Some(&b"shop/a"[..]));
    assert_eq!(record.to.topic, Topic::Registrations);
    assert_eq!(record.to.shard, key("shop", "a").shard(Shards::DEFAULT));
    assert!(record.headers.is_empty(), "nobody waits");
}

/// Method, path, body; the op and the id that come of them.
const COMMANDS: &[(&str, &str, &str, &str, &str)] = &[
    ("POST", "/v1/tasks", TASK, "register", "a"),
    ("POST", "/v1/tasks?lane=bulk", TASK, "register", "a"),
    (
        "POST",
        "/v1/tasks",
        r#"{"op": "touch", "tenant": "shop", "id": "a"}"#,
        "touch",
        "a",
    ),
    ("PUT", "/v1/tasks/shop/a", WHOLE, "update", "a"),
    ("PUT", "/v1/tasks/shop/a", TASK, "update", "a"),
    (
        "PUT",
        "/v1/tasks/shop/g/s?lane=bulk",
        r#"{"timeout": "1s"}"#,
        "update",
        "g/s",
    ),
    ("DELETE", "/v1/tasks/shop/a", "", "cancel", "a"),
    (
        "DELETE",
        "/v1/tasks/shop/g%2Fs",
        r#"{"if_version": 3}"#,
        "cancel",
        "g/s",
    ),
    ("DELETE", "/v1/tasks/shop/a:run", "", "cancel", "a:run"),
    (
        "POST",
        "/v1/tasks/shop/a:reschedule",
        r#"{"schedule": {"at": 0}}"#,
        "reschedule",
        "a",
    ),
    ("POST", "/v1/tasks/shop/a:touch", "", "touch", "a"),
    ("POST", "/v1/tasks/shop/a:run", "", "run", "a"),
    (
        "POST",
        "/v1/tasks/shop/g/s:run",
        r#"{"payload": 1}"#,
        "run",
        "g/s",
    ),
    ("POST", "/v1/tasks/shop/a:b:pause", "{}", "pause", "a:b"),
    ("POST", "/v1/tasks/shop/a:resume", "", "resume", "a"),
    ("POST", "/v1/tasks/shop/a:kill", "", "kill", "a"),
    ("POST", "/v1/tasks/shop/a:cancel", "", "cancel", "a"),
];

#[tokio::test]
async fn every_form_of_a_command_becomes_one_record() {
    let fake = Fake::new();
    for (method, path, body, op, id) in COMMANDS {
        let answer = fake.answer(request(method, path, body)).await;
        assert_eq!(answer.status, 202, "{method} {path}: {answer:?}");
        let records = fake.take_records();
        let [record] = records.as_slice() else {
            panic!("{method} {path}: {records:?}")
        };
        let value = record.value.clone().unwrap();
        let registration = Registration::parse(&value).unwrap_or_else(|it| panic!("{path}: {it}"));
        assert_eq!(registration.task, key("shop", id), "{path}");
        assert_eq!(
            record.key.as_deref(),
            Some(registration.task.routing_key().as_bytes())
        );
        assert_eq!(
            record.to.shard,
            registration.task.shard(Shards::DEFAULT),
            "{path}"
        );
        let bulk = path.contains("lane=bulk");
        let topic = if bulk {
            Topic::RegistrationsBulk
        } else {
            Topic::Registrations
        };
        assert_eq!(record.to.topic, topic, "{path}");
        let json: serde_json::Value = serde_json::from_slice(&value).unwrap();
        assert_eq!(json["op"].as_str().unwrap_or("register"), *op, "{path}");
    }
}

#[tokio::test]
async fn whoever_waits_is_told_what_the_planner_decided() {
    let (version, due) = (7, Millis(1_796_086_800_000));
    let complaint = Complaint::new("schedule", "no");
    let cases = [
        (
            Some(CommandAnswer::Created { version, due }),
            201,
            "created",
        ),
        (
            Some(CommandAnswer::Unchanged { version, due }),
            200,
            "unchanged",
        ),
        (
            Some(CommandAnswer::Changed { version, due }),
            200,
            "changed",
        ),
        (Some(CommandAnswer::Cancelled), 200, "cancelled"),
        (Some(CommandAnswer::TooLate), 200, "too_late"),
        (Some(CommandAnswer::Unknown), 200, "unknown"),
        (
            Some(CommandAnswer::Conflict {
                version,
                reason: "other".to_owned(),
            }),
            409,
            "",
        ),
        (
            Some(CommandAnswer::Refused {
                complaints: vec![complaint],
            }),
            422,
            "",
        ),
        (None, 202, "accepted"),
    ];
    let fake = Fake::new();
    for (planner, status, word) in cases {
        fake.will_answer(planner.clone());
        let answer = fake
            .answer(request("POST", "/v1/tasks?wait=2s", TASK))
            .await;
        assert_eq!(answer.status, status, "{planner:?}: {answer:?}");
        if status < 300 {
            assert_eq!(answer.body["status"], word);
            assert_eq!(answer.body["tenant"], "shop");
            let told = answer.body["answer"].as_str();
            assert_eq!(told, planner.is_some().then_some(word), "{answer:?}");
        }
        check_details(planner.as_ref(), &answer);
    }
    let delete = fake
        .answer(request("DELETE", "/v1/tasks/shop/a?wait=2s", ""))
        .await;
    assert_eq!(delete.status, 202, "the planner does not know yet");
}

fn check_details(planner: Option<&CommandAnswer>, answer: &Answer) {
    match planner {
        Some(CommandAnswer::Created { .. }) => {
            assert_eq!(answer.body["version"], 7);
            assert_eq!(answer.body["due"], 1_796_086_800_000_i64);
            assert_eq!(answer.header("location"), "/v1/tasks/shop/a");
        }
        Some(CommandAnswer::Conflict { .. }) => {
            assert_eq!(answer.kind(), "conflict");
            assert_eq!(answer.body["version"], 7);
            assert_eq!(answer.body["detail"], "other");
        }
        Some(CommandAnswer::Refused { .. }) => assert_eq!(answer.fields(), ["schedule"]),
        _ => {}
    }
}

#[tokio::test]
async fn the_record_carries_the_name_that_its_answer_is_asked_by() {
    let fake = Fake::new();
    fake.answer(request("POST", "/v1/tasks?wait=2s", TASK))
        .await;
    let records = fake.take_records();
    let asked = std::mem::take(&mut *fake.world.asked.lock().unwrap());
    let [(shard, id, wait)] = asked.as_slice() else {
        panic!("{asked:?}")
    };
    assert_eq!(*shard, records[0].to.shard);
    assert_eq!(*wait, Duration::from_secs(2));
    let header = (REQUEST_HEADER.to_owned(), id.to_string().into());
    assert_eq!(records[0].headers, [header]);
}

#[tokio::test]
async fn no_two_commands_have_one_request_id() {
    let fake = Fake::new();
    for _ in 0..100 {
        fake.answer(request("POST", "/v1/tasks?wait=1s", TASK))
            .await;
    }
    let asked = std::mem::take(&mut *fake.world.asked.lock().unwrap());
    let ids: std::collections::BTreeSet<_> = asked.iter().map(|(_, id, _)| *id).collect();
    assert_eq!(ids.len(), 100);
}

#[tokio::test]
async fn a_body_in_pieces_is_put_together() {
    let fake = Fake::new();
    let pieces: Vec<Result<&[u8], std::io::Error>> = TASK.as_bytes().chunks(7).map(Ok).collect();
    let body = Body::new(http_body_util::StreamBody::new(futures_util::stream::iter(
        pieces
            .into_iter()
            .map(|it| it.map(|it| hyper::body::Frame::data(bytes::Bytes::from(it)))),
    )));
    let request = Request::post("/v1/tasks").body(body).unwrap();
    assert_eq!(fake.answer(request).await.status, 202);
    assert_eq!(
        fake.take_records()[0].value.as_deref(),
        Some(TASK.as_bytes())
    );
}
