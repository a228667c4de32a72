//! How fast one core with its table on disk is, alone: `pace [tasks] [ahead]`, for example
//! `pace 200000 10s` (planted at once, each answered by a success) or `pace 2000000 30d` (kept).
//! Prints tasks per second of one thread, and how much memory the process took.

#![allow(
    clippy::unwrap_used,
    reason = "a tool for whoever measures; it fails loudly"
)]

use std::collections::{BTreeMap, VecDeque};
use std::time::Instant;

use bytes::Bytes;
use pipeline::{Ask, Factory, Now, Opening, Outgoing, Record, Stage};
use planner::run::factory;
use planner::{PlannerConfig, PlannerCore};
use schemas::outcome::{Answer, End, Ended, Phases};
use schemas::{BucketRecord, Millis, OutcomeRecord, Placement, Shard, Shards, Topic, Work};

/// Commands handed in between two turns: 100 ms of 15,000 a second.
const BATCH: usize = 1_500;
const START: Millis = Millis(1_796_086_800_000);

fn main() {
    let mut arguments = std::env::args().skip(1);
    let tasks: usize = arguments.next().map_or(200_000, |n| n.parse().unwrap());
    let ahead = arguments.next().unwrap_or_else(|| "10s".to_owned());
    let directory = std::env::temp_dir().join(format!("planner-pace-{}", std::process::id()));
    let shards = Shards::new(1).unwrap();
    let mut factory = factory(PlannerConfig::default(), &directory, shards).unwrap();
    let topics = factory.topics();
    let mut core = factory.open(Opening {
        shard: Shard(0),
        shards,
        now: at(0),
        session_timeout_ms: 10_000,
        committed: BTreeMap::new(),
        ends: topics.into_iter().map(|topic| (topic, (0, 0))).collect(),
    });
    let mut work = VecDeque::new();
    let (mut asked, mut answered, mut turns) = (0, 0, 0);
    let (mut in_offset, mut out_offset) = (0, 0);
    let begin = Instant::now();
    while asked < tasks || !work.is_empty() {
        let now = at(turns * 100);
        let count = BATCH.min(tasks - asked);
        let commands = (asked..asked + count).map(|n| command(n, &ahead));
        let commands = numbered(commands.collect(), &mut in_offset, now);
        core.handle_batch(Topic::Registrations, commands, in_offset, now);
        asked += count;
        let outcomes: Vec<Bytes> = work.drain(..).collect();
        answered += outcomes.len();
        let outcomes = numbered(outcomes, &mut out_offset, now);
        core.handle_batch(Topic::Outcomes, outcomes, out_offset, now);
        work.extend(turn(&mut core, now));
        turns += 1;
    }
    let seconds = begin.elapsed().as_secs_f64();
    #[expect(clippy::cast_precision_loss, reason = "a rate for people")]
    let rate = tasks as f64 / seconds;
    println!("{tasks} tasks due in {ahead}, {answered} ended: {seconds:.1} s, {rate:.0}/s");
    println!("rows in memory {}, {}", core.rows_in_memory(), resident());
    factory.close(Shard(0), core);
    drop(factory);
    std::fs::remove_dir_all(directory).unwrap();
}

/// Cuts and commits a turn; the outcomes of what it planted.
fn turn(core: &mut PlannerCore<planner::store::fjall::FjallStore>, now: Now) -> Vec<Bytes> {
    while let Some(ask) = core.poll_ask() {
        if ask == Ask::End(Topic::Index) {
            core.handle_end(Topic::Index, 0, now);
        }
    }
    let turn = core.take_turn(now);
    core.handle_committed(now.mono, now);
    turn.records
        .iter()
        .filter_map(|record| outcome(record, now))
        .collect()
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

fn command(n: usize, ahead: &str) -> Bytes {
    let padding = "x".repeat(100);
    Bytes::from(format!(
        r#"{{"tenant":"shop","id":"order-{n}","schedule":{{"after":"{ahead}"}},
        "call":{{"url":"http://127.0.0.1:9000/orders/close"}},"payload":{{"order":{n},"x":"{padding}"}}}}"#
    ))
}

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

fn at(ms: u64) -> Now {
    Now {
        wall: START.plus(ms),
        mono: ms,
    }
}

/// As the system says: resident memory now and at most.
fn resident() -> String {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let lines = status
        .lines()
        .filter(|line| line.starts_with("VmRSS") || line.starts_with("VmHWM"));
    lines
        .map(|line| line.replace('\t', " "))
        .collect::<Vec<_>>()
        .join(", ")
}
