//! What single organs cost, measured by criterion: `cargo bench -p benches --features criterion`.
//!
//! *Reads and writes* nothing: cores run on memory. `cargo xtask show speed.2` prints the medians beside the
//! shares of a profile. The numbers are of a batch, as each bench is named; organs are reached through the
//! public verbs of their core, so what a core adds is in them.
//!
//! Start reading at `benches/organs.rs`; what it drives stands here.

pub mod planning;
pub mod triggering;
pub mod turning;

use pipeline::Now;
use schemas::Millis;

/// The beginning of an instance.
pub const START: i64 = 1_796_086_800_000;

/// That wall time, with the same number as monotonic time.
#[must_use]
pub fn at(ms: i64) -> Now {
    Now {
        wall: Millis(ms),
        mono: ms.unsigned_abs(),
    }
}
