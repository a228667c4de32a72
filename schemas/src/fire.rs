//! Records of the fires lanes: trigger → dispatcher.

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use crate::bucket::Purpose;
use crate::codec::{self, DecodeError, Kind};
use crate::id::FireId;
use crate::time::Millis;

/// One record of a lane partition.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LaneRecord {
    /// It is time, or will be within the lead; the body is a [`crate::Work`].
    Fire(Fire, Bytes),
    /// Take a fire back that stands before this in the same partition, if its call has not begun.
    Recall(Recall),
}

/// One firing, on its way.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Fire {
    /// Which firing.
    pub fire_id: FireId,
    /// Which planting of it, from 1.
    pub leg: u32,
    /// No call begins before this (T2).
    pub due: Millis,
    /// No call begins after this.
    pub expires_at: Option<Millis>,
    /// When the trigger took it from the wheel.
    pub triggered_at: Millis,
}

/// A wish that met the wheel too late.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Recall {
    /// Which firing.
    pub fire_id: FireId,
    /// Which planting of it.
    pub leg: u32,
    /// What for: a cancel stops further legs, a move does not.
    pub purpose: Purpose,
}

#[derive(Serialize, Deserialize)]
enum Head {
    Fire(Fire),
    Recall(Recall),
}

impl LaneRecord {
    /// As bytes.
    #[must_use]
    pub fn encode(&self) -> Bytes {
        match self {
            Self::Fire(fire, body) => codec::encode(Kind::Lane, &Head::Fire(fire.clone()), body),
            Self::Recall(recall) => codec::encode(Kind::Lane, &Head::Recall(recall.clone()), &[]),
        }
    }

    /// From bytes; a fire's body shares their memory.
    ///
    /// # Errors
    /// [`DecodeError`] says what was not understood.
    pub fn decode(bytes: &Bytes) -> Result<Self, DecodeError> {
        let (head, tail) = codec::decode(Kind::Lane, bytes)?;
        Ok(match head {
            Head::Fire(fire) => Self::Fire(fire, tail),
            Head::Recall(recall) => Self::Recall(recall),
        })
    }
}
