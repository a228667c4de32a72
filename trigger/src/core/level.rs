//! One level of the wheel: 64 lists, a bit for each that is not empty, and the maths of which list a
//! tick belongs to.
//!
//! A tick's place is a pure function of it and of how far the wheel has come: the level is that of
//! the highest group of six bits in which the two differ, the list is the tick's value of that group.
//! So nothing needs to remember where an entry is.

/// Bits of a tick that one level looks at.
const BITS: usize = 6;
/// Lists of one level.
pub(super) const LISTS: usize = 1 << BITS;
/// Levels that cover every 64-bit tick: 10 of 6 bits, and one for the 4 that are left.
pub(super) const LEVELS: usize = 11;
/// No entry.
pub(super) const NONE: u32 = u32::MAX;

/// Entries in the order they came, linked through the slab.
#[derive(Clone, Copy, Debug)]
pub(super) struct List {
    /// First entry.
    pub(super) head: u32,
    /// Last entry.
    pub(super) tail: u32,
    /// No entry has an earlier tick; exact until one is removed.
    pub(super) min: u64,
    /// No entry has a later tick; exact until one is removed.
    pub(super) max: u64,
}

/// 64 lists.
#[derive(Debug)]
pub(super) struct Level {
    occupied: u64,
    lists: [List; LISTS],
}

impl List {
    pub(super) const EMPTY: Self = Self {
        head: NONE,
        tail: NONE,
        min: u64::MAX,
        max: 0,
    };
}

impl Level {
    pub(super) fn new() -> Self {
        Self {
            occupied: 0,
            lists: [List::EMPTY; LISTS],
        }
    }

    /// The list with the smallest number that is not empty. Numbers never wrap: what is behind the
    /// last list of a level belongs to the level above.
    pub(super) fn first(&self) -> Option<usize> {
        (self.occupied != 0).then(|| self.occupied.trailing_zeros() as usize)
    }

    pub(super) fn list(&self, number: usize) -> List {
        self.lists[number]
    }

    /// Puts the list back as changed.
    pub(super) fn set(&mut self, number: usize, list: List) {
        if list.head == NONE {
            self.lists[number] = List::EMPTY;
            self.occupied &= !(1 << number);
        } else {
            self.lists[number] = list;
            self.occupied |= 1 << number;
        }
    }

    /// Takes the whole list.
    pub(super) fn take(&mut self, number: usize) -> List {
        let list = self.lists[number];
        self.set(number, List::EMPTY);
        list
    }
}

/// The level of a tick that is not before `elapsed`.
pub(super) fn level_of(elapsed: u64, tick: u64) -> usize {
    let differing = (elapsed ^ tick) | (LISTS as u64 - 1);
    (63 - differing.leading_zeros() as usize) / BITS
}

/// The list of a tick within its level.
pub(super) fn list_of(tick: u64, level: usize) -> usize {
    (tick >> (level * BITS)) as usize & (LISTS - 1)
}

/// The first tick that list `number` of `level` can hold while the wheel has come to `elapsed`.
pub(super) fn start_of(elapsed: u64, level: usize, number: usize) -> u64 {
    let shift = level * BITS;
    let above = u32::try_from(shift + BITS)
        .ok()
        .and_then(|bits| u64::MAX.checked_shl(bits))
        .unwrap_or(0);
    (elapsed & above) | ((number as u64) << shift)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tick_lies_on_the_level_where_it_first_differs() {
        let cases = [
            (0, 0, 0, 0),
            (0, 63, 0, 63),
            (0, 64, 1, 1),
            (63, 64, 1, 1),
            (64, 65, 0, 1),
            (0, 4_095, 1, 63),
            (0, 4_096, 2, 1),
            (4_095, 4_096, 2, 1),
            (4_096, 4_160, 1, 1),
            (0, 1 << 60, 10, 1),
            (0, u64::MAX, 10, 15),
            (u64::MAX - 1, u64::MAX, 0, 63),
        ];
        for (elapsed, tick, level, list) in cases {
            assert_eq!(level_of(elapsed, tick), level, "{elapsed} {tick}");
            assert_eq!(list_of(tick, level), list, "{elapsed} {tick}");
            let start = start_of(elapsed, level, list);
            assert!(start <= tick, "{elapsed} {tick}: starts at {start}");
            assert!(start >= elapsed || level == 0, "{elapsed} {tick}: {start}");
        }
    }
}
