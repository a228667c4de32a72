//! The only copy of the slot arithmetic: due time → slot instance → bucket topic.
//!
//! Time is cut into instances of [`WIDTH_MS`]; instance k lives in slot k mod [`RING`], and slot s is
//! the topic `bucket.<s>`. A slot takes its next instance only after the one before was freed.

use serde::{Deserialize, Serialize};

use crate::time::Millis;

/// Length of a slot instance, ms.
pub const WIDTH_MS: i64 = 30_000;
/// Slots in the ring; with [`WIDTH_MS`] the ring spans 12 minutes.
pub const RING: u8 = 24;
/// How far ahead tasks are planted unless configured otherwise, ms: the planner may be gone that long
/// and nothing is late.
pub const HORIZON_MS: u64 = 300_000;

/// A place in the ring: the number in `bucket.NN`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Slot(pub u8);

/// One use of a slot, named by its absolute start time, a multiple of [`WIDTH_MS`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Instance(pub Millis);

impl Slot {
    /// All slots, ascending.
    pub fn all() -> impl Iterator<Item = Self> {
        (0..RING).map(Self)
    }
}

impl Instance {
    /// The instance that `time` falls into.
    #[must_use]
    pub fn of(time: Millis) -> Self {
        Self(Millis(time.0.div_euclid(WIDTH_MS) * WIDTH_MS))
    }

    /// The slot it is a use of.
    #[must_use]
    pub fn slot(self) -> Slot {
        let number = (self.0.0.div_euclid(WIDTH_MS)).rem_euclid(i64::from(RING));
        Slot(u8::try_from(number).unwrap_or(0))
    }

    /// First millisecond.
    #[must_use]
    pub fn start(self) -> Millis {
        self.0
    }

    /// First millisecond behind it.
    #[must_use]
    pub fn end(self) -> Millis {
        Millis(self.0.0.saturating_add(WIDTH_MS))
    }

    /// The one right behind it (in the next slot).
    #[must_use]
    pub fn next(self) -> Self {
        Self(self.end())
    }

    /// The same slot's next use.
    #[must_use]
    pub fn next_lap(self) -> Self {
        Self(Millis(self.0.0.saturating_add(WIDTH_MS * i64::from(RING))))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn instances_tile_time_and_walk_round_the_ring() {
        let cases = [
            (0, 0, 0),
            (29_999, 0, 0),
            (30_000, 30_000, 1),
            (719_999, 690_000, 23),
            (720_000, 720_000, 0),
            (-1, -30_000, 23),
            (1_796_086_800_001, 1_796_086_800_000, 0),
        ];
        for (time, start, slot) in cases {
            let instance = Instance::of(Millis(time));
            assert_eq!(
                (instance.start(), instance.slot()),
                (Millis(start), Slot(slot)),
                "{time}"
            );
            assert_eq!(instance.next().slot().0, (slot + 1) % RING, "{time}");
            assert_eq!(instance.next_lap().slot(), instance.slot(), "{time}");
        }
    }
}
