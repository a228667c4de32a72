//! What the table knows of calendars.

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use super::{Tag, decode_row, encode_row};
use crate::calendar::CalendarKey;
use crate::codec::DecodeError;

/// A calendar that is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CalendarRow {
    /// The number that its last change got in the shard that decides about it.
    pub version: u64,
}

/// A change of a calendar that not all shards were told of. They are told in the order of the
/// numbers, so that who is told of one may forget all before it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Untold {
    /// Which.
    pub calendar: CalendarKey,
}

/// A calendar changed; the tasks that name it are planned anew in the order of their names.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Replan {
    /// Which.
    pub calendar: CalendarKey,
    /// Those up to this name were.
    pub done: Option<String>,
}

impl CalendarRow {
    /// As bytes, with the calendar's JSON behind it.
    #[must_use]
    pub fn encode(&self, json: &[u8]) -> Bytes {
        encode_row(Tag::Calendar, self, json)
    }

    /// From bytes; the JSON shares their memory.
    ///
    /// # Errors
    /// [`DecodeError`] says what was not understood.
    pub fn decode(bytes: &Bytes) -> Result<(Self, Bytes), DecodeError> {
        decode_row(Tag::Calendar, bytes)
    }
}

impl Untold {
    /// As bytes.
    #[must_use]
    pub fn encode(&self) -> Bytes {
        encode_row(Tag::Untold, self, &[])
    }

    /// From bytes.
    ///
    /// # Errors
    /// [`DecodeError`] says what was not understood.
    pub fn decode(bytes: &Bytes) -> Result<Self, DecodeError> {
        decode_row(Tag::Untold, bytes).map(|(it, _)| it)
    }
}

impl Replan {
    /// As bytes.
    #[must_use]
    pub fn encode(&self) -> Bytes {
        encode_row(Tag::Replan, self, &[])
    }

    /// From bytes.
    ///
    /// # Errors
    /// [`DecodeError`] says what was not understood.
    pub fn decode(bytes: &Bytes) -> Result<Self, DecodeError> {
        decode_row(Tag::Replan, bytes).map(|(it, _)| it)
    }
}
