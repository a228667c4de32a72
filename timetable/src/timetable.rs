//! A whole schedule: what beats, from when to when, spread how, kept from which closed times.

use crate::calendar::{Calendar, open_in_all};
use crate::every::Every;
use crate::rule::Rule;
use crate::spread::Spread;
use serde::{Deserialize, Serialize};

/// Occurrences that calendars exclude, one behind the other, after which no more are looked at.
const MOST_CLOSED: usize = 10_000;
/// Ms after which a next occurrence is no longer looked for where calendars exclude all: eight years.
const HORIZON: i64 = 2_923 * 86_400_000;

/// What gives the occurrences.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Beat {
    /// A wall clock.
    Cron(Rule),
    /// A fixed rate.
    Every(Every),
}

/// What becomes of an occurrence at a time when a calendar is closed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum OnClosed {
    /// It does not occur.
    #[default]
    Skip,
    /// It occurs when the closed time ends; several of one closed time are one.
    Move,
}

/// A whole schedule. Times are ms since the epoch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Timetable {
    /// What gives the occurrences.
    pub beat: Beat,
    /// None before this.
    pub start: Option<i64>,
    /// None behind this; an occurrence that moves or is spread beyond it is not held to it.
    pub end: Option<i64>,
    /// How late occurrences are, on purpose.
    pub spread: Spread,
    /// What becomes of occurrences at closed times.
    pub on_closed: OnClosed,
}

/// One occurrence, in ms since the epoch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Occurrence {
    /// What the beat gave.
    pub beat: i64,
    /// The same, or the end of the closed time that it lay in.
    pub at: i64,
    /// When it fires: `at` and what jitter and window add, always before the beat's next.
    pub due: i64,
    /// The first beat before this one that was left out because a calendar was closed.
    pub left_out: Option<i64>,
}

/// Why there is no next occurrence.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NoMore {
    /// The schedule is over.
    #[error("the schedule has no further occurrence")]
    Ended,
    /// There would be some, and calendars exclude them all as far as one looks.
    #[error("calendars exclude every occurrence of the next eight years")]
    Closed,
}

impl Beat {
    /// The first beat after `after`, both in ms since the epoch.
    #[must_use]
    pub fn next_after(&self, after: i64) -> Option<i64> {
        match self {
            Self::Cron(rule) => rule.next_after(after),
            Self::Every(every) => every.next_after(after),
        }
    }

    /// The last beat from `from` up to `to`, both included.
    fn last_within(&self, from: i64, to: i64) -> Option<i64> {
        let beat_by = |after: i64| self.next_after(after).filter(|beat| *beat <= to);
        let mut found = beat_by(from.saturating_sub(1))?;
        // No beat lies behind this, up to `to`.
        let mut last = to;
        while found < last {
            let middle = found + (last - found) / 2;
            match beat_by(middle) {
                Some(later) => found = later,
                None => last = middle,
            }
        }
        Some(found)
    }
}

impl Timetable {
    /// With nothing said but the beat.
    #[must_use]
    pub fn of(beat: Beat) -> Self {
        Self {
            beat,
            start: None,
            end: None,
            spread: Spread::default(),
            on_closed: OnClosed::Skip,
        }
    }

    /// The first occurrence whose beat is after `after`. Fed with the `due` of one occurrence it gives
    /// the next one: dues strictly increase, and nothing else need be remembered.
    ///
    /// # Errors
    /// [`NoMore`] when there is none.
    pub fn next_after(&self, after: i64, calendars: &[&Calendar]) -> Result<Occurrence, NoMore> {
        let begin = match self.start {
            Some(start) => after.max(start.saturating_sub(1)),
            None => after,
        };
        let mut from = begin;
        let mut left_out = None;
        for _ in 0..MOST_CLOSED {
            let beat = self.beat.next_after(from).ok_or(NoMore::Ended)?;
            if self.end.is_some_and(|end| beat > end) {
                return Err(NoMore::Ended);
            }
            let open = open_in_all(calendars, beat).ok_or(NoMore::Closed)?;
            if open == beat || self.on_closed == OnClosed::Move {
                return Ok(self.spread(beat, open, left_out));
            }
            left_out = left_out.or(Some(beat));
            if open.saturating_sub(begin) > HORIZON {
                break;
            }
            from = open.saturating_sub(1);
        }
        Err(NoMore::Closed)
    }

    /// The first occurrence that is due after `after`, where the one before it is not known: unlike
    /// [`Self::next_after`] it sees one whose beat is past, but that is spread, or moved, beyond `after`.
    ///
    /// # Errors
    /// [`NoMore`] when there is none.
    pub fn due_after(&self, after: i64, calendars: &[&Calendar]) -> Result<Occurrence, NoMore> {
        match self.pending(after, calendars) {
            Some(pending) => Ok(pending),
            None => self.next_after(after, calendars),
        }
    }

    /// The occurrence of the last beat at or before `after`, if it is due behind that. Those before it
    /// are due before that beat.
    fn pending(&self, after: i64, calendars: &[&Calendar]) -> Option<Occurrence> {
        let moves = self.on_closed == OnClosed::Move && !calendars.is_empty();
        let back = if moves {
            HORIZON
        } else {
            self.spread.widest_ms()
        };
        if back == 0 {
            return None;
        }
        let from = after
            .saturating_sub(back)
            .max(self.start.unwrap_or(i64::MIN));
        let to = after.min(self.end.unwrap_or(i64::MAX));
        let beat = self.beat.last_within(from, to)?;
        let open = open_in_all(calendars, beat)?;
        if open != beat && !moves {
            return None;
        }
        Some(self.spread(beat, open, None)).filter(|occurrence| occurrence.due > after)
    }

    /// Adds jitter and window, never as much as up to the next beat.
    fn spread(&self, beat: i64, at: i64, left_out: Option<i64>) -> Occurrence {
        let mut late = self.spread.late_ms(at);
        if late > 0
            && let Some(next) = self.beat.next_after(at)
        {
            late %= next - at;
        }
        Occurrence {
            beat,
            at,
            due: at.saturating_add(late),
            left_out,
        }
    }
}
