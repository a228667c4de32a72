//! Records and positions, free of any client library's types.

use bytes::Bytes;
use schemas::{Millis, Shard, Topic};

/// One partition of one topic.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TopicPartition {
    /// Which topic.
    pub topic: Topic,
    /// Which partition.
    pub shard: Shard,
}

/// A record as read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    /// Where it stands in its partition.
    pub offset: i64,
    /// When the broker appended it.
    pub appended: Millis,
    /// Its key.
    pub key: Option<Bytes>,
    /// Its value; `None` is a tombstone.
    pub value: Option<Bytes>,
    /// Its headers, in order. Empty for nearly all.
    pub headers: Vec<(String, Bytes)>,
}

/// A record to be written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outgoing {
    /// Where to.
    pub to: TopicPartition,
    /// Its key.
    pub key: Option<Bytes>,
    /// Its value; `None` is a tombstone.
    pub value: Option<Bytes>,
    /// Its headers, in order.
    pub headers: Vec<(String, Bytes)>,
}

/// How far a role has come in one partition, as committed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Position {
    /// The next record to read after a restart.
    pub offset: i64,
    /// What else must be known then: ASCII, at most [`Position::NOTE_MAX`] characters.
    pub note: String,
}

impl Position {
    /// Kafka's `offset.metadata.max.bytes`.
    pub const NOTE_MAX: usize = 4096;
}

impl Record {
    /// The first header of that name.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&Bytes> {
        self.headers
            .iter()
            .find(|(key, _)| key == name)
            .map(|(_, value)| value)
    }
}

impl TopicPartition {
    /// Shorthand.
    #[must_use]
    pub fn new(topic: Topic, shard: Shard) -> Self {
        Self { topic, shard }
    }
}

impl std::fmt::Display for TopicPartition {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}/{}", self.topic.name(), self.shard.0)
    }
}
