//! What the tools here hand a core, and what they do with what it cuts.

use std::collections::BTreeMap;

use bytes::Bytes;
use pipeline::{Ask, Factory, Now, Opening, Outgoing, Record, Stage};
use planner::store::fjall::{FjallStore, FjallStores};
use planner::{PlannerCore, PlannerFactory};
use schemas::outcome::{Answer, End, Ended, Phases};
use schemas::{BucketRecord, Millis, OutcomeRecord, Placement, Shard, Shards, Topic, Work};

const START: Millis = Millis(1_796_086_800_000);

/// One shard: a core with its table on disk, and what its last turn planted.
pub(crate) struct One {
    pub(crate) core: PlannerCore<FjallStore>,
    /// Outcomes of what the last turn planted.
    pub(crate) work: Vec<Bytes>,
    registered: i64,
    pub(crate) answered: i64,
}

impl One {
    /// That of `shard`, of a log in which nothing is yet.
    pub(crate) fn open(
        factory: &mut PlannerFactory<FjallStores>,
        shard: Shard,
        shards: Shards,
    ) -> Self {
        let topics = factory.topics();
        let core = factory.open(Opening {
            shard,
            shards,
            now: at(0),
            session_timeout_ms: 10_000,
            committed: BTreeMap::new(),
            ends: topics.into_iter().map(|topic| (topic, (0, 0))).collect(),
        });
        Self {
            core,
            work: Vec::new(),
            registered: 0,
            answered: 0,
        }
    }

    /// Hands in `commands` and the outcomes of what the last turn planted; cuts and commits a turn.
    pub(crate) fn turn(&mut self, commands: Vec<Bytes>, now: Now) {
        let commands = numbered(commands, &mut self.registered, now);
        self.core
            .handle_batch(Topic::Registrations, commands, self.registered, now);
        let outcomes = numbered(std::mem::take(&mut self.work), &mut self.answered, now);
        self.core
            .handle_batch(Topic::Outcomes, outcomes, self.answered, now);
        while let Some(ask) = self.core.poll_ask() {
            if ask == Ask::End(Topic::Index) {
                self.core.handle_end(Topic::Index, 0, now);
            }
        }
        let turn = self.core.take_turn(now);
        self.core.handle_committed(now.mono, now);
        let outcomes = turn
            .records
            .iter()
            .filter_map(|record| outcome(record, now));
        self.work.extend(outcomes);
    }
}

fn outcome(record: &Outgoing, now: Now) -> Option<Bytes> {
    let Topic::Bucket(_) = record.to.topic else {
        return None;
    };
    match BucketRecord::decode(record.value.as_ref()?).unwrap() {
        BucketRecord::Placement(placement, body) => Some(success(&placement, &body, now.wall)),
        _ => None,
    }
}

fn success(placement: &Placement, body: &Bytes, now: Millis) -> Bytes {
    let (work, _) = Work::decode(body).unwrap();
    let ended = Ended {
        task: work.task,
        version: work.version,
        occurrence: work.occurrence,
        part: work.part,
        fire_id: placement.fire_id,
        leg: placement.leg,
        attempt: work.attempt,
        end: End::Success,
        answer: Some(Answer {
            status: Some(200),
            error: None,
            body: None,
        }),
        phases: Phases {
            registered_at: work.registered_at,
            planted_at: work.planted_at,
            due: work.due,
            leg_due: placement.due,
            triggered_at: now,
            received_at: now,
            began_at: Some(now),
            ended_at: now,
        },
    };
    OutcomeRecord::Ended(ended).encode()
}

/// A registration, due after `ahead`.
pub(crate) fn command(n: usize, ahead: &str) -> Bytes {
    let padding = "x".repeat(100);
    Bytes::from(format!(
        r#"{{"tenant":"shop","id":"order-{n}","schedule":{{"after":"{ahead}"}},
        "call":{{"url":"http://127.0.0.1:9000/orders/close"}},"payload":{{"order":{n},"x":"{padding}"}}}}"#
    ))
}

/// Records of `values` from `offset` on.
fn numbered(values: Vec<Bytes>, offset: &mut i64, now: Now) -> Vec<Record> {
    let record = |value| {
        *offset += 1;
        Record {
            offset: *offset - 1,
            appended: now.wall,
            key: None,
            value: Some(value),
            headers: Vec::new(),
        }
    };
    values.into_iter().map(record).collect()
}

/// So long after the start.
pub(crate) fn at(ms: u64) -> Now {
    Now {
        wall: START.plus(ms),
        mono: ms,
    }
}

/// Kilobytes of this process by the name that the system gives them, such as `VmRSS`.
pub(crate) fn kilobytes(name: &str) -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix(name));
    let number = line.unwrap().split_whitespace().nth(1);
    number.unwrap().parse().unwrap()
}
