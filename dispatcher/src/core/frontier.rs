//! Out-of-order answers → the offset safe to commit, and a note of what is answered above it.

use std::collections::BTreeSet;

use pipeline::Position;

use super::note::{self, Runs, Writer};

/// What of one lane partition is answered.
///
/// The position it commits is the lowest unanswered offset; its note tells what is answered between
/// there and the highest answered one. What lies behind that needs no telling: it is read again and
/// done. So reading never makes a note longer, only answers do, and an answer can wait.
#[derive(Debug)]
pub(crate) struct Frontier {
    /// Everything visible below was handed in, or was answered before this core was made.
    seen: i64,
    /// Nothing at or behind this was ever answered.
    top: i64,
    /// To be answered yet.
    open: BTreeSet<i64>,
    /// Of those, the ones told by the note that were not handed in again yet.
    unread: BTreeSet<i64>,
    /// Below this, only what is in `unread` is to be done.
    resume: i64,
}

impl Frontier {
    /// Goes on from what was committed; from `start`, the first offset there is, where nothing was.
    pub(crate) fn new(committed: Option<&Position>, start: i64) -> Self {
        let Some(position) = committed else {
            return Self::at(start);
        };
        let mut it = Self::at(position.offset);
        for runs in note::read(&position.note).unwrap_or_default() {
            let answered_from = it.top.saturating_add_unsigned(runs.open);
            it.unread.extend(it.top..answered_from);
            it.top = answered_from.saturating_add_unsigned(runs.answered);
        }
        it.open.clone_from(&it.unread);
        it.resume = it.top;
        it
    }

    fn at(offset: i64) -> Self {
        Self {
            seen: offset,
            top: offset,
            open: BTreeSet::new(),
            unread: BTreeSet::new(),
            resume: offset,
        }
    }

    /// Whether the record at `offset` will be read and is to be done then.
    pub(crate) fn will_take(&self, offset: i64) -> bool {
        offset >= self.seen && (offset >= self.resume || self.unread.contains(&offset))
    }

    /// Where to read from.
    pub(crate) fn read_from(&self) -> i64 {
        self.seen
    }

    /// Takes that a record was read; says whether it is to be done now.
    pub(crate) fn take(&mut self, offset: i64) -> bool {
        if offset < self.seen {
            return false;
        }
        self.seen = offset + 1;
        if offset < self.resume {
            return self.unread.remove(&offset);
        }
        self.open.insert(offset)
    }

    /// Takes that everything visible below `position` was handed in: what never came is a transaction
    /// marker and counts as answered. Returns how many came before but are gone now.
    pub(crate) fn pass(&mut self, position: i64) -> usize {
        self.seen = self.seen.max(position);
        let still = self.unread.split_off(&self.seen);
        let gone = std::mem::replace(&mut self.unread, still);
        for offset in &gone {
            self.open.remove(offset);
        }
        gone.len()
    }

    /// Takes answers; `false` where one was not waited for.
    pub(crate) fn answer(&mut self, offsets: &BTreeSet<i64>) -> bool {
        let mut all_open = true;
        for offset in offsets {
            all_open &= self.open.remove(offset) && !self.unread.contains(offset);
            self.top = self.top.max(offset + 1);
        }
        all_open
    }

    /// What would be committed if `answered` were answered too. Its note may be too long.
    pub(crate) fn position_after(&self, answered: &BTreeSet<i64>) -> Position {
        let top = answered
            .last()
            .map_or(self.top, |last| self.top.max(last + 1));
        let mut left = self
            .open
            .iter()
            .copied()
            .filter(|offset| !answered.contains(offset))
            .peekable();
        let offset = left.peek().copied().unwrap_or_else(|| self.seen.max(top));
        let mut note = Writer::new();
        let mut run = offset..offset;
        for next in left.take_while(|offset| *offset < top) {
            if next > run.end {
                note.push(runs(&run, next));
                run = next..next;
            }
            run.end = next + 1;
        }
        if !run.is_empty() && run.end < top {
            note.push(runs(&run, top));
        }
        Position {
            offset,
            note: note.finish(),
        }
    }
}

fn runs(open: &std::ops::Range<i64>, until: i64) -> Runs {
    Runs {
        open: open.end.abs_diff(open.start),
        answered: until.abs_diff(open.end),
    }
}

#[cfg(test)]
#[path = "frontier/tests.rs"]
mod tests;
