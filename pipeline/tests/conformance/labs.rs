//! The logs under test.

use std::sync::Arc;

use pipeline::clock::SystemClock;
use pipeline::memory::{MemoryBroker, MemoryConfig};
use pipeline::{Broker, Log};
use schemas::{Role, Shards};

use crate::support::Member;

/// Partitions of every topic in a lab.
pub(crate) const SHARDS: u16 = 2;

/// One log to try.
pub(crate) struct Lab {
    broker: Option<Arc<dyn Broker>>,
    open: Box<dyn Fn() -> Arc<dyn Broker>>,
    /// Whether members of one role share its shards; otherwise the last one has them all.
    pub(crate) shares: bool,
    /// Dropped behind the broker.
    _after: Option<Box<dyn std::any::Any>>,
}

impl Lab {
    fn new(open: impl Fn() -> Arc<dyn Broker> + 'static, shares: bool) -> Self {
        Self {
            broker: Some(open()),
            open: Box::new(open),
            shares,
            _after: None,
        }
    }

    pub(crate) fn broker(&self) -> &dyn Broker {
        self.broker.as_deref().unwrap()
    }

    /// Closes the broker and opens it again.
    pub(crate) fn restart(&mut self) {
        self.broker = None;
        self.broker = Some((self.open)());
    }

    /// Joins and waits for its shards.
    pub(crate) fn member(&self, role: Role, name: &str) -> Member {
        let mut member = self.joining(role, name);
        member.assigned();
        member
    }

    /// Joins only.
    pub(crate) fn joining(&self, role: Role, name: &str) -> Member {
        Member::new(self.join(role, name))
    }

    fn join(&self, role: Role, name: &str) -> Box<dyn Log> {
        crate::support::patiently(|| self.broker().join(role, name))
    }
}

#[expect(
    clippy::unnecessary_wraps,
    reason = "as the others, of which some may not be there"
)]
pub(crate) fn memory() -> Option<Lab> {
    let config = MemoryConfig {
        shards: shards(),
        ..MemoryConfig::default()
    };
    let broker: Arc<dyn Broker> = Arc::new(MemoryBroker::new(config, Arc::new(SystemClock)));
    Some(Lab::new(move || Arc::clone(&broker), true))
}

#[cfg(feature = "embedded")]
#[expect(
    clippy::unnecessary_wraps,
    reason = "as the others, of which some may not be there"
)]
pub(crate) fn embedded() -> Option<Lab> {
    use pipeline::embedded::{EmbeddedBroker, EmbeddedConfig};
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().to_owned();
    let config = EmbeddedConfig {
        shards: shards(),
        ..EmbeddedConfig::default()
    };
    let open = move || -> Arc<dyn Broker> { EmbeddedBroker::open(&path, config.clone()).unwrap() };
    let mut lab = Lab::new(open, false);
    lab._after = Some(Box::new(dir));
    Some(lab)
}

#[cfg(feature = "kafka")]
pub(crate) fn kafka() -> Option<Lab> {
    use pipeline::Clock;
    use pipeline::kafka::{KafkaBroker, KafkaConfig};
    use std::sync::atomic::{AtomicU32, Ordering};

    /// Removes its topics.
    struct Topics(KafkaConfig);

    impl Drop for Topics {
        fn drop(&mut self) {
            let removed = KafkaBroker::new(self.0.clone())
                .and_then(|broker| broker.admin().remove(&crate::support::TOPICS));
            if let Err(error) = removed {
                eprintln!("topics under {} remain: {error}", self.0.prefix);
            }
        }
    }

    static COUNT: AtomicU32 = AtomicU32::new(0);
    let bootstrap = match std::env::var("TIDEWHEEL_TEST_KAFKA") {
        Ok(address) if !address.is_empty() => address,
        _ if std::env::var_os("CI").is_some() => {
            panic!("TIDEWHEEL_TEST_KAFKA must name brokers in CI")
        }
        _ => {
            eprintln!("skipped: TIDEWHEEL_TEST_KAFKA names no brokers");
            return None;
        }
    };
    let count = COUNT.fetch_add(1, Ordering::Relaxed);
    let now = SystemClock.now().wall.0;
    let config = KafkaConfig {
        bootstrap,
        prefix: format!("conformance-{}-{now}-{count}.", std::process::id()),
        shards: shards(),
        session_timeout_ms: 6_000,
        ..KafkaConfig::default()
    };
    let broker = KafkaBroker::new(config.clone()).unwrap();
    broker.admin().apply_to(&crate::support::TOPICS).unwrap();
    drop(broker);
    let topics = Topics(config.clone());
    let mut lab = Lab::new(
        move || Arc::new(KafkaBroker::new(config.clone()).unwrap()),
        true,
    );
    lab._after = Some(Box::new(topics));
    Some(lab)
}

fn shards() -> Shards {
    Shards::new(SHARDS).unwrap()
}
