//! The archive gives way to calls: while the machine has no time left and calls begin late, it neither reads
//! nor writes.

use pipeline::BUSY_MS;
use schemas::Millis;

use crate::config::Config;

#[derive(Clone, Copy, Debug, Default)]
pub(super) struct GivingWay {
    busy_until: Millis,
    /// Since when it is said without a break.
    since: Millis,
    /// Whether the calls that were read of last began late.
    late: bool,
    now: Millis,
}

impl GivingWay {
    pub(super) fn tick(&mut self, now: Millis) {
        self.now = self.now.max(now);
    }

    pub(super) fn busy(&mut self) {
        if self.now >= self.busy_until {
            self.since = self.now;
        }
        self.busy_until = self.now.plus(BUSY_MS);
    }

    /// Takes that calls were read of that began so late at worst.
    pub(super) fn read(&mut self, late_ms: u64, config: &Config) {
        self.late = late_ms >= config.give_way_late_ms;
    }

    /// Until when nothing is read and written, if so.
    pub(super) fn until(&self, config: &Config) -> Option<Millis> {
        let until = self.busy_until.min(self.since.plus(config.give_way_ms));
        (self.late && self.now < until).then_some(until)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_ends_with_the_press_and_after_a_while_at_the_latest() {
        let config = Config {
            give_way_ms: 1_000,
            give_way_late_ms: 100,
            ..Config::default()
        };
        let mut it = GivingWay::default();
        it.tick(Millis(5_000));
        it.busy();
        assert_eq!(it.until(&config), None, "no call was late");
        it.read(99, &config);
        assert_eq!(it.until(&config), None);
        it.read(100, &config);
        assert_eq!(it.until(&config), Some(Millis(5_500)));
        it.tick(Millis(5_500));
        assert_eq!(it.until(&config), None, "nobody says so any more");
        // Said all the time, it holds for a second.
        for at in (6_000..6_900).step_by(100) {
            it.tick(Millis(at));
            it.busy();
            assert!(it.until(&config).is_some(), "{at}");
        }
        for at in (6_900..9_000).step_by(100) {
            it.tick(Millis(at));
            it.busy();
            assert_eq!(it.until(&config).is_some(), at < 7_000, "{at}");
        }
        it.tick(Millis(10_000));
        it.busy();
        assert!(it.until(&config).is_some());
        it.read(0, &config);
        assert_eq!(it.until(&config), None);
    }
}
