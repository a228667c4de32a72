//! How much to load, and of which slot first (T9).
//!
//! A slot ahead of need, or overdue behind others, is let in while what is loaded stays under the
//! bound. Beyond it are let in: the slot whose time it is and the past ones that fire already (the
//! planner puts a bounded number of bytes into each instance, and what they hold leaves at once), and
//! of the past ones that still have to be read before they may fire, the oldest alone. Slots beyond
//! those that are needed soon are let in while there is plenty of room.

use std::ops::RangeInclusive;

use schemas::Instance;

use super::partition::Partition;
use crate::config::Config;

/// Most records taken of one partition at once.
const BATCH: usize = 4_096;
/// Of a partition whose first record must show what it holds, when there is no room for more.
const PEEK: usize = 16;
/// A record is not expected to weigh less than this, bytes.
const LIGHTEST: usize = 256;

/// What is loaded.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Load {
    /// Bytes, in queues and wheel.
    pub(crate) bytes: usize,
    /// Records that came in so far, and their bytes: for the average.
    seen: u64,
    seen_bytes: u64,
}

impl Load {
    /// Takes in one record.
    pub(crate) fn add(&mut self, weight: usize) {
        if weight > 0 {
            self.bytes += weight;
            self.seen += 1;
            self.seen_bytes += u64::try_from(weight).unwrap_or(u64::MAX);
        }
    }

    /// Lets one go.
    pub(crate) fn sub(&mut self, weight: usize) {
        self.bytes = self.bytes.saturating_sub(weight);
    }

    /// How many records of `partition` to take. `needed` are the instances from the current one to
    /// the last that is loaded even where memory is short; `oldest` is the oldest instance that must
    /// still be read before it may fire.
    pub(crate) fn appetite(
        &self,
        partition: &Partition,
        config: &Config,
        needed: &RangeInclusive<Instance>,
        oldest: Option<Instance>,
    ) -> usize {
        if !partition.reading {
            return 0;
        }
        let average = self.seen_bytes.checked_div(self.seen).unwrap_or(0);
        let average = usize::try_from(average).unwrap_or(LIGHTEST).max(LIGHTEST);
        let room_below = |bound: usize| (bound.saturating_sub(self.bytes) / average).min(BATCH);
        let room = room_below(config.loaded_bytes);
        let current = *needed.start();
        match partition.open() {
            Some(instance) if instance == current || Some(instance) == oldest => BATCH,
            Some(instance) if instance < current && partition.ready() => BATCH,
            Some(instance) if instance > *needed.end() => {
                room_below(config.early_bytes.min(config.loaded_bytes))
            }
            Some(_) => room,
            None => room.max(PEEK.saturating_sub(partition.arrivals.len())),
        }
    }
}

/// The oldest instance that must still be read before it may fire.
pub(crate) fn oldest_unready<'a>(
    partitions: impl Iterator<Item = &'a Partition>,
) -> Option<Instance> {
    partitions
        .filter(|partition| partition.reading && !partition.ready())
        .filter_map(Partition::open)
        .min()
}

#[cfg(test)]
mod tests {
    use schemas::{Millis, Slot};

    use super::*;
    use crate::core::note::{Counts, Life, Note};
    use crate::core::watermark::Watermark;

    const BOUND: usize = 1 << 20;

    fn partition(life: Life, end: i64) -> Partition {
        let note = Note {
            life,
            dealt: 0,
            mark: Watermark::START,
            counts: Counts::default(),
        };
        let mut partition = Partition::new(Slot(0), 0, end, Some(note));
        partition.reading = true;
        partition
    }

    #[test]
    fn a_full_shard_still_takes_what_is_needed_now() {
        let current = Instance(Millis(900_000));
        let [past, older] = [Instance(Millis(870_000)), Instance(Millis(840_000))];
        let open = Life::Open;
        let config = Config {
            loaded_bytes: BOUND,
            ..Config::default()
        };
        let needed = current..=current.next().next();
        let cases = [
            ("current", open(current), 0, None, BATCH),
            ("current, unread", open(current), 9, Some(older), BATCH),
            ("next", open(current.next()), 0, None, 0),
            ("past, firing", open(past), 0, Some(older), BATCH),
            (
                "past, unread, not the oldest",
                open(past),
                9,
                Some(older),
                0,
            ),
            ("past, unread, the oldest", open(past), 9, Some(past), BATCH),
            ("not known", Life::Unknown, 9, None, PEEK),
            ("drained", Life::Drained(past), 0, None, PEEK),
        ];
        for (name, life, end, oldest, expected) in cases {
            let partition = partition(life, end);
            let mut load = Load::default();
            load.add(BOUND);
            let full = load.appetite(&partition, &config, &needed, oldest);
            assert_eq!(full, expected, "{name}");
            let empty = Load::default().appetite(&partition, &config, &needed, oldest);
            assert_eq!(empty, BATCH, "{name}");
        }
    }

    #[test]
    fn what_is_far_is_loaded_while_there_is_plenty_of_room() {
        let config = Config {
            loaded_bytes: 4 * BOUND,
            early_bytes: BOUND,
            ..Config::default()
        };
        let current = Instance(Millis(900_000));
        let needed = current..=current.next();
        let soon = partition(Life::Open(current.next()), 0);
        let far = partition(Life::Open(current.next().next()), 0);
        let mut load = Load::default();
        assert_eq!(load.appetite(&far, &config, &needed, None), BATCH);
        load.add(BOUND);
        assert_eq!(load.appetite(&far, &config, &needed, None), 0);
        assert!(load.appetite(&soon, &config, &needed, None) > 0);
    }

    #[test]
    fn what_is_not_read_is_not_wanted() {
        let mut partition = partition(Life::Unknown, 0);
        partition.reading = false;
        let needed = Instance(Millis(0))..=Instance(Millis(0));
        let config = Config::default();
        assert_eq!(
            Load::default().appetite(&partition, &config, &needed, None),
            0
        );
    }
}
