//! When something next happens, and how idle time is skipped.

use super::World;
use crate::clock::WorldClock;

/// Idle time longer than this is skipped, as if every machine were suspended for it.
const SKIP_MS: u64 = 3_000;

impl World {
    /// When something next happens; time that is idle for everyone is skipped.
    pub(super) fn next(&mut self) -> u64 {
        let now = self.clock.elapsed();
        let agenda = self.agenda.keys().next().map(|(at, _)| *at);
        let broker = self.broker.next_timeout().map(WorldClock::elapsed_of);
        let beings = self.workers.iter().filter(|being| being.alive);
        let beings = beings.map(|being| {
            let at = if being.actor.is_up() {
                being.wake_at
            } else {
                being.join_at
            };
            at.max(being.stalled_until)
        });
        let beings: Vec<u64> = beings.collect();
        let next = beings
            .into_iter()
            .chain(agenda)
            .chain(broker)
            .min()
            .unwrap_or(now + 1)
            .max(now + 1);
        self.skip(now, agenda).unwrap_or(next)
    }

    /// Where to skip to, if for a while nothing but heartbeats would happen.
    fn skip(&mut self, now: u64, agenda: Option<u64>) -> Option<u64> {
        let restless = self.workers.iter().any(|being| {
            being.alive
                && (!being.actor.is_up() || being.stalled_until > now || being.leaving.is_some())
        });
        if restless || self.workers.iter().any(|it| !it.alive && !it.replaced) {
            return None;
        }
        let cores = self.workers.iter().filter(|being| being.alive);
        let cores = cores
            .filter_map(|being| being.actor.core_idle_ms())
            .map(|ms| now + ms);
        let until = cores.chain(agenda).min()?;
        if until <= now + SKIP_MS || !self.broker.is_quiet() {
            return None;
        }
        let until = match agenda {
            // Days in which slots go by and nothing is in them.
            None => until.max(self.far_off().unwrap_or(0)),
            Some(_) => until,
        };
        let ms = until - 1_000 - now;
        self.broker.forgive(ms);
        Some(now + ms)
    }
}
