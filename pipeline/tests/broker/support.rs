//! A prefix of its own per test on the real brokers, and waiting for events.

use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use bytes::Bytes;
use pipeline::kafka::{KafkaBroker, KafkaConfig};
use pipeline::{
    Broker, Clock, Log, LogError, LogEvent, Outgoing, Position, Record, TopicPartition,
    clock::SystemClock,
};
use schemas::{Role, Shard, Shards, Topic};

/// Longest wait for anything that must happen.
pub(crate) const PATIENCE: Duration = Duration::from_secs(40);

/// Where the brokers are; `None` says that the test is to be skipped.
pub(crate) fn bootstrap() -> Option<String> {
    match std::env::var("TIDEWHEEL_TEST_KAFKA") {
        Ok(address) if !address.is_empty() => Some(address),
        _ if std::env::var_os("CI").is_some() => {
            panic!("TIDEWHEEL_TEST_KAFKA must name brokers in CI")
        }
        _ => {
            eprintln!("skipped: TIDEWHEEL_TEST_KAFKA names no brokers");
            None
        }
    }
}

/// Topics under a prefix that nobody else has; removed at the end.
pub(crate) struct World {
    pub(crate) config: KafkaConfig,
    pub(crate) broker: KafkaBroker,
    topics: Vec<Topic>,
}

impl World {
    pub(crate) fn new(shards: u16, topics: &[Topic]) -> Option<Self> {
        let config = KafkaConfig {
            bootstrap: bootstrap()?,
            prefix: prefix(),
            shards: Shards::new(shards).unwrap(),
            session_timeout_ms: 3_000,
            ..KafkaConfig::default()
        };
        Some(Self::with(config, topics))
    }

    pub(crate) fn with(config: KafkaConfig, topics: &[Topic]) -> Self {
        let broker = KafkaBroker::new(config.clone()).unwrap();
        broker.admin().apply_to(topics).unwrap();
        let topics = topics.to_vec();
        Self {
            config,
            broker,
            topics,
        }
    }

    /// Joins and waits for the first shards.
    pub(crate) fn member(&self, role: Role, name: &str) -> Member {
        let mut member = self.joining(role, name);
        member.assigned();
        member
    }

    /// Joins only.
    pub(crate) fn joining(&self, role: Role, name: &str) -> Member {
        let log = self.broker.join(role, name).unwrap();
        Member {
            log,
            events: Vec::new(),
        }
    }
}

impl Drop for World {
    fn drop(&mut self) {
        if let Err(error) = self.broker.admin().remove(&self.topics) {
            eprintln!("topics under {} remain: {error}", self.config.prefix);
        }
    }
}

pub(crate) fn prefix() -> String {
    static COUNT: AtomicU32 = AtomicU32::new(0);
    let now = SystemClock.now().wall.0;
    let count = COUNT.fetch_add(1, Ordering::Relaxed);
    format!("test-{}-{now}-{count}.", std::process::id())
}

/// One member and the events nobody has asked about yet.
pub(crate) struct Member {
    pub(crate) log: Box<dyn Log>,
    pub(crate) events: Vec<LogEvent>,
}

impl Member {
    /// Polls until `pick` takes an event; those before it stay.
    pub(crate) fn until<T>(
        &mut self,
        what: &str,
        mut pick: impl FnMut(&LogEvent) -> Option<T>,
    ) -> T {
        let begun = Instant::now();
        loop {
            let found = self
                .events
                .iter()
                .enumerate()
                .find_map(|(at, event)| pick(event).map(|found| (at, found)));
            if let Some((at, found)) = found {
                self.events.remove(at);
                return found;
            }
            assert!(
                begun.elapsed() < PATIENCE,
                "no {what}; there is {:?}",
                self.events
            );
            let wait = Duration::from_millis(500);
            self.log
                .poll(wait, &mut |_| 10_000, &mut self.events)
                .unwrap();
        }
    }

    pub(crate) fn assigned(&mut self) -> Vec<Shard> {
        self.until("assignment", |event| match event {
            LogEvent::Assigned(shards) => Some(shards.clone()),
            _ => None,
        })
    }

    pub(crate) fn revoked(&mut self) -> (Vec<Shard>, bool) {
        self.until("revocation", |event| match event {
            LogEvent::Revoked { shards, lost } => Some((shards.clone(), *lost)),
            _ => None,
        })
    }

    /// Commits and waits for the result.
    pub(crate) fn commit(
        &mut self,
        records: Vec<Outgoing>,
        positions: Vec<(TopicPartition, Position)>,
    ) -> Result<u64, LogError> {
        self.log
            .commit(records, positions, SystemClock.now().mono)?;
        self.outcome()
    }

    pub(crate) fn outcome(&mut self) -> Result<u64, LogError> {
        self.until("result of a commit", |event| match event {
            LogEvent::Committed { proven_at } => Some(Ok(*proven_at)),
            LogEvent::Failed(error) => Some(Err(error.clone())),
            _ => None,
        })
    }

    /// Asks for positions until they are decided.
    pub(crate) fn committed(&mut self, of: &[TopicPartition]) -> Vec<Option<Position>> {
        patiently(|| self.log.committed(of))
    }

    pub(crate) fn ends(&mut self, of: &[TopicPartition]) -> Vec<(i64, i64)> {
        patiently(|| self.log.ends(of))
    }

    /// Polls until `from` is read to `end`; the values of its records.
    pub(crate) fn values_until(&mut self, from: TopicPartition, end: i64) -> Vec<String> {
        let mut values = Vec::new();
        loop {
            let (records, position) = self.until("batch", |event| match event {
                LogEvent::Batch {
                    from: of,
                    records,
                    position,
                } if *of == from => Some((records.clone(), *position)),
                _ => None,
            });
            values.extend(records.iter().map(text));
            if position >= end {
                return values;
            }
        }
    }
}

pub(crate) fn text(record: &Record) -> String {
    let value = record.value.as_deref().unwrap_or_default();
    String::from_utf8_lossy(value).into_owned()
}

/// Asks again as long as the answer is `Retry`.
pub(crate) fn patiently<T>(mut ask: impl FnMut() -> Result<T, LogError>) -> T {
    let begun = Instant::now();
    loop {
        match ask() {
            Ok(answer) => return answer,
            Err(LogError::Retry(why)) if begun.elapsed() < PATIENCE => {
                eprintln!("again: {why}");
                std::thread::sleep(Duration::from_millis(20));
            }
            Err(error) => panic!("{error}"),
        }
    }
}

pub(crate) fn at(topic: Topic, shard: u16) -> TopicPartition {
    TopicPartition::new(topic, Shard(shard))
}

pub(crate) fn record(to: TopicPartition, value: &str) -> Outgoing {
    Outgoing {
        to,
        key: Some(Bytes::from_static(b"key")),
        value: Some(Bytes::copy_from_slice(value.as_bytes())),
        headers: Vec::new(),
    }
}

pub(crate) fn position(offset: i64, note: &str) -> Position {
    Position {
        offset,
        note: note.to_owned(),
    }
}
