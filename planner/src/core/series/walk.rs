//! The order by which recurring tasks and broadcasts are looked at, a bounded step a turn.

use bytes::Bytes;
use schemas::{FiringPart, Millis, TaskKey};

use crate::config::PlannerConfig;
use crate::core::PlannerCore;
use crate::core::index::{Order, Timed, timed_key};
use crate::core::overlay::{LOOKED, timed};
use crate::store::Store;

/// Keys looked at in one step.
const STEP: usize = 512;
/// Looks wait for one another at most so long, ms: one turn then serves many.
const PACE_MS: u64 = 200;

/// How far looking has come.
#[derive(Clone, Debug)]
pub(crate) struct Looking {
    /// First key not looked at.
    from: Bytes,
    /// When the next one is to be looked at, as far as known.
    next: Option<Millis>,
    walked_at: Option<Millis>,
    more: bool,
}

impl Looking {
    pub(crate) fn new() -> Self {
        Self {
            from: Bytes::from_static(&[LOOKED]),
            next: None,
            walked_at: None,
            more: true,
        }
    }

    /// When there is something to look at.
    pub(crate) fn wake_at(&self, config: &PlannerConfig) -> Option<Millis> {
        let Some(walked_at) = self.walked_at.filter(|_| !self.more) else {
            return Some(Millis::MIN);
        };
        let pace = PACE_MS.min(config.pace_ms);
        self.next.map(|next| next.max(walked_at.plus(pace)))
    }

    /// Takes that `key` is to be looked at then.
    pub(in crate::core) fn note(&mut self, key: &TaskKey, part: Option<FiringPart>, time: Millis) {
        self.next = Some(self.next.map_or(time, |next| next.min(time)));
        let key = timed_key(LOOKED, time, b't', key, part);
        if key < self.from {
            self.from = key;
        }
    }

    /// There is something to do at once.
    pub(in crate::core) fn hurry(&mut self) {
        self.more = true;
    }
}

impl<S: Store> PlannerCore<S> {
    /// Looks at what is to be looked at by now.
    pub(in crate::core) fn look_round(&mut self) {
        let wake = self.looking.wake_at(&self.config);
        if wake.is_none_or(|at| at > self.now) {
            return;
        }
        self.looking.walked_at = Some(self.now);
        self.looking.more = false;
        let mut left = self.config.turn_placements;
        let end = timed(LOOKED, self.now.plus(1), b"");
        while self.looking.from < end {
            let from = self.looking.from.clone();
            let scan = self.table.scan(&from, &end, STEP);
            // Whatever is put behind this while they are looked at moves it back.
            self.looking.from = scan.next.unwrap_or_else(|| end.clone());
            for key in scan.keys {
                if left == 0 || self.outbox.bytes >= self.config.turn_bytes {
                    self.looking.from = key.min(self.looking.from.clone());
                    self.looking.more = true;
                    return;
                }
                self.look_at_one(key, &mut left);
            }
        }
        let from = self.looking.from.clone();
        let next = self.table.first(from, &[LOOKED + 1]);
        let next = next.and_then(|key| Timed::parse(&key));
        self.looking.next = next.map(|next| next.time);
    }

    fn look_at_one(&mut self, key: Bytes, left: &mut usize) {
        let task = Timed::parse(&key).and_then(|found| {
            let task = self.table.load_part(&found.key, found.part)?;
            let order = Order::of(&task.row).waiting;
            (order == Some((LOOKED, found.time))).then_some(task)
        });
        let Some(mut task) = task else {
            return self.table.drop_order(key);
        };
        if task.row.shares.is_some() {
            *left = left.saturating_sub(1);
            return self.tend(task, left);
        }
        let Some(definition) = self.definition_of(&task) else {
            return;
        };
        *left = left.saturating_sub(1);
        // Where that was not enough, the task stands at this very time again and is met once more.
        self.look(&mut task, &definition, None, left);
        self.save_series(task);
    }
}
