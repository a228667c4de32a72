//! Fires as tests want them.

use bytes::Bytes;
use schemas::call::{Call, RetryPlan};
use schemas::{Fire, FireId, LaneRecord, Millis, RetryPolicy, Work};

use super::{EPOCH, task};

/// How a test wants a fire.
#[derive(Clone)]
pub(crate) struct Wish {
    pub(crate) number: u32,
    pub(crate) leg: u32,
    pub(crate) due: i64,
    pub(crate) expires_at: Option<i64>,
    /// Of this leg alone, where it has less time.
    pub(crate) leg_expires_at: Option<i64>,
    pub(crate) attempt: u32,
    pub(crate) max_attempts: u32,
    pub(crate) payload: &'static [u8],
}

pub(crate) fn id(number: u32) -> FireId {
    FireId(u128::from(number).to_be_bytes())
}

/// A fire due `due` ms after the epoch of the world.
pub(crate) fn wish(number: u32, due: i64) -> Wish {
    Wish {
        number,
        leg: 1,
        due,
        expires_at: None,
        leg_expires_at: None,
        attempt: 1,
        max_attempts: 3,
        payload: b"{\"n\":1}",
    }
}

impl Wish {
    pub(crate) fn record(&self) -> Bytes {
        let fire = Fire {
            fire_id: id(self.number),
            leg: self.leg,
            due: Millis(EPOCH + self.due),
            expires_at: self
                .leg_expires_at
                .or(self.expires_at)
                .map(|at| Millis(EPOCH + at)),
            triggered_at: Millis(EPOCH + self.due - 150),
        };
        LaneRecord::Fire(fire, self.work().encode(self.payload)).encode()
    }

    pub(crate) fn work(&self) -> Work {
        Work {
            task: task(self.number),
            version: 4,
            occurrence: 2,
            part: None,
            shards: None,
            attempt: self.attempt,
            due: Millis(EPOCH + self.due - 7),
            registered_at: Millis(EPOCH - 2_000),
            planted_at: Millis(EPOCH - 1_000),
            call: Call {
                url: "http://example.org/".to_owned(),
                method: "POST".to_owned(),
                headers: Vec::new(),
            },
            content_type: Some("application/json".into()),
            timeout_ms: 5_000,
            retry: RetryPolicy {
                max_attempts: self.max_attempts,
                plan: RetryPlan::Explicit(vec![1_000, 60_000]),
            },
            expires_at: self.expires_at.map(|at| Millis(EPOCH + at)),
        }
    }
}
