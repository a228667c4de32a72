//! Records of `owners`: who answers for a shard.
//!
//! Heartbeats stand there too, by which workers measure their clocks: keyed `member/role`, no value.

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use crate::codec::{self, DecodeError, Kind};
use crate::time::Millis;

/// The planner of one shard, as it last said itself; keyed by the shard's number as text.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Owner {
    /// Where other processes reach it, `host:port`.
    pub address: String,
    /// Its name in its groups.
    pub member: String,
    /// When it said so, by its own clock.
    pub at: Millis,
}

impl Owner {
    /// As bytes.
    #[must_use]
    pub fn encode(&self) -> Bytes {
        codec::encode(Kind::Owner, self, &[])
    }

    /// From bytes.
    ///
    /// # Errors
    /// [`DecodeError`] says what was not understood.
    pub fn decode(bytes: &Bytes) -> Result<Self, DecodeError> {
        codec::decode(Kind::Owner, bytes).map(|(owner, _)| owner)
    }
}
