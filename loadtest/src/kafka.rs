//! Registrations as records of the registrations topic, keyed as the contract says.

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result};
use bytes::Bytes;
use pipeline::kafka::{KafkaBroker, KafkaConfig};
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

/// The intake topic.
#[derive(Clone)]
pub(crate) struct Intake {
    producer: Arc<dyn Producer>,
    shared: Arc<Shared>,
    topic: Topic,
    shards: Shards,
    room: Arc<Semaphore>,
    runtime: Handle,
}

/// One record under way.
struct Trip {
    intake: Intake,
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
            ..KafkaConfig::default()
        })?;
        shared.naming.key(0).context("--tenant is not a tenant")?;
        Ok(Self {
            producer: broker.producer().context("connect to Kafka")?,
            shared: Arc::clone(shared),
            topic: if settings.bulk {
                Topic::RegistrationsBulk
            } else {
                Topic::Registrations
            },
            shards,
            room: Arc::new(Semaphore::new(ON_THE_WAY)),
            runtime: Handle::current(),
        })
    }

    /// Sends it, when there is room.
    pub(crate) async fn offer(&self, ready: Ready, fate: &Fate) {
        // Never closed.
        if let Ok(permit) = self.room.acquire().await {
            permit.forget();
        }
        let trip = Trip {
            intake: self.clone(),
            fate: fate.clone(),
            ready,
            began_us: clock::now_us(),
        };
        trip.send();
    }
}

impl Trip {
    fn send(self) {
        let Some(key) = self.intake.shared.naming.key(self.ready.number) else {
            return self.end(Err("its name is not allowed"));
        };
        let record = Outgoing {
            to: TopicPartition::new(self.intake.topic, key.shard(self.intake.shards)),
            key: Some(Bytes::from(key.routing_key())),
            value: Some(self.ready.body.clone()),
            headers: Vec::new(),
        };
        let producer = Arc::clone(&self.intake.producer);
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
        self.intake.runtime.clone().spawn(async move {
            tokio::time::sleep(AGAIN).await;
            self.send();
        });
    }

    fn end(self, how: Result<(), &str>) {
        match how {
            Ok(()) => self.fate.accepted(&self.ready),
            Err(why) => self.fate.refused(&self.ready, why),
        }
        self.intake.room.add_permits(1);
    }
}
