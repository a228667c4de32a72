//! Whether this machine has hardly any time left, told to those whose work can wait.

use std::time::Duration;

use pipeline::Inbox;
use schemas::Shards;

/// How often it is looked.
const LOOK: Duration = Duration::from_millis(100);
/// Busy is a machine whose processors did nothing for less than one of so many parts of the time between two looks: those
/// who hand work to each other are never all at work, and calls that begin late say the rest.
const PARTS: u64 = 4;

/// Time of all processors since the machine started, in ticks of the kernel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Spent {
    all: u64,
    idle: u64,
}

impl Spent {
    /// The first line of `/proc/stat`; none where that is not understood.
    fn parse(stat: &str) -> Option<Self> {
        let mut words = stat.lines().next()?.split_ascii_whitespace();
        if words.next()? != "cpu" {
            return None;
        }
        let ticks: Vec<u64> = words.take(8).map_while(|word| word.parse().ok()).collect();
        // user, nice, system, idle, waiting for disks, …
        let idle = ticks.get(3)? + ticks.get(4)?;
        Some(Self {
            all: ticks.iter().sum(),
            idle,
        })
    }

    fn read() -> Option<Self> {
        Self::parse(&std::fs::read_to_string("/proc/stat").ok()?)
    }

    /// Whether there was hardly any time left since `before`.
    fn is_busy_since(self, before: Self) -> bool {
        let all = self.all.saturating_sub(before.all);
        let idle = self.idle.saturating_sub(before.idle);
        all > 0 && idle * PARTS < all
    }
}

/// Who is told.
#[derive(Default)]
pub(crate) struct Hearers(Vec<Box<dyn Fn() + Send>>);

impl Hearers {
    /// Adds the cores of all shards behind `inbox`.
    pub(crate) fn add<I: Send + 'static>(
        &mut self,
        inbox: &Inbox<I>,
        shards: Shards,
        input: fn() -> I,
    ) {
        let inbox = inbox.clone();
        self.0.push(Box::new(move || {
            inbox.push_all(shards.all().map(|shard| (shard, input())));
        }));
    }

    /// Tells them again and again for as long as the machine is busy. Ends where nobody hears, or the kernel does not
    /// tell how busy it is: nothing waits there.
    pub(crate) async fn watch(self) {
        let Some(mut before) = Spent::read().filter(|_| !self.0.is_empty()) else {
            return;
        };
        let mut looks = tokio::time::interval(LOOK);
        looks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            looks.tick().await;
            let Some(now) = Spent::read() else {
                return;
            };
            if now.is_busy_since(before) {
                self.0.iter().for_each(|tell| tell());
            }
            before = now;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_machine_that_hardly_ever_idles_is_busy() {
        let at = |user: u64, idle: u64, disk: u64| {
            let text = format!("cpu  {user} 5 7 {idle} {disk} 0 3 0 0 0\ncpu0 1 2 3\n");
            Spent::parse(&text).expect("understood")
        };
        let before = at(1_000, 2_000, 50);
        for (now, busy) in [
            (at(1_100, 2_000, 50), true),
            (at(1_076, 2_024, 50), true),
            (at(1_075, 2_025, 50), false),
            (at(1_075, 2_000, 75), false),
            (at(1_000, 2_100, 50), false),
            (before, false),
        ] {
            assert_eq!(now.is_busy_since(before), busy, "{now:?}");
        }
    }

    #[test]
    fn what_is_not_understood_says_nothing() {
        for text in ["", "cpu", "cpu 1 2 3", "cpu0 1 2 3 4 5", "cpu a b c d e"] {
            assert_eq!(Spent::parse(text), None, "{text}");
        }
    }
}
