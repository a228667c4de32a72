//! What the table knows of the time zone data that its tasks were planned by.

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use super::{Tag, decode_row, encode_row};
use crate::codec::DecodeError;
use crate::time::Millis;

/// The version of the time zone data by which next occurrences were computed, or are being compared.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ZonesRow {
    /// Such as `2026a`.
    pub tzdata: String,
}

/// Other time zone data gave a recurring task another next occurrence.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Moved {
    /// The version that was planned by; empty where no version was kept yet.
    pub tzdata_before: String,
    /// The version that it is planned by from then on.
    pub tzdata: String,
    /// When it was to be due; `None` for never.
    pub before: Option<Millis>,
    /// When it is due now.
    pub after: Option<Millis>,
    /// When that was seen.
    pub at: Millis,
}

impl ZonesRow {
    /// As bytes.
    #[must_use]
    pub fn encode(&self) -> Bytes {
        encode_row(Tag::Zones, self, &[])
    }

    /// From bytes.
    ///
    /// # Errors
    /// [`DecodeError`] says what was not understood.
    pub fn decode(bytes: &Bytes) -> Result<Self, DecodeError> {
        decode_row(Tag::Zones, bytes).map(|(it, _)| it)
    }
}

impl Moved {
    /// As bytes.
    #[must_use]
    pub fn encode(&self) -> Bytes {
        encode_row(Tag::Moved, self, &[])
    }

    /// From bytes.
    ///
    /// # Errors
    /// [`DecodeError`] says what was not understood.
    pub fn decode(bytes: &Bytes) -> Result<Self, DecodeError> {
        decode_row(Tag::Moved, bytes).map(|(it, _)| it)
    }
}
