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

mod transactional;

use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::thread::JoinHandle;
use std::time::Duration;

use schemas::Topic;

use super::config::KafkaConfig;
use super::ffi::GroupMetadata;
use super::names::Names;
use super::outside::Fate;
use super::shared::Shared;
use super::writing::drop_aside;
use crate::error::LogError;
use crate::log::LogEvent;
use crate::metrics;
use crate::record::{Outgoing, Position, TopicPartition};
use transactional::{Spoilt, Transactional};

/// What ends a transaction and took longer may have been sent twice.
const SLOW: Duration = Duration::from_secs(2);
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
                    let result = self.turn(turn);
                    if let LogEvent::Failed(error @ LogError::Fatal(_)) = &result {
                        shared.fail(error.clone());
                    }
                    shared.end(result);
                    self.prepare_early(shared);
                }
                Err(RecvTimeoutError::Timeout) => {
                    if let Some(producer) = &self.producer {
                        producer.idle();
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
            match producer.spoilt() {
                Some(why) => {
                    say(why);
                    drop_aside(Some(producer));
                }
                None => self.producer = Some(producer),
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
        if self.producer.is_some() || shared.is_over() {
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

fn say(why: Spoilt) {
    if why != Spoilt::Fenced {
        ::metrics::counter!(metrics::PRODUCERS_REBUILT).increment(1);
    }
    let text = match why {
        Spoilt::SentTwice => {
            "the end of a transaction may have been sent twice; making its producer anew"
        }
        Spoilt::Fenced => "a transactional producer was fenced off: another took its name",
        Spoilt::Stuck => {
            "a transactional producer does not come back from a call; it is left to itself and made anew"
        }
    };
    tracing::info!("{text}");
}
