//! Tasks and lists of them, as their planners tell.
#![allow(clippy::unwrap_used, reason = "what fails here fails its test")]

mod door;

use door::{Fake, request};
use schemas::answer::{BackfillView, OccurrencesView, SharesView};
use schemas::index::ShareTally;
use schemas::{Millis, Priority, TaskId, TaskState, TaskView, TenantId};

fn view(id: &str, state: TaskState) -> TaskView {
    TaskView {
        tenant: TenantId::new("shop").unwrap(),
        id: TaskId::new(id).unwrap(),
        version: 3,
        state,
        due: Millis(1_796_086_800_000),
        retry_at: None,
        slot: None,
        schedule: serde_json::json!({"after": "1s"}),
        call: serde_json::json!({"url": "http://h/x", "method": "POST"}),
        tags: Vec::new(),
        priority: Priority::Normal,
        flow: None,
        waits_for: Vec::new(),
        reason: None,
        moved: None,
        firings: Vec::new(),
        occurrences: None,
        backfills: Vec::new(),
        broadcast: None,
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
    let path = "/v1/tasks?state=dead&due_from=x&due_to=y&moved=no&limit=0&page=z&sort=id";
    let answer = fake.answer(request("GET", path, "")).await;
    let mut fields = answer.fields();
    fields.sort_unstable();
    assert_eq!(
        fields,
        [
            "due_from", "due_to", "limit", "moved", "page", "sort", "tenant"
        ]
    );
    let path = "/v1/tasks?tenant=shop&state=dead&tag=a%20b&moved=true&due_from=5&due_to=2026-12-01T01:00:00Z";
    assert_eq!(fake.answer(request("GET", path, "")).await.status, 200);
    let lists = fake.world.lists.lock().unwrap();
    assert_eq!(lists.len(), 8, "one question a shard");
    let (_, query) = &lists[0];
    assert_eq!(query.state, Some(TaskState::Dead));
    assert_eq!(query.tag.as_deref(), Some("a b"));
    assert!(query.moved);
    assert_eq!(query.due_from, Some(Millis(5)));
    assert_eq!(query.due_to, Some(Millis(1_796_086_800_000)));
}

/// Whoever reads the document finds every field of a task in it.
#[test]
fn every_field_of_a_task_is_described() {
    let document = ingest::document();
    let described = &document["components"]["schemas"];
    let shares = SharesView {
        tally: ShareTally::default(),
        live: 1,
    };
    let occurrences = OccurrencesView {
        next: Some(1),
        ended: 0,
        skipped: 0,
        missed: 0,
        taken: 0,
        buffered: 0,
        live: 0,
    };
    let backfill = BackfillView {
        from: Millis(1),
        to: Millis(2),
        released: 0,
        live: 0,
        next: None,
        stopped: false,
        ended_at: None,
    };
    let mut view = view("g/s", TaskState::Pending);
    view.retry_at = Some(view.due);
    view.flow = Some(serde_json::Value::Null);
    view.reason = Some(String::new());
    view.occurrences = Some(occurrences);
    view.backfills = vec![backfill];
    view.broadcast = Some(shares);
    let cases = [
        ("Task", serde_json::to_value(&view)),
        ("Occurrences", serde_json::to_value(occurrences)),
        ("Shards", serde_json::to_value(shares)),
        ("Backfill", serde_json::to_value(backfill)),
    ];
    for (name, value) in cases {
        let value = value.expect("JSON");
        for field in value.as_object().expect("an object").keys() {
            let known = !described[name]["properties"][field].is_null();
            assert!(known, "{name} does not describe `{field}`");
        }
    }
}
