//! What ended is remembered for the dedup window, then forgotten, oldest first, a bounded step a turn.

use bytes::Bytes;
use schemas::index::Phase;
use schemas::{Millis, TaskKey};

use super::PlannerCore;
use super::index::{Task, Timed};
use super::overlay::{ENDED, timed};
use crate::config::PlannerConfig;
use crate::metrics;
use crate::store::Store;

/// Keys looked at in one step.
const STEP: usize = 512;

/// How far forgetting has come.
#[derive(Clone, Debug)]
pub(super) struct Forgetting {
    /// First key not looked at. Tasks stand at the time they ended, marks at the time they may go.
    from: Bytes,
    /// The time of the oldest that is left, as far as known.
    oldest: Option<Millis>,
    walked_at: Option<Millis>,
    more: bool,
}

impl Forgetting {
    pub(super) fn new() -> Self {
        Self {
            from: Bytes::from_static(&[ENDED]),
            oldest: None,
            walked_at: None,
            more: true,
        }
    }

    /// When there is something to forget.
    pub(super) fn wake_at(&self, config: &PlannerConfig) -> Option<Millis> {
        let Some(walked_at) = self.walked_at.filter(|_| !self.more) else {
            return Some(Millis::MIN);
        };
        let oldest = self.oldest?.plus(config.dedup_window_ms);
        Some(oldest.max(walked_at.plus(config.pace_ms)))
    }

    /// Takes that something stands at `time` now.
    pub(super) fn note(&mut self, time: Millis) {
        self.oldest = Some(self.oldest.map_or(time, |oldest| oldest.min(time)));
        let key = timed(ENDED, time, b"");
        if key < self.from {
            self.from = key;
        }
    }
}

impl<S: Store> PlannerCore<S> {
    pub(super) fn forget(&mut self) {
        let wake = self.forgetting.wake_at(&self.config);
        if wake.is_none_or(|at| at > self.now) {
            return;
        }
        self.forgetting.walked_at = Some(self.now);
        self.forgetting.more = false;
        let before = self.now.minus(self.config.dedup_window_ms);
        let end = timed(ENDED, before, b"");
        let mut left = self.config.turn_forgotten;
        while self.forgetting.from < end {
            let from = self.forgetting.from.clone();
            let scan = self.table.scan(&from, &end, STEP.min(left));
            left = left.saturating_sub(scan.keys.len());
            for key in scan.keys {
                self.forget_one(key);
            }
            self.forgetting.from = scan.next.unwrap_or_else(|| end.clone());
            if left == 0 {
                self.forgetting.more = self.forgetting.from < end;
                break;
            }
        }
        let from = self.forgetting.from.clone();
        let next = self.table.first(from, &[ENDED + 1]);
        let next = next.and_then(|key| Timed::parse(&key));
        self.forgetting.oldest = next.map(|next| next.time);
    }

    /// The steps of a flow are remembered until none of its group waits for another.
    fn is_still_needed(&mut self, name: &TaskKey) -> bool {
        name.id.step().is_some() && self.table.is_group_waiting(name)
    }

    /// Remembers what ended for the window once more.
    fn remember_on(&mut self, mut task: Task) {
        if let Phase::Ended { at, .. } = &mut task.row.phase {
            *at = self.now;
        }
        self.table.save(task);
    }

    fn forget_one(&mut self, key: Bytes) {
        let Some(Timed {
            time,
            sort,
            key: name,
            ..
        }) = Timed::parse(&key)
        else {
            return self.table.drop_order(key);
        };
        if sort == b'u' {
            let mark = self.table.mark(&name);
            if mark.is_some_and(|mark| mark.until == time) {
                self.table.erase_mark(&name);
            } else {
                self.table.drop_order(key);
            }
            return;
        }
        let task = self.table.load(&name);
        let over = |phase| matches!(phase, Phase::Ended { at, .. } if at == time);
        match task {
            Some(task) if over(task.row.phase) && self.is_still_needed(&name) => {
                self.remember_on(task);
            }
            Some(task) if over(task.row.phase) => {
                self.table.erase(task);
                ::metrics::counter!(metrics::FORGOTTEN).increment(1);
            }
            _ => self.table.drop_order(key),
        }
    }
}
