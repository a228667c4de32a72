//! One transactional producer: a turn from its begin to the brokers' word.

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::sync::mpsc::sync_channel;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use rdkafka::ClientContext;
use rdkafka::config::RDKafkaLogLevel;
use rdkafka::error::{KafkaError, RDKafkaErrorCode as Code};
use rdkafka::message::{DeliveryResult, Message};
use rdkafka::producer::{Producer, ProducerContext};
use rdkafka::topic_partition_list::TopicPartitionList;

use schemas::Topic;

use super::{SLOW, Turn};
use crate::error::LogError;
use crate::kafka::clients::Client;
use crate::kafka::config::KafkaConfig;
use crate::kafka::connect::connect;
use crate::kafka::context::{self, Trouble};
use crate::kafka::failure;
use crate::kafka::ffi::{self, GroupMetadata, LogQueue, ProducerTopic, TransactionError};
use crate::kafka::names::Names;
use crate::kafka::offsets;
use crate::kafka::polled::Polled;
use crate::record::Outgoing;

/// Wait when the producer's queue is full: its threads empty it meanwhile.
const FULL_WAIT: Duration = Duration::from_millis(1);

/// A transactional producer, ready to begin.
pub(super) struct Transactional {
    /// Before the producer: dropped before it.
    logs: LogQueue,
    /// As `logs`; those written to so far.
    topics: BTreeMap<Topic, ProducerTopic>,
    producer: Arc<Polled<TransactionalContext>>,
    /// Why never to begin with it again.
    spoilt: Option<Spoilt>,
}

/// Why a producer must be made anew before the next turn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Spoilt {
    /// It may have an EndTxn on its way.
    SentTwice,
    /// The brokers refuse it for good, and took nothing of what it sent: another has its place.
    Fenced,
    /// librdkafka did not come back from a call.
    Stuck,
}

impl Transactional {
    /// Ends what a predecessor under the same `id` left undecided. `topic` is one that exists.
    pub(super) fn new(
        config: &KafkaConfig,
        id: &str,
        topic: &str,
        limit: Duration,
    ) -> Result<Self, LogError> {
        let doing = format!("starting the transactional id `{id}`");
        let config = config.client(&Client::Transactional(id));
        let producer = Polled::new(&config, TransactionalContext::default())
            .map_err(|error| failure::sort(&doing, &error))?;
        let logs = LogQueue::redirect(producer.client().native_client())
            .ok_or_else(|| LogError::Fatal(format!("{doing}: no log queue")))?;
        let started = Self {
            logs,
            topics: BTreeMap::new(),
            producer: Arc::new(producer),
            spoilt: None,
        };
        // Without a connection the transactional id would be asked for again only after half a second.
        // Twice: the first answer names the brokers, and then the connection that brought it is closed.
        let trouble = &started.producer.context().trouble;
        let hopeless = || trouble.advice().is_some();
        let client = started.producer.client();
        let connected = connect(client, Some(topic), limit, hopeless)
            .and_then(|_| connect(client, Some(topic), limit, hopeless));
        if let Err(error) = connected {
            let last = trouble
                .last()
                .map_or_else(|| error.to_string(), |(_, text)| text);
            return Err(match trouble.advice() {
                Some(code) => failure::by_code(&format!("{doing}: {last}"), code),
                None => LogError::Retry(format!("{doing}: no broker answers: {last}")),
            });
        }
        let result = started.producer.init_transactions(limit);
        started.drain_logs();
        result.map_err(|error| match error {
            KafkaError::Transaction(cause) => {
                started.explain(&doing, cause.code(), &cause.string())
            }
            other => failure::sort(&doing, &other),
        })?;
        Ok(started)
    }

    /// Why it must be made anew, if it must.
    pub(super) fn spoilt(&self) -> Option<Spoilt> {
        self.spoilt
    }

    /// Writes what it logged while idle into our own log.
    pub(super) fn idle(&self) {
        self.drain_logs();
    }

    /// The whole turn, until the brokers confirmed it.
    pub(super) fn write(
        &mut self,
        names: &Names,
        turn: Turn,
        limit: Duration,
    ) -> Result<(), LogError> {
        // Before anything is written: what is undecided holds up every reader of it.
        let (fate, count) = &turn.outside;
        fate.wait(*count, limit)?;
        self.producer
            .begin_transaction()
            .map_err(|error| self.failed("beginning a turn", &error))?;
        for record in &turn.records {
            self.send(names, record, limit)?;
        }
        let list = offsets::position_list(names, &turn.positions)?;
        self.set_positions(list, turn.metadata, limit)?;
        self.end(limit)
    }

    /// librdkafka keeps no limit here: it waits for an answer of its own threads, and where a coordinator was
    /// lost at the wrong moment that never comes. So it waits on a thread that can be left to itself, with
    /// the producer; a successor under the same id fences it off.
    fn set_positions(
        &mut self,
        list: TopicPartitionList,
        metadata: Arc<GroupMetadata>,
        limit: Duration,
    ) -> Result<(), LogError> {
        let doing = "setting positions";
        let producer = Arc::clone(&self.producer);
        let result = within(limit, move || {
            let client = producer.client().native_client();
            ffi::send_offsets(client, &list, &metadata, millis(limit))
        });
        let Some(result) = result else {
            self.spoilt = Some(Spoilt::Stuck);
            let seconds = limit.as_secs();
            return Err(LogError::Aborted(format!(
                "{doing}: the client library did not come back within {seconds} s"
            )));
        };
        result.map_err(|error| self.refused(doing, &error))
    }

    /// Commits, and sees how that went.
    fn end(&mut self, limit: Duration) -> Result<(), LogError> {
        self.drain_logs();
        let begun = Instant::now();
        let client = self.producer.client().native_client();
        let result = ffi::commit_transaction(client, millis(limit));
        let answers = self.drain_logs();
        let fenced = result.as_ref().is_err_and(|error| is_fenced(error.code));
        if fenced && answers.count <= 1 {
            self.spoilt = Some(Spoilt::Fenced);
        } else if result.is_err() || !answers.is_one_success() || begun.elapsed() > SLOW {
            self.spoilt = Some(Spoilt::SentTwice);
        }
        result.map_err(|error| self.refused("committing", &error))
    }

    fn send(&mut self, names: &Names, record: &Outgoing, limit: Duration) -> Result<(), LogError> {
        let partition = i32::from(record.to.shard.0);
        let (key, value) = (record.key.as_deref(), record.value.as_deref());
        let client = self.producer.client().native_client();
        let topic = match self.topics.entry(record.to.topic) {
            Entry::Occupied(known) => known.into_mut(),
            Entry::Vacant(place) => {
                let name = names.c_string(record.to.topic);
                let topic = ProducerTopic::open(client, &name);
                let none = || LogError::Aborted(format!("writing to {}: no topic", record.to));
                place.insert(topic.ok_or_else(none)?)
            }
        };
        let begun = Instant::now();
        loop {
            let sent = if record.headers.is_empty() {
                topic.send(partition, key, value)
            } else {
                topic.send_with(client, partition, key, value, &record.headers)
            };
            match sent {
                Ok(()) => return Ok(()),
                Err(Code::QueueFull) if begun.elapsed() < limit => std::thread::sleep(FULL_WAIT),
                Err(code) => {
                    let error = KafkaError::MessageProduction(code);
                    return Err(self.failed(&format!("writing to {}", record.to), &error));
                }
            }
        }
    }

    /// Ends the open transaction without effect; if that does not work soon, its successor will do it.
    pub(super) fn abort(&mut self) {
        if self.spoilt.is_some() {
            return;
        }
        self.drain_logs();
        let begun = Instant::now();
        let result = self.producer.abort_transaction(SLOW);
        let answers = self.drain_logs();
        // Without any partition nothing had to be sent.
        let clean = answers.count == 0 || answers.is_one_success();
        if let Err(error) = &result {
            tracing::debug!(%error, "a turn could not be aborted; its producer is made anew");
        }
        let code = result
            .as_ref()
            .err()
            .and_then(KafkaError::rdkafka_error_code);
        if code.is_some_and(is_fenced) && answers.count <= 1 {
            self.spoilt = Some(Spoilt::Fenced);
        } else if result.is_err() || !clean || begun.elapsed() > SLOW {
            self.spoilt = Some(Spoilt::SentTwice);
        }
    }

    /// Writes what the producer logged into our own log; returns how its EndTxn requests went.
    fn drain_logs(&self) -> Answers {
        let mut answers = Answers::default();
        self.logs.drain(|level, facility, text| {
            answers.note(facility, text);
            context::log(level, facility, text);
        });
        answers
    }

    fn refused(&self, doing: &str, error: &TransactionError) -> LogError {
        if error.fatal {
            tracing::debug!(
                doing,
                text = error.text,
                "the transactional producer is done for"
            );
        }
        self.explain(doing, error.code, &error.text)
    }

    fn failed(&self, doing: &str, error: &KafkaError) -> LogError {
        match error {
            KafkaError::Transaction(cause) => self.explain(doing, cause.code(), &cause.string()),
            _ => match failure::sort(doing, error) {
                config @ LogError::Config(_) => config,
                other => LogError::Aborted(other.to_string()),
            },
        }
    }

    /// A turn that failed is void or in doubt, whatever the reason, unless a person must act, or a
    /// successor under the same name began: then this connection is over, because a producer made
    /// anew would fence the successor off.
    fn explain(&self, doing: &str, code: Code, text: &str) -> LogError {
        let lost = self
            .producer
            .context()
            .lost
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take();
        let (code, text) = match lost {
            Some((code, what)) => (code, format!("{text}; {what}")),
            None => (code, text.to_owned()),
        };
        match failure::advice(code) {
            Some(advice) => LogError::Config(format!("{doing}: {text} ({advice})")),
            None if is_fenced(code) => {
                LogError::Fatal(format!("{doing}: {text} ({})", failure::TAKEN_OVER))
            }
            None => LogError::Aborted(format!("{doing}: {text}")),
        }
    }
}

/// What `call` gives, if it comes back in time. All that it holds is gone by then.
fn within<T: Send + 'static>(
    limit: Duration,
    call: impl FnOnce() -> T + Send + 'static,
) -> Option<T> {
    let (done, result) = sync_channel(1);
    std::thread::Builder::new()
        .name("kafka-positions".to_owned())
        // Nobody listens any more if it took too long.
        .spawn(move || done.send(call()).ok())
        .ok()?;
    result.recv_timeout(limit).ok()
}

/// How the EndTxn requests of one call were answered.
#[derive(Debug, Default)]
struct Answers {
    count: usize,
    failed: bool,
}

impl Answers {
    fn note(&mut self, facility: &str, text: &str) {
        if facility == "ENDTXN" && text.contains("EndTxn returned") {
            self.count += 1;
            self.failed |= !text.contains("EndTxn returned NO_ERROR");
        }
    }

    fn is_one_success(&self) -> bool {
        self.count == 1 && !self.failed
    }
}

/// Keeps why the last record was not delivered: the commit only says that one was not.
#[derive(Default)]
struct TransactionalContext {
    lost: Mutex<Option<(Code, String)>>,
    trouble: Trouble,
}

impl ClientContext for TransactionalContext {
    fn log(&self, level: RDKafkaLogLevel, facility: &str, text: &str) {
        context::log(level as i32, facility, text);
    }

    fn error(&self, error: KafkaError, reason: &str) {
        context::note_error(&self.trouble, &error, reason);
    }
}

impl ProducerContext for TransactionalContext {
    type DeliveryOpaque = ();

    fn delivery(&self, result: &DeliveryResult<'_>, (): ()) {
        if let Err((error, record)) = result
            && let Some(code) = error.rdkafka_error_code()
            // Those are thrown out of the queue by an abort.
            && !matches!(code, Code::PurgeQueue | Code::PurgeInflight)
        {
            let (topic, partition) = (record.topic(), record.partition());
            let what = format!("a record for {topic}/{partition} was not written: {error}");
            *self.lost.lock().unwrap_or_else(PoisonError::into_inner) = Some((code, what));
        }
    }
}

/// Whether a successor under the same name began.
fn is_fenced(code: Code) -> bool {
    matches!(code, Code::Fenced | Code::FencedInstanceId)
}

fn millis(limit: Duration) -> i32 {
    i32::try_from(limit.as_millis()).unwrap_or(i32::MAX)
}
