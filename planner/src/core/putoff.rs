//! Bookkeeping gives way to calls.
//!
//! What ended well and is followed by nothing ([`Completed`]) costs the planner, its store and its topics about as much
//! as the call did. On a machine that has no time left, while calls begin late, it is left standing in the log: it
//! is read again when there is time, or after a while at the latest. Until then the committed position stays in
//! front of it, so that whoever takes over reads it too. Everything else in the topic is handled as it comes,
//! and not once more when it is read a second time.
//!
//! That a fact behind it was handled before is as if it had come late itself: an outcome counts only for its
//! own leg, and a recall that finds its fire gone is too late, for what was left had been called. A successor handles those
//! facts once more; they are of legs that are over, as long as no row is forgotten and its id used again meanwhile,
//! which takes the dedup window.

use bytes::Bytes;
use pipeline::{Ask, BUSY_MS, Record};
use schemas::outcome::Completed;
use schemas::{Millis, Topic};

use super::PlannerCore;
use crate::config::PlannerConfig;
use crate::metrics;
use crate::store::Store;

/// What was left standing.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct PuttingOff {
    busy_until: Millis,
    /// The first of it, and when that was written.
    from: Option<(i64, Millis)>,
    /// Of what stands below this only what was left is still to be done.
    read_to: i64,
    /// Nothing below is left again.
    due_to: i64,
    /// Everything below was handed in, the second time as well.
    position: i64,
}

impl PuttingOff {
    /// Outcomes are read from `position` on.
    pub(super) fn read_from(&mut self, position: i64) {
        self.read_to = position;
        self.position = position;
    }

    pub(super) fn busy(&mut self, now: Millis) {
        self.busy_until = now.plus(BUSY_MS);
    }

    /// When what was left is to be looked at.
    pub(super) fn wake_at(&self, config: &PlannerConfig) -> Option<Millis> {
        let (_, written) = self.from?;
        Some(self.busy_until.min(written.plus(config.put_off_ms)))
    }

    /// The lowest offset that is not done.
    pub(super) fn position(&self) -> i64 {
        self.from.map_or(self.position, |(offset, _)| offset)
    }

    /// Whether something behind what was left may stand for it.
    pub(super) fn owes(&self) -> bool {
        self.from.is_some()
    }
}

impl<S: Store> PlannerCore<S> {
    /// Whether the outcome at `offset` that was `written` then is to be handled now.
    pub(super) fn is_for_now(&mut self, offset: i64, written: Millis, value: &Bytes) -> bool {
        let late_ms = Completed::peek(value);
        let it = &mut self.putting_off;
        let Some(late_ms) = late_ms else {
            return offset >= it.read_to;
        };
        let waits = offset >= it.due_to
            && late_ms >= self.config.put_off_late_ms
            && self.now < it.busy_until
            && self.now.since(written) < self.config.put_off_ms;
        if !waits {
            return true;
        }
        it.from.get_or_insert((offset, written));
        ::metrics::counter!(metrics::PUT_OFF).increment(1);
        false
    }

    /// Handles outcomes, every one below `position` that is for now.
    pub(super) fn take_outcomes(&mut self, records: Vec<Record>, position: i64) {
        let told = records.into_iter().map(|it| self.handle_outcome(it)).sum();
        self.lanes.took(Topic::Outcomes, told, position);
        let it = &mut self.putting_off;
        it.position = position;
        it.read_to = it.read_to.max(position);
    }

    /// Reads what was left again, if it is time. Only when asked: from here on, and no earlier, all that comes
    /// is of the new reading.
    pub(super) fn ask_for_what_was_left(&mut self) -> Option<Ask> {
        let it = &mut self.putting_off;
        if self.leaving || it.wake_at(&self.config)? > self.now {
            return None;
        }
        let (from, _) = it.from.take()?;
        if self.now < it.busy_until {
            // It waited for long enough, and so did much behind it.
            it.due_to = it.read_to;
        }
        it.position = from;
        Some(Ask::Read(Topic::Outcomes, from))
    }
}
