//! Commands on many tasks: one record, and what all planners say of it.
#![allow(clippy::unwrap_used, reason = "what fails here fails its test")]

mod door;

use door::{Fake, request};
use ingest::Config;
use schemas::answer::{REQUEST_HEADER, SweepView};
use schemas::index::SweepCount;
use schemas::registration::{Inbound, Sweep, SweepOp};
use schemas::{Millis, Shards, TenantId, Topic};

fn shop() -> TenantId {
    TenantId::new("shop").unwrap()
}

#[tokio::test]
async fn a_command_on_many_tasks_is_one_record_called_by_its_request() {
    let tag = |op| Sweep {
        tenant: shop(),
        tag: Some("x".to_owned()),
        op,
    };
    let cases = [
        (
            "/v1/tasks:pause",
            r#"{"tenant": "shop", "tag": "x"}"#,
            tag(SweepOp::Pause),
        ),
        (
            "/v1/tasks:resume?lane=bulk",
            r#"{"op": "resume", "tenant": "shop", "tag": "x"}"#,
            tag(SweepOp::Resume),
        ),
        (
            "/v1/tasks:cancel",
            r#"{"tenant": "shop", "all": true}"#,
            Sweep {
                tag: None,
                ..tag(SweepOp::Cancel)
            },
        ),
        (
            "/v1/tasks",
            r#"{"op": "pause", "tenant": "shop", "tag": "x"}"#,
            tag(SweepOp::Pause),
        ),
    ];
    let fake = Fake::new();
    for (path, body, expected) in cases {
        let answer = fake.answer(request("POST", path, body)).await;
        assert_eq!(answer.status, 202, "{path}: {answer:?}");
        let records = fake.take_records();
        let [record] = records.as_slice() else {
            panic!("{path}: {records:?}")
        };
        let inbound = Inbound::parse(&record.value.clone().unwrap()).unwrap();
        assert_eq!(inbound, Inbound::Many(expected), "{path}");
        let (name, id) = &record.headers[0];
        let id = std::str::from_utf8(id).unwrap();
        assert_eq!(name, REQUEST_HEADER);
        assert_eq!(answer.body["sweep"], id);
        assert_eq!(answer.header("location"), format!("/v1/sweeps/{id}"));
        assert_eq!(record.to.shard, Shards::DEFAULT.of_key(b"shop"));
        let bulk = record.to.topic == Topic::RegistrationsBulk;
        assert_eq!(bulk, path.contains("bulk"));
    }
}

#[tokio::test]
async fn one_that_names_no_tasks_or_one_is_refused() {
    let cases = [
        ("/v1/tasks:pause", "", 400, vec![]),
        ("/v1/tasks:pause", r#"{"tenant": "shop"}"#, 422, vec!["id"]),
        (
            "/v1/tasks:pause",
            r#"{"tenant": "shop", "id": "a"}"#,
            422,
            vec!["id"],
        ),
        (
            "/v1/tasks:pause",
            r#"{"op": "run", "tenant": "shop", "all": true}"#,
            422,
            vec!["op", "all", "id"],
        ),
        (
            "/v1/tasks:pause?wait=1s",
            r#"{"tenant": "shop", "all": true}"#,
            422,
            vec!["wait"],
        ),
        (
            "/v1/tasks:fly",
            r#"{"tenant": "shop", "all": true}"#,
            404,
            vec![],
        ),
        ("/v1/sweeps/7", "", 405, vec![]),
    ];
    let fake = Fake::new();
    for (path, body, status, fields) in cases {
        let answer = fake.answer(request("POST", path, body)).await;
        assert_eq!(answer.status, status, "{path} {body}: {answer:?}");
        assert_eq!(answer.fields(), fields, "{path} {body}: {answer:?}");
    }
    let array = r#"[{"op": "pause", "tenant": "shop", "tag": "x"}]"#;
    let answer = fake.answer(request("POST", "/v1/tasks", array)).await;
    assert_eq!(answer.body[0]["code"], 422, "{answer:?}");
    assert!(fake.take_records().is_empty());
}

fn view(matched: u64, undecided: u64, ended: bool) -> SweepView {
    SweepView {
        op: SweepOp::Cancel,
        tenant: shop(),
        tag: None,
        begun_at: Millis(1),
        ended_at: ended.then_some(Millis(2)),
        count: SweepCount {
            looked: 10,
            matched,
            undecided,
            cancelled: matched - undecided,
            ..SweepCount::default()
        },
    }
}

#[tokio::test]
async fn how_it_stands_is_what_all_shards_say() {
    let fake = Fake::new();
    let path = format!("/v1/sweeps/{:032x}", 7);
    let answer = fake.answer(request("GET", &path, "")).await;
    assert_eq!((answer.status, answer.kind()), (404, "unknown-sweep"));
    let count = Shards::DEFAULT.count();
    for shard in Shards::DEFAULT.all().take(usize::from(count) - 1) {
        let undecided = u64::from(shard.0 == 0);
        let sweeps = &fake.world.sweeps;
        sweeps
            .lock()
            .unwrap()
            .insert(shard, view(3, undecided, shard.0 != 1));
    }
    let answer = fake.answer(request("GET", &path, "")).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    let body = answer.body;
    let seen = ["op", "state", "looked", "matched", "undecided", "cancelled"].map(|it| &body[it]);
    let expected = serde_json::json!(["cancel", "running", 70, 21, 1, 20]);
    assert_eq!(serde_json::json!(seen), expected);
    let states: Vec<_> = (0..8).map(|n| body["shards"][n]["state"].clone()).collect();
    assert_eq!(states[..3], ["running", "running", "done"]);
    assert_eq!(states[7], "accepted");
    for shard in Shards::DEFAULT.all() {
        let sweeps = &fake.world.sweeps;
        sweeps.lock().unwrap().insert(shard, view(3, 0, true));
    }
    let answer = fake.answer(request("GET", &path, "")).await;
    assert_eq!(answer.body["state"], "done");
    *fake.world.silent_owners.lock().unwrap() = true;
    let answer = fake.answer(request("GET", &path, "")).await;
    assert_eq!(answer.status, 503);
    let answer = fake.answer(request("GET", "/v1/sweeps/x", "")).await;
    assert_eq!((answer.status, answer.fields()), (422, vec!["sweep"]));
}

#[tokio::test]
async fn a_key_of_another_tenant_sees_and_does_nothing() {
    // SHA-256 of "secret".
    let key = ingest::ApiKey {
        name: "bank".to_owned(),
        sha256: "2bb80d537b1da3e38bd30361aa855686bde0eacd7162fef6a25fe97bf527a25b".to_owned(),
        tenants: vec!["bank".to_owned()],
    };
    let fake = Fake::with(Config {
        keys: vec![key],
        ..Config::default()
    });
    fake.world
        .sweeps
        .lock()
        .unwrap()
        .insert(schemas::Shard(0), view(1, 0, true));
    for (method, path, body, status) in [
        ("GET", format!("/v1/sweeps/{:032x}", 7), "", 404),
        (
            "POST",
            "/v1/tasks:cancel".to_owned(),
            r#"{"tenant": "shop", "all": true}"#,
            403,
        ),
    ] {
        let mut asked = request(method, &path, body);
        let bearer = "Bearer secret".parse().unwrap();
        asked.headers_mut().insert("authorization", bearer);
        let answer = fake.answer(asked).await;
        assert_eq!(answer.status, status, "{answer:?}");
    }
    assert!(fake.take_records().is_empty());
}
