//! Records of `dead-letters`: what was given up or not understood, with the original.
//!
//! The only stored record that is JSON, because people and their tools read it:
//! `{"version": 1, "reason", "role", "origin": {"topic", "partition", "offset"}, "task": {"tenant",
//! "id"}, "fire_id", "at", "original"}`. An original that is not UTF-8 stands in `original_base64`.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use serde::{Deserialize, Serialize};

use crate::codec::{DecodeError, Kind, VERSION};
use crate::id::{FireId, TaskKey};
use crate::time::Millis;

/// One dead letter.
#[derive(Clone, Debug, PartialEq, Eq)]
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
    #[serde(rename = "partition")]
    pub shard: u16,
    /// Offset there.
    pub offset: i64,
}

/// As written. A field more than these is no error: a later release may add some.
#[derive(Serialize, Deserialize)]
struct Written {
    version: u8,
    reason: String,
    role: String,
    origin: Origin,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    task: Option<TaskKey>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    fire_id: Option<String>,
    at: Millis,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    original: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    original_base64: Option<String>,
}

#[derive(Deserialize)]
struct Versioned {
    version: u8,
}

impl DeadLetter {
    /// As bytes: one JSON object.
    ///
    /// # Panics
    /// Never: nothing in it can fail to be written.
    #[must_use]
    pub fn encode(&self) -> Bytes {
        let (original, original_base64) = match std::str::from_utf8(&self.original) {
            Ok(text) => (Some(text.to_owned()), None),
            Err(_) => (None, Some(STANDARD.encode(&self.original))),
        };
        let written = Written {
            version: VERSION,
            reason: self.reason.clone(),
            role: self.role.clone(),
            origin: self.origin.clone(),
            task: self.task.clone(),
            fire_id: self.fire_id.map(|id| id.to_string()),
            at: self.at,
            original,
            original_base64,
        };
        #[expect(clippy::expect_used, reason = "text, numbers and structs only")]
        let bytes = serde_json::to_vec(&written).expect("dead letters are always writable");
        bytes.into()
    }

    /// From bytes.
    ///
    /// # Errors
    /// [`DecodeError`] says what was not understood.
    pub fn decode(bytes: &Bytes) -> Result<Self, DecodeError> {
        const KIND: Kind = Kind::DeadLetter;
        let head = |problem: String| DecodeError::Head {
            kind: KIND,
            problem,
        };
        let Versioned { version } =
            serde_json::from_slice(bytes).map_err(|error| head(error.to_string()))?;
        if version != VERSION {
            return Err(DecodeError::Version {
                kind: KIND,
                found: version,
            });
        }
        let written: Written =
            serde_json::from_slice(bytes).map_err(|error| head(error.to_string()))?;
        let fire_id = match written.fire_id {
            None => None,
            Some(text) => Some(
                FireId::parse(&text)
                    .ok_or_else(|| head("`fire_id` is not 32 hex digits".to_owned()))?,
            ),
        };
        let original = match (written.original, written.original_base64) {
            (Some(text), None) => text.into_bytes(),
            (None, Some(text)) => STANDARD
                .decode(text)
                .map_err(|error| head(format!("`original_base64`: {error}")))?,
            _ => {
                return Err(head(
                    "must hold one of `original`, `original_base64`".to_owned(),
                ));
            }
        };
        Ok(Self {
            reason: written.reason,
            role: written.role,
            origin: written.origin,
            task: written.task,
            fire_id,
            at: written.at,
            original: original.into(),
        })
    }
}
