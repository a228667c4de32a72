//! [`Producer`] over Kafka: outside of transactions, with the fate of each record told.

use std::cell::Cell;
use std::mem::ManuallyDrop;
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

thread_local! {
    /// Whether this thread, one of a producer's own, is telling what became of a record.
    static TELLING: Cell<bool> = const { Cell::new(false) };
}

/// An idempotent producer shared by threads.
pub(super) struct KafkaProducer {
    /// `None` only while it is being dropped.
    producer: Option<Polled<WrittenContext>>,
    names: Arc<Names>,
}

impl KafkaProducer {
    pub(super) fn new(config: &KafkaConfig, names: &Arc<Names>) -> Result<Self, LogError> {
        let config = config.client(&Client::Producer(false));
        let producer = Polled::new(&config, WrittenContext::default())
            .map_err(|error| failure::sort("making a producer", &error))?;
        Ok(Self {
            producer: Some(producer),
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
        let Some(producer) = &self.producer else {
            return;
        };
        if let Err((error, back)) = producer.send::<[u8], [u8]>(outgoing) {
            let why = failure::sort(&format!("writing to {}", record.to), &error);
            call(&back.delivery_opaque, Err(why));
        }
    }
}

impl Drop for KafkaProducer {
    /// What is still queued is written, if the brokers answer; the rest is told that it was not.
    ///
    /// Whoever is told of a record may hold the last handle of its producer. Closing waits for the
    /// producer's thread, which is the one that tells: then another thread must do it.
    fn drop(&mut self) {
        let Some(producer) = self.producer.take() else {
            return;
        };
        if !TELLING.get() {
            return close(producer);
        }
        // Kept from being dropped here even if there is no thread to be had.
        let aside = ManuallyDrop::new(producer);
        let closing = std::thread::Builder::new()
            .name("kafka-close".to_owned())
            .spawn(move || close(ManuallyDrop::into_inner(aside)));
        if let Err(error) = closing {
            tracing::warn!(%error, "no thread to close a producer on; it stays open");
        }
    }
}

fn close(producer: Polled<WrittenContext>) {
    if let Err(error) = producer.flush(CLOSE_LIMIT) {
        tracing::warn!(%error, "records were not written before their producer was closed");
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
        TELLING.set(true);
        call(&tell, fate);
        TELLING.set(false);
    }
}

/// Tells once. The mutex is there because the client library wants to share what only it holds.
fn call(tell: &Mutex<Option<Written>>, fate: Result<i64, LogError>) {
    let written = tell.lock().unwrap_or_else(PoisonError::into_inner).take();
    if let Some(written) = written {
        written(fate);
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc::channel;

    use rdkafka::mocking::MockCluster;
    use schemas::{Shard, Topic};

    use super::*;
    use crate::record::TopicPartition;

    #[test]
    fn who_is_told_of_a_record_may_drop_the_last_handle_of_its_producer() {
        let cluster = MockCluster::new(1).unwrap();
        cluster.create_topic("tidewheel.owners", 1, 1).unwrap();
        let config = KafkaConfig {
            bootstrap: cluster.bootstrap_servers(),
            ..KafkaConfig::default()
        };
        let names = Arc::new(Names::new(&config));
        let last = Arc::new(Mutex::new(None));
        let producer = Arc::new(KafkaProducer::new(&config, &names).unwrap());
        let (tell, told) = channel();
        let record = Outgoing {
            to: TopicPartition::new(Topic::Owners, Shard(0)),
            key: None,
            value: None,
            headers: Vec::new(),
        };
        let holder = Arc::clone(&last);
        // It is not told before the handle is where it looks for it.
        let held = last.lock().unwrap();
        producer.send(
            record,
            Box::new(move |written| {
                drop(holder.lock().unwrap().take());
                tell.send(written).unwrap();
            }),
        );
        let mut held = held;
        *held = Some(producer);
        drop(held);
        let written = told.recv_timeout(Duration::from_secs(60)).unwrap();
        assert_eq!(written, Ok(0));
    }
}
