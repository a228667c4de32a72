//! The one place that reads a clock.

use schemas::Millis;

/// One reading of both clocks: what every core gets as the time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Now {
    /// Wall clock: due times are compared with this.
    pub wall: Millis,
    /// Monotonic clock in ms, suspend included: fencing is compared with this. Its zero is arbitrary.
    pub mono: u64,
}

/// Where time comes from: the system, or the simulator.
pub trait Clock: Send + Sync {
    /// Reads both clocks.
    fn now(&self) -> Now;
}

/// The machine's clocks.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    #[expect(
        clippy::disallowed_methods,
        reason = "this is the one place that reads the wall clock"
    )]
    fn now(&self) -> Now {
        let wall = std::time::SystemTime::now()
            .duration_since(std::time::UNIX_EPOCH)
            .map_or(0, |since| {
                i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
            });
        Now {
            wall: Millis(wall),
            mono: boot_ms(),
        }
    }
}

/// `CLOCK_BOOTTIME`, which goes on while the machine is suspended.
fn boot_ms() -> u64 {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::Boottime);
    let seconds = u64::try_from(time.tv_sec).unwrap_or(0);
    seconds * 1_000 + u64::try_from(time.tv_nsec).unwrap_or(0) / 1_000_000
}
