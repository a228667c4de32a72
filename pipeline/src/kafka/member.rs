//! [`Log`] over Kafka: one worker as a member of its role's group.

use std::sync::Arc;
use std::sync::mpsc::channel;
use std::time::Duration;

use rdkafka::consumer::Consumer;
use schemas::{Role, Shard};

use super::commit::{Committer, Turn};
use super::config::KafkaConfig;
use super::connect::connect;
use super::failure;
use super::membership::Membership;
use super::names::Names;
use super::offsets::{self, Query};
use super::outside::Outside;
use super::reading::Reading;
use super::shared::Shared;
use crate::error::LogError;
use crate::log::{Log, LogEvent, Waker};
use crate::record::{Outgoing, Position, TopicPartition};

/// How long joining may wait for the brokers.
const CONNECT_LIMIT: Duration = Duration::from_secs(5);
/// How long closing may take before it goes on without the caller.
const CLOSE_LIMIT: Duration = Duration::from_secs(10);

/// One worker's connection: a membership that decides what it owns, a consumer that reads, a producer
/// that writes turns. Each of the three has a thread; they meet in [`Shared`].
pub(super) struct Member {
    names: Arc<Names>,
    query: Arc<Query>,
    shared: Arc<Shared>,
    session_timeout_ms: u64,
    /// `None` only while it is being dropped.
    parts: Option<Parts>,
}

struct Parts {
    reading: Reading,
    committer: Committer,
    membership: Membership,
    outside: Outside,
}

impl Member {
    pub(super) fn join(
        config: &KafkaConfig,
        names: &Arc<Names>,
        query: Arc<Query>,
        role: Role,
        member: &str,
    ) -> Result<Self, LogError> {
        let shared = Arc::new(Shared::default());
        let reading = Reading::new(config, Some(role), names, &shared.signal)?;
        let driver_topic = names.of(role.driver_topic());
        check(config, &reading, &driver_topic)?;
        let id = config.transactional_id(role, member);
        let committer = Committer::start(config, id, names, &shared)?;
        let membership = Membership::start(config, role, member, &driver_topic, &shared)?;
        let outside = Outside::new(config, names);
        Ok(Self {
            names: Arc::clone(names),
            query,
            shared,
            session_timeout_ms: config.session_timeout_ms,
            parts: Some(Parts {
                reading,
                committer,
                membership,
                outside,
            }),
        })
    }

    fn parts(&mut self) -> Result<&mut Parts, LogError> {
        let closed = || LogError::Fatal("this connection was closed".to_owned());
        self.parts.as_mut().ok_or_else(closed)
    }

    fn gather(
        &mut self,
        appetite: &mut dyn FnMut(TopicPartition) -> usize,
        events: &mut Vec<LogEvent>,
    ) -> Result<(), LogError> {
        let before = events.len();
        self.shared.take(events)?;
        let parts = self.parts()?;
        if events[before..]
            .iter()
            .any(|event| matches!(event, LogEvent::Failed(_)))
        {
            parts.outside.reset();
        }
        parts.reading.serve();
        parts.reading.take(appetite, events)
    }
}

impl Log for Member {
    fn poll(
        &mut self,
        wait: Duration,
        appetite: &mut dyn FnMut(TopicPartition) -> usize,
        events: &mut Vec<LogEvent>,
    ) -> Result<(), LogError> {
        let before = events.len();
        self.gather(appetite, events)?;
        if events.len() > before || wait.is_zero() {
            return Ok(());
        }
        self.shared.signal.wait(wait);
        self.gather(appetite, events)
    }

    fn read(&mut self, from: TopicPartition, offset: i64) -> Result<(), LogError> {
        self.parts()?.reading.read(from, offset)
    }

    fn stop(&mut self, from: TopicPartition) -> Result<(), LogError> {
        self.parts()?.reading.stop(from)
    }

    fn committed(&mut self, of: &[TopicPartition]) -> Result<Vec<Option<Position>>, LogError> {
        // Its positions may not have reached the coordinator yet, which would then answer with the
        // ones before.
        if self.shared.in_flight() {
            return Err(LogError::Retry(
                "a turn of this worker is still on its way".to_owned(),
            ));
        }
        let names = Arc::clone(&self.names);
        offsets::committed(self.parts()?.reading.consumer(), &names, of)
    }

    fn ends(&mut self, of: &[TopicPartition]) -> Result<Vec<(i64, i64)>, LogError> {
        self.query.ends(&self.names, of)
    }

    fn send_outside(&mut self, record: Outgoing) -> Result<(), LogError> {
        self.parts()?.outside.send(&record)
    }

    fn commit(
        &mut self,
        records: Vec<Outgoing>,
        positions: Vec<(TopicPartition, Position)>,
        now_mono: u64,
    ) -> Result<(), LogError> {
        let metadata = self.shared.begin()?;
        let parts = self.parts()?;
        let fate = parts.outside.fate();
        let sent = fate.sent();
        parts.committer.send(Turn {
            records,
            positions,
            metadata,
            proven_at: now_mono,
            outside: (fate, sent),
        })
    }

    fn release(&mut self, shards: &[Shard]) {
        self.shared.release(shards);
    }

    fn waker(&self) -> Waker {
        let signal = Arc::clone(&self.shared.signal);
        Arc::new(move || signal.wake())
    }

    fn session_timeout_ms(&self) -> u64 {
        self.session_timeout_ms
    }
}

impl Drop for Member {
    /// Ends the turn on its way, then leaves the group, then closes what reads. On a thread of its own,
    /// so that brokers that do not answer hold nobody up for ever.
    fn drop(&mut self) {
        let Some(parts) = self.parts.take() else {
            return;
        };
        self.shared.close();
        let (done, finished) = channel();
        let closing = std::thread::Builder::new()
            .name("kafka-close".to_owned())
            .spawn(move || {
                parts.committer.join();
                parts.membership.join();
                drop(parts.outside.into_producer());
                drop(parts.reading);
                // Nobody listens any more if it took too long.
                done.send(()).ok();
            });
        if closing.is_err() || finished.recv_timeout(CLOSE_LIMIT).is_err() {
            tracing::warn!("a connection did not close in time; it goes on closing by itself");
        }
    }
}

/// Whether the brokers answer and the driver topic is as it should be.
fn check(config: &KafkaConfig, reading: &Reading, driver_topic: &str) -> Result<(), LogError> {
    let doing = format!("looking up `{driver_topic}`");
    let trouble = reading.trouble();
    let hopeless = || {
        reading.serve();
        trouble.advice().is_some()
    };
    let client = reading.consumer().client();
    let metadata =
        connect(client, Some(driver_topic), CONNECT_LIMIT, hopeless).map_err(|error| {
            let last = trouble
                .last()
                .map_or_else(|| error.to_string(), |(_, text)| text);
            match trouble.advice() {
                Some(code) => failure::by_code(&format!("{doing}: {last}"), code),
                None => LogError::Retry(format!(
                    "{doing}: no broker of `{}` answers: {last}",
                    config.bootstrap
                )),
            }
        })?;
    let topic = metadata
        .topics()
        .iter()
        .find(|topic| topic.name() == driver_topic);
    let error = topic.and_then(|topic| topic.error());
    if let Some(error) = error {
        return Err(failure::by_code(&doing, error.into()));
    }
    let found = topic.map_or(0, |topic| topic.partitions().len());
    let want = usize::from(config.shards.count());
    if found == want {
        Ok(())
    } else {
        Err(LogError::Config(format!(
            "{doing}: it has {found} partitions, but {want} shards are configured"
        )))
    }
}
