//! [`Producer`] over Kafka: outside of transactions, with the fate of each record told.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use rdkafka::ClientContext;
use rdkafka::config::RDKafkaLogLevel;
use rdkafka::error::{KafkaError, RDKafkaErrorCode as Code};
use rdkafka::message::{DeliveryResult, Message};
use rdkafka::producer::{BaseRecord, Producer as _, ProducerContext};

use super::clients::Client;
use super::config::KafkaConfig;
use super::context::{self, Trouble};
use super::failure;
use super::names::Names;
use super::polled::Polled;
use super::writing::headers_of;
use crate::error::LogError;
use crate::log::{Producer, Written};
use crate::record::Outgoing;

/// How long closing waits for what is still queued.
const CLOSE_LIMIT: Duration = Duration::from_secs(5);

/// An idempotent producer shared by threads.
pub(super) struct KafkaProducer {
    producer: Polled<WrittenContext>,
    names: Arc<Names>,
}

impl KafkaProducer {
    pub(super) fn new(config: &KafkaConfig, names: &Arc<Names>) -> Result<Self, LogError> {
        let config = config.client(&Client::Producer(false));
        let producer = Polled::new(&config, WrittenContext::default())
            .map_err(|error| failure::sort("making a producer", &error))?;
        Ok(Self {
            producer,
            names: Arc::clone(names),
        })
    }
}

impl Producer for KafkaProducer {
    fn send(&self, record: Outgoing, written: Written) {
        let topic = self.names.of(record.to.topic);
        let tell = Box::new(Mutex::new(Some(written)));
        let mut outgoing =
            BaseRecord::with_opaque_to(&topic, tell).partition(i32::from(record.to.shard.0));
        outgoing.key = record.key.as_deref();
        outgoing.payload = record.value.as_deref();
        outgoing.headers = headers_of(&record);
        if let Err((error, back)) = self.producer.send::<[u8], [u8]>(outgoing) {
            let why = failure::sort(&format!("writing to {}", record.to), &error);
            call(&back.delivery_opaque, Err(why));
        }
    }
}

impl Drop for KafkaProducer {
    /// What is still queued is written, if the brokers answer; the rest is told that it was not.
    fn drop(&mut self) {
        if let Err(error) = self.producer.flush(CLOSE_LIMIT) {
            tracing::warn!(%error, "records were not written before their producer was closed");
        }
    }
}

#[derive(Default)]
struct WrittenContext {
    trouble: Trouble,
}

impl ClientContext for WrittenContext {
    fn log(&self, level: RDKafkaLogLevel, facility: &str, text: &str) {
        context::log(level as i32, facility, text);
    }

    fn error(&self, error: KafkaError, reason: &str) {
        context::note_error(&self.trouble, &error, reason);
    }
}

impl ProducerContext for WrittenContext {
    type DeliveryOpaque = Box<Mutex<Option<Written>>>;

    fn delivery(&self, result: &DeliveryResult<'_>, tell: Self::DeliveryOpaque) {
        let fate = match result {
            Ok(record) => Ok(record.offset()),
            Err((error, record)) => {
                let doing = format!("writing to {}/{}", record.topic(), record.partition());
                Err(match (error.rdkafka_error_code(), self.trouble.last()) {
                    (Some(Code::MessageTimedOut), Some((_, text))) => {
                        LogError::Retry(format!("{doing}: not acknowledged in time: {text}"))
                    }
                    _ => failure::sort(&doing, error),
                })
            }
        };
        call(&tell, fate);
    }
}

/// Tells once. The mutex is there because the client library wants to share what only it holds.
fn call(tell: &Mutex<Option<Written>>, fate: Result<i64, LogError>) {
    let written = tell.lock().unwrap_or_else(PoisonError::into_inner).take();
    if let Some(written) = written {
        written(fate);
    }
}
