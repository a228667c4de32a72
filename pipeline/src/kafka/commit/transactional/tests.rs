//! Against librdkafka's own broker mock, which answers EndTxn with what it is told to: the claim about
//! the log line stands or falls here.

use rdkafka::mocking::MockCluster;
use rdkafka::producer::DefaultProducerContext;
use rdkafka::types::{RDKafkaApiKey, RDKafkaRespErr};
use schemas::{Shard, Topic};

use super::*;
use crate::record::{Position, TopicPartition};

const LIMIT: Duration = Duration::from_secs(10);

struct World {
    cluster: MockCluster<'static, DefaultProducerContext>,
    config: KafkaConfig,
    names: Names,
}

impl World {
    fn new() -> Self {
        let cluster = MockCluster::new(1).unwrap();
        let config = KafkaConfig {
            bootstrap: cluster.bootstrap_servers(),
            ..KafkaConfig::default()
        };
        cluster.create_topic("tidewheel.outcomes", 1, 1).unwrap();
        let names = Names::new(&config);
        Self {
            cluster,
            config,
            names,
        }
    }

    /// A producer with an open transaction of one record.
    fn open(&self) -> Transactional {
        let mut producer =
            Transactional::new(&self.config, "test", "tidewheel.outcomes", LIMIT).unwrap();
        self.begin(&mut producer);
        producer
    }

    fn begin(&self, producer: &mut Transactional) {
        producer.producer.begin_transaction().unwrap();
        let record = Outgoing {
            to: TopicPartition::new(Topic::Outcomes, Shard(0)),
            key: None,
            value: Some(bytes::Bytes::from_static(b"value")),
            headers: Vec::new(),
        };
        producer.send(&self.names, &record, LIMIT).unwrap();
    }
}

#[test]
fn a_commit_that_was_sent_twice_is_seen_in_the_log_lines_before_it_returns() {
    use RDKafkaRespErr as Answer;
    let retried = [
        Answer::RD_KAFKA_RESP_ERR_COORDINATOR_LOAD_IN_PROGRESS,
        Answer::RD_KAFKA_RESP_ERR_CONCURRENT_TRANSACTIONS,
        Answer::RD_KAFKA_RESP_ERR_NOT_COORDINATOR,
        Answer::RD_KAFKA_RESP_ERR__TRANSPORT,
    ];
    for answer in retried {
        let world = World::new();
        let mut producer = world.open();
        for clean in 0..3 {
            producer.end(LIMIT).unwrap();
            assert_eq!(producer.spoilt, None, "commit {clean} was sent once");
            world.begin(&mut producer);
        }
        world
            .cluster
            .request_errors(RDKafkaApiKey::EndTxn, &[answer]);
        producer.end(LIMIT).unwrap();
        assert_eq!(producer.spoilt, Some(Spoilt::SentTwice), "{answer:?}");
    }
}

#[test]
fn an_abort_that_was_sent_twice_is_seen_too() {
    let world = World::new();
    let mut producer = world.open();
    producer.producer.flush(LIMIT).unwrap();
    producer.abort();
    assert_eq!(producer.spoilt, None);
    world.begin(&mut producer);
    producer.producer.flush(LIMIT).unwrap();
    let error = RDKafkaRespErr::RD_KAFKA_RESP_ERR_COORDINATOR_LOAD_IN_PROGRESS;
    world
        .cluster
        .request_errors(RDKafkaApiKey::EndTxn, &[error]);
    producer.abort();
    assert_eq!(producer.spoilt, Some(Spoilt::SentTwice));
}

#[test]
fn a_commit_of_a_producer_that_was_fenced_is_not_taken_for_one_sent_twice() {
    let world = World::new();
    let mut producer = world.open();
    let error = RDKafkaRespErr::RD_KAFKA_RESP_ERR_PRODUCER_FENCED;
    world
        .cluster
        .request_errors(RDKafkaApiKey::EndTxn, &[error]);
    let refused = producer.end(LIMIT);
    assert!(matches!(refused, Err(LogError::Fatal(_))), "{refused:?}");
    assert_eq!(producer.spoilt, Some(Spoilt::Fenced), "sent once");
}

/// Its coordinator answers nothing: librdkafka comes back from its call after some seconds here, and for want of
/// a limit of its own never, where a coordinator is lost between two of its requests.
#[test]
fn a_producer_that_does_not_come_back_is_left_to_itself_and_its_successor_works() {
    let world = World::new();
    let mut stuck = world.open();
    stuck.producer.flush(LIMIT).unwrap();
    let positions = |number: i64| {
        let position = Position {
            offset: number,
            note: String::new(),
        };
        let of = TopicPartition::new(Topic::Outcomes, Shard(0));
        offsets::position_list(&world.names, &[(of, position)]).unwrap()
    };
    let metadata = Arc::new(GroupMetadata::made_up(c"group").unwrap());
    let slow = Duration::from_secs(600);
    world.cluster.broker_round_trip_time(1, slow).unwrap();
    let limit = Duration::from_millis(200);
    let result = stuck.set_positions(positions(1), Arc::clone(&metadata), limit);
    assert!(matches!(result, Err(LogError::Aborted(_))), "{result:?}");
    assert_eq!(stuck.spoilt, Some(Spoilt::Stuck));
    stuck.abort();
    drop(stuck);
    world
        .cluster
        .broker_round_trip_time(1, Duration::ZERO)
        .unwrap();
    let mut next = world.open();
    next.set_positions(positions(2), metadata, LIMIT).unwrap();
    next.end(LIMIT).unwrap();
    assert_eq!(next.spoilt, None);
}
