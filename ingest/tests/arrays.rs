//! Arrays of registrations.
#![allow(clippy::unwrap_used, reason = "what fails here fails its test")]

mod door;

use door::{Fake, TASK, request};
use schemas::{CommandAnswer, Millis, Topic};

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
