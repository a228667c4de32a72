//! Reading assigned partitions: one consumer, a queue per partition.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use rdkafka::TopicPartitionList;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::{KafkaError, RDKafkaErrorCode as Code};
use rdkafka::topic_partition_list::Offset;
use schemas::Role;

use super::clients::Client;
use super::config::KafkaConfig;
use super::context::{Quiet, Trouble};
use super::failure;
use super::ffi::{PartitionQueue, Taken};
use super::names::Names;
use super::signal::{Ready, Signal};
use crate::error::LogError;
use crate::log::LogEvent;
use crate::record::{Record, TopicPartition};

/// Most records of one partition handed out by one poll, so that one flooded partition does not keep
/// the others waiting.
const PARTITION_SHARE: usize = 1_024;
/// Most records handed out by one poll: what is due meanwhile waits until they are worked off.
const POLL_SHARE: usize = 2_048;
/// Events served at once from the consumer's own queue; there are few.
const EVENTS_SHARE: u32 = 16;

/// The partitions one worker reads.
pub(super) struct Reading {
    consumer: Arc<BaseConsumer<Quiet>>,
    names: Arc<Names>,
    signal: Arc<Signal>,
    /// Set when the consumer has something to say beside records.
    ready: Arc<Ready>,
    sources: BTreeMap<TopicPartition, Source>,
    /// Where the next poll begins, so that nobody is always last.
    next: Option<TopicPartition>,
}

struct Source {
    queue: PartitionQueue<Quiet>,
    start: i64,
    position: i64,
}

impl Reading {
    /// Reads nothing at first. With a role it may be asked for the group's positions.
    pub(super) fn new(
        config: &KafkaConfig,
        role: Option<Role>,
        names: &Arc<Names>,
        signal: &Arc<Signal>,
    ) -> Result<Self, LogError> {
        let mut consumer: BaseConsumer<Quiet> = config
            .client(&Client::Reader(role))
            .create_with_context(Quiet::default())
            .map_err(|error| failure::sort("making a consumer", &error))?;
        let ready = Ready::new(signal);
        let set = Arc::clone(&ready);
        consumer.set_nonempty_callback(move || set.set());
        Ok(Self {
            consumer: Arc::new(consumer),
            names: Arc::clone(names),
            signal: Arc::clone(signal),
            ready,
            sources: BTreeMap::new(),
            next: None,
        })
    }

    pub(super) fn consumer(&self) -> &Arc<BaseConsumer<Quiet>> {
        &self.consumer
    }

    pub(super) fn trouble(&self) -> Trouble {
        self.consumer.context().trouble.clone()
    }

    /// Reads `from` from `offset` on, in place of where it was read before.
    pub(super) fn read(&mut self, from: TopicPartition, offset: i64) -> Result<(), LogError> {
        self.stop(from)?;
        let doing = || format!("reading {from} from {offset}");
        if offset < 0 {
            return Err(LogError::Fatal(format!(
                "{}: there is no such offset",
                doing()
            )));
        }
        let partition = i32::from(from.shard.0);
        let topic = self.names.c_string(from.topic);
        let ready = Ready::new(&self.signal);
        let queue = PartitionQueue::split(&self.consumer, &topic, partition, ready);
        let queue = queue.ok_or_else(|| LogError::Fatal(format!("{}: no queue", doing())))?;
        let list = self.list(from, Offset::Offset(offset), &doing())?;
        self.consumer
            .incremental_assign(&list)
            .map_err(|error| unusable(&doing(), &error))?;
        let source = Source {
            queue,
            start: offset,
            position: offset,
        };
        self.sources.insert(from, source);
        Ok(())
    }

    /// Stops reading `from`, if it is read.
    pub(super) fn stop(&mut self, from: TopicPartition) -> Result<(), LogError> {
        let Some(mut source) = self.sources.remove(&from) else {
            return Ok(());
        };
        let doing = format!("stopping to read {from}");
        let list = self.list(from, Offset::Invalid, &doing)?;
        self.consumer
            .incremental_unassign(&list)
            .map_err(|error| unusable(&doing, &error))?;
        // What was fetched ahead is out of date now and dropped by being asked for.
        while source.queue.take(PARTITION_SHARE, |_| {}) {}
        Ok(())
    }

    /// Serves what the consumer has to say beside records: logs and errors, to its context.
    pub(super) fn serve(&self) {
        if self.ready.take() {
            for _ in 0..EVENTS_SHARE {
                drop(self.consumer.poll(Duration::ZERO));
            }
        }
    }

    /// Appends what has come of each partition, `appetite` at most, without waiting.
    pub(super) fn take(
        &mut self,
        appetite: &mut dyn FnMut(TopicPartition) -> usize,
        events: &mut Vec<LogEvent>,
    ) -> Result<(), LogError> {
        let mut left = POLL_SHARE;
        let mut failure = None;
        let start = self.next.take();
        let split = |from: &TopicPartition| start.is_none_or(|start| *from >= start);
        let order: Vec<TopicPartition> = self
            .sources
            .keys()
            .filter(|from| split(from))
            .chain(self.sources.keys().filter(|from| !split(from)))
            .copied()
            .collect();
        for from in order {
            let Some(source) = self.sources.get_mut(&from) else {
                continue;
            };
            if !source.queue.is_ready() {
                continue;
            }
            let most = appetite(from).min(PARTITION_SHARE).min(left);
            if most == 0 {
                source.queue.keep_ready();
                if left == 0 && self.next.is_none() {
                    self.next = Some(from);
                }
                continue;
            }
            match source.take(from, most, events) {
                Ok(taken) => left -= taken.min(left),
                Err(error) => failure = Some(error),
            }
        }
        failure.map_or(Ok(()), Err)
    }

    fn list(
        &self,
        of: TopicPartition,
        offset: Offset,
        doing: &str,
    ) -> Result<TopicPartitionList, LogError> {
        let mut list = TopicPartitionList::with_capacity(1);
        list.add_partition_offset(&self.names.of(of.topic), i32::from(of.shard.0), offset)
            .map_err(|error| unusable(doing, &error))?;
        Ok(list)
    }
}

impl Source {
    fn take(
        &mut self,
        from: TopicPartition,
        most: usize,
        events: &mut Vec<LogEvent>,
    ) -> Result<usize, LogError> {
        let before = self.position;
        let start = self.start;
        let mut position = self.position;
        let mut records: Vec<Record> = Vec::new();
        let mut failed = None;
        let mut count = 0;
        let more = self.queue.take(most, |taken| {
            count += 1;
            match taken {
                Taken::Record(record) if record.offset >= start => {
                    position = position.max(record.offset + 1);
                    records.push(record);
                }
                Taken::Record(_) => {}
                Taken::End(offset) => position = position.max(offset),
                Taken::Error(code) => failed = Some(code),
            }
        });
        if more {
            self.queue.keep_ready();
        }
        self.position = position;
        if position > before {
            events.push(LogEvent::Batch {
                from,
                records,
                position,
            });
        }
        failed
            .and_then(|code| broken(from, position, code))
            .map_or(Ok(count), Err)
    }
}

/// Why `from` cannot be read on, if it cannot.
fn broken(from: TopicPartition, position: i64, code: Code) -> Option<LogError> {
    let doing = format!("reading {from} at {position}");
    match code {
        Code::AutoOffsetReset | Code::OffsetOutOfRange => Some(LogError::Fatal(format!(
            "{doing}: there is no such offset any more; records that were never read are gone, \
             or the topic was made anew"
        ))),
        code if failure::advice(code).is_some() => Some(failure::by_code(&doing, code)),
        // What a broker answers is asked again by librdkafka. Its own errors are about records that
        // it could not decode and would pass over.
        code if code as i32 > 0 => {
            tracing::warn!(%from, position, %code, "a fetch was refused; trying again");
            None
        }
        code => Some(LogError::Fatal(format!("{doing}: {code}"))),
    }
}

/// An assignment that librdkafka refuses leaves no way to go on but a new connection.
fn unusable(doing: &str, error: &KafkaError) -> LogError {
    LogError::Fatal(format!("{doing}: {error}"))
}
