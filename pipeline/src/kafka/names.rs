//! What topics are called on the cluster.

use std::ffi::CString;

use schemas::{Shards, Topic};

use super::config::KafkaConfig;

/// The full names of all topics, made once.
#[derive(Debug)]
pub(super) struct Names {
    prefix: String,
    intakes: Vec<String>,
    shards: Shards,
}

impl Names {
    pub(super) fn new(config: &KafkaConfig) -> Self {
        Self {
            prefix: config.prefix.clone(),
            intakes: config.intakes.clone(),
            shards: config.shards,
        }
    }

    /// How many partitions each has.
    pub(super) fn shards(&self) -> Shards {
        self.shards
    }

    /// The full name of `topic`.
    pub(super) fn of(&self, topic: Topic) -> String {
        if let Topic::Intake(number) = topic
            && let Some(name) = self.intakes.get(usize::from(number))
        {
            return name.clone();
        }
        format!("{}{}", self.prefix, topic.name())
    }

    /// [`Names::of`], for C. Names hold no zero byte: configuration is validated.
    pub(super) fn c_string(&self, topic: Topic) -> CString {
        CString::new(self.of(topic)).unwrap_or_default()
    }

    /// Every topic, the configured intakes included, in pipe order.
    pub(super) fn all(&self) -> Vec<Topic> {
        let intakes = (0..).take(self.intakes.len()).map(Topic::Intake);
        Topic::all().chain(intakes).collect()
    }
}
