//! A stage that copies, for tests of the loop.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;

use pipeline::{
    Ask, Factory, Now, Opening, Outgoing, Position, Record, Stage, TopicPartition, Turn,
};
use schemas::{Millis, Shard, Topic};

pub(crate) const IN: Topic = Topic::Registrations;
pub(crate) const OUT: Topic = Topic::Forwards;

/// Copies what it reads; its note counts what it copied ever.
pub(crate) struct Copier {
    shard: Shard,
    asks: Vec<Ask>,
    read: i64,
    copied: u64,
    out: Vec<Outgoing>,
    now: Vec<String>,
    after: Vec<String>,
    open: u32,
    /// Read and not committed yet.
    pending: usize,
    /// Of what its predecessor left so, not read again yet.
    owed: usize,
}

/// An input that makes a core stand still.
pub(crate) const STILL: u32 = 1_000;
/// An input that makes a core want to be made anew.
pub(crate) const ANEW: u32 = 1_001;

pub(crate) struct Copiers {
    pub(crate) opened: Rc<RefCell<Vec<(u16, u64)>>>,
    /// What came while there was no core.
    pub(crate) missed: Rc<RefCell<Vec<u32>>>,
    /// Whether what a core had read and not committed must be finished by this process.
    pub(crate) finishes: bool,
    /// How much that is, by shard.
    pub(crate) unfinished: BTreeMap<Shard, usize>,
}

impl Factory for Copiers {
    type Stage = Copier;

    fn topics(&self) -> Vec<Topic> {
        vec![IN]
    }

    fn open(&mut self, opening: Opening) -> Copier {
        let committed = opening.committed.get(&IN).cloned().unwrap_or_default();
        let copied = committed.note.parse().unwrap_or(0);
        self.opened.borrow_mut().push((opening.shard.0, copied));
        let owed = self.unfinished.remove(&opening.shard).unwrap_or(0);
        Copier {
            shard: opening.shard,
            asks: vec![Ask::Read(IN, committed.offset)],
            read: committed.offset,
            copied,
            out: Vec::new(),
            now: Vec::new(),
            after: Vec::new(),
            open: 0,
            pending: 0,
            owed,
        }
    }

    fn close(&mut self, shard: Shard, core: Copier) {
        let left = core.pending.max(core.owed);
        if self.finishes && left > 0 {
            self.unfinished.insert(shard, left);
        }
    }

    fn is_unfinished(&self, shard: Shard) -> bool {
        self.unfinished.contains_key(&shard)
    }

    fn handle_input(&mut self, _: Shard, input: u32) {
        self.missed.borrow_mut().push(input);
    }
}

impl Stage for Copier {
    type Input = u32;
    type Effect = String;

    fn handle_batch(&mut self, _: Topic, records: Vec<Record>, position: i64, _: Now) {
        for record in records {
            let text = String::from_utf8_lossy(record.value.as_ref().unwrap()).into_owned();
            self.copied += 1;
            self.pending += 1;
            self.owed = self.owed.saturating_sub(1);
            self.now.push(format!("read {text}"));
            self.after.push(format!("copied {text}"));
            let to = TopicPartition::new(OUT, self.shard);
            self.out.push(Outgoing {
                to,
                key: None,
                value: record.value,
                headers: Vec::new(),
            });
        }
        self.read = position;
    }

    /// How many things are open now.
    fn handle_input(&mut self, open: u32, _: Now) {
        self.open = open;
        if open == ANEW {
            self.asks.push(Ask::Reopen);
        }
    }

    fn handle_timeout(&mut self, _: Now) {}

    fn poll_timeout(&self) -> Option<Millis> {
        None
    }

    fn appetite(&self, _: Topic) -> usize {
        100
    }

    fn poll_ask(&mut self) -> Option<Ask> {
        self.asks.pop()
    }

    fn handle_end(&mut self, _: Topic, end: i64, _: Now) {
        self.now.push(format!("end {end}"));
    }

    fn poll_effect(&mut self) -> Option<String> {
        (!self.now.is_empty()).then(|| self.now.remove(0))
    }

    fn wants_turn(&self, _: Now) -> bool {
        !self.out.is_empty()
    }

    fn take_turn(&mut self, _: Now) -> Turn<String> {
        let position = Position {
            offset: self.read,
            note: self.copied.to_string(),
        };
        Turn {
            records: std::mem::take(&mut self.out),
            positions: (self.open != STILL)
                .then_some((IN, position))
                .into_iter()
                .collect(),
            after: std::mem::take(&mut self.after),
            folded: 0,
        }
    }

    fn handle_committed(&mut self, _: u64, _: Now) {
        self.pending = 0;
        self.now.push("committed".to_owned());
    }

    fn handle_revoke(&mut self, _: Now) {
        self.now.push("revoked".to_owned());
    }

    fn stands_still(&self) -> Option<&str> {
        (self.open == STILL).then_some("told to")
    }

    fn is_idle(&self) -> bool {
        self.owed == 0 && (self.open == 0 || self.open == STILL)
    }
}
