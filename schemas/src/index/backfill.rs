//! The row of a backfill: a past range of a recurring task that is fired belatedly.

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use super::{Tag, decode_row, encode_row};
use crate::codec::DecodeError;
use crate::time::Millis;

/// A past range of a recurring task, as far as its occurrences were released. Its key holds the task
/// and the number of the run.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct BackfillRow {
    /// Occurrences due at this or later.
    pub from: Millis,
    /// Occurrences due before this.
    pub to: Millis,
    /// When the next one was due; `None` once none is left, or it was stopped.
    pub next: Option<Millis>,
    /// How many were released.
    pub released: u64,
    /// Of those, how many are live.
    pub live: u32,
    /// How many may be live.
    pub window: u32,
    /// It was stopped before its end.
    pub stopped: bool,
    /// When it was taken in.
    pub begun_at: Millis,
    /// When the last of its firings was over.
    pub ended_at: Option<Millis>,
}

impl BackfillRow {
    /// As bytes.
    #[must_use]
    pub fn encode(&self) -> Bytes {
        encode_row(Tag::Backfill, self, &[])
    }

    /// From bytes.
    ///
    /// # Errors
    /// [`DecodeError`] says what was not understood.
    pub fn decode(bytes: &Bytes) -> Result<Self, DecodeError> {
        decode_row(Tag::Backfill, bytes).map(|(it, _)| it)
    }
}
