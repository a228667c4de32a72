//! The binary as people run it: tasks by HTTP, calls to an endpoint, a kill in between. On the log on
//! disk, and on a real broker where there is one.

mod pipe {
    pub(crate) mod endpoint;
    pub(crate) mod server;
    #[cfg(feature = "kafka")]
    pub(crate) mod topics;
}

use std::collections::{BTreeMap, BTreeSet};

use pipe::endpoint::{Call, Endpoint, now_ms};
use pipe::server::{Ground, Server};

/// Tasks that are accepted before the kill, and how many of them somebody asks to cancel.
const TASKS: usize = 300;
const CANCELS: usize = 60;

/// By task.
type Calls = BTreeMap<String, Vec<Call>>;

#[tokio::test(flavor = "multi_thread")]
async fn accepted_tasks_outlive_a_kill_on_the_embedded_log() {
    accepted_tasks_outlive_a_kill(&Ground::embedded()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_failed_call_is_made_again_on_the_embedded_log() {
    a_failed_call_is_made_again(&Ground::embedded()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_clock_ticks_through_a_kill_on_the_embedded_log() {
    a_clock_ticks_through_a_kill(&Ground::embedded()).await;
}

#[cfg(feature = "kafka")]
#[tokio::test(flavor = "multi_thread")]
async fn a_clock_ticks_through_a_kill_on_kafka() {
    if let Some(ground) = Ground::kafka() {
        a_clock_ticks_through_a_kill(&ground).await;
    }
}

#[cfg(feature = "kafka")]
#[tokio::test(flavor = "multi_thread")]
async fn accepted_tasks_outlive_a_kill_on_kafka() {
    if let Some(ground) = Ground::kafka() {
        accepted_tasks_outlive_a_kill(&ground).await;
    }
}

#[cfg(feature = "kafka")]
#[tokio::test(flavor = "multi_thread")]
async fn a_failed_call_is_made_again_on_kafka() {
    if let Some(ground) = Ground::kafka() {
        a_failed_call_is_made_again(&ground).await;
    }
}

/// What was accepted is called, and what was said to be cancelled never, though the process that said so
/// was killed right behind.
async fn accepted_tasks_outlive_a_kill(ground: &Ground) {
    let mut endpoint = Endpoint::open().await;
    let server = Server::start(ground).await;
    let due = now_ms() + 6_000;
    let ok = endpoint.url("/ok");
    let tasks: Vec<_> = (0..TASKS).map(|n| task(&id(n), due, &ok, "")).collect();
    let (status, _) = server
        .post("/v1/tasks", format!("[{}]", tasks.join(",")))
        .await;
    assert_eq!(status, 207);
    let cancels = (0..CANCELS).map(|n| {
        let server = &server;
        async move {
            let path = format!("/v1/tasks/shop/{}?wait=20s", id(n));
            server.delete(&path).await
        }
    });
    let answers = futures_util::future::join_all(cancels).await;
    server.kill();
    assert!(
        answers.iter().all(|(status, _)| *status == 200),
        "{answers:?}"
    );
    // On a slow machine some may have been too late.
    let is_cancelled =
        |n: &usize| matches!(answers.get(*n), Some((_, it)) if it["answer"] == "cancelled");
    let cancelled: BTreeSet<usize> = (0..TASKS).filter(is_cancelled).collect();

    let server = Server::start(ground).await;
    let mut calls = Calls::new();
    while calls.len() < TASKS - cancelled.len() {
        note(endpoint.next().await, &mut calls);
    }
    // Whatever else there is to come has come once a later task is called.
    let last = task("last", now_ms() + 1_000, &ok, "");
    server.post("/v1/tasks", last).await;
    while !calls.contains_key("shop/last") {
        note(endpoint.next().await, &mut calls);
    }
    for n in 0..TASKS {
        let called = calls.contains_key(&format!("shop/{}", id(n)));
        assert_eq!(
            called,
            !cancelled.contains(&n),
            "whether {} was called",
            id(n)
        );
    }
    let ids: BTreeSet<_> = calls.values().flatten().map(|call| &call.id).collect();
    assert_eq!(
        ids.len(),
        calls.len(),
        "each task has one firing, with an id of its own"
    );
    for call in calls.values().flatten() {
        assert!(call.at >= call.due, "{call:?} came early");
        assert_eq!((call.body.as_str(), call.attempt), (BODY, 1));
    }
    server.drain().await;
}

/// The second attempt has the id of the first, and the number 2.
async fn a_failed_call_is_made_again(ground: &Ground) {
    let mut endpoint = Endpoint::open().await;
    let server = Server::start(ground).await;
    let retry = r#""retry": {"max_attempts": 3, "backoff": {"first": "200ms", "jitter": "none"}},"#;
    let url = endpoint.url("/fail-once");
    let failing = task("failing", now_ms() + 500, &url, retry);
    let (status, _) = server.post("/v1/tasks", failing).await;
    assert_eq!(status, 202);
    let (first, second) = (endpoint.next().await, endpoint.next().await);
    assert_eq!((first.attempt, second.attempt), (1, 2));
    assert_eq!((&first.task, &first.id), (&second.task, &second.id));
    assert_eq!(first.due, second.due, "the due time of the schedule");
    assert!(second.at >= first.at + 200, "not before its backoff");
    server.drain().await;
}

/// A task by cron is called at every second, also at those in which nothing was up.
async fn a_clock_ticks_through_a_kill(ground: &Ground) {
    const RUNS: usize = 12;
    let mut endpoint = Endpoint::open().await;
    let server = Server::start(ground).await;
    let clock = |cron: &str| {
        let url = endpoint.url("/ok");
        format!(
            r#"{{"tenant": "shop", "id": "clock", "call": {{"url": "{url}"}}, "schedule":
                {{"cron": "{cron}", "zone": "Asia/Shanghai", "max_runs": {RUNS}}}}}"#
        )
    };
    let (status, refused) = server.post("/v1/tasks", clock("* 61 * * * *")).await;
    assert_eq!(status, 422, "{refused}");
    let fault = &refused["errors"][0];
    assert_eq!(
        (&fault["field"], &fault["position"]),
        (&"schedule.cron".into(), &2.into())
    );
    let (status, told) = server
        .post("/v1/tasks?wait=20s", clock("* * * * * *"))
        .await;
    assert_eq!(status, 201, "{told}");
    let mut dues = BTreeSet::new();
    tick(&mut endpoint, &mut dues, 3).await;
    // Once: a call that was not committed comes again, and with it would come the next kill.
    server.kill();
    let server = Server::start(ground).await;
    tick(&mut endpoint, &mut dues, RUNS).await;
    let first = told["due"].as_i64().expect("its due time");
    let seconds: BTreeSet<i64> = (first..).step_by(1_000).take(RUNS).collect();
    assert_eq!(dues, seconds);
    server.drain().await;
}

/// Takes calls until there are `runs` due times among `dues`.
async fn tick(endpoint: &mut Endpoint, dues: &mut BTreeSet<i64>, runs: usize) {
    while dues.len() < runs {
        let call = endpoint.next().await;
        assert!(call.at >= call.due, "{call:?} came early");
        dues.insert(call.due);
    }
}

/// Its blanks and order are kept: a payload is bytes.
const BODY: &str = r#"{"order":42,  "lines":[1.50]}"#;

fn id(n: usize) -> String {
    format!("t{n}")
}

fn note(call: Call, calls: &mut Calls) {
    calls.entry(call.task.clone()).or_default().push(call);
}

fn task(id: &str, due: i64, url: &str, more: &str) -> String {
    format!(
        r#"{{"tenant": "shop", "id": "{id}", "schedule": {{"at": {due}}}, "call": {{"url": "{url}"}}, {more}
            "payload": {BODY}}}"#
    )
}
