//! The ring of slots as the planner keeps it: which use each slot is at, and how full it is.

use schemas::index::{RingPhase, RingRow};
use schemas::slot::RING;
use schemas::{Instance, Millis, Slot};

/// The own instance and two more: what the trigger loads ahead, so that a task placed there is in
/// its wheel before it is due.
const TRIES: usize = 3;

/// All slots of one shard.
#[derive(Clone, Debug)]
pub(crate) struct Ring {
    slots: Vec<Option<RingRow>>,
    dirty: Vec<bool>,
    /// An instance takes at most so many bytes.
    instance_bytes: u64,
    /// Of those, at most so many of late work.
    late_bytes: u64,
}

/// Where a placement may go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Room {
    /// There.
    In {
        /// Which use of which slot.
        instance: Instance,
        /// It is not the one that the due time falls into.
        late: bool,
    },
    /// The instance has taken what it may.
    Full,
    /// The slot is still at an earlier use.
    Blocked,
}

impl Ring {
    pub(crate) fn new(instance_bytes: u64, late_bytes: u64) -> Self {
        Self {
            slots: vec![None; usize::from(RING)],
            dirty: vec![false; usize::from(RING)],
            instance_bytes,
            late_bytes,
        }
    }

    /// Takes a slot as the table has it.
    pub(crate) fn load(&mut self, slot: Slot, row: Option<RingRow>) {
        if let Some(place) = self.slots.get_mut(usize::from(slot.0)) {
            *place = row;
        }
    }

    pub(crate) fn get(&self, slot: Slot) -> Option<&RingRow> {
        self.slots.get(usize::from(slot.0))?.as_ref()
    }

    /// The slots that are in use, ascending.
    pub(crate) fn rows(&self) -> impl Iterator<Item = &RingRow> {
        self.slots.iter().flatten()
    }

    /// Where a placement of `bytes` due at `due` may go.
    pub(crate) fn choose(&self, due: Millis, bytes: u64, now: Millis) -> Room {
        let own = Instance::of(due);
        let first = own.max(Instance::of(now));
        let Some(instance) = self.usable_from(first) else {
            return Room::Blocked;
        };
        let late = instance != own;
        if self.has_room(instance, bytes, late) {
            Room::In { instance, late }
        } else {
            Room::Full
        }
    }

    /// The first of a few instances from `first` on that is open or can be.
    pub(crate) fn usable_from(&self, first: Instance) -> Option<Instance> {
        std::iter::successors(Some(first), |instance| Some(instance.next()))
            .take(TRIES)
            .find(|instance| self.usable(*instance))
    }

    fn usable(&self, instance: Instance) -> bool {
        match self.get(instance.slot()) {
            None => true,
            Some(row) if row.instance == instance => row.phase == RingPhase::Open,
            Some(row) => row.phase == RingPhase::Free && row.instance < instance,
        }
    }

    fn has_room(&self, instance: Instance, bytes: u64, late: bool) -> bool {
        let row = self.get(instance.slot());
        let Some(row) = row.filter(|row| row.instance == instance) else {
            return true;
        };
        // The first always fits, whatever its size: nothing may wait for ever.
        let fits = |taken: u64, cap: u64| taken == 0 || taken + bytes <= cap;
        fits(row.bytes, self.instance_bytes) && (!late || fits(row.late_bytes, self.late_bytes))
    }

    /// Opens `instance` if it is not; it must be usable.
    pub(crate) fn open(&mut self, instance: Instance) {
        self.change(instance.slot(), |row| {
            if row.is_none_or(|row| row.instance != instance) {
                *row = Some(RingRow {
                    instance,
                    phase: RingPhase::Open,
                    placements: 0,
                    revokes: 0,
                    bytes: 0,
                    late_bytes: 0,
                });
            }
        });
    }

    /// Counts a placement into `instance`.
    pub(crate) fn count_placement(&mut self, instance: Instance, bytes: u64, late: bool) {
        self.open(instance);
        self.change(instance.slot(), |row| {
            if let Some(row) = row {
                row.placements += 1;
                row.bytes += bytes;
                row.late_bytes += if late { bytes } else { 0 };
            }
        });
    }

    /// Counts a revoke into `instance`, if its seal is still to come.
    pub(crate) fn count_revoke(&mut self, instance: Instance) {
        self.change(instance.slot(), |row| {
            if let Some(row) = row
                && row.instance == instance
                && row.phase == RingPhase::Open
            {
                row.revokes += 1;
            }
        });
    }

    pub(crate) fn set_phase(&mut self, slot: Slot, phase: RingPhase) {
        self.change(slot, |row| {
            if let Some(row) = row {
                row.phase = phase;
            }
        });
    }

    /// Whether the partition of `instance`'s slot still belongs to it: its `Free` is not written.
    pub(crate) fn holds(&self, instance: Instance) -> bool {
        self.get(instance.slot())
            .is_some_and(|row| row.instance == instance && row.phase != RingPhase::Free)
    }

    /// The first that is open and over at `now`.
    pub(crate) fn to_seal(&self, now: Millis) -> Option<RingRow> {
        let over = |row: &&RingRow| row.phase == RingPhase::Open && row.instance.end() <= now;
        self.rows().find(over).copied()
    }

    /// When the next open one is over.
    pub(crate) fn next_end(&self) -> Option<Millis> {
        let open = self.rows().filter(|row| row.phase == RingPhase::Open);
        open.map(|row| row.instance.end()).min()
    }

    /// The rows changed since the last call.
    pub(crate) fn take_dirty(&mut self) -> Vec<(Slot, RingRow)> {
        let mut rows = Vec::new();
        for slot in Slot::all() {
            let number = usize::from(slot.0);
            let dirty = self.dirty.get_mut(number).map(std::mem::take);
            if dirty == Some(true)
                && let Some(row) = self.get(slot)
            {
                rows.push((slot, *row));
            }
        }
        rows
    }

    pub(crate) fn is_dirty(&self) -> bool {
        self.dirty.contains(&true)
    }

    fn change(&mut self, slot: Slot, with: impl FnOnce(&mut Option<RingRow>)) {
        let number = usize::from(slot.0);
        if let (Some(row), Some(dirty)) = (self.slots.get_mut(number), self.dirty.get_mut(number)) {
            let before = *row;
            with(row);
            *dirty |= *row != before;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const WIDTH: i64 = schemas::slot::WIDTH_MS;

    fn at(instance: i64) -> Instance {
        Instance(Millis(instance * WIDTH))
    }

    fn placed(instance: i64, late: bool) -> Room {
        let instance = at(instance);
        Room::In { instance, late }
    }

    #[test]
    fn a_placement_goes_where_its_time_is_or_where_it_still_can() {
        let mut ring = Ring::new(100, 75);
        for (instance, phase) in [
            (10, RingPhase::Sealed),
            (11, RingPhase::Open),
            (12, RingPhase::Free),
        ] {
            ring.open(at(instance));
            ring.set_phase(at(instance).slot(), phase);
        }
        ring.count_placement(at(11), 60, true);
        ring.count_placement(at(14), 100, false);
        let cases = [
            ("own", 13, 13, 10, placed(13, false)),
            ("overdue", 3, 13, 10, placed(13, true)),
            ("own is sealed", 10, 10, 10, placed(11, true)),
            ("late share is full", 3, 11, 16, Room::Full),
            ("the rest is for others", 11, 11, 16, placed(11, false)),
            ("full", 14, 13, 1, Room::Full),
            ("freed: next lap", 36, 35, 1, placed(36, false)),
            ("freed: not the same again", 12, 12, 1, placed(13, true)),
            ("still at the lap before", 35, 35, 1, placed(36, true)),
            ("two of them, then one", 34, 34, 1, placed(36, true)),
        ];
        for (name, due, now, bytes, room) in cases {
            let due = Millis(due * WIDTH + 5);
            let now = Millis(now * WIDTH);
            assert_eq!(ring.choose(due, bytes, now), room, "{name}");
        }
        ring.set_phase(at(12).slot(), RingPhase::Sealed);
        let blocked = ring.choose(Millis(34 * WIDTH), 1, Millis(34 * WIDTH));
        assert_eq!(blocked, Room::Blocked);
    }

    #[test]
    fn one_larger_than_the_bound_still_fits_an_empty_instance() {
        let mut ring = Ring::new(100, 75);
        assert_eq!(ring.choose(Millis(0), 500, Millis(0)), placed(0, false));
        ring.count_placement(at(0), 500, false);
        assert_eq!(ring.choose(Millis(0), 1, Millis(0)), Room::Full);
    }
}
