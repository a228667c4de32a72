//! Virtual time, and each worker's own idea of it.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};

use pipeline::{Clock, Now};
use schemas::Millis;

/// The world's clock: ms since the run began, and the wall time at which it began.
#[derive(Debug)]
pub struct WorldClock {
    elapsed: AtomicU64,
    base: i64,
}

/// Where the monotonic clocks begin: away from zero, as after a boot.
const BOOT_MS: u64 = 1_000_000;

impl WorldClock {
    /// A clock that stands at `base`.
    #[must_use]
    pub fn new(base: Millis) -> Arc<Self> {
        Arc::new(Self {
            elapsed: AtomicU64::new(0),
            base: base.0,
        })
    }

    /// Ms since the run began.
    #[must_use]
    pub fn elapsed(&self) -> u64 {
        self.elapsed.load(Ordering::Relaxed)
    }

    /// Lets time pass until `elapsed`.
    pub fn advance_to(&self, elapsed: u64) {
        self.elapsed.store(elapsed, Ordering::Relaxed);
    }

    /// The wall time at `elapsed`.
    #[must_use]
    pub fn wall_at(&self, elapsed: u64) -> Millis {
        Millis(self.base).plus(elapsed)
    }

    /// The monotonic time that is `elapsed`.
    #[must_use]
    pub fn elapsed_of(mono: u64) -> u64 {
        mono.saturating_sub(BOOT_MS)
    }
}

impl Clock for WorldClock {
    fn now(&self) -> Now {
        let elapsed = self.elapsed();
        Now {
            wall: self.wall_at(elapsed),
            mono: BOOT_MS + elapsed,
        }
    }
}

/// The clock of one machine: its wall clock is off, and its monotonic one began elsewhere.
#[derive(Debug)]
pub struct SkewedClock {
    world: Arc<WorldClock>,
    wall_off: AtomicI64,
    mono_off: u64,
}

impl SkewedClock {
    /// A clock off by `wall_off` ms, booted `mono_off` ms before the world's.
    #[must_use]
    pub fn new(world: Arc<WorldClock>, wall_off: i64, mono_off: u64) -> Arc<Self> {
        Arc::new(Self {
            world,
            wall_off: AtomicI64::new(wall_off),
            mono_off,
        })
    }
}

impl Clock for SkewedClock {
    fn now(&self) -> Now {
        let now = self.world.now();
        let off = self.wall_off.load(Ordering::Relaxed);
        Now {
            wall: Millis(now.wall.0.saturating_add(off)),
            mono: now.mono + self.mono_off,
        }
    }
}
