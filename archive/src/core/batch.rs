//! Rows that are written together, and how often that was tried.

use bytes::Bytes;
use schemas::{Millis, OutcomeRecord};

use crate::config::Config;
use crate::row::Row;

/// One outcome on its way to the database.
#[derive(Clone, Debug)]
pub(super) struct Entry {
    pub(super) row: Row,
    pub(super) offset: i64,
    /// The record it came in, with others or alone,
    pub(super) original: Bytes,
    /// as which of them,
    pub(super) number: usize,
    /// and its share of that, bytes.
    pub(super) bytes: usize,
}

impl Entry {
    /// The record it would have come in alone.
    pub(super) fn own_original(&self) -> Bytes {
        match OutcomeRecord::decode(&self.original) {
            Ok(many @ OutcomeRecord::Completed(_)) => many
                .into_each()
                .nth(self.number)
                .map_or_else(|| self.original.clone(), |one| one.encode()),
            _ => self.original.clone(),
        }
    }
}

/// Rows that are written together.
#[derive(Debug)]
pub(super) struct Batch {
    pub(super) id: u64,
    /// Once it is written, everything below this is.
    pub(super) end: i64,
    entries: Vec<Entry>,
    state: State,
    tries: u32,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Waiting(Millis),
    OnItsWay,
}

impl Batch {
    pub(super) fn new(id: u64, entries: Vec<Entry>, end: i64) -> Self {
        Self {
            id,
            end,
            entries,
            state: State::Waiting(Millis::MIN),
            tries: 0,
        }
    }

    pub(super) fn len(&self) -> usize {
        self.entries.len()
    }

    /// Of the records its rows were made from.
    pub(super) fn bytes(&self) -> usize {
        self.entries.iter().map(|entry| entry.bytes).sum()
    }

    pub(super) fn is_on_its_way(&self) -> bool {
        self.state == State::OnItsWay
    }

    /// When it may be tried, unless it is on its way.
    pub(super) fn retry_at(&self) -> Option<Millis> {
        match self.state {
            State::Waiting(at) => Some(at),
            State::OnItsWay => None,
        }
    }

    /// Its rows, if it is time to write them.
    pub(super) fn send(&mut self, now: Millis) -> Option<Vec<Row>> {
        if self.retry_at().is_none_or(|at| at > now) {
            return None;
        }
        self.state = State::OnItsWay;
        self.tries += 1;
        Some(self.entries.iter().map(|entry| entry.row.clone()).collect())
    }

    /// To be tried again at `at`.
    pub(super) fn retry(&mut self, at: Millis) {
        self.state = State::Waiting(at);
    }

    /// How long to wait after the tries made so far, ms.
    pub(super) fn wait(&self, config: &Config) -> u64 {
        let doubled = 1_u64
            .checked_shl(self.tries.saturating_sub(1))
            .unwrap_or(u64::MAX);
        config
            .retry_ms
            .saturating_mul(doubled)
            .min(config.retry_max_ms)
    }

    pub(super) fn into_entries(self) -> Vec<Entry> {
        self.entries
    }
}
