//! Registers tasks as records.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use anyhow::{Context, Result};
use pipeline::kafka::{KafkaBroker, KafkaConfig};
use pipeline::{Broker, LogError, Outgoing, Producer, TopicPartition};
use schemas::{Shards, Topic};

use crate::args::Args;
use crate::arrivals::Arrival;
use crate::ledger::{Ledger, Registered};
use crate::task::Tasks;

/// Below what the client library queues by itself, so that it never refuses.
const MOST_UNACKNOWLEDGED: usize = 50_000;
const LOOK_AGAIN: Duration = Duration::from_millis(2);

/// Writes registrations with the idempotent producer that ingest uses.
pub(crate) struct ByKafka {
    producer: Arc<dyn Producer>,
    shards: Shards,
    topic: Topic,
    tasks: Tasks,
    ledger: Ledger,
    unacknowledged: Arc<AtomicUsize>,
}

/// A producer, and how many partitions there are.
pub(crate) type Connected = (Arc<dyn Producer>, Shards);

/// Connects to the brokers.
pub(crate) fn connect(args: &Args) -> Result<Connected> {
    let shards = Shards::new(args.shards).context("--shards 0 is none")?;
    let config = KafkaConfig {
        bootstrap: args.target(),
        prefix: args.prefix.clone(),
        shards,
        ..KafkaConfig::default()
    };
    let broker = KafkaBroker::new(config).context("connect to the brokers")?;
    let producer = broker.producer().context("make a producer")?;
    Ok((producer, shards))
}

impl ByKafka {
    pub(crate) fn new(args: &Args, connected: Connected, tasks: Tasks, ledger: Ledger) -> Self {
        let (producer, shards) = connected;
        Self {
            producer,
            shards,
            topic: if args.bulk {
                Topic::RegistrationsBulk
            } else {
                Topic::Registrations
            },
            tasks,
            ledger,
            unacknowledged: Arc::default(),
        }
    }

    pub(crate) async fn send(&self, number: u32, arrival: &Arrival) {
        while self.unacknowledged.load(Ordering::Acquire) >= MOST_UNACKNOWLEDGED {
            tokio::time::sleep(LOOK_AGAIN).await;
        }
        let shard = self.tasks.shard(number, self.shards);
        let record = Outgoing {
            to: TopicPartition::new(self.topic, shard),
            key: Some(self.tasks.key(number)),
            value: Some(self.tasks.body(number, arrival).into()),
            headers: Vec::new(),
        };
        self.unacknowledged.fetch_add(1, Ordering::AcqRel);
        let ledger = self.ledger.clone();
        let unacknowledged = Arc::clone(&self.unacknowledged);
        let written = Box::new(move |result: Result<i64, LogError>| {
            unacknowledged.fetch_sub(1, Ordering::AcqRel);
            let how = match result {
                Ok(_) => Registered::Accepted,
                // It may have been written and its acknowledgement lost.
                Err(LogError::Retry(_)) => Registered::Unclear,
                Err(LogError::Aborted(_) | LogError::Fatal(_) | LogError::Config(_)) => {
                    Registered::Refused
                }
            };
            ledger.registered(number, how);
        });
        self.producer.send(record, written);
    }
}
