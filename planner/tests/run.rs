//! A worker as it runs: the driver over a log in memory, the table on disk, callers at the desk.

#![cfg(feature = "shell")]
#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use pipeline::clock::SystemClock;
use pipeline::memory::{MemoryBroker, MemoryConfig};
use pipeline::worker::Status;
use pipeline::{Broker, Clock, Inbox, LogEvent, Outgoing, TopicPartition};
use planner::PlannerConfig;
use planner::run::{Desk, factory};
use schemas::answer::{ListQuery, REQUEST_HEADER};
use schemas::{
    BucketRecord, CommandAnswer, RequestId, Role, Shard, Shards, Slot, TaskId, TaskKey, TaskState,
    TenantId, Topic,
};

const SHARDS: u16 = 2;

fn task(id: &str) -> TaskKey {
    TaskKey {
        tenant: TenantId::new("t").unwrap(),
        id: TaskId::new(id).unwrap(),
    }
}

struct Rig {
    broker: MemoryBroker,
    clock: Arc<dyn Clock>,
}

impl Rig {
    fn new() -> Self {
        let clock: Arc<dyn Clock> = Arc::new(SystemClock);
        let config = MemoryConfig {
            shards: Shards::new(SHARDS).unwrap(),
            ..MemoryConfig::default()
        };
        let broker = MemoryBroker::new(config, Arc::clone(&clock));
        Self { broker, clock }
    }

    /// Writes a command to the partition of shard 0, whatever its home.
    fn ask(&self, request: u128, json: &serde_json::Value) {
        let header = Bytes::from(format!("{request:032x}"));
        let record = Outgoing {
            to: TopicPartition::new(Topic::Registrations, Shard(0)),
            key: None,
            value: Some(Bytes::from(serde_json::to_vec(json).unwrap())),
            headers: vec![(REQUEST_HEADER.to_owned(), header)],
        };
        let producer = self.broker.producer().unwrap();
        producer.send(record, Box::new(|written| assert!(written.is_ok())));
    }

    /// Everything planted, of all slots and shards.
    fn placements(&self) -> usize {
        let mut reader = self.broker.reader().unwrap();
        for slot in Slot::all() {
            for shard in (0..SHARDS).map(Shard) {
                let of = TopicPartition::new(Topic::Bucket(slot), shard);
                reader.read(of, 0).unwrap();
            }
        }
        let mut events = Vec::new();
        for _ in 0..SHARDS * 24 {
            reader.poll(Duration::ZERO, &mut events).unwrap();
        }
        let records = events.into_iter().flat_map(|event| match event {
            LogEvent::Batch { records, .. } => records,
            _ => Vec::new(),
        });
        let placed = |record: &pipeline::Record| {
            let value = record.value.as_ref().unwrap();
            matches!(BucketRecord::decode(value), Ok(BucketRecord::Placement(..)))
        };
        records.filter(placed).count()
    }

    /// Runs a worker while `caller` works, then lets it hand over in order.
    fn run<T>(&self, directory: &Path, caller: impl AsyncFnOnce(Desk) -> T) -> T {
        let inbox = Inbox::new();
        let desk = Desk::new(inbox.clone());
        let factory = factory(PlannerConfig::default(), directory).unwrap();
        let (status, sink) = (Status::default(), desk.clone());
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .unwrap();
        std::thread::scope(|scope| {
            let worker = scope.spawn(|| {
                let sink = |_, effect| sink.run(effect);
                let (clock, broker) = (&self.clock, &self.broker);
                let role = Role::Planner;
                pipeline::worker::run(broker, role, "p-1", factory, clock, &inbox, &status, sink)
            });
            let result = runtime.block_on(caller(desk));
            status.stop();
            worker.join().unwrap().unwrap();
            result
        })
    }
}

async fn told(desk: &Desk, request: u128) -> CommandAnswer {
    let answer = desk
        .answer(RequestId(request), Duration::from_secs(60))
        .await;
    answer.unwrap_or_else(|| panic!("nobody told {request}"))
}

/// Asks until the shard's planner is there.
async fn state(desk: &Desk, id: &str) -> Option<TaskState> {
    let shard = task(id).shard(Shards::new(SHARDS).unwrap());
    loop {
        if let Ok(view) = desk.get(shard, task(id)).await {
            return view.map(|view| view.state);
        }
    }
}

#[test]
fn commands_are_answered_wherever_they_come_in_and_a_restart_changes_nothing() {
    let rig = Rig::new();
    let directory = tempfile::tempdir().unwrap();
    let count = 200;
    rig.run(directory.path(), async |desk| {
        for n in 0..count {
            let json = serde_json::json!({"tenant": "t", "id": format!("task-{n}"),
                "schedule": {"after": "4m"}, "call": {"url": "http://h/"}});
            rig.ask(n, &json);
        }
        for n in 0..count {
            assert!(matches!(
                told(&desk, n).await,
                CommandAnswer::Created { .. }
            ));
        }
        assert_eq!(state(&desk, "task-7").await, Some(TaskState::Scheduled));
    });
    assert_eq!(rig.placements(), usize::try_from(count).unwrap());
    // Over its table, then over none.
    let elsewhere = tempfile::tempdir().unwrap();
    for (round, directory) in [(1, directory.path()), (2, elsewhere.path())] {
        rig.run(directory, async |desk| {
            assert_eq!(state(&desk, "task-7").await, Some(TaskState::Scheduled));
            let mut found = 0;
            for shard in (0..SHARDS).map(Shard) {
                let query = ListQuery {
                    tenant: Some(TenantId::new("t").unwrap()),
                    limit: 500,
                    ..ListQuery::default()
                };
                found += desk.list(shard, query).await.unwrap().tasks.len();
            }
            assert_eq!(found, usize::try_from(count).unwrap(), "round {round}");
            let json = serde_json::json!({"op": "reschedule", "tenant": "t", "id": "far",
                "schedule": {"after": "1h"}});
            rig.ask(count + round, &json);
            assert_eq!(told(&desk, count + round).await, CommandAnswer::Unknown);
        });
    }
    assert_eq!(rig.placements(), usize::try_from(count).unwrap());
}
