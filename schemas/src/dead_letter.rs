//! Records of `dead-letters`: what was given up or not understood, with the original.

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use crate::codec::{self, DecodeError, Kind};
use crate::id::{FireId, TaskKey};
use crate::time::Millis;

/// One dead letter. Written as JSON so that people and other tools can read it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeadLetter {
    /// In words: what was wrong, where.
    pub reason: String,
    /// The role that gave up.
    pub role: String,
    /// Where the original stood: topic name, partition, offset.
    pub origin: Origin,
    /// The task, if it could be read.
    pub task: Option<TaskKey>,
    /// The firing, if there was one.
    pub fire_id: Option<FireId>,
    /// When.
    pub at: Millis,
    /// The record that was not understood, or the payload that was not delivered.
    pub original: Bytes,
}

/// A place in a log.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Origin {
    /// Topic without prefix.
    pub topic: String,
    /// Partition.
    pub shard: u16,
    /// Offset there.
    pub offset: i64,
}

impl DeadLetter {
    /// As bytes.
    #[must_use]
    pub fn encode(&self) -> Bytes {
        codec::encode(Kind::DeadLetter, self, &[])
    }

    /// From bytes.
    ///
    /// # Errors
    /// [`DecodeError`] says what was not understood.
    pub fn decode(bytes: &Bytes) -> Result<Self, DecodeError> {
        codec::decode(Kind::DeadLetter, bytes).map(|(it, _)| it)
    }
}
