//! Registrations as records of the registrations topic, keyed as the contract says.

use std::sync::{Arc, Weak};
use std::time::Duration;

use anyhow::{Context, Result};
use bytes::Bytes;
use pipeline::kafka::{KafkaBroker, KafkaConfig, Overrides};
use pipeline::{Broker, Outgoing, Producer, TopicPartition};
use schemas::{Shards, Topic};
use tokio::runtime::Handle;
use tokio::sync::Semaphore;

use crate::clock;
use crate::flags::Settings;
use crate::receiver::Shared;
use crate::register::{Fate, GIVE_UP_US, Ready};

/// Records on their way at once; below the producer's own queue.
const ON_THE_WAY: usize = 50_000;
/// Pause before a record is sent again.
const AGAIN: Duration = Duration::from_millis(200);

/// The intake topic. It must outlive what was offered: the producer ends with it.
#[derive(Clone)]
pub(crate) struct Intake {
    /// Never owned by a record under way: the producer tells their fates from a thread of its own,
    /// which cannot end the producer.
    producer: Arc<dyn Producer>,
    line: Line,
}

/// What a record under way needs.
#[derive(Clone)]
struct Line {
    producer: Weak<dyn Producer>,
    shared: Arc<Shared>,
    topic: Topic,
    shards: Shards,
    room: Arc<Semaphore>,
    runtime: Handle,
}

/// One record under way.
struct Trip {
    line: Line,
    fate: Fate,
    ready: Ready,
    began_us: i64,
}

impl Intake {
    /// Connects; call it within a runtime.
    ///
    /// # Errors
    /// What is wrong with brokers or flags.
    pub(crate) fn new(settings: &Settings, shared: &Arc<Shared>) -> Result<Self> {
        let shards = Shards::new(settings.shards).context("--shards is 0")?;
        let broker = KafkaBroker::new(KafkaConfig {
            bootstrap: settings.target.clone(),
            prefix: settings.prefix.clone(),
            shards,
            overrides: Overrides {
                producer: [("linger.ms".to_owned(), linger_ms(settings.rate).to_owned())].into(),
                ..Overrides::default()
            },
            ..KafkaConfig::default()
        })?;
        shared.naming.key(0).context("--tenant is not a tenant")?;
        let producer = broker.producer().context("connect to Kafka")?;
        let line = Line {
            producer: Arc::downgrade(&producer),
            shared: Arc::clone(shared),
            topic: if settings.bulk {
                Topic::RegistrationsBulk
            } else {
                Topic::Registrations
            },
            shards,
            room: Arc::new(Semaphore::new(ON_THE_WAY)),
            runtime: Handle::current(),
        };
        Ok(Self { producer, line })
    }

    /// Sends it, when there is room.
    pub(crate) async fn offer(&self, ready: Ready, fate: &Fate) {
        // Never closed.
        if let Ok(permit) = self.line.room.acquire().await {
            permit.forget();
        }
        let trip = Trip {
            line: self.line.clone(),
            fate: fate.clone(),
            ready,
            began_us: clock::now_us(),
        };
        trip.send(self.producer.as_ref());
    }
}

/// A producer of many records gathers them: each request costs a broker what many records do.
fn linger_ms(rate: f64) -> &'static str {
    if rate >= 2_500.0 { "50" } else { "5" }
}

impl Trip {
    fn send(self, producer: &dyn Producer) {
        let Some(key) = self.line.shared.naming.key(self.ready.number) else {
            return self.end(Err("its name is not allowed"));
        };
        let record = Outgoing {
            to: TopicPartition::new(self.line.topic, key.shard(self.line.shards)),
            key: Some(Bytes::from(key.routing_key())),
            value: Some(self.ready.body.clone()),
            headers: Vec::new(),
        };
        let written = move |fate: Result<i64, pipeline::LogError>| match fate {
            Ok(_) => self.end(Ok(())),
            Err(error) if clock::now_us() - self.began_us > GIVE_UP_US => {
                self.end(Err(&error.to_string()));
            }
            Err(_) => self.again(),
        };
        producer.send(record, Box::new(written));
    }

    fn again(self) {
        self.fate.repeats();
        self.line.runtime.clone().spawn(async move {
            tokio::time::sleep(AGAIN).await;
            match self.line.producer.upgrade() {
                Some(producer) => self.send(producer.as_ref()),
                None => self.end(Err("the run is over")),
            }
        });
    }

    fn end(self, how: Result<(), &str>) {
        match how {
            Ok(()) => self.fate.accepted(&self.ready),
            Err(why) => self.fate.refused(&self.ready, why),
        }
        self.line.room.add_permits(1);
    }
}
