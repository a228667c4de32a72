//! What only a real broker shows. Needs `TIDEWHEEL_TEST_KAFKA=host:port`; without it every test is
//! skipped with a message, in CI it fails.
#![cfg(feature = "kafka")]
#![expect(
    clippy::unwrap_used,
    reason = "what a test is made of is as good a failure as its assertions"
)]

#[path = "broker/fencing.rs"]
mod fencing;
#[path = "broker/speed.rs"]
mod speed;
#[path = "broker/support.rs"]
mod support;
#[path = "broker/topics.rs"]
mod topics;
#[path = "broker/turmoil.rs"]
mod turmoil;
#[path = "broker/undecided.rs"]
mod undecided;

use std::time::Duration;

use bytes::Bytes;
use pipeline::kafka::Overrides;
use pipeline::{Broker, LogError, LogEvent, Outgoing};
use schemas::{Role, Shard, Topic};
use support::{World, at, patiently, position, record};

/// The driver topic of [`Role::Planner`].
const INPUT: Topic = Topic::Registrations;
const OUTPUT: Topic = Topic::Outcomes;

#[test]
fn a_turn_is_read_back_with_its_positions_and_longest_notes() {
    let Some(world) = World::new(2, &[INPUT, OUTPUT]) else {
        return;
    };
    let mut member = world.member(Role::Planner, "one");
    let (driver, output) = (at(INPUT, 0), at(OUTPUT, 1));
    assert_eq!(member.committed(&[driver, output]), [None, None]);
    let records = (0..3)
        .map(|n| record(output, &format!("value {n}")))
        .collect();
    let note = "n".repeat(4_096);
    let positions = vec![(driver, position(7, &note)), (output, position(0, ""))];
    member.commit(records, positions).unwrap();
    let committed = [Some(position(0, "")), Some(position(7, &note))];
    assert_eq!(member.committed(&[output, driver]), committed);
    let of = [output, driver];
    assert_eq!(
        patiently(|| world.broker.committed(Role::Planner, &of)),
        committed
    );
    let ends = member.ends(&of);
    assert_eq!(ends, [(0, 4), (0, 0)], "three records and the marker");
    member.log.read(output, 0).unwrap();
    let values = member.values_until(output, 4);
    assert_eq!(values, ["value 0", "value 1", "value 2"]);
}

#[test]
fn keys_values_and_headers_arrive_as_they_were_sent() {
    let Some(world) = World::new(1, &[INPUT, OUTPUT]) else {
        return;
    };
    let mut member = world.member(Role::Planner, "one");
    let output = at(OUTPUT, 0);
    let bytes = |text: &'static str| Some(Bytes::from_static(text.as_bytes()));
    let header =
        |name: &str, value: &'static str| (name.to_owned(), Bytes::from_static(value.as_bytes()));
    let shapes = [
        (bytes("k"), bytes("v"), vec![]),
        (None, bytes("no key"), vec![]),
        (bytes("tombstone"), None, vec![]),
        (bytes(""), bytes(""), vec![]),
        (
            bytes("h"),
            bytes("v"),
            vec![header("a", "1"), header("a", ""), header("b", "2")],
        ),
    ];
    let outgoing = shapes.iter().map(|(key, value, headers)| Outgoing {
        to: output,
        key: key.clone(),
        value: value.clone(),
        headers: headers.clone(),
    });
    let positions = vec![(at(INPUT, 0), position(0, ""))];
    member.commit(outgoing.collect(), positions).unwrap();
    member.log.read(output, 0).unwrap();
    let mut seen = Vec::new();
    while seen.len() < shapes.len() {
        let records = member.until("batch", |event| match event {
            LogEvent::Batch { records, .. } => Some(records.clone()),
            _ => None,
        });
        seen.extend(records);
    }
    for ((key, value, headers), record) in shapes.iter().zip(&seen) {
        assert_eq!(
            (&record.key, &record.value, &record.headers),
            (key, value, headers)
        );
        assert!(record.appended.0 > 0);
    }
}

#[test]
fn a_partition_is_read_again_from_wherever_it_is_asked_for() {
    let Some(world) = World::new(1, &[INPUT, OUTPUT]) else {
        return;
    };
    let mut member = world.member(Role::Planner, "one");
    let output = at(OUTPUT, 0);
    for turn in 0..3 {
        let records = (0..3).map(|n| record(output, &format!("{}", turn * 3 + n)));
        let positions = vec![(at(INPUT, 0), position(turn, ""))];
        member.commit(records.collect(), positions).unwrap();
    }
    // Offsets 3, 7 and 11 are markers.
    let rounds: [(i64, &[&str]); 5] = [
        (0, &["0", "1", "2", "3", "4", "5", "6", "7", "8"]),
        (5, &["4", "5", "6", "7", "8"]),
        (7, &["6", "7", "8"]),
        (11, &[]),
        (1, &["1", "2", "3", "4", "5", "6", "7", "8"]),
    ];
    for (from, values) in rounds {
        member.log.read(output, from).unwrap();
        assert_eq!(member.values_until(output, 12), values, "from {from}");
    }
    member.log.read(output, 0).unwrap();
    member.log.stop(output).unwrap();
    member.log.read(output, 9).unwrap();
    assert_eq!(member.values_until(output, 12), ["7", "8"]);
}

#[test]
fn what_nobody_wants_yet_stays_in_the_log() {
    let Some(world) = World::new(2, &[INPUT, OUTPUT]) else {
        return;
    };
    let mut member = world.member(Role::Planner, "one");
    let (flooded, other) = (at(OUTPUT, 0), at(OUTPUT, 1));
    let mut records: Vec<_> = (0..5_000)
        .map(|n| record(flooded, &format!("{n}")))
        .collect();
    records.push(record(other, "small"));
    let positions = vec![(at(INPUT, 0), position(0, ""))];
    member.commit(records, positions).unwrap();
    member.log.read(flooded, 0).unwrap();
    member.log.read(other, 0).unwrap();
    let mut got = 0;
    let mut events = Vec::new();
    let mut small = false;
    while !small {
        let mut appetite = |from| if from == flooded { 0 } else { 10 };
        member
            .log
            .poll(Duration::from_millis(200), &mut appetite, &mut events)
            .unwrap();
        for event in events.drain(..) {
            if let LogEvent::Batch { from, .. } = event {
                assert_eq!(from, other);
                small = true;
            }
        }
    }
    let mut next = 0;
    while got < 5_000 {
        let mut appetite = |_| 7;
        member
            .log
            .poll(Duration::from_millis(200), &mut appetite, &mut events)
            .unwrap();
        for event in events.drain(..) {
            if let LogEvent::Batch { from, records, .. } = event {
                assert!(records.len() <= 7);
                if from == flooded {
                    got += records.len();
                    for record in records {
                        assert_eq!(record.offset, next);
                        next += 1;
                    }
                }
            }
        }
    }
}

#[test]
fn records_outside_are_durable_before_the_turn_and_void_it_when_they_fail() {
    let Some(bootstrap) = support::bootstrap() else {
        return;
    };
    // The brokers refuse what the client is told to let through.
    let large = [("message.max.bytes".to_owned(), "4194304".to_owned())];
    let config = pipeline::kafka::KafkaConfig {
        bootstrap,
        prefix: support::prefix(),
        shards: schemas::Shards::new(1).unwrap(),
        overrides: Overrides {
            producer: large.into(),
            ..Overrides::default()
        },
        ..Default::default()
    };
    let world = World::with(config, &[INPUT, OUTPUT, Topic::Forwards]);
    let mut member = world.member(Role::Planner, "one");
    let (driver, forwards) = (at(INPUT, 0), at(Topic::Forwards, 0));
    for n in 0..100 {
        member
            .log
            .send_outside(record(forwards, &format!("{n}")))
            .unwrap();
    }
    member
        .commit(Vec::new(), vec![(driver, position(1, ""))])
        .unwrap();
    assert_eq!(member.ends(&[forwards]), [(0, 100)]);
    // Letters at random, or compression would let it through.
    let mut seed = 88_172_645_463_325_252_u64;
    let mut letter = || {
        seed ^= seed << 13;
        seed ^= seed >> 7;
        seed ^= seed << 17;
        char::from(b'!' + u8::try_from(seed >> 58).unwrap())
    };
    let huge: String = (0..3_500_000).map(|_| letter()).collect();
    member.log.send_outside(record(forwards, &huge)).unwrap();
    let failed = member.commit(Vec::new(), vec![(driver, position(2, ""))]);
    assert!(matches!(failed, Err(LogError::Aborted(_))), "{failed:?}");
    assert_eq!(member.committed(&[driver]), [Some(position(1, ""))]);
    // After the failure was told, the worker starts over.
    member.log.send_outside(record(forwards, "again")).unwrap();
    member
        .commit(Vec::new(), vec![(driver, position(3, ""))])
        .unwrap();
    assert_eq!(member.committed(&[driver]), [Some(position(3, ""))]);
    assert_eq!(member.ends(&[forwards]), [(0, 101)]);
}

#[test]
fn shards_are_handed_over_with_all_that_was_committed() {
    let Some(world) = World::new(4, &[INPUT, OUTPUT]) else {
        return;
    };
    let mut first = world.joining(Role::Planner, "first");
    assert_eq!(first.assigned(), [0, 1, 2, 3].map(Shard));
    let mut second = world.joining(Role::Planner, "second");
    let (shards, lost) = first.revoked();
    assert_eq!((shards.len(), lost), (4, false));
    // Still a member of this generation: the last turn goes through.
    let all = [0, 1, 2, 3].map(|shard| at(INPUT, shard));
    let positions = all.iter().map(|of| (*of, position(5, "last"))).collect();
    first
        .commit(vec![record(at(OUTPUT, 0), "last")], positions)
        .unwrap();
    first.log.release(&shards);
    let (mut left, mut right) = (first.assigned(), second.assigned());
    assert_eq!((left.len(), right.len()), (2, 2));
    let mut owned = Vec::new();
    owned.append(&mut left);
    owned.append(&mut right);
    owned.sort_unstable();
    assert_eq!(owned, shards);
    assert_eq!(second.committed(&all), vec![Some(position(5, "last")); 4]);
    // A member that closes in order gives its shards up at once.
    drop(first);
    let (shards, _) = second.revoked();
    second.log.release(&shards);
    assert_eq!(second.assigned(), [0, 1, 2, 3].map(Shard));
}
