//! T10 over a real log and a real database: the archive equals the outcomes, once each, whatever
//! happens to the database and the worker in between.
#![expect(clippy::unwrap_used, reason = "a test, its builders too")]

use std::path::Path;
use std::sync::Arc;
use std::sync::mpsc::channel;
use std::time::{Duration, Instant};

use archive::run::Writer;
use archive::store::Store;
use archive::{ArchiveFactory, Config};
use pipeline::clock::{Clock, SystemClock};
use pipeline::embedded::{EmbeddedBroker, EmbeddedConfig};
use pipeline::worker::{self, Status};
use pipeline::{Broker, Inbox, Outgoing, TopicPartition};
use schemas::id::FiringName;
use schemas::outcome::{Again, Answer, End, Ended, Phases};
use schemas::{
    FireId, Millis, OutcomeRecord, Role, Shard, Shards, TaskId, TaskKey, TenantId, Topic,
};
use tokio::runtime::Runtime;

const LIMIT: Duration = Duration::from_secs(60);

/// Leg `leg` of the one firing of task `n`: the first fails, the second succeeds.
fn outcome(n: u64, leg: u32) -> OutcomeRecord {
    let task = TaskKey {
        tenant: TenantId::new("shop").unwrap(),
        id: TaskId::new(&format!("order-{n}")).unwrap(),
    };
    let name = FiringName {
        version: 1,
        occurrence: 1,
        part: 0,
        manual: 0,
    };
    let at = Millis(1_796_086_800_000 + i64::try_from(n).unwrap());
    let again = End::Again {
        at,
        attempt: 2,
        why: Again::Retry,
    };
    OutcomeRecord::Ended(Ended {
        fire_id: FireId::new(&task, name),
        task,
        version: 1,
        occurrence: 1,
        part: None,
        leg,
        attempt: leg,
        end: if leg == 1 { again } else { End::Success },
        answer: Some(Answer {
            status: Some(if leg == 1 { 500 } else { 200 }),
            error: None,
            body: None,
        }),
        phases: Phases {
            registered_at: at,
            planted_at: at,
            due: at,
            leg_due: at,
            triggered_at: at,
            received_at: at,
            began_at: Some(at),
            ended_at: at,
        },
    })
}

/// Writes both legs of the tasks of `range` to the shards they live in.
fn produce(broker: &dyn Broker, range: std::ops::Range<u64>) {
    let producer = broker.producer().unwrap();
    let (tell, told) = channel();
    let mut sent = 0;
    for n in range {
        for leg in [1, 2] {
            let outcome = outcome(n, leg);
            let OutcomeRecord::Ended(ended) = &outcome else {
                unreachable!("an outcome of another kind")
            };
            let record = Outgoing {
                to: TopicPartition::new(Topic::Outcomes, ended.task.shard(Shards::DEFAULT)),
                key: None,
                value: Some(outcome.encode()),
                headers: Vec::new(),
            };
            let tell = tell.clone();
            producer.send(record, Box::new(move |result| tell.send(result).unwrap()));
            sent += 1;
        }
    }
    for _ in 0..sent {
        told.recv_timeout(LIMIT).unwrap().unwrap();
    }
}

fn partitions() -> Vec<TopicPartition> {
    let shards: Vec<Shard> = Shards::DEFAULT.all().collect();
    let of = |shard| TopicPartition::new(Topic::Outcomes, shard);
    shards.into_iter().map(of).collect()
}

/// How many records of `outcomes` the archive has committed past, and how many there are.
fn progress(broker: &dyn Broker) -> (i64, i64) {
    let ends = broker.reader().unwrap().ends(&partitions()).unwrap();
    let committed = broker.committed(Role::Archive, &partitions());
    let past = committed.map_or(0, |positions| {
        let offsets = positions.iter().flatten().map(|position| position.offset);
        offsets.sum()
    });
    (past, ends.iter().map(|(_, end)| end).sum())
}

/// Runs an archive worker until `done`, which is told how many writes were asked for, then drains it.
fn run(broker: &EmbeddedBroker, runtime: &Runtime, database: &Path, done: impl Fn(u32) -> bool) {
    let inbox = Inbox::new();
    let url = format!("sqlite://{}", database.display());
    let writer = Writer::new(&url, inbox.clone(), runtime.handle());
    let config = Config {
        batch_rows: 50,
        batch_age_ms: 5,
        max_rows: 100,
        retry_ms: 1,
        retry_max_ms: 10,
        ..Config::default()
    };
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    let status = Status::default();
    let (ask, asked) = channel();
    std::thread::scope(|scope| {
        let (clock, inbox, status) = (&clock, &inbox, &status);
        let working = scope.spawn(move || {
            worker::run(
                broker,
                Role::Archive,
                "a",
                ArchiveFactory::new(config),
                clock,
                inbox,
                status,
                move |shard, effect| {
                    writer.run(shard, effect);
                    ask.send(()).unwrap();
                },
            )
        });
        let begun = Instant::now();
        let mut writes = 0;
        while !done(writes) {
            assert!(begun.elapsed() < LIMIT, "{:?}", progress(broker));
            writes += u32::from(asked.recv_timeout(Duration::from_millis(50)).is_ok());
        }
        status.stop();
        // Who stopped listening must not stop it either.
        while asked.recv().is_ok() {}
        working.join().unwrap().unwrap();
    });
}

#[test]
fn rows_equal_outcomes_with_the_database_away_and_the_worker_restarted() {
    let folder = tempfile::tempdir().unwrap();
    let log = folder.path().join("log");
    let broker = EmbeddedBroker::open(log, EmbeddedConfig::default()).unwrap();
    let runtime = Runtime::new().unwrap();
    // No such directory yet: the database is away.
    let place = folder.path().join("later");
    let database = place.join("archive.db");
    produce(&*broker, 0..500);
    run(&broker, &runtime, &database, |writes| {
        // Each shard has one batch on its way: so many mean that some are being tried again.
        if writes > 3 * u32::from(Shards::DEFAULT.count()) && !place.exists() {
            assert_eq!(progress(&*broker).0, 0, "nothing is written yet");
            std::fs::create_dir(&place).unwrap();
        }
        // Stopped half way.
        progress(&*broker).0 > 300
    });
    produce(&*broker, 500..1_000);
    run(&broker, &runtime, &database, |_| {
        let (past, all) = progress(&*broker);
        past == all
    });
    assert_eq!(progress(&*broker), (2_000, 2_000));
    let url = format!("sqlite://{}", database.display());
    runtime.block_on(async {
        let store = Store::connect(&url).await.unwrap();
        let counts = store.counts().await.unwrap();
        assert_eq!((counts.firings, counts.attempts), (1_000, 2_000));
        for n in [0, 499, 999] {
            let OutcomeRecord::Ended(ended) = outcome(n, 2) else {
                unreachable!("an outcome of another kind")
            };
            let due = ended.phases.due;
            let firing = store.firing(due, ended.fire_id).await.unwrap().unwrap();
            assert_eq!((firing.task, firing.leg), (ended.task, 2));
            assert_eq!(firing.state, "completed");
        }
    });
}
