//! Between load runs: until this machine has nothing more to do for the one before.

use anyhow::{Context, Result, bail};
use std::thread::sleep;
use std::time::{Duration, Instant};

/// Over such a time it must have had hardly anything to do.
const SPAN: Duration = Duration::from_secs(3);
/// That is: of all that its processors could do less than one of so many parts, waiting for disks included.
const PARTS: u64 = 5;
/// Behind twenty million registrations tables are merged and topics cleaned for a while, and that ends.
const LIMIT: Duration = Duration::from_secs(600);

/// Waits until brokers, stores and what was put off have come to rest.
///
/// # Errors
/// Where they do not: what is measured next would be of something else.
pub(super) fn rest() -> Result<()> {
    let end = Instant::now() + LIMIT;
    let mut before = Spent::read()?;
    while Instant::now() < end {
        sleep(SPAN);
        let now = Spent::read()?;
        if now.is_quiet_since(before) {
            return Ok(());
        }
        before = now;
    }
    bail!(
        "the machine has no rest: for {} s its processors were busy with something",
        LIMIT.as_secs()
    )
}

/// Time of all processors since the machine started, in ticks of the kernel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Spent {
    all: u64,
    idle: u64,
}

impl Spent {
    fn read() -> Result<Self> {
        let stat = std::fs::read_to_string("/proc/stat").context("read `/proc/stat`")?;
        Self::parse(&stat).context("`/proc/stat` is not understood")
    }

    fn parse(stat: &str) -> Option<Self> {
        let words = stat.lines().next()?.strip_prefix("cpu ")?;
        // user, nice, system, idle, waiting for disks, …
        let ticks: Vec<u64> = words
            .split_ascii_whitespace()
            .take(8)
            .map_while(|word| word.parse().ok())
            .collect();
        Some(Self {
            all: ticks.iter().sum(),
            idle: *ticks.get(3)?,
        })
    }

    fn is_quiet_since(self, before: Self) -> bool {
        let all = self.all.saturating_sub(before.all);
        let idle = self.idle.saturating_sub(before.idle);
        all > 0 && (all - idle.min(all)) * PARTS < all
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_machine_is_quiet_that_neither_computes_nor_waits_for_disks() {
        let at = |user: u64, idle: u64, disk: u64| {
            let text = format!("cpu  {user} 0 0 {idle} {disk} 0 0 0 0 0\ncpu0 1 2 3\n");
            Spent::parse(&text).expect("understood")
        };
        let before = at(1_000, 5_000, 50);
        for (now, quiet) in [
            (at(1_019, 5_081, 50), true),
            (at(1_020, 5_080, 50), false),
            (at(1_000, 5_080, 70), false),
            (at(1_000, 5_100, 50), true),
            (before, false),
        ] {
            assert_eq!(now.is_quiet_since(before), quiet, "{now:?}");
        }
        assert_eq!(Spent::parse("cpu0 1 2 3 4 5"), None);
    }
}
