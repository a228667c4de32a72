//! What is particular to this log; what every log promises is in `tests/conformance.rs`.

use std::sync::mpsc::channel;
use std::time::Duration;

use bytes::Bytes;
use schemas::{Millis, Priority, Topic};
use tempfile::TempDir;

use super::*;
use crate::record::Record;

mod forgetting;

const LONG: Duration = Duration::from_secs(20);
const INDEX: TopicPartition = TopicPartition {
    topic: Topic::Index,
    shard: Shard(1),
};
const FIRES: TopicPartition = TopicPartition {
    topic: Topic::Fires(Priority::Normal),
    shard: Shard(0),
};

/// Nothing happens by itself.
fn config() -> EmbeddedConfig {
    EmbeddedConfig {
        fsync: Fsync::Never,
        sweep_every_ms: 86_400_000,
        ..EmbeddedConfig::default()
    }
}

fn open(dir: &TempDir, config: &EmbeddedConfig) -> Arc<EmbeddedBroker> {
    EmbeddedBroker::open(dir.path(), config.clone()).unwrap()
}

fn outgoing(to: TopicPartition, key: &str, value: Option<&str>) -> Outgoing {
    Outgoing {
        to,
        key: Some(Bytes::copy_from_slice(key.as_bytes())),
        value: value.map(|value| Bytes::copy_from_slice(value.as_bytes())),
        headers: Vec::new(),
    }
}

/// Commits and waits for the answer.
fn commit(
    log: &mut dyn Log,
    records: Vec<Outgoing>,
    positions: Vec<(TopicPartition, Position)>,
) -> Result<(), LogError> {
    log.commit(records, positions, 7)?;
    let mut events = Vec::new();
    loop {
        log.poll(LONG, &mut |_| 0, &mut events)?;
        for event in events.drain(..) {
            match event {
                LogEvent::Committed { proven_at } => {
                    assert_eq!(proven_at, 7);
                    return Ok(());
                }
                LogEvent::Failed(error) => return Err(error),
                _ => {}
            }
        }
    }
}

/// Everything from `offset` to the end.
fn read(broker: &EmbeddedBroker, of: TopicPartition, offset: i64) -> Vec<Record> {
    let mut reader = broker.reader().unwrap();
    let (_, end) = reader.ends(&[of]).unwrap()[0];
    reader.read(of, offset).unwrap();
    let mut records = Vec::new();
    let mut at = offset;
    while at < end {
        let mut events = Vec::new();
        reader.poll(LONG, &mut events).unwrap();
        assert!(!events.is_empty(), "stuck at {at} of {end}");
        for event in events {
            let LogEvent::Batch {
                records: some,
                position,
                ..
            } = event
            else {
                panic!("{event:?}");
            };
            assert!(position > at);
            at = position;
            records.extend(some);
        }
    }
    records
}

fn texts(records: &[Record]) -> Vec<(i64, String, Option<String>)> {
    let text = |bytes: &Bytes| String::from_utf8(bytes.to_vec()).unwrap();
    records
        .iter()
        .map(|it| {
            (
                it.offset,
                it.key.as_ref().map(text).unwrap(),
                it.value.as_ref().map(text),
            )
        })
        .collect()
}

fn segment_files(dir: &TempDir) -> Vec<PathBuf> {
    let segments = dir.path().join("segments");
    let ids = segment::list(&segments).unwrap();
    ids.into_iter()
        .map(|id| segment::path(&segments, id))
        .collect()
}

fn sweep(broker: &EmbeddedBroker, horizon: Millis) {
    sweep::round(&broker.inner, Millis(i64::MAX / 2), horizon).unwrap();
}

#[test]
fn a_directory_in_use_is_refused_with_the_holders_number() {
    let dir = TempDir::new().unwrap();
    let broker = open(&dir, &config());
    let error = EmbeddedBroker::open(dir.path(), config()).unwrap_err();
    let LogError::Config(text) = &error else {
        panic!("{error}");
    };
    assert!(
        text.contains(&format!("process {}", std::process::id())),
        "{text}"
    );
    drop(broker);
    drop(open(&dir, &config()));
}

#[test]
fn another_number_of_shards_is_refused() {
    let dir = TempDir::new().unwrap();
    drop(open(&dir, &config()));
    let other = EmbeddedConfig {
        shards: Shards::new(3).unwrap(),
        ..config()
    };
    let error = EmbeddedBroker::open(dir.path(), other).unwrap_err();
    assert!(matches!(error, LogError::Config(_)), "{error}");
}

#[test]
fn offsets_positions_and_times_go_on_after_a_reopening() {
    let dir = TempDir::new().unwrap();
    let position = Position {
        offset: 3,
        note: "7:9".to_owned(),
    };
    let before = {
        let broker = open(&dir, &config());
        let mut log = broker.join(Role::Trigger, "a").unwrap();
        let records = (0..5).map(|n| outgoing(FIRES, "k", Some(&n.to_string())));
        commit(
            &mut *log,
            records.collect(),
            vec![(INDEX, position.clone())],
        )
        .unwrap();
        read(&broker, FIRES, 0)
    };
    let broker = open(&dir, &config());
    assert_eq!(read(&broker, FIRES, 0), before);
    assert_eq!(
        broker.committed(Role::Trigger, &[INDEX, FIRES]).unwrap(),
        [Some(position), None]
    );
    let mut log = broker.join(Role::Trigger, "a").unwrap();
    commit(&mut *log, vec![outgoing(FIRES, "k", None)], vec![]).unwrap();
    let after = read(&broker, FIRES, 4);
    assert_eq!(texts(&after)[1], (5, "k".to_owned(), None));
    assert!(after[1].appended >= after[0].appended);
}

#[test]
fn a_torn_end_is_cut_and_what_stands_before_it_stays() {
    let dir = TempDir::new().unwrap();
    for torn in [1, 23, 24, 40, 55] {
        let broker = open(&dir, &config());
        let mut log = broker.join(Role::Trigger, "a").unwrap();
        let before = read(&broker, FIRES, 0);
        let file = segment_files(&dir).pop().unwrap();
        let whole = std::fs::metadata(&file).unwrap().len();
        commit(&mut *log, vec![outgoing(FIRES, "k", Some("torn"))], vec![]).unwrap();
        drop((log, broker));
        let bytes = std::fs::read(&file).unwrap();
        let cut = usize::try_from(whole).unwrap() + torn;
        assert!(cut < bytes.len());
        std::fs::write(&file, &bytes[..cut]).unwrap();
        let broker = open(&dir, &config());
        assert_eq!(read(&broker, FIRES, 0), before, "torn after {torn} bytes");
        let mut log = broker.join(Role::Trigger, "a").unwrap();
        commit(&mut *log, vec![outgoing(FIRES, "k", Some("kept"))], vec![]).unwrap();
        drop((log, broker));
        let broker = open(&dir, &config());
        assert_eq!(read(&broker, FIRES, 0).len(), before.len() + 1);
    }
}

#[test]
fn damage_before_the_last_segment_is_refused_with_its_place() {
    let dir = TempDir::new().unwrap();
    let small = EmbeddedConfig {
        segment_bytes: 1,
        ..config()
    };
    let broker = open(&dir, &small);
    let mut log = broker.join(Role::Trigger, "a").unwrap();
    for _ in 0..3 {
        commit(&mut *log, vec![outgoing(FIRES, "k", Some("v"))], vec![]).unwrap();
    }
    drop((log, broker));
    let file = segment_files(&dir).swap_remove(1);
    let mut bytes = std::fs::read(&file).unwrap();
    let last = bytes.len() - 1;
    bytes[last] ^= 1;
    std::fs::write(&file, bytes).unwrap();
    let error = EmbeddedBroker::open(dir.path(), small).unwrap_err();
    assert!(error.to_string().contains("damaged at byte"), "{error}");
}

#[test]
fn the_tail_in_memory_and_the_disk_tell_the_same() {
    let dir = TempDir::new().unwrap();
    for memory_bytes in [0, 3_000, 1 << 20] {
        let some = EmbeddedConfig {
            memory_bytes,
            segment_bytes: 10_000,
            ..config()
        };
        let broker = open(&dir, &some);
        let mut log = broker.join(Role::Trigger, "a").unwrap();
        let before = broker.inner.state().extent(FIRES).end;
        for n in 0..50 {
            let many = (0..10).map(|m| outgoing(FIRES, "key", Some(&format!("{n}.{m}"))));
            commit(&mut *log, many.collect(), vec![]).unwrap();
        }
        let records = read(&broker, FIRES, before + 7);
        let offsets: Vec<i64> = records.iter().map(|it| it.offset).collect();
        assert_eq!(offsets, (before + 7..before + 500).collect::<Vec<_>>());
        let last = texts(&records).pop().unwrap();
        assert_eq!(last.2.as_deref(), Some("49.9"), "{memory_bytes}");
    }
}

#[test]
fn appetite_bounds_what_is_handed_out_and_nothing_is_skipped() {
    let dir = TempDir::new().unwrap();
    let broker = open(&dir, &config());
    let producer = broker.producer().unwrap();
    let (tell, told) = channel();
    for n in 0..100 {
        let tell = tell.clone();
        let written = Box::new(move |result| tell.send(result).unwrap());
        producer.send(outgoing(FIRES, "k", Some(&n.to_string())), written);
    }
    let offsets: Vec<i64> = (0..100).map(|_| told.recv().unwrap().unwrap()).collect();
    assert_eq!(offsets, (0..100).collect::<Vec<_>>());
    drop(broker);
    let broker = open(&dir, &config());
    let mut log = broker.join(Role::Dispatcher, "a").unwrap();
    log.read(FIRES, 0).unwrap();
    let mut seen = Vec::new();
    while seen.len() < 100 {
        let mut events = Vec::new();
        log.poll(LONG, &mut |_| 7, &mut events).unwrap();
        for event in events {
            if let LogEvent::Batch {
                records, position, ..
            } = event
            {
                assert!(records.len() <= 7);
                seen.extend(records.iter().map(|it| it.offset));
                assert_eq!(seen.last(), Some(&(position - 1)));
            }
        }
    }
    assert_eq!(seen, offsets);
}

#[test]
fn who_joins_a_role_fences_off_whoever_had_it() {
    let dir = TempDir::new().unwrap();
    let broker = open(&dir, &config());
    let mut old = broker.join(Role::Archive, "a").unwrap();
    let mut new = broker.join(Role::Archive, "b").unwrap();
    let mut events = Vec::new();
    old.poll(LONG, &mut |_| 0, &mut events).unwrap();
    let all: Vec<Shard> = Shards::DEFAULT.all().collect();
    let lost = LogEvent::Revoked {
        shards: all.clone(),
        lost: true,
    };
    assert_eq!(events, [LogEvent::Assigned(all), lost]);
    let record = || vec![outgoing(FIRES, "k", Some("v"))];
    let error = commit(&mut *old, record(), vec![]).unwrap_err();
    assert!(matches!(error, LogError::Fatal(_)), "{error}");
    commit(&mut *new, record(), vec![]).unwrap();
    assert_eq!(read(&broker, FIRES, 0).len(), 1);
}

#[test]
fn what_is_left_of_a_closed_log_fails() {
    let dir = TempDir::new().unwrap();
    let broker = open(&dir, &config());
    let mut log = broker.join(Role::Archive, "a").unwrap();
    let producer = broker.producer().unwrap();
    drop(broker);
    let error = commit(&mut *log, vec![], vec![(FIRES, Position::default())]).unwrap_err();
    assert!(matches!(error, LogError::Fatal(_)), "{error}");
    let (tell, told) = channel();
    let written = Box::new(move |result| tell.send(result).unwrap());
    producer.send(outgoing(FIRES, "k", None), written);
    assert!(told.recv().unwrap().is_err());
}
