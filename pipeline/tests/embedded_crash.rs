//! The embedded log against `kill -9`: each transaction is wholly there or not at all, and every
//! acknowledged one is there.
#![cfg(feature = "embedded")]
#![expect(clippy::unwrap_used, reason = "a test, its helpers too")]

use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use pipeline::embedded::{EmbeddedBroker, EmbeddedConfig, Fsync};
use pipeline::log::Reader;
use pipeline::{Broker, Log, LogError, LogEvent, Outgoing, Position, TopicPartition};
use schemas::{Role, Shard, Topic};

/// Set for the child, to the directory it is to write to.
const DIR: &str = "TIDEWHEEL_TEST_CRASH_DIR";
const LONG: Duration = Duration::from_secs(20);
const KILLS: u64 = 40;
/// Compacted and drained, in several shards.
const PLACES: [(Topic, u16); 4] = [
    (Topic::Outcomes, 0),
    (Topic::Outcomes, 5),
    (Topic::Registrations, 2),
    (Topic::Index, 7),
];

/// Small segments and a restless sweep, so that kills also hit rotation, compaction and removal.
fn config(fsync: Fsync) -> EmbeddedConfig {
    EmbeddedConfig {
        fsync,
        segment_bytes: 64 << 10,
        memory_bytes: 16 << 10,
        compact_bytes: 16 << 10,
        sweep_every_ms: 1,
        ..EmbeddedConfig::default()
    }
}

fn place(which: usize) -> TopicPartition {
    let (topic, shard) = PLACES[which];
    TopicPartition::new(topic, Shard(shard))
}

/// Transaction `n`: one to four records in every place, and the position n + 1.
fn transaction(n: i64) -> (Vec<Outgoing>, Vec<(TopicPartition, Position)>) {
    let mut records = Vec::new();
    for part in 0..copies(n) {
        for which in 0..PLACES.len() {
            records.push(Outgoing {
                to: place(which),
                key: Some(Bytes::from(format!("{}", (n + part) % 50))),
                value: Some(Bytes::from(format!("{n}.{part}.{}", "x".repeat(200)))),
                headers: Vec::new(),
            });
        }
    }
    let position = Position {
        offset: n + 1,
        note: format!("n{n}"),
    };
    (records, vec![(place(0), position)])
}

fn copies(n: i64) -> i64 {
    1 + n % 4
}

fn commit(log: &mut dyn Log, n: i64) -> Result<(), LogError> {
    let (records, positions) = transaction(n);
    log.commit(records, positions, 0)?;
    let mut events = Vec::new();
    loop {
        log.poll(LONG, &mut |_| 0, &mut events)?;
        for event in events.drain(..) {
            match event {
                LogEvent::Committed { .. } => return Ok(()),
                LogEvent::Failed(error) => return Err(error),
                _ => {}
            }
        }
    }
}

/// How many transactions the log says it holds.
fn committed(broker: &dyn Broker) -> i64 {
    let position = broker.committed(Role::Planner, &[place(0)]).unwrap();
    position[0].as_ref().map_or(0, |position| {
        assert_eq!(position.note, format!("n{}", position.offset - 1));
        position.offset
    })
}

fn values(reader: &mut dyn Reader, of: TopicPartition) -> Vec<(i64, i64)> {
    let (_, end) = reader.ends(&[of]).unwrap()[0];
    reader.read(of, 0).unwrap();
    let mut values = Vec::new();
    let mut at = 0;
    while at < end {
        let mut events = Vec::new();
        reader.poll(LONG, &mut events).unwrap();
        for event in events {
            if let LogEvent::Batch {
                from,
                records,
                position,
            } = event
                && from == of
            {
                at = position;
                values.extend(records.iter().map(|record| {
                    let text = std::str::from_utf8(record.value.as_ref().unwrap()).unwrap();
                    let mut parts = text.split('.').map(|part| part.parse().unwrap_or(-1));
                    (parts.next().unwrap(), parts.next().unwrap())
                }));
            }
        }
    }
    values
}

/// Every transaction below `count` wholly, and nothing else.
fn check(broker: &EmbeddedBroker, count: i64) {
    let expected: Vec<(i64, i64)> = (0..count)
        .flat_map(|n| (0..copies(n)).map(move |part| (n, part)))
        .collect();
    let mut reader = broker.reader().unwrap();
    for which in 0..PLACES.len() {
        let found = values(&mut *reader, place(which));
        let (_, end) = reader.ends(&[place(which)]).unwrap()[0];
        assert_eq!(
            usize::try_from(end).unwrap(),
            expected.len(),
            "{}",
            place(which)
        );
        if place(which).topic == Topic::Index {
            let mut latest = std::collections::BTreeMap::new();
            for (n, part) in &expected {
                latest.insert((n + part) % 50, (*n, *part));
            }
            for kept in latest.values() {
                assert!(found.contains(kept), "{kept:?} was compacted away");
            }
            assert!(found.iter().all(|it| expected.contains(it)));
        } else {
            assert_eq!(found, expected, "{}", place(which));
        }
    }
}

/// Not a test of its own: what the parent starts and kills.
#[test]
fn child_writes_until_it_is_killed() {
    let Ok(dir) = std::env::var(DIR) else {
        return;
    };
    let fsync = if std::env::var_os("TIDEWHEEL_TEST_CRASH_SYNC").is_some() {
        Fsync::Interval(1)
    } else {
        Fsync::Never
    };
    let broker = EmbeddedBroker::open(&dir, config(fsync)).unwrap();
    let first = committed(&*broker);
    let mut log = broker.join(Role::Planner, "child").unwrap();
    let mut out = std::io::stdout().lock();
    for n in first.. {
        commit(&mut *log, n).unwrap();
        writeln!(out, "acknowledged {n}").unwrap();
        out.flush().unwrap();
    }
}

/// Starts a child, lets it acknowledge `until` transactions, kills it; the last one acknowledged.
fn write_and_kill(dir: &Path, until: u64, sync: bool) -> i64 {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command
        .args(["--exact", "child_writes_until_it_is_killed", "--nocapture"])
        .env(DIR, dir)
        .stdout(Stdio::piped());
    if sync {
        command.env("TIDEWHEEL_TEST_CRASH_SYNC", "1");
    }
    let mut child = command.spawn().unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let mut seen = 0;
    let mut last = -1;
    // What it wrote into the pipe before it died counts too.
    while let Some(Ok(line)) = lines.next() {
        let Some(n) = line.split("acknowledged ").nth(1) else {
            continue;
        };
        last = n.parse().unwrap();
        seen += 1;
        if seen == until {
            child.kill().unwrap();
        }
    }
    child.wait().unwrap();
    last
}

#[test]
fn every_transaction_is_wholly_there_or_not_at_all_however_often_it_is_killed() {
    let dir = tempfile::tempdir().unwrap();
    for round in 0..KILLS {
        let until = 1 + (round * 7919) % 61;
        let acknowledged = write_and_kill(dir.path(), until, round % 2 == 0);
        let broker: Arc<EmbeddedBroker> =
            EmbeddedBroker::open(dir.path(), config(Fsync::Never)).unwrap();
        let count = committed(&*broker);
        assert!(
            count > acknowledged,
            "{acknowledged} was acknowledged, {count} are there"
        );
        check(&broker, count);
    }
}
