//! One slot partition: where in its life it is, what was read of it, what was dealt with.
//!
//! Its records go through three places: *arrivals* (read, not dealt with), the wheel (dealt with, not
//! due), a turn. O, here `dealt`, is the border of the first two: everything below it is in the wheel,
//! left it, or was told to somebody.

use std::collections::VecDeque;

use bytes::Bytes;
use pipeline::Position;
use schemas::bucket::Seal;
use schemas::{BucketRecord, Instance, Millis, Slot};

use super::note::{Counts, Life, Note};
use super::watermark::Watermark;
use crate::error::Unread;

/// What a record weighs beside its value, in the queue or in the wheel with its index.
const OVERHEAD: usize = 200;

/// A record that was read and not yet dealt with.
#[derive(Debug)]
pub(crate) struct Arrival {
    /// Where it stands.
    pub(crate) offset: i64,
    /// What it weighs in memory, bytes.
    pub(crate) weight: usize,
    /// What it says.
    pub(crate) what: What,
}

/// What a bucket record turned out to be.
#[derive(Debug)]
pub(crate) enum What {
    /// A record.
    Good(BucketRecord),
    /// Nothing this release can read, and its bytes.
    Bad(Unread, Bytes),
}

/// A slot partition.
#[derive(Debug)]
pub(crate) struct Partition {
    /// Of which slot.
    pub(crate) slot: Slot,
    /// Whether it is never to be read: a person must act.
    pub(crate) stopped: bool,
    /// Whether its records come in.
    pub(crate) reading: bool,
    /// Where in its life it is.
    pub(crate) life: Life,
    /// Its first record belongs to this instance, which is too far ahead to be loaded.
    pub(crate) ahead: Option<Instance>,
    /// The committed offset: everything below is over.
    pub(crate) start: i64,
    /// O: everything below was dealt with.
    pub(crate) dealt: i64,
    /// O at assign: what is below was dealt with by a predecessor and is only remembered.
    pub(crate) replayed: i64,
    /// Nothing fires before it is read to here: a revoke may stand there.
    pub(crate) gate: i64,
    /// Everything below was read.
    pub(crate) read: i64,
    /// W: what of the open instance has fired.
    pub(crate) mark: Watermark,
    /// What became of the open instance's records.
    pub(crate) counts: Counts,
    /// The open instance's seal, once it was dealt with.
    pub(crate) sealed: Option<Seal>,
    /// Read, not dealt with; ascending.
    pub(crate) arrivals: VecDeque<Arrival>,
    /// Placements of this partition in the wheel.
    pub(crate) waiting: u64,
    committed: Option<(i64, Note)>,
}

impl Partition {
    /// A partition to be read from `start`, with what a note says of it.
    pub(crate) fn new(slot: Slot, start: i64, end: i64, note: Option<Note>) -> Self {
        let note = note.unwrap_or_else(|| Note {
            life: Life::Unknown,
            dealt: start,
            mark: Watermark::START,
            counts: Counts::default(),
        });
        let dealt = note.dealt.max(start);
        Self {
            slot,
            stopped: false,
            reading: false,
            life: note.life,
            ahead: None,
            start,
            dealt,
            replayed: dealt,
            gate: dealt.max(end),
            read: start,
            mark: note.mark,
            counts: note.counts,
            sealed: None,
            arrivals: VecDeque::new(),
            waiting: 0,
            committed: None,
        }
    }

    /// The instance that is not drained.
    pub(crate) fn open(&self) -> Option<Instance> {
        match self.life {
            Life::Open(instance) => Some(instance),
            Life::Unknown | Life::Drained(_) | Life::Freed(_) => None,
        }
    }

    /// Whether everything that a predecessor may have dealt with was read.
    pub(crate) fn ready(&self) -> bool {
        self.read >= self.gate
    }

    /// Whether it stands at something that only a turn can deal with.
    pub(crate) fn wants_turn(&self) -> bool {
        self.ready() && (!self.arrivals.is_empty() || self.over())
    }

    /// Whether the open instance is sealed and everything of it was dealt with.
    pub(crate) fn over(&self) -> bool {
        self.sealed.is_some() && self.waiting == 0
    }

    /// The earliest instance that anything read next can belong to; `None`: any.
    pub(crate) fn earliest(&self) -> Option<Instance> {
        match (self.ahead, self.life) {
            (Some(instance), _) => Some(instance),
            (None, Life::Freed(instance)) => Some(instance.next_lap()),
            (None, Life::Unknown | Life::Open(_) | Life::Drained(_)) => None,
        }
    }

    /// Whether it is to be read while `last` is the last instance to be loaded. Only what is known to
    /// lie ahead is left for later; no clock ever closes a slot.
    pub(crate) fn wanted(&self, last: Instance) -> bool {
        !self.stopped && self.earliest().is_none_or(|earliest| earliest <= last)
    }

    /// Stops reading where it stands; forgets what was read beyond and returns what that weighed.
    pub(crate) fn sleep(&mut self) -> usize {
        self.reading = false;
        let weight = self.arrivals.iter().map(|arrival| arrival.weight).sum();
        if let Some(first) = self.arrivals.front() {
            self.read = first.offset;
        }
        self.arrivals = VecDeque::new();
        self.dealt = self.dealt.max(self.read);
        weight
    }

    /// Takes `record` in, unless it was before or is over for good. Returns what it weighs.
    pub(crate) fn arrive(&mut self, record: pipeline::Record) -> usize {
        if record.offset < self.read {
            return 0;
        }
        let offset = record.offset;
        let weight = OVERHEAD + record.value.as_ref().map_or(0, Bytes::len);
        let what = match record.value {
            None => What::Bad(Unread::NoValue, Bytes::new()),
            Some(value) => match BucketRecord::decode(&value) {
                Ok(record) => What::Good(record),
                Err(error) => What::Bad(error.into(), value),
            },
        };
        if offset < self.replayed
            && let What::Good(BucketRecord::Placement(placement, _)) = &what
            && self.mark.covers(placement.due, offset)
        {
            return 0;
        }
        self.arrivals.push_back(Arrival {
            offset,
            weight,
            what,
        });
        weight
    }

    /// Notes that all arrivals up to here were dealt with.
    pub(crate) fn settle(&mut self) {
        let dealt = self
            .arrivals
            .front()
            .map_or(self.read, |first| first.offset);
        self.dealt = self.dealt.max(dealt);
    }

    /// Begins an instance with its first record. What stands before that is over: read again behind this
    /// note, the `free` of the lap before would be taken for this one's.
    pub(crate) fn begin(&mut self, instance: Instance, offset: i64) {
        self.life = Life::Open(instance);
        self.start = self.start.max(offset);
        self.ahead = None;
        self.mark = Watermark::START;
        // What could not be read in front of the first placement may have been one.
        self.counts = Counts {
            unread: self.counts.unread,
            ..Counts::default()
        };
        self.sealed = None;
    }

    /// Ends the open instance, drained.
    pub(crate) fn end(&mut self, instance: Instance) {
        self.life = Life::Drained(instance);
        self.mark = Watermark::START;
        self.counts = Counts::default();
        self.sealed = None;
    }

    /// Raises W to a firing.
    pub(crate) fn fired(&mut self, due: Millis, offset: i64) {
        let of = self.open();
        self.mark.raise(Watermark { due, offset }, of);
    }

    /// The position and note to commit, if they changed since the last time or `anyway`.
    pub(crate) fn position(&mut self, anyway: bool) -> Option<Position> {
        if self.stopped {
            return None;
        }
        let first = self
            .arrivals
            .front()
            .map_or(self.read, |first| first.offset);
        if self.waiting == 0 && first >= self.dealt {
            // Nothing below is needed again.
            self.start = self.start.max(self.dealt);
        }
        let note = Note {
            life: self.life,
            dealt: self.dealt,
            mark: self.mark,
            counts: self.counts,
        };
        let now = (self.start, note);
        if !anyway && self.committed == Some(now) {
            return None;
        }
        self.committed = Some(now);
        Some(Position {
            offset: self.start,
            note: note.encode(),
        })
    }
}
