//! A hierarchical timing wheel with ticks of 1 ms.
//!
//! Insert and remove are O(1); entries leave in the order of (due, rank), where ranks of one due time
//! must come in ascending within whatever is told apart by them. After tokio's `time::wheel`, with
//! three differences: levels cover every time there is; a list that holds a single tick moves down
//! whole, so that a herd costs nothing until it leaves; and what is due before the point the wheel
//! has come to waits, ordered, beside it.
//!
//! An entry moves down at most once a level, from the list it is in to the end of a lower one, so
//! entries of one tick keep the order they came in.

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

use schemas::Millis;

use super::level::{LEVELS, Level, List, NONE, level_of, list_of, start_of};

/// Which entry; valid until it is removed or popped.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Key(u32);

/// When something will be due.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Next {
    /// At this time, or not before it.
    pub(crate) at: Millis,
    /// Whether an entry is due at exactly that time.
    pub(crate) exact: bool,
}

/// The wheel. `R` orders entries of one due time that came too late for it.
#[derive(Debug)]
pub(crate) struct Wheel<R, T> {
    /// Every entry before this tick left, or is overdue.
    elapsed: u64,
    /// Bit l: level l holds something.
    occupied: u16,
    levels: Vec<Level>,
    overdue: BTreeMap<(u64, R), u32>,
    nodes: Vec<Node<R, T>>,
    free: u32,
    len: usize,
}

#[derive(Debug)]
struct Node<R, T> {
    tick: u64,
    next: u32,
    previous: u32,
    rank: R,
    /// `None`: free, and `next` is the next free one.
    value: Option<T>,
}

/// Room for so many entries is kept when the wheel runs empty; more is given back.
const KEPT: usize = 16_384;

impl<R: Ord + Copy, T> Wheel<R, T> {
    /// An empty one that expects nothing before `start`.
    pub(crate) fn new(start: Millis) -> Self {
        Self {
            elapsed: tick_of(start),
            occupied: 0,
            levels: (0..LEVELS).map(|_| Level::new()).collect(),
            overdue: BTreeMap::new(),
            nodes: Vec::new(),
            free: NONE,
            len: 0,
        }
    }

    /// How many entries there are.
    pub(crate) fn len(&self) -> usize {
        self.len
    }

    /// Adds an entry.
    pub(crate) fn insert(&mut self, due: Millis, rank: R, value: T) -> Key {
        let tick = tick_of(due);
        let key = self.occupy(Node {
            tick,
            next: NONE,
            previous: NONE,
            rank,
            value: Some(value),
        });
        if tick < self.elapsed {
            self.overdue.insert((tick, rank), key);
        } else {
            self.link(key);
        }
        Key(key)
    }

    /// Takes an entry out.
    pub(crate) fn remove(&mut self, key: Key) -> Option<T> {
        let node = self.nodes.get(key.0 as usize)?;
        node.value.as_ref()?;
        let (tick, rank) = (node.tick, node.rank);
        if tick < self.elapsed {
            self.overdue.remove(&(tick, rank));
        } else {
            self.unlink(key.0);
        }
        self.vacate(key.0)
    }

    /// Looks at an entry.
    pub(crate) fn get(&self, key: Key) -> Option<&T> {
        self.nodes.get(key.0 as usize)?.value.as_ref()
    }

    /// Takes the first entry that is due at `limit` or before.
    pub(crate) fn pop(&mut self, limit: Millis) -> Option<(Key, T)> {
        let limit_tick = tick_of(limit);
        if let Some(((tick, _), key)) = self.overdue.first_key_value() {
            let (tick, key) = (*tick, *key);
            if tick > limit_tick {
                return None;
            }
            self.overdue.pop_first();
            return self.vacate(key).map(|value| (Key(key), value));
        }
        self.advance(limit);
        let number = self.levels[0].first()?;
        let tick = start_of(self.elapsed, 0, number);
        if tick > limit_tick {
            return None;
        }
        self.elapsed = tick;
        let key = self.levels[0].list(number).head;
        self.unlink(key);
        self.vacate(key).map(|value| (Key(key), value))
    }

    /// Brings the wheel on to `limit`, or to the first entry due before it: after this,
    /// [`Wheel::next`] is exact if it is at `limit` or before.
    pub(crate) fn advance(&mut self, limit: Millis) {
        let limit = tick_of(limit);
        while let Some((level, number)) = self.first_list() {
            let start = start_of(self.elapsed, level, number);
            if start > limit {
                break;
            }
            if level == 0 {
                return;
            }
            self.elapsed = start;
            self.cascade(level, number);
        }
        self.elapsed = self.elapsed.max(limit);
    }

    /// When the first entry is due, as far as known without moving.
    pub(crate) fn next(&self) -> Option<Next> {
        if let Some(((tick, _), _)) = self.overdue.first_key_value() {
            let at = due_of(*tick);
            return Some(Next { at, exact: true });
        }
        self.first_list().map(|(level, number)| Next {
            at: due_of(start_of(self.elapsed, level, number)),
            exact: level == 0,
        })
    }

    fn first_list(&self) -> Option<(usize, usize)> {
        if self.occupied == 0 {
            return None;
        }
        // A lower level is always before a higher one.
        let level = self.occupied.trailing_zeros() as usize;
        self.levels[level].first().map(|number| (level, number))
    }

    /// Moves the entries of a list, whose start the wheel has come to, to where they belong now.
    fn cascade(&mut self, level: usize, number: usize) {
        let list = self.take_list(level, number);
        if list.min == list.max {
            // All levels below are empty, so this is a move and not an append.
            let below = level_of(self.elapsed, list.min);
            self.set_list(below, list_of(list.min, below), list);
            return;
        }
        let mut key = list.head;
        while key != NONE {
            let next = self.nodes[key as usize].next;
            self.link(key);
            key = next;
        }
    }

    fn link(&mut self, key: u32) {
        let tick = self.nodes[key as usize].tick;
        let level = level_of(self.elapsed, tick);
        let number = list_of(tick, level);
        let mut list = self.levels[level].list(number);
        {
            let node = &mut self.nodes[key as usize];
            node.next = NONE;
            node.previous = list.tail;
        }
        if list.tail == NONE {
            list.head = key;
        } else {
            self.nodes[list.tail as usize].next = key;
        }
        list.tail = key;
        list.min = list.min.min(tick);
        list.max = list.max.max(tick);
        self.set_list(level, number, list);
    }

    fn unlink(&mut self, key: u32) {
        let (tick, previous, next) = {
            let node = &self.nodes[key as usize];
            (node.tick, node.previous, node.next)
        };
        let level = level_of(self.elapsed, tick);
        let number = list_of(tick, level);
        let mut list = self.levels[level].list(number);
        if previous == NONE {
            list.head = next;
        } else {
            self.nodes[previous as usize].next = next;
        }
        if next == NONE {
            list.tail = previous;
        } else {
            self.nodes[next as usize].previous = previous;
        }
        self.set_list(level, number, list);
    }

    fn set_list(&mut self, level: usize, number: usize, list: List) {
        self.levels[level].set(number, list);
        self.note_occupied(level);
    }

    fn take_list(&mut self, level: usize, number: usize) -> List {
        let list = self.levels[level].take(number);
        self.note_occupied(level);
        list
    }

    fn note_occupied(&mut self, level: usize) {
        if self.levels[level].first().is_some() {
            self.occupied |= 1 << level;
        } else {
            self.occupied &= !(1 << level);
        }
    }

    fn occupy(&mut self, node: Node<R, T>) -> u32 {
        self.len += 1;
        if self.free == NONE {
            let key = u32::try_from(self.nodes.len()).unwrap_or(NONE);
            // 4 billion entries are more than any bound on memory lets in.
            assert!(key != NONE, "the wheel holds 2^32 entries");
            self.nodes.push(node);
            return key;
        }
        let key = self.free;
        let place = &mut self.nodes[key as usize];
        self.free = place.next;
        *place = node;
        key
    }

    fn vacate(&mut self, key: u32) -> Option<T> {
        let node = &mut self.nodes[key as usize];
        let value = node.value.take()?;
        node.next = self.free;
        self.free = key;
        self.len -= 1;
        if self.len == 0 && self.nodes.capacity() > KEPT {
            self.nodes = Vec::new();
            self.free = NONE;
        }
        Some(value)
    }
}

/// Ticks are unsigned and in the order of times, those before 1970 included.
fn tick_of(time: Millis) -> u64 {
    time.0.cast_unsigned() ^ (1 << 63)
}

fn due_of(tick: u64) -> Millis {
    Millis((tick ^ (1 << 63)).cast_signed())
}
