//! Topics of one test on a real broker.

use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering};

use pipeline::kafka::{Admin, KafkaConfig};
use schemas::{Shards, Topic};

use super::endpoint::now_ms;
use super::server::BINARY;

/// Made by the binary's own `topics apply`; removed at the end.
pub(crate) struct Topics {
    config: KafkaConfig,
}

impl Topics {
    /// `None` where no broker was named, which CI does not take for an answer.
    pub(crate) fn made() -> Option<Self> {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let bootstrap = std::env::var("TIDEWHEEL_TEST_KAFKA").unwrap_or_default();
        if bootstrap.is_empty() {
            assert!(
                std::env::var_os("CI").is_none(),
                "TIDEWHEEL_TEST_KAFKA must name brokers in CI"
            );
            eprintln!("skipped: TIDEWHEEL_TEST_KAFKA names no brokers");
            return None;
        }
        let count = COUNT.fetch_add(1, Ordering::Relaxed);
        let config = KafkaConfig {
            bootstrap,
            prefix: format!("pipe-{}-{}-{count}.", std::process::id(), now_ms()),
            shards: Shards::new(2).expect("two"),
            ..KafkaConfig::default()
        };
        let topics = Self { config };
        let applied = Command::new(BINARY)
            .args(["topics", "apply"])
            .envs(topics.settings())
            .env("TIDEWHEEL__LOG__SHARDS", "2")
            .output()
            .expect("it runs");
        let said = String::from_utf8_lossy(&applied.stderr);
        assert!(applied.status.success(), "{said}");
        Some(topics)
    }

    /// How a process finds them.
    pub(crate) fn settings(&self) -> Vec<(&'static str, String)> {
        vec![
            ("TIDEWHEEL__KAFKA__BOOTSTRAP", self.config.bootstrap.clone()),
            ("TIDEWHEEL__KAFKA__PREFIX", self.config.prefix.clone()),
        ]
    }
}

impl Drop for Topics {
    fn drop(&mut self) {
        let all: Vec<Topic> = Topic::all().collect();
        let removed = Admin::new(&self.config).and_then(|admin| admin.remove(&all));
        if let Err(error) = removed {
            eprintln!("topics under {} remain: {error}", self.config.prefix);
        }
    }
}
