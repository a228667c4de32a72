//! Answers that are decided and wait for a turn whose note can carry them.

use std::collections::{BTreeMap, BTreeSet};

use pipeline::invariant::{Invariant, check};
use pipeline::{Outgoing, Position};
use schemas::outcome::Ended;

use super::frontier::Frontier;
use super::lane::Name;
use super::note;

/// The answers of one lane partition that no turn has taken yet.
#[derive(Debug, Default)]
pub(crate) struct Outbox {
    /// By the offset each answers first of all.
    waiting: BTreeMap<i64, Box<Answer>>,
    /// Written in the order decided.
    next: u64,
    /// Whether something was decided since the last turn.
    fresh: bool,
}

/// What answers one offset, or several that must be answered in one turn.
#[derive(Debug)]
struct Answer {
    number: u64,
    also: Vec<i64>,
    name: Option<Name>,
    /// A leg that ended well and that nothing follows.
    completed: Option<Ended>,
    records: Vec<Outgoing>,
}

/// What a turn takes of one lane.
#[derive(Debug)]
pub(crate) struct Cut {
    /// Legs that ended well and that nothing follows: they are to stand before `records`, which may say
    /// what a recall met too late.
    pub(crate) completed: Vec<Ended>,
    pub(crate) records: Vec<Outgoing>,
    /// Of `completed`, so many stand in a record of others.
    pub(crate) folded: usize,
    /// Fires that are no longer known.
    pub(crate) names: Vec<Name>,
    pub(crate) position: Position,
}

impl Outbox {
    /// Adds the answer of `offset` and of the offsets in `also`; with the name of the fire, if one
    /// ended by it.
    pub(crate) fn put(
        &mut self,
        offset: i64,
        also: Vec<i64>,
        name: Option<Name>,
        records: Vec<Outgoing>,
    ) {
        self.add(offset, also, name, None, records);
    }

    /// Adds the outcome of `offset`, a leg that ended well and that nothing follows.
    pub(crate) fn complete(&mut self, offset: i64, name: Option<Name>, ended: Ended) {
        self.add(offset, Vec::new(), name, Some(ended), Vec::new());
    }

    fn add(
        &mut self,
        offset: i64,
        also: Vec<i64>,
        name: Option<Name>,
        completed: Option<Ended>,
        records: Vec<Outgoing>,
    ) {
        let answer = Box::new(Answer {
            number: self.next,
            also,
            name,
            completed,
            records,
        });
        self.next += 1;
        self.fresh = true;
        let before = self.waiting.insert(offset, answer);
        check(Invariant::T7, before.is_none(), || {
            format!("offset {offset} has a second outcome")
        });
    }

    /// Adds `record` behind the answer of `offset`, in the same turn; it answers `also` too. `Err`
    /// gives it back where that answer has been taken.
    pub(crate) fn join(
        &mut self,
        offset: i64,
        also: i64,
        record: Outgoing,
    ) -> Result<(), Outgoing> {
        let Some(answer) = self.waiting.get_mut(&offset) else {
            return Err(record);
        };
        answer.also.push(also);
        answer.records.push(record);
        self.fresh = true;
        Ok(())
    }

    /// Whether a turn would take something that the last one could not know of.
    pub(crate) fn is_fresh(&self) -> bool {
        self.fresh
    }

    pub(crate) fn len(&self) -> usize {
        self.waiting.len()
    }

    /// Takes as many answers as the note can carry: nearly always all. Otherwise the lowest offsets
    /// go first: they move the frontier, and that makes room for the rest.
    pub(crate) fn cut(&mut self, frontier: &mut Frontier) -> Cut {
        self.fresh = false;
        let mut many = self.waiting.len();
        let (mut offsets, mut position) = self.first(many, frontier);
        if position.note.len() > note::LIMIT {
            let mut few = 0;
            while many - few > 1 {
                let middle = few.midpoint(many);
                if self.first(middle, frontier).1.note.len() > note::LIMIT {
                    many = middle;
                } else {
                    few = middle;
                }
            }
            many = few;
            (offsets, position) = self.first(many, frontier);
        }
        let all_open = frontier.answer(&offsets);
        check(Invariant::T7, all_open, || {
            format!("an offset among {offsets:?} was answered before")
        });
        self.take(many, position)
    }

    /// The offsets of the first `count` answers, and the position if they were answered.
    fn first(&self, count: usize, frontier: &Frontier) -> (BTreeSet<i64>, Position) {
        let offsets = self
            .waiting
            .iter()
            .take(count)
            .flat_map(|(offset, answer)| std::iter::once(*offset).chain(answer.also.clone()))
            .collect();
        let position = frontier.position_after(&offsets);
        (offsets, position)
    }

    fn take(&mut self, count: usize, position: Position) -> Cut {
        let rest = match self.waiting.keys().nth(count).copied() {
            Some(first_left) => self.waiting.split_off(&first_left),
            None => BTreeMap::new(),
        };
        let mut taken: Vec<Box<Answer>> = std::mem::replace(&mut self.waiting, rest)
            .into_values()
            .collect();
        taken.sort_unstable_by_key(|answer| answer.number);
        let names = taken.iter().filter_map(|answer| answer.name).collect();
        let mut completed = Vec::new();
        let mut records = Vec::new();
        for answer in taken {
            completed.extend(answer.completed);
            records.extend(answer.records);
        }
        Cut {
            completed,
            records,
            folded: 0,
            names,
            position,
        }
    }
}
