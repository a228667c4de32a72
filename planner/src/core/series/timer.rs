//! When the occurrences of a recurring task come.

use schemas::{Beat, Definition, Millis, Recurrence, TaskKey};

/// A task's schedule, ready to be asked.
#[derive(Clone, Debug)]
pub(crate) struct Timer {
    recurrence: Recurrence,
    /// What it counts from where nothing else is said.
    since: Millis,
    /// The task's own number for spreading.
    seed: u64,
}

impl Timer {
    /// Of a recurring task whose schedule counts from `since`; `None` where it fires once.
    pub(crate) fn of(key: &TaskKey, definition: &Definition, since: Millis) -> Option<Self> {
        Some(Self {
            recurrence: definition.schedule.recurrence()?.clone(),
            since,
            seed: seed_of(key),
        })
    }

    /// The first occurrence due behind `from`. Of a fixed delay: one delay behind it, or the start.
    pub(crate) fn first(&self, from: Millis) -> Option<Millis> {
        if let Beat::AfterEach(ms) = self.recurrence.beat {
            let start = self.recurrence.start.filter(|start| *start > from);
            return self.within(start.unwrap_or(from.plus(ms)));
        }
        let before = match self.recurrence.start {
            Some(start) => from.minus(self.widest()).max(start.minus(1)),
            None => from.minus(self.widest()),
        };
        let mut due = self.next(before)?;
        while due <= from {
            due = self.next(due)?;
        }
        Some(due)
    }

    /// The occurrence behind the one due at `due`; `None` at the end, and for a fixed delay.
    pub(crate) fn next(&self, due: Millis) -> Option<Millis> {
        // None is spread as far as up to the next one's nominal time.
        let next = self.nominal_behind(due)?;
        self.within(next)
    }

    /// With a fixed delay: the occurrence behind a firing that ended then.
    pub(crate) fn behind_end(&self, ended_at: Millis) -> Option<Millis> {
        match self.recurrence.beat {
            Beat::AfterEach(ms) => self.within(ended_at.plus(ms)),
            _ => None,
        }
    }

    /// Whether each occurrence depends on the end of the firing before.
    pub(crate) fn follows(&self) -> bool {
        matches!(self.recurrence.beat, Beat::AfterEach(_))
    }

    /// At most so many firings.
    pub(crate) fn most_runs(&self) -> u64 {
        self.recurrence.max_runs.unwrap_or(u64::MAX)
    }

    fn nominal_behind(&self, nominal: Millis) -> Option<Millis> {
        match &self.recurrence.beat {
            Beat::Every { ms, anchor } => {
                let anchor = anchor.or(self.recurrence.start).unwrap_or(self.since);
                let period = i64::try_from(*ms).ok().filter(|period| *period > 0)?;
                let steps = nominal.0.checked_sub(anchor.0)?.div_euclid(period) + 1;
                let next = steps.checked_mul(period)?.checked_add(anchor.0)?;
                Some(Millis(next)).filter(|next| *next <= Millis::LATEST_DUE)
            }
            Beat::Cron { .. } | Beat::AfterEach(_) => None,
        }
    }

    /// The occurrence at `nominal`, if it is one before the end.
    fn within(&self, nominal: Millis) -> Option<Millis> {
        let over = self.recurrence.end.is_some_and(|end| nominal > end);
        let due = nominal.plus(self.spread(nominal));
        (!over && due <= Millis::LATEST_DUE).then_some(due)
    }

    /// How late the occurrence at `nominal` is due: the task's share of the window and the occurrence's
    /// own jitter, short of the occurrence behind it (T8).
    fn spread(&self, nominal: Millis) -> u64 {
        let window = share(mix(self.seed, 0), self.recurrence.window_ms);
        let own = mix(self.seed, nominal.0.cast_unsigned());
        let spread = window + share(own, self.recurrence.jitter_ms);
        if spread == 0 || self.follows() {
            return spread;
        }
        let gap = self.nominal_behind(nominal).map(|next| next.since(nominal));
        gap.map_or(spread, |gap| spread % gap.max(1))
    }

    /// No occurrence is due later than so long behind its nominal time, ms.
    fn widest(&self) -> u64 {
        let spread = self.recurrence.window_ms + self.recurrence.jitter_ms;
        match self.recurrence.beat {
            Beat::Every { ms, .. } => spread.min(ms),
            Beat::Cron { .. } | Beat::AfterEach(_) => spread,
        }
    }
}

/// A part of `most`, 0 for none of it.
fn share(hash: u64, most: u64) -> u64 {
    if most == 0 { 0 } else { hash % most }
}

/// The number that spreads a task, for ever the same.
fn seed_of(key: &TaskKey) -> u64 {
    let name = [key.tenant.as_str(), "\0", key.id.as_str()].concat();
    // FNV-1a.
    name.bytes().fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    })
}

/// Well mixed bits of two numbers, as by SplitMix64.
fn mix(seed: u64, number: u64) -> u64 {
    let mut bits = seed ^ number.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    bits ^ (bits >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;
    use schemas::{TaskId, TenantId};

    fn timer(recurrence: Recurrence) -> Timer {
        let key = TaskKey {
            tenant: TenantId::new("t").unwrap(),
            id: TaskId::new("a").unwrap(),
        };
        Timer {
            recurrence,
            since: Millis(5),
            seed: seed_of(&key),
        }
    }

    fn every(ms: u64) -> Recurrence {
        Recurrence::of(Beat::Every { ms, anchor: None })
    }

    fn dues(timer: &Timer, from: i64, count: usize) -> Vec<i64> {
        let first = timer.first(Millis(from));
        let all = std::iter::successors(first, |due| timer.next(*due));
        all.take(count).map(|due| due.0).collect()
    }

    #[test]
    fn a_fixed_rate_stands_on_its_anchor_and_keeps_within_its_bounds() {
        let plain = timer(every(100));
        assert_eq!(dues(&plain, 5, 3), [105, 205, 305]);
        assert_eq!(dues(&plain, 104, 1), [105]);
        assert_eq!(dues(&plain, 105, 1), [205]);
        let started = timer(Recurrence {
            start: Some(Millis(1_000)),
            end: Some(Millis(1_200)),
            ..every(100)
        });
        assert_eq!(dues(&started, 5, 9), [1_000, 1_100, 1_200]);
        assert_eq!(dues(&started, 1_100, 9), [1_200]);
        assert_eq!(dues(&started, 1_200, 9), [0_i64; 0]);
        let anchored = Beat::Every {
            ms: 100,
            anchor: Some(Millis(30)),
        };
        let anchored = timer(Recurrence {
            start: Some(Millis(1_000)),
            ..Recurrence::of(anchored)
        });
        assert_eq!(dues(&anchored, 5, 2), [1_030, 1_130]);
    }

    #[test]
    fn a_million_occurrences_drift_by_nothing() {
        let timer = timer(every(250));
        let first = timer.first(Millis(5)).unwrap();
        let mut due = first;
        for _ in 0..1_000_000 {
            due = timer.next(due).unwrap();
        }
        assert_eq!(due.since(first), 250_000_000);
    }

    #[test]
    fn spread_occurrences_keep_their_order_and_their_time() {
        let spread = timer(Recurrence {
            jitter_ms: 5_000,
            window_ms: 60_000,
            ..every(1_000)
        });
        let mut due = spread.first(Millis(5)).unwrap();
        let mut late = std::collections::BTreeSet::new();
        for _ in 0..1_000 {
            let next = spread.next(due).unwrap();
            assert!(next > due);
            assert_eq!(spread.first(due), Some(next));
            late.insert((next.0 - 5).rem_euclid(1_000));
            due = next;
        }
        assert!(late.len() > 500, "each has a time of its own");
    }

    #[test]
    fn a_fixed_delay_counts_from_the_end_before() {
        let delay = timer(Recurrence {
            end: Some(Millis(1_000)),
            ..Recurrence::of(Beat::AfterEach(300))
        });
        assert_eq!(delay.first(Millis(5)), Some(Millis(305)));
        assert_eq!(delay.next(Millis(305)), None);
        let behind = |at| delay.behind_end(Millis(at));
        assert_eq!((behind(700), behind(701)), (Some(Millis(1_000)), None));
    }
}
