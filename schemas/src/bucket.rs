//! Records of the bucket topics: planner → trigger.
//!
//! A bucket partition holds, again and again: placements and revokes of one slot instance, its seal,
//! perhaps more revokes, its `Free`. No placement of an instance ever stands behind its seal (T5).

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use crate::call::Priority;
use crate::codec::{self, DecodeError, Kind};
use crate::id::FireId;
use crate::slot::Instance;
use crate::time::Millis;

/// One record of a bucket partition.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum BucketRecord {
    /// A firing waits here; the body is a [`crate::Work`] the trigger never opens.
    Placement(Placement, Bytes),
    /// Take a firing back if it is still here; pass the wish on as a recall if it is gone.
    Revoke(Revoke),
    /// The instance is over. Its ledger: no placement stands behind this.
    Seal(Seal),
    /// The planner saw `drained`; what follows belongs to a later instance.
    Free(Instance),
}

/// A firing in a slot.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Placement {
    /// Which use of the slot it counts for; not always that of `due`: overdue work takes the current one.
    pub instance: Instance,
    /// When it is to fire.
    pub due: Millis,
    /// Which firing.
    pub fire_id: FireId,
    /// Which planting of it, from 1.
    pub leg: u32,
    /// Which lane it takes.
    pub priority: Priority,
    /// It ends as expired instead of firing later than this.
    pub expires_at: Option<Millis>,
}

/// A wish to take a planted firing back.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Revoke {
    /// The instance of the placement; counted in its seal if the revoke stands before that.
    pub instance: Instance,
    /// Which firing.
    pub fire_id: FireId,
    /// Which planting of it.
    pub leg: u32,
    /// The lane its fire took, if it is gone.
    pub priority: Priority,
    /// What for.
    pub purpose: Purpose,
}

/// Why a firing is taken back.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Purpose {
    /// The task is to end.
    Cancel,
    /// The task is to fire at another time or with another definition.
    Move,
}

/// How many records of an instance stand before its seal.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Seal {
    /// Which use of the slot.
    pub instance: Instance,
    /// Placements before the seal.
    pub placements: u64,
    /// Revokes before the seal.
    pub revokes: u64,
}

#[derive(Serialize, Deserialize)]
enum Head {
    Placement(Placement),
    Revoke(Revoke),
    Seal(Seal),
    Free(Instance),
}

impl BucketRecord {
    /// As bytes.
    #[must_use]
    pub fn encode(&self) -> Bytes {
        match self {
            Self::Placement(placement, body) => {
                codec::encode(Kind::Bucket, &Head::Placement(placement.clone()), body)
            }
            Self::Revoke(revoke) => codec::encode(Kind::Bucket, &Head::Revoke(revoke.clone()), &[]),
            Self::Seal(seal) => codec::encode(Kind::Bucket, &Head::Seal(*seal), &[]),
            Self::Free(instance) => codec::encode(Kind::Bucket, &Head::Free(*instance), &[]),
        }
    }

    /// From bytes; a placement's body shares their memory.
    ///
    /// # Errors
    /// [`DecodeError`] says what was not understood.
    pub fn decode(bytes: &Bytes) -> Result<Self, DecodeError> {
        let (head, tail) = codec::decode(Kind::Bucket, bytes)?;
        Ok(match head {
            Head::Placement(placement) => Self::Placement(placement, tail),
            Head::Revoke(revoke) => Self::Revoke(revoke),
            Head::Seal(seal) => Self::Seal(seal),
            Head::Free(instance) => Self::Free(instance),
        })
    }
}
