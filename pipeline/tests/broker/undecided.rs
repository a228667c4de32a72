//! While a transaction is open.

use std::time::Duration;

use pipeline::{Broker, LogError, LogEvent};
use rdkafka::ClientConfig;
use rdkafka::TopicPartitionList;
use rdkafka::consumer::{BaseConsumer, CommitMode, Consumer};
use rdkafka::producer::{BaseProducer, BaseRecord, Producer};
use rdkafka::topic_partition_list::Offset;
use schemas::Role;

use super::support::{World, at, patiently, position};
use super::{INPUT, OUTPUT};

const LIMIT: Duration = Duration::from_secs(20);

/// A transaction with `count` records in the output and position 9 in the input, not yet ended.
struct Open {
    producer: BaseProducer,
    /// Of an empty group anybody may set the positions.
    _consumer: BaseConsumer,
}

impl Open {
    fn new(world: &World, count: usize) -> Self {
        let config = &world.config;
        let producer: BaseProducer = ClientConfig::new()
            .set("bootstrap.servers", &config.bootstrap)
            .set("transactional.id", format!("{}stranger", config.prefix))
            .create()
            .unwrap();
        producer.init_transactions(LIMIT).unwrap();
        producer.begin_transaction().unwrap();
        let output = format!("{}outcomes", config.prefix);
        for _ in 0..count {
            let record: BaseRecord<'_, [u8], [u8]> = BaseRecord::to(&output);
            producer
                .send(record.partition(0).payload(b"undecided"))
                .unwrap();
        }
        producer.flush(LIMIT).unwrap();
        let consumer: BaseConsumer = ClientConfig::new()
            .set("bootstrap.servers", &config.bootstrap)
            .set("group.id", config.group(Role::Planner))
            .create()
            .unwrap();
        let mut list = TopicPartitionList::new();
        let input = format!("{}registrations", config.prefix);
        list.add_partition_offset(&input, 0, Offset::Offset(9))
            .unwrap();
        let metadata = consumer.group_metadata().unwrap();
        producer
            .send_offsets_to_transaction(&list, &metadata, LIMIT)
            .unwrap();
        Self {
            producer,
            _consumer: consumer,
        }
    }
}

#[test]
fn positions_wait_for_the_transaction_that_sets_them() {
    let Some(world) = World::new(1, &[INPUT, OUTPUT]) else {
        return;
    };
    let of = [at(INPUT, 0)];
    for (commits, then) in [(false, None), (true, Some(position(9, "")))] {
        let open = Open::new(&world, 1);
        let undecided = world.broker.committed(Role::Planner, &of);
        assert!(
            matches!(undecided, Err(LogError::Retry(_))),
            "{undecided:?}"
        );
        if commits {
            open.producer.commit_transaction(LIMIT).unwrap();
        } else {
            open.producer.abort_transaction(LIMIT).unwrap();
        }
        assert_eq!(
            patiently(|| world.broker.committed(Role::Planner, &of)),
            [then]
        );
    }
}

#[test]
fn a_note_that_somebody_else_left_is_none() {
    let Some(world) = World::new(1, &[INPUT]) else {
        return;
    };
    let consumer: BaseConsumer = ClientConfig::new()
        .set("bootstrap.servers", &world.config.bootstrap)
        .set("group.id", world.config.group(Role::Planner))
        .create()
        .unwrap();
    let input = format!("{}registrations", world.config.prefix);
    for (note, read) in [("größer", ""), ("kept", "kept"), ("", "")] {
        let mut list = TopicPartitionList::new();
        let mut element = list.add_partition(&input, 0);
        element.set_offset(Offset::Offset(4)).unwrap();
        element.set_metadata(note);
        consumer.commit(&list, CommitMode::Sync).unwrap();
        let committed = patiently(|| world.broker.committed(Role::Planner, &[at(INPUT, 0)]));
        assert_eq!(committed, [Some(position(4, read))]);
    }
}

#[test]
fn the_end_counts_undecided_records_that_readers_are_not_given() {
    let Some(world) = World::new(1, &[INPUT, OUTPUT]) else {
        return;
    };
    let output = at(OUTPUT, 0);
    let open = Open::new(&world, 3);
    let mut reader = world.broker.reader().unwrap();
    assert_eq!(patiently(|| reader.ends(&[output])), [(0, 3)]);
    reader.read(output, 0).unwrap();
    let mut events = Vec::new();
    reader
        .poll(Duration::from_millis(300), &mut events)
        .unwrap();
    assert_eq!(events, [], "nothing is decided yet");
    open.producer.commit_transaction(LIMIT).unwrap();
    let (mut seen, mut end) = (0, 0);
    while end < 4 {
        reader
            .poll(Duration::from_millis(500), &mut events)
            .unwrap();
        for event in events.drain(..) {
            if let LogEvent::Batch {
                records, position, ..
            } = event
            {
                seen += records.len();
                end = position;
            }
        }
    }
    assert_eq!((seen, end), (3, 4));
    let aborted = Open::new(&world, 2);
    assert_eq!(patiently(|| reader.ends(&[output])), [(0, 6)]);
    aborted.producer.abort_transaction(LIMIT).unwrap();
    while end < 7 {
        reader
            .poll(Duration::from_millis(500), &mut events)
            .unwrap();
        for event in events.drain(..) {
            if let LogEvent::Batch {
                records, position, ..
            } = event
            {
                assert_eq!(records, [], "aborted records are never handed out");
                end = position;
            }
        }
    }
}
