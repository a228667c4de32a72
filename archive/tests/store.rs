//! Rows in real databases: SQLite always, MySQL where `TIDEWHEEL_TEST_MYSQL` names one.
#![expect(clippy::unwrap_used, reason = "a test, its builders too")]

use archive::error::StoreError;
use archive::history::Firing;
use archive::store::Store;
use archive::{Row, State};
use schemas::{FireId, Millis, TaskId, TaskKey, TenantId};

const TODAY: i64 = 20_000;
const DAY_MS: i64 = 86_400_000;

fn row(n: u8, leg: u32, state: State) -> Row {
    let due = Millis(TODAY * DAY_MS + i64::from(n));
    Row {
        task: TaskKey {
            tenant: TenantId::new("shop").unwrap(),
            id: TaskId::new("order/schließen").unwrap(),
        },
        fire_id: FireId([n; 16]),
        leg,
        version: 1,
        occurrence: 1,
        occurrences: 3,
        attempt: leg,
        state,
        due,
        leg_due: due,
        registered_at: due,
        planted_at: Some(due),
        triggered_at: Some(due),
        received_at: Some(due),
        began_at: Some(due),
        ended_at: due.plus(u64::from(leg)),
        status: Some(500),
        error: Some("endpoint said \u{1F4A5}'); DROP TABLE firings; --".to_owned()),
    }
}

async fn writes_are_idempotent(store: Store) {
    let first = [row(1, 1, State::Failed), row(2, 1, State::Completed)];
    let later = [row(1, 2, State::Completed)];
    store.write(&first).await.unwrap();
    store.write(&later).await.unwrap();
    // A repeat after a crash, oldest last: nothing changes.
    store.write(&later).await.unwrap();
    store.write(&first).await.unwrap();
    // A leg and its successor in one batch.
    store
        .write(&[row(3, 1, State::Failed), row(3, 2, State::Dead)])
        .await
        .unwrap();
    let counts = store.counts().await.unwrap();
    assert_eq!((counts.firings, counts.attempts), (3, 5));
    let firings = store
        .firings_of(&row(1, 1, State::Dead).task, 10)
        .await
        .unwrap();
    let shown: Vec<_> = firings
        .iter()
        .map(|it| (it.fire_id.0[0], it.leg, it.state.as_str()))
        .collect();
    assert_eq!(
        shown,
        [(3, 2, "dead"), (2, 1, "completed"), (1, 2, "completed")]
    );
}

/// A row of the end in the index, between two legs or before the first.
fn unplanted(n: u8) -> Row {
    Row {
        leg: 0,
        attempt: 0,
        planted_at: None,
        triggered_at: None,
        received_at: None,
        began_at: None,
        status: None,
        error: None,
        ..row(n, 0, State::Cancelled)
    }
}

async fn a_cancel_between_two_legs_is_the_last_word(store: Store) {
    let failed = [row(1, 1, State::Failed)];
    store.write(&failed).await.unwrap();
    store.write(&[unplanted(1), unplanted(2)]).await.unwrap();
    // A repeat after a crash.
    store.write(&failed).await.unwrap();
    for (n, calls) in [(1, 1), (2, 0)] {
        let due = row(n, 0, State::Cancelled).due;
        let firing = store.firing(due, FireId([n; 16])).await.unwrap().unwrap();
        assert_eq!((firing.leg, firing.state.as_str()), (0, "cancelled"), "{n}");
        assert_eq!(store.attempts_of(&firing).await.unwrap().len(), calls);
    }
}

async fn what_was_written_reads_back(store: Store) {
    let written = row(7, 2, State::Failed);
    store
        .write(&[row(7, 1, State::Failed), written.clone()])
        .await
        .unwrap();
    let found = store.firing(written.due, written.fire_id).await;
    let firing = found.unwrap().unwrap();
    let expected = Firing {
        fire_id: written.fire_id,
        task: written.task.clone(),
        version: 1,
        occurrence: 1,
        occurrences: 3,
        leg: 2,
        attempt: 2,
        state: "failed".to_owned(),
        due: written.due,
        leg_due: written.leg_due,
        registered_at: written.registered_at,
        planted_at: written.planted_at,
        triggered_at: written.triggered_at,
        received_at: written.received_at,
        began_at: written.began_at,
        ended_at: written.ended_at,
        status: Some(500),
        error: written.error.clone(),
    };
    assert_eq!(firing, expected);
    assert_eq!(
        store.firings_of(&written.task, 10).await.unwrap(),
        [expected]
    );
    let attempts = store.attempts_of(&firing).await.unwrap();
    let shown: Vec<_> = attempts
        .iter()
        .map(|it| (it.leg, it.attempt, it.status))
        .collect();
    assert_eq!(shown, [(1, 1, Some(500)), (2, 2, Some(500))]);
    let other = store.firing(written.due, FireId([8; 16])).await;
    assert_eq!(other.unwrap(), None);
}

/// `bad` goes, all else stays to be tried again.
async fn content_is_refused_and_everything_else_is_not(store: Store, bad: &str, away: &str) {
    async fn error(store: &Store, sql: &str) -> StoreError {
        let sql = sqlx::AssertSqlSafe(sql.to_owned());
        let failed = match store {
            Store::MySql(pool) => sqlx::query(sql).execute(pool).await.map(|_| ()),
            Store::Sqlite(pool) => sqlx::query(sql).execute(pool).await.map(|_| ()),
        };
        failed.unwrap_err().into()
    }
    let refused = error(&store, bad).await;
    assert!(matches!(refused, StoreError::Refused(_)), "{refused}");
    let unavailable = error(&store, away).await;
    assert!(
        matches!(unavailable, StoreError::Unavailable(_)),
        "{unavailable}"
    );
}

async fn old_days_go(store: Store) {
    store.maintain(TODAY, 30).await.unwrap();
    store.write(&[row(1, 1, State::Completed)]).await.unwrap();
    store.maintain(TODAY + 30, 30).await.unwrap();
    assert_eq!(
        store.counts().await.unwrap().firings,
        1,
        "thirty days are kept"
    );
    store.maintain(TODAY + 31, 30).await.unwrap();
    let counts = store.counts().await.unwrap();
    assert_eq!((counts.firings, counts.attempts), (0, 0));
}

async fn sqlite(folder: &tempfile::TempDir) -> Store {
    let path = folder.path().join("archive.db");
    Store::connect(&format!("sqlite://{}", path.display()))
        .await
        .unwrap()
}

#[tokio::test]
async fn sqlite_keeps_each_firing_once() {
    let folder = tempfile::tempdir().unwrap();
    writes_are_idempotent(sqlite(&folder).await).await;
}

#[tokio::test]
async fn sqlite_forgets_old_days() {
    let folder = tempfile::tempdir().unwrap();
    old_days_go(sqlite(&folder).await).await;
}

#[tokio::test]
async fn sqlite_reads_back_what_was_written() {
    let folder = tempfile::tempdir().unwrap();
    what_was_written_reads_back(sqlite(&folder).await).await;
}

#[tokio::test]
async fn sqlite_lets_a_cancel_between_two_legs_be_the_last_word() {
    let folder = tempfile::tempdir().unwrap();
    a_cancel_between_two_legs_is_the_last_word(sqlite(&folder).await).await;
}

#[tokio::test]
async fn sqlite_refuses_only_content() {
    let folder = tempfile::tempdir().unwrap();
    let bad = "INSERT INTO attempts (fire_id) VALUES (NULL)";
    let store = sqlite(&folder).await;
    content_is_refused_and_everything_else_is_not(store, bad, "SELECT * FROM nowhere").await;
}

/// A database of the test's own on the server of `TIDEWHEEL_TEST_MYSQL`.
async fn mysql(name: &str) -> Option<Store> {
    let Ok(url) = std::env::var("TIDEWHEEL_TEST_MYSQL") else {
        assert!(
            std::env::var_os("CI").is_none(),
            "TIDEWHEEL_TEST_MYSQL is not set"
        );
        eprintln!("skipped: TIDEWHEEL_TEST_MYSQL is not set");
        return None;
    };
    let store = Store::connect(&url).await.unwrap();
    let Store::MySql(pool) = &store else {
        panic!("not a MySQL url: {url}")
    };
    for table in ["firings", "attempts", "_sqlx_migrations"] {
        let drop = sqlx::AssertSqlSafe(format!("DROP TABLE IF EXISTS {table}"));
        sqlx::query(drop).execute(pool).await.unwrap();
    }
    eprintln!("{name} on {url}");
    Some(Store::connect(&url).await.unwrap())
}

/// One test, because its parts share the tables.
#[tokio::test]
async fn mysql_does_all_that_sqlite_does() {
    if let Some(store) = mysql("idempotent writes").await {
        writes_are_idempotent(store).await;
    }
    if let Some(store) = mysql("retention").await {
        old_days_go(store).await;
    }
    if let Some(store) = mysql("history").await {
        what_was_written_reads_back(store).await;
    }
    if let Some(store) = mysql("cancel between legs").await {
        a_cancel_between_two_legs_is_the_last_word(store).await;
    }
    if let Some(store) = mysql("refusals").await {
        let bad = "INSERT INTO attempts (fire_id, day, leg, attempt, state, leg_due, ended_at) \
                   VALUES (x'00', 1, 1, 1, REPEAT('x', 99), 1, 1)";
        content_is_refused_and_everything_else_is_not(store, bad, "SELECT * FROM nowhere").await;
    }
}
