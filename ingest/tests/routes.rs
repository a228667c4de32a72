//! Requests in; records and answers out.
#![allow(clippy::unwrap_used, reason = "what fails here fails its test")]

mod door;

use std::time::Duration;

use axum::body::Body;
use axum::http::Request;
use door::{Fake, Fate, request};
use ingest::{ApiKey, Config};
use schemas::answer::REQUEST_HEADER;
use schemas::registration::Complaint;
use schemas::{
    CommandAnswer, Millis, Priority, Registration, Shards, TaskId, TaskKey, TaskState, TaskView,
    TenantId, Topic,
};

const TASK: &str = r#"{"tenant": "shop", "id": "a", "schedule": {"after": "1s"}, "call": {"url": "http://h/x"}, "payload": {"b": 1.50}}"#;
const WHOLE: &str = r#"{"schedule": {"after": "1s"}, "call": {"url": "http://h/x"}}"#;

fn key(tenant: &str, id: &str) -> TaskKey {
    TaskKey {
        tenant: TenantId::new(tenant).unwrap(),
        id: TaskId::new(id).unwrap(),
    }
}

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

#[tokio::test]
async fn every_form_of_a_command_becomes_one_record() {
    let cases = [
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
    let fake = Fake::new();
    for (method, path, body, op, id) in cases {
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
        assert_eq!(json["op"].as_str().unwrap_or("register"), op, "{path}");
    }
}

#[tokio::test]
async fn whoever_waits_is_told_what_the_planner_decided() {
    let (version, due) = (7, Millis(1_796_086_800_000));
    let complaint = || Complaint {
        field: "schedule".to_owned(),
        problem: "no".to_owned(),
    };
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
                complaints: vec![complaint()],
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
        }
        if planner.is_some() && status < 300 {
            assert_eq!(answer.body["answer"], word);
        }
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
    let delete = fake
        .answer(request("DELETE", "/v1/tasks/shop/a?wait=2s", ""))
        .await;
    assert_eq!(delete.status, 202, "the planner does not know yet");
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
async fn what_is_wrong_is_told_field_by_field_and_nothing_is_written() {
    let cases: [(&str, &str, &str, u16, &[&str]); 23] = [
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
    let fake = Fake::new();
    for (method, path, body, status, fields) in cases {
        let answer = fake.answer(request(method, path, body)).await;
        assert_eq!(answer.status, status, "{method} {path} {body}: {answer:?}");
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
        assert_eq!(answer.body["status"], status, "{path}");
        for name in ["type", "title", "detail"] {
            assert!(answer.body[name].is_string(), "{path}: {name}");
        }
        assert!(fake.take_records().is_empty(), "{method} {path}");
    }
    let nowhere = fake.answer(request("GET", "/v2/tasks", "")).await;
    assert_eq!((nowhere.status, nowhere.kind()), (404, "unknown-route"));
}

#[tokio::test]
async fn of_an_array_each_item_is_judged_by_itself() {
    let fake = Fake::new();
    let other = TASK.replace("\"a\"", "\"b\"");
    let bad = r#"{"tenant": "shop", "id": "c", "schdule": {}}"#;
    let body = format!("[{TASK} , {bad},{other}, 7]");
    let answer = fake.answer(request("POST", "/v1/tasks", &body)).await;
    assert_eq!(answer.status, 207, "{answer:?}");
    let entries = answer.body.as_array().unwrap();
    let codes: Vec<_> = entries
        .iter()
        .map(|it| it["code"].as_u64().unwrap())
        .collect();
    assert_eq!(codes, [202, 422, 202, 400]);
    let words: Vec<_> = entries
        .iter()
        .map(|it| it["status"].as_str().unwrap())
        .collect();
    assert_eq!(words, ["accepted", "refused", "accepted", "refused"]);
    assert_eq!(entries[2]["id"], "b");
    assert_eq!(
        entries[1]["problem"]["errors"].as_array().map(Vec::len),
        Some(3)
    );
    let records = fake.take_records();
    let values: Vec<_> = records.iter().map(|it| it.value.clone().unwrap()).collect();
    assert_eq!(values, [TASK.as_bytes(), other.as_bytes()]);
    let empty = fake.answer(request("POST", "/v1/tasks", " [ ] ")).await;
    assert_eq!((empty.status, empty.body), (207, serde_json::json!([])));
}

#[tokio::test]
async fn an_arrays_answers_stand_where_their_items_do() {
    let fake = Fake::new();
    let due = Millis(5);
    fake.will_answer([
        CommandAnswer::Created { version: 1, due },
        CommandAnswer::Conflict {
            version: 2,
            reason: "x".to_owned(),
        },
    ]);
    let body = format!("[{TASK}, {{}}, {TASK}, {TASK}]");
    let answer = fake
        .answer(request("POST", "/v1/tasks?wait=1s&lane=bulk", &body))
        .await;
    let codes: Vec<_> = answer
        .body
        .as_array()
        .unwrap()
        .iter()
        .map(|it| it["code"].as_u64().unwrap())
        .collect();
    assert_eq!(codes, [201, 422, 409, 202]);
    let records = fake.take_records();
    assert_eq!(records.len(), 3);
    assert!(
        records
            .iter()
            .all(|it| it.to.topic == Topic::RegistrationsBulk)
    );
    assert!(records.iter().all(|it| it.headers.len() == 1));
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

fn keyed() -> Fake {
    // SHA-256 of "secret" and of "all".
    let key = |name: &str, sha256: &str, tenants: &[&str]| ApiKey {
        name: name.to_owned(),
        sha256: sha256.to_owned(),
        tenants: tenants.iter().map(|it| (*it).to_owned()).collect(),
    };
    Fake::with(Config {
        keys: vec![
            key(
                "shop",
                "2bb80d537b1da3e38bd30361aa855686bde0eacd7162fef6a25fe97bf527a25b",
                &["shop", "other"],
            ),
            key(
                "all",
                "5EF5EF0364B6939C4CA61F34B393F7B368D1BE8619647AAF83D5B395919AB629",
                &["*"],
            ),
        ],
        ..Config::default()
    })
}

#[tokio::test]
async fn a_key_opens_the_door_for_its_tenants_only() {
    let fake = keyed();
    let elsewhere = TASK.replace("shop", "bank");
    let cases = [
        (None, TASK, 401),
        (Some("Bearer wrong"), TASK, 401),
        (Some("Basic secret"), TASK, 401),
        (Some("Bearer"), TASK, 401),
        (Some("Bearer secret"), TASK, 202),
        (Some("bearer secret"), TASK, 202),
        (Some("Bearer secret"), elsewhere.as_str(), 403),
        (Some("Bearer all"), elsewhere.as_str(), 202),
    ];
    for (authorization, body, status) in cases {
        let mut request = request("POST", "/v1/tasks", body);
        if let Some(value) = authorization {
            request
                .headers_mut()
                .insert("authorization", value.parse().unwrap());
        }
        let answer = fake.answer(request).await;
        assert_eq!(answer.status, status, "{authorization:?}: {answer:?}");
        if status == 401 {
            assert_eq!(answer.header("www-authenticate"), "Bearer");
        }
    }
    for (method, path) in [
        ("GET", "/v1/tasks/bank/a"),
        ("GET", "/v1/tasks?tenant=bank"),
        ("PUT", "/v1/tasks/bank/a"),
        ("DELETE", "/v1/tasks/bank/a"),
        ("POST", "/v1/tasks/bank/a:run"),
    ] {
        for (authorization, status) in [(None, 401), (Some("Bearer secret"), 403)] {
            let body = if method == "PUT" { WHOLE } else { "" };
            let mut request = request(method, path, body);
            if let Some(value) = authorization {
                request
                    .headers_mut()
                    .insert("authorization", value.parse().unwrap());
            }
            assert_eq!(fake.answer(request).await.status, status, "{method} {path}");
        }
    }
    let mut both = request("POST", "/v1/tasks", &format!("[{TASK},{elsewhere}]"));
    both.headers_mut()
        .insert("authorization", "Bearer secret".parse().unwrap());
    let answer = fake.answer(both).await;
    assert_eq!(
        (&answer.body[0]["code"], &answer.body[1]["code"]),
        (&202.into(), &403.into())
    );
}

#[test]
fn a_door_without_keys_does_not_open() {
    let fake = Fake::new();
    let listen = ([127, 0, 0, 1], 7800).into();
    let door = ingest::Door::new(
        Config::default(),
        listen,
        Shards::DEFAULT,
        fake.world.clone(),
        fake.world.clone(),
    );
    assert!(door.is_err_and(|error| error.to_string().contains("`keys` is empty")));
}

fn view(id: &str, state: TaskState) -> TaskView {
    TaskView {
        tenant: TenantId::new("shop").unwrap(),
        id: TaskId::new(id).unwrap(),
        version: 3,
        state,
        due: Millis(1_796_086_800_000),
        slot: None,
        schedule: serde_json::json!({"after": "1s"}),
        call: serde_json::json!({"url": "http://h/x", "method": "POST"}),
        tags: Vec::new(),
        priority: Priority::Normal,
        firings: Vec::new(),
    }
}

#[tokio::test]
async fn a_task_is_shown_as_its_planner_sees_it() {
    let fake = Fake::new();
    *fake.world.tasks.lock().unwrap() = vec![view("g/s", TaskState::Pending)];
    for path in ["/v1/tasks/shop/g/s", "/v1/tasks/shop/g%2Fs"] {
        let answer = fake.answer(request("GET", path, "")).await;
        assert_eq!(answer.status, 200, "{path}");
        assert_eq!(answer.body["state"], "pending");
        assert_eq!(answer.body["version"], 3);
        assert_eq!(answer.body["schedule"], serde_json::json!({"after": "1s"}));
    }
    let missing = fake.answer(request("GET", "/v1/tasks/shop/x", "")).await;
    assert_eq!((missing.status, missing.kind()), (404, "unknown-task"));
    *fake.world.silent_owners.lock().unwrap() = true;
    let away = fake.answer(request("GET", "/v1/tasks/shop/x", "")).await;
    assert_eq!((away.status, away.header("retry-after")), (503, "1"));
    let away = fake
        .answer(request("GET", "/v1/tasks?tenant=shop", ""))
        .await;
    assert_eq!(away.status, 503);
}

#[tokio::test]
async fn pages_across_all_shards_show_every_task_once() {
    let fake = Fake::new();
    let all: Vec<String> = (0..40).map(|n| format!("task-{n:02}")).collect();
    *fake.world.tasks.lock().unwrap() = all.iter().map(|id| view(id, TaskState::Pending)).collect();
    for limit in [1, 7, 40, 1_000] {
        let mut seen = Vec::new();
        let mut page = String::new();
        loop {
            let path = format!("/v1/tasks?tenant=shop&state=&limit={limit}&page={page}");
            let answer = fake.answer(request("GET", &path, "")).await;
            assert_eq!(answer.status, 200, "{path}: {answer:?}");
            let tasks = answer.body["tasks"].as_array().unwrap();
            assert!(tasks.len() <= limit);
            seen.extend(tasks.iter().map(|it| it["id"].as_str().unwrap().to_owned()));
            match answer.body["page"].as_str() {
                Some(next) => page = next.to_owned(),
                None => break,
            }
        }
        seen.sort();
        assert_eq!(seen, all, "limit {limit}");
    }
}

#[tokio::test]
async fn a_list_passes_its_questions_on_and_refuses_bad_ones() {
    let fake = Fake::new();
    let path = "/v1/tasks?tenant=shop&state=too_late_for_this";
    assert_eq!(
        fake.answer(request("GET", path, "")).await.fields(),
        ["state"]
    );
    let path = "/v1/tasks?state=dead&due_from=x&due_to=y&limit=0&page=z&sort=id";
    let answer = fake.answer(request("GET", path, "")).await;
    let mut fields = answer.fields();
    fields.sort_unstable();
    assert_eq!(
        fields,
        ["due_from", "due_to", "limit", "page", "sort", "tenant"]
    );
    let path = "/v1/tasks?tenant=shop&state=dead&tag=a%20b&due_from=5&due_to=2026-12-01T01:00:00Z";
    assert_eq!(fake.answer(request("GET", path, "")).await.status, 200);
    let lists = fake.world.lists.lock().unwrap();
    assert_eq!(lists.len(), 8, "one question a shard");
    let (_, query) = &lists[0];
    assert_eq!(query.state, Some(TaskState::Dead));
    assert_eq!(query.tag.as_deref(), Some("a b"));
    assert_eq!(query.due_from, Some(Millis(5)));
    assert_eq!(query.due_to, Some(Millis(1_796_086_800_000)));
}
