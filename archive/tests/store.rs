//! Rows in real databases: SQLite always, MySQL where `TIDEWHEEL_TEST_MYSQL` names one.

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

#[tokio::test]
async fn mysql_keeps_each_firing_once_and_forgets_old_days() {
    let Some(store) = mysql("idempotent writes").await else {
        return;
    };
    writes_are_idempotent(store).await;
    let Some(store) = mysql("retention").await else {
        return;
    };
    old_days_go(store).await;
}
