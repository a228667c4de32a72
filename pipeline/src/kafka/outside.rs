//! Records outside of transactions that the next commit waits for.

use std::collections::BTreeSet;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use rdkafka::ClientContext;
use rdkafka::config::RDKafkaLogLevel;
use rdkafka::error::KafkaError;
use rdkafka::message::DeliveryResult;
use rdkafka::producer::{BaseRecord, ProducerContext};

use super::clients::Client;
use super::config::KafkaConfig;
use super::context::{self, Trouble};
use super::failure;
use super::names::Names;
use super::polled::Polled;
use super::writing::{drop_aside, headers_of};
use crate::error::LogError;
use crate::record::Outgoing;

/// The producer, made when first needed, and the fate of what it was given.
pub(super) struct Outside {
    config: KafkaConfig,
    names: Arc<Names>,
    fate: Arc<Fate>,
    producer: Option<Polled<OutsideContext>>,
}

/// What became of the records. Shared with the commit thread.
#[derive(Default)]
pub(super) struct Fate {
    state: Mutex<FateState>,
    told: Condvar,
}

#[derive(Default)]
struct FateState {
    /// Given to the producer so far.
    sent: usize,
    /// Not yet acknowledged, by their number.
    open: BTreeSet<usize>,
    /// Why one was not written. Stays until the worker has dropped what it built on it.
    failed: Option<String>,
}

impl Outside {
    pub(super) fn new(config: &KafkaConfig, names: &Arc<Names>) -> Self {
        Self {
            config: config.clone(),
            names: Arc::clone(names),
            fate: Arc::default(),
            producer: None,
        }
    }

    pub(super) fn fate(&self) -> Arc<Fate> {
        Arc::clone(&self.fate)
    }

    pub(super) fn send(&mut self, record: &Outgoing) -> Result<(), LogError> {
        let producer = match self.producer.take() {
            Some(producer) => self.producer.insert(producer),
            None => {
                let made = self.make()?;
                self.producer.insert(made)
            }
        };
        let number = self.fate.begin()?;
        let topic = self.names.of(record.to.topic);
        let mut outgoing =
            BaseRecord::with_opaque_to(&topic, number).partition(i32::from(record.to.shard.0));
        outgoing.key = record.key.as_deref();
        outgoing.payload = record.value.as_deref();
        outgoing.headers = headers_of(record);
        if let Err((error, _)) = producer.send::<[u8], [u8]>(outgoing) {
            let why = format!("writing to {} outside of the turn: {error}", record.to);
            self.fate.end(number, Some(why.clone()));
            return Err(LogError::Aborted(why));
        }
        Ok(())
    }

    /// Forgets a failure, together with its producer: the worker has dropped what it built on it.
    pub(super) fn reset(&mut self) {
        let failed = self.fate.lock().failed.is_some();
        if failed {
            self.fate = Arc::default();
            drop_aside(self.producer.take());
        }
    }

    pub(super) fn into_producer(self) -> Option<Polled<OutsideContext>> {
        self.producer
    }

    fn make(&self) -> Result<Polled<OutsideContext>, LogError> {
        let context = OutsideContext {
            fate: Arc::clone(&self.fate),
            trouble: Trouble::default(),
        };
        Polled::new(&self.config.client(&Client::Producer(true)), context)
            .map_err(|error| failure::sort("making a producer", &error))
    }
}

impl Fate {
    fn begin(&self) -> Result<usize, LogError> {
        let mut state = self.lock();
        if let Some(why) = &state.failed {
            return Err(LogError::Aborted(why.clone()));
        }
        state.sent += 1;
        let number = state.sent;
        state.open.insert(number);
        Ok(number)
    }

    fn end(&self, number: usize, failed: Option<String>) {
        let mut state = self.lock();
        state.open.remove(&number);
        if let Some(why) = failed {
            state.failed.get_or_insert(why);
        }
        drop(state);
        self.told.notify_all();
    }

    /// How many were given to the producer so far.
    pub(super) fn sent(&self) -> usize {
        self.lock().sent
    }

    /// Waits until the first `count` are durable.
    pub(super) fn wait(&self, count: usize, limit: Duration) -> Result<(), LogError> {
        let waiting = |state: &mut FateState| {
            state.failed.is_none() && state.open.first().is_some_and(|first| *first <= count)
        };
        let (mut state, waited) = self
            .told
            .wait_timeout_while(self.lock(), limit, waiting)
            .unwrap_or_else(PoisonError::into_inner);
        if waited.timed_out() {
            let why = "records outside of the turn were not acknowledged in time".to_owned();
            state.failed.get_or_insert(why);
        }
        match &state.failed {
            Some(why) => Err(LogError::Aborted(why.clone())),
            None => Ok(()),
        }
    }

    fn lock(&self) -> MutexGuard<'_, FateState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Takes the delivery reports.
pub(super) struct OutsideContext {
    fate: Arc<Fate>,
    trouble: Trouble,
}

impl ClientContext for OutsideContext {
    fn log(&self, level: RDKafkaLogLevel, facility: &str, text: &str) {
        context::log(level as i32, facility, text);
    }

    fn error(&self, error: KafkaError, reason: &str) {
        context::note_error(&self.trouble, &error, reason);
    }
}

impl ProducerContext for OutsideContext {
    type DeliveryOpaque = usize;

    fn delivery(&self, result: &DeliveryResult<'_>, number: usize) {
        let failed = result
            .as_ref()
            .err()
            .map(|(error, _)| format!("a record outside of the turn was not written: {error}"));
        self.fate.end(number, failed);
    }
}
