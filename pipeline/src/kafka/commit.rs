//! Turns: one transaction at a time, on a thread of its own.
//!
//! A turn is one attempt: records, positions, commit. What goes wrong voids it; nothing is retried
//! here but by librdkafka itself, because the worker rebuilds from the last commit anyway.
//!
//! librdkafka speaks the first transaction protocol, in which the request that ends a transaction
//! (EndTxn) carries no number of its own: one that was sent twice may arrive late and end the *next*
//! transaction. A producer that may have sent one twice is therefore replaced before the next turn; its
//! successor's `init_transactions` raises the epoch, and what is late is refused. How it is known:
//! librdkafka retries EndTxn only from the function that handles its answer
//! (`rd_kafka_txn_handle_EndTxn`; broken connections and timeouts call it too), which logs one line
//! "EndTxn returned … " with `debug=eos`, before it either retries or hands out the result, all on one
//! thread. So by the time the commit returns, the client's log queue holds one line per answer: exactly
//! one without an error means that it was sent once. Beside that, a commit that failed or took over
//! [`SLOW`] counts as suspect.

#[cfg(test)]
mod tests;

use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use rdkafka::ClientContext;
use rdkafka::config::RDKafkaLogLevel;
use rdkafka::error::{KafkaError, RDKafkaErrorCode as Code};
use rdkafka::message::{DeliveryResult, Message};
use rdkafka::producer::{BaseRecord, Producer, ProducerContext, ThreadedProducer};

use schemas::Topic;

use super::config::{Client, KafkaConfig};
use super::connect::connect;
use super::context::{self, Trouble};
use super::failure;
use super::ffi::{self, GroupMetadata, LogQueue, TransactionError};
use super::names::Names;
use super::offsets;
use super::outside::Fate;
use super::shared::Shared;
use super::writing::{drop_aside, headers_of};
use crate::error::LogError;
use crate::log::LogEvent;
use crate::metrics;
use crate::record::{Outgoing, Position, TopicPartition};

/// What ends a transaction and took longer may have been sent twice.
const SLOW: Duration = Duration::from_secs(2);
/// Wait when the producer's queue is full: its threads empty it meanwhile.
const FULL_WAIT: Duration = Duration::from_millis(1);
/// How often what an idle producer logged is looked at.
const IDLE: Duration = Duration::from_secs(1);
/// Beyond the transaction's timeout, for the answer to arrive.
const GRACE: Duration = Duration::from_secs(5);

/// One transaction to be made.
pub(super) struct Turn {
    pub(super) records: Vec<Outgoing>,
    pub(super) positions: Vec<(TopicPartition, Position)>,
    /// What proves this worker's ownership, as captured at assign.
    pub(super) metadata: Arc<GroupMetadata>,
    /// Monotonic ms of the call: the proving request is sent after it.
    pub(super) proven_at: u64,
    /// So many records outside of the transaction must be durable first.
    pub(super) outside: (Arc<Fate>, usize),
}

/// The commit thread of one worker.
pub(super) struct Committer {
    turns: Sender<Turn>,
    thread: JoinHandle<()>,
}

impl Committer {
    pub(super) fn start(
        config: &KafkaConfig,
        transactional_id: String,
        names: &Arc<Names>,
        shared: &Arc<Shared>,
    ) -> Result<Self, LogError> {
        let (turns, inbox) = channel();
        let writer = Writer {
            limit: Duration::from_millis(config.transaction_timeout_ms) + GRACE,
            config: config.clone(),
            transactional_id,
            names: Arc::clone(names),
            producer: None,
        };
        let shared = Arc::clone(shared);
        let thread = std::thread::Builder::new()
            .name("kafka-commit".to_owned())
            .spawn(move || writer.run(&inbox, &shared))
            .map_err(|error| LogError::Retry(format!("starting a thread: {error}")))?;
        Ok(Self { turns, thread })
    }

    /// Hands a turn over; its result comes by [`Shared::end`].
    pub(super) fn send(&self, turn: Turn) -> Result<(), LogError> {
        self.turns
            .send(turn)
            .map_err(|_| LogError::Fatal("the commit thread is gone".to_owned()))
    }

    /// Ends after the turn on its way, and waits for that.
    pub(super) fn join(self) {
        drop(self.turns);
        if self.thread.join().is_err() {
            tracing::error!("the commit thread panicked");
        }
    }
}

struct Writer {
    config: KafkaConfig,
    transactional_id: String,
    names: Arc<Names>,
    limit: Duration,
    producer: Option<Transactional>,
}

impl Writer {
    fn run(mut self, turns: &Receiver<Turn>, shared: &Shared) {
        // At once, so that what a predecessor left undecided is ended before anybody waits for it.
        self.prepare_early(shared);
        loop {
            match turns.recv_timeout(IDLE) {
                Ok(turn) => {
                    shared.end(self.turn(turn));
                    self.prepare_early(shared);
                }
                Err(RecvTimeoutError::Timeout) => {
                    if let Some(producer) = &self.producer {
                        producer.drain_logs();
                    }
                }
                Err(RecvTimeoutError::Disconnected) => return,
            }
        }
    }

    fn turn(&mut self, turn: Turn) -> LogEvent {
        let proven_at = turn.proven_at;
        let result = self.prepare().and_then(|mut producer| {
            let result = producer.write(&self.names, turn, self.limit);
            if result.is_err() {
                producer.abort();
            }
            if producer.suspect {
                metrics_rebuilt();
                drop_aside(Some(producer));
            } else {
                self.producer = Some(producer);
            }
            result
        });
        match result {
            Ok(()) => LogEvent::Committed { proven_at },
            Err(error) => LogEvent::Failed(error),
        }
    }

    /// Makes the producer before it is asked for; a failure is met again by the next turn.
    fn prepare_early(&mut self, shared: &Shared) {
        if self.producer.is_some() || shared.is_closing() {
            return;
        }
        match self.prepare() {
            Ok(producer) => self.producer = Some(producer),
            Err(error) => tracing::warn!(%error, "no transactional producer yet"),
        }
    }

    fn prepare(&mut self) -> Result<Transactional, LogError> {
        match self.producer.take() {
            Some(producer) => Ok(producer),
            None => {
                let topic = self.names.of(Topic::Outcomes);
                Transactional::new(&self.config, &self.transactional_id, &topic, self.limit)
            }
        }
    }
}

fn metrics_rebuilt() {
    ::metrics::counter!(metrics::PRODUCERS_REBUILT).increment(1);
    tracing::info!("the end of a transaction may have been sent twice; making its producer anew");
}

/// A transactional producer, ready to begin.
struct Transactional {
    /// Before the producer: dropped before it.
    logs: LogQueue,
    producer: ThreadedProducer<TransactionalContext>,
    /// It may have an EndTxn on its way; never begin with it again.
    suspect: bool,
}

impl Transactional {
    /// Ends what a predecessor under the same `id` left undecided. `topic` is one that exists.
    fn new(config: &KafkaConfig, id: &str, topic: &str, limit: Duration) -> Result<Self, LogError> {
        let doing = format!("starting the transactional id `{id}`");
        let producer: ThreadedProducer<TransactionalContext> = config
            .client(&Client::Transactional(id))
            .create_with_context(TransactionalContext::default())
            .map_err(|error| failure::sort(&doing, &error))?;
        let logs = LogQueue::redirect(producer.client().native_client())
            .ok_or_else(|| LogError::Fatal(format!("{doing}: no log queue")))?;
        let started = Self {
            logs,
            producer,
            suspect: false,
        };
        // Without a connection the transactional id would be asked for again only after half a second.
        // Twice: the first answer names the brokers, and then the connection that brought it is closed.
        let trouble = &started.producer.context().trouble;
        let hopeless = || trouble.advice().is_some();
        let client = started.producer.client();
        let connected = connect(client, topic, limit, hopeless)
            .and_then(|_| connect(client, topic, limit, hopeless));
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

    /// The whole turn, until the brokers confirmed it.
    fn write(&mut self, names: &Names, turn: Turn, limit: Duration) -> Result<(), LogError> {
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
        let client = self.producer.client().native_client();
        ffi::send_offsets(client, &list, &turn.metadata, millis(limit))
            .map_err(|error| self.refused("setting positions", &error))?;
        self.end(limit)
    }

    /// Commits, and sees how that went.
    fn end(&mut self, limit: Duration) -> Result<(), LogError> {
        self.drain_logs();
        let begun = Instant::now();
        let client = self.producer.client().native_client();
        let result = ffi::commit_transaction(client, millis(limit));
        let answers = self.drain_logs();
        if result.is_err() || !answers.is_one_success() || begun.elapsed() > SLOW {
            self.suspect = true;
        }
        result.map_err(|error| self.refused("committing", &error))
    }

    fn send(&self, names: &Names, record: &Outgoing, limit: Duration) -> Result<(), LogError> {
        let topic = names.of(record.to.topic);
        let mut outgoing: BaseRecord<'_, [u8], [u8]> =
            BaseRecord::to(&topic).partition(i32::from(record.to.shard.0));
        outgoing.key = record.key.as_deref();
        outgoing.payload = record.value.as_deref();
        outgoing.headers = headers_of(record);
        let begun = Instant::now();
        loop {
            match self.producer.send(outgoing) {
                Ok(()) => return Ok(()),
                Err((KafkaError::MessageProduction(Code::QueueFull), back))
                    if begun.elapsed() < limit =>
                {
                    outgoing = back;
                    std::thread::sleep(FULL_WAIT);
                }
                Err((error, _)) => {
                    return Err(self.failed(&format!("writing to {}", record.to), &error));
                }
            }
        }
    }

    /// Ends the open transaction without effect; if that does not work soon, its successor will do it.
    fn abort(&mut self) {
        if self.suspect {
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
        if result.is_err() || !clean || begun.elapsed() > SLOW {
            self.suspect = true;
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

    /// A turn that failed is void or in doubt, whatever the reason, unless a person must act. Being
    /// fenced off by a successor shows at the membership too, which ends this connection.
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
            None => LogError::Aborted(format!("{doing}: {text}")),
        }
    }
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

fn millis(limit: Duration) -> i32 {
    i32::try_from(limit.as_millis()).unwrap_or(i32::MAX)
}
