//! The shape of every core.

use std::collections::BTreeMap;

use schemas::{Millis, Shard, Shards, Topic};

use crate::clock::Now;
use crate::record::{Outgoing, Position, Record};

/// That the machine has no time left holds for so long when a stage is told, ms.
pub const BUSY_MS: u64 = 500;

/// One shard of one stage, as a pure state machine: no clock, no I/O, no thread, and it cannot fail;
/// bad input becomes an output.
pub trait Stage {
    /// What comes in beside records: answers of calls, queries.
    type Input;
    /// What goes out beside records: calls, answers to whoever asked.
    type Effect;

    /// Takes records of this shard's partition of `topic`; everything visible below `position` has
    /// been handed in by now.
    fn handle_batch(&mut self, topic: Topic, records: Vec<Record>, position: i64, now: Now);

    /// Takes what came from beside the log.
    fn handle_input(&mut self, input: Self::Input, now: Now);

    /// Takes the passing of time.
    fn handle_timeout(&mut self, now: Now);

    /// Says when time next matters, if it does.
    fn poll_timeout(&self) -> Option<Millis>;

    /// How many more records of `topic` it would take now.
    fn appetite(&self, topic: Topic) -> usize;

    /// Hands out the next thing to ask of the driver, until there is none.
    fn poll_ask(&mut self) -> Option<Ask>;

    /// Takes the answer to [`Ask::End`]: the offset behind the last record written to `topic`.
    fn handle_end(&mut self, topic: Topic, end: i64, now: Now);

    /// Hands out the next effect that needs no commit, until there is none.
    fn poll_effect(&mut self) -> Option<Self::Effect>;

    /// Whether a turn would do anything worth a transaction now. Positions that only moved are not;
    /// the driver commits those about once a second by itself.
    fn wants_turn(&self, now: Now) -> bool;

    /// Cuts a turn: everything this shard wants written, and its positions and notes as of now. The
    /// core goes on as if it were committed; if it is not, the core is dropped.
    ///
    /// [`Turn::positions`] always holds the position of the role's driver topic, even unchanged: it
    /// is what a successor waits for before it trusts any note. Only a core that has none yet, or that
    /// stands still, leaves it out.
    fn take_turn(&mut self, now: Now) -> Turn<Self::Effect>;

    /// Takes that the turn cut last is durable. `proven_at` is the monotonic time at which the request
    /// that proved this worker's ownership was sent.
    fn handle_committed(&mut self, proven_at: u64, now: Now);

    /// Takes that the shard is to be given up: begin nothing new, finish what is open.
    fn handle_revoke(&mut self, now: Now);

    /// Whether it does its work yet: not while it restores what it needs for that.
    fn is_ready(&self) -> bool {
        true
    }

    /// Why it does nothing any more, where it cannot go on and a person must act; its shard stands
    /// still. It is given up like any other.
    fn stands_still(&self) -> Option<&str> {
        None
    }

    /// Whether nothing is open any more after [`Stage::handle_revoke`].
    fn is_idle(&self) -> bool;
}

/// What one shard adds to a transaction.
#[derive(Debug)]
pub struct Turn<E> {
    /// Records, in order.
    pub records: Vec<Outgoing>,
    /// Positions and notes, by topic of this shard.
    pub positions: Vec<(Topic, Position)>,
    /// Effects to run once it is durable.
    pub after: Vec<E>,
    /// Facts that stand in a record of others. They count for the pace of turns as if in records of their own.
    pub folded: usize,
}

/// What a core asks of the driver, at once and outside of any transaction.
#[derive(Clone, Debug, PartialEq)]
pub enum Ask {
    /// Read this shard's partition of the topic from that offset.
    Read(Topic, i64),
    /// Stop reading it.
    Stop(Topic),
    /// Tell the offset behind its last record, by [`Stage::handle_end`].
    End(Topic),
    /// Write a record outside of the transaction; the next commit waits for it.
    SendOutside(Outgoing),
    /// Drop this core and make another from the last commit; nothing else is asked behind it.
    Reopen,
}

/// What a core is made from: facts of the log, read after the predecessor was fenced off.
#[derive(Clone, Debug)]
pub struct Opening {
    /// Which shard.
    pub shard: Shard,
    /// Of how many.
    pub shards: Shards,
    /// The time.
    pub now: Now,
    /// How long ownership lasts without being heard, ms.
    pub session_timeout_ms: u64,
    /// What the group committed, for each of [`Factory::topics`] that it ever committed.
    pub committed: BTreeMap<Topic, Position>,
    /// First offset still there and the offset behind the last record, for each of
    /// [`Factory::topics`].
    pub ends: BTreeMap<Topic, (i64, i64)>,
}

/// How turns of a worker follow each other. The first after a pause is cut at once; while there is
/// work, one is gathered for `least_ms` to `most_ms` since the one before, in proportion to the
/// records it writes a second, `most_ms` from `busy_rate` on. A transaction costs what its partitions
/// cost, however few records each gets: so turns grow with the load.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pace {
    /// While little is written, ms.
    pub least_ms: u64,
    /// While much is, ms.
    pub most_ms: u64,
    /// What is much: records a second, and what is folded into them.
    pub busy_rate: u64,
}

impl Pace {
    /// Every turn at once.
    pub const NONE: Self = Self {
        least_ms: 0,
        most_ms: 0,
        busy_rate: 1,
    };
}

/// Makes the cores of one role.
pub trait Factory {
    /// What it makes.
    type Stage: Stage;

    /// The topics whose committed positions and ends a core needs to begin; the driver topic first.
    fn topics(&self) -> Vec<Topic>;

    /// How turns of a worker follow each other. What cannot wait is not held up by it: hand-overs, and
    /// the proof of ownership each second.
    fn pace(&self) -> Pace {
        Pace::NONE
    }

    /// Makes the core of one shard. It asks for its reads by [`Stage::poll_ask`].
    fn open(&mut self, opening: Opening) -> Self::Stage;

    /// Takes back what [`Factory::open`] lent to a core that is no more (a store, say), and whatever
    /// its successor in this process should know.
    fn close(&mut self, shard: Shard, stage: Self::Stage);

    /// Whether a core of this shard that is no more left something that its successor in this process
    /// must finish even where the shard is being given up: nobody else can.
    fn is_unfinished(&self, _shard: Shard) -> bool {
        false
    }

    /// Takes that this worker owns these shards from now on, and no others: what was kept for cores of
    /// others is of no more use.
    fn assigned(&mut self, _shards: &[Shard]) {}

    /// Takes what came from beside the log for a shard that has no core now.
    fn handle_input(&mut self, _shard: Shard, _input: <Self::Stage as Stage>::Input) {}
}
