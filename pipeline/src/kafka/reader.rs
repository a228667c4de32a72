//! [`Reader`] over Kafka.

use std::sync::Arc;
use std::time::Duration;

use super::config::KafkaConfig;
use super::names::Names;
use super::offsets::Query;
use super::reading::Reading;
use super::signal::Signal;
use crate::error::LogError;
use crate::log::{LogEvent, Reader};
use crate::record::TopicPartition;

/// Reads without being anybody's member.
pub(super) struct KafkaReader {
    names: Arc<Names>,
    query: Arc<Query>,
    signal: Arc<Signal>,
    reading: Reading,
}

impl KafkaReader {
    pub(super) fn new(
        config: &KafkaConfig,
        names: &Arc<Names>,
        query: Arc<Query>,
    ) -> Result<Self, LogError> {
        let signal = Arc::new(Signal::default());
        Ok(Self {
            names: Arc::clone(names),
            query,
            reading: Reading::new(config, None, names, &signal)?,
            signal,
        })
    }

    fn gather(&mut self, events: &mut Vec<LogEvent>) -> Result<(), LogError> {
        self.reading.serve();
        self.reading.take(&mut |_| usize::MAX, events)
    }
}

impl Reader for KafkaReader {
    fn read(&mut self, from: TopicPartition, offset: i64) -> Result<(), LogError> {
        self.reading.read(from, offset)
    }

    fn poll(&mut self, wait: Duration, events: &mut Vec<LogEvent>) -> Result<(), LogError> {
        let before = events.len();
        self.gather(events)?;
        if events.len() > before || wait.is_zero() {
            return Ok(());
        }
        self.signal.wait(wait);
        self.gather(events)
    }

    fn ends(&mut self, of: &[TopicPartition]) -> Result<Vec<(i64, i64)>, LogError> {
        self.query.ends(&self.names, of)
    }
}
