//! A producer whose events are served by a thread of its own.
//!
//! The client library has one of these; its thread spins through the last millisecond of every tenth of
//! a second, a hundredth of a core for each producer that does nothing.

use std::ops::Deref;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use rdkafka::ClientConfig;
use rdkafka::error::{KafkaError, KafkaResult};
use rdkafka::producer::{BaseProducer, ProducerContext};

/// One round of serving; also how soon closing is noticed.
const ROUND: Duration = Duration::from_millis(500);

/// Acts as the [`BaseProducer`] it holds.
pub(super) struct Polled<C: ProducerContext + 'static> {
    producer: Arc<BaseProducer<C>>,
    closing: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl<C: ProducerContext + 'static> Polled<C> {
    pub(super) fn new(config: &ClientConfig, context: C) -> KafkaResult<Self> {
        let producer: BaseProducer<C> = config.create_with_context(context)?;
        let producer = Arc::new(producer);
        let closing = Arc::new(AtomicBool::new(false));
        let (served, told) = (Arc::clone(&producer), Arc::clone(&closing));
        let thread = std::thread::Builder::new()
            .name("kafka-events".to_owned())
            .spawn(move || {
                while !told.load(Ordering::Relaxed) {
                    served.poll(ROUND);
                }
            })
            .map_err(|error| KafkaError::ClientCreation(error.to_string()))?;
        Ok(Self {
            producer,
            closing,
            thread: Some(thread),
        })
    }
}

impl<C: ProducerContext + 'static> Deref for Polled<C> {
    type Target = BaseProducer<C>;

    fn deref(&self) -> &BaseProducer<C> {
        &self.producer
    }
}

impl<C: ProducerContext + 'static> Drop for Polled<C> {
    fn drop(&mut self) {
        self.closing.store(true, Ordering::Relaxed);
        let ended = self.thread.take().map(JoinHandle::join);
        if ended.is_some_and(|ended| ended.is_err()) {
            tracing::error!("the thread that serves a producer's events panicked");
        }
    }
}
