//! A cron expression in a zone: wall clock to UTC, with what clocks that jump make of it.
//!
//! Where clocks go forward, wall times are missing (a **gap**); where they go back, they come twice (a
//! **fold**). What is asked for nothing follows cron's custom: an expression that names hours occurs once for each
//! time it names, so a time in a gap occurs when the gap ends ([`Gap::End`]) and one in a fold the first time
//! ([`Fold::First`]); an expression of every hour goes by elapsed time ([`Gap::Skip`], [`Fold::Both`]).

use serde::{Deserialize, Serialize};

use crate::cron::Cron;
use crate::zone::{Place, Zone};

/// The end of the year 9999, in seconds since the epoch.
const LATEST: i64 = 253_402_300_799;
/// More than any distance between a wall clock and UTC, in seconds.
const WIDEST_OFFSET: i64 = 2 * 86_400;

/// What becomes of a time that the wall clock never shows, because clocks went forward over it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Gap {
    /// It does not occur that day.
    Skip,
    /// It occurs as long after the gap's begin as it was meant to: 02:30 in a gap of an hour at 03:30.
    Shift,
    /// It occurs when the gap ends, once for all times in the gap: 02:30 at 03:00.
    End,
}

/// What becomes of a time that the wall clock shows twice, because clocks went back over it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Fold {
    /// It occurs the first time.
    First,
    /// It occurs the second time.
    Last,
    /// It occurs both times.
    Both,
}

impl Gap {
    /// Reads `skip`, `shift` or `end`.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        [Self::Skip, Self::Shift, Self::End]
            .into_iter()
            .find(|gap| gap.as_str() == text)
    }

    /// As it is written.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Skip => "skip",
            Self::Shift => "shift",
            Self::End => "end",
        }
    }
}

impl Fold {
    /// Reads `first`, `last` or `both`.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        [Self::First, Self::Last, Self::Both]
            .into_iter()
            .find(|fold| fold.as_str() == text)
    }

    /// As it is written.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::First => "first",
            Self::Last => "last",
            Self::Both => "both",
        }
    }
}

/// What a jump of the clocks has to do with an occurrence; with the wall time, in seconds since 1970.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Origin {
    /// It was in a gap, and occurs at its end.
    GapEnd(i64),
    /// It was in a gap, and occurs as much later.
    Shifted(i64),
    /// The first of two.
    First(i64),
    /// The second of two.
    Second(i64),
}

/// A cron expression in a zone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rule {
    cron: Cron,
    zone: Zone,
    gap: Gap,
    fold: Fold,
}

impl Rule {
    /// With `None`, gap and fold follow cron's custom (see the module).
    #[must_use]
    pub fn new(cron: Cron, zone: Zone, gap: Option<Gap>, fold: Option<Fold>) -> Self {
        let (gap_default, fold_default) = if cron.is_every_hour() {
            (Gap::Skip, Fold::Both)
        } else {
            (Gap::End, Fold::First)
        };
        Self {
            cron,
            zone,
            gap: gap.unwrap_or(gap_default),
            fold: fold.unwrap_or(fold_default),
        }
    }

    /// The same with every `H` of the expression chosen by `seed`.
    #[must_use]
    pub fn hashed(&self, seed: u64) -> Self {
        Self {
            cron: self.cron.hashed(seed),
            ..self.clone()
        }
    }

    /// The expression.
    #[must_use]
    pub fn cron(&self) -> &Cron {
        &self.cron
    }

    /// Its zone.
    #[must_use]
    pub fn zone(&self) -> Zone {
        self.zone
    }

    /// What becomes of times in a gap.
    #[must_use]
    pub fn gap(&self) -> Gap {
        self.gap
    }

    /// What becomes of times in a fold.
    #[must_use]
    pub fn fold(&self) -> Fold {
        self.fold
    }

    /// The first occurrence after `after`, both in ms since the epoch; always a whole second. `None`
    /// when there is none up to the year 9999. Nothing occurs before 1970.
    #[must_use]
    pub fn next_after(&self, after: i64) -> Option<i64> {
        let mut from = after.div_euclid(1000).saturating_add(1).max(0);
        let mut is_first = true;
        while from <= LATEST {
            let place = self.zone.place(from);
            let wall = self.natural(&place, from);
            let natural = wall
                .map(|wall| wall - place.offset)
                .filter(|at| *at < self.natural_end(&place));
            let found = match (self.moved(&place, from), natural) {
                (Some(moved), Some(natural)) => Some(moved.min(natural)),
                (moved, natural) => moved.or(natural),
            };
            if let Some(found) = found {
                return (found <= LATEST).then_some(found * 1000);
            }
            // Whole stretches before the next matching wall time have nothing. The one right behind
            // the first may still repeat wall times that lie before `from`.
            from = match wall {
                _ if is_first => place.end,
                Some(wall) => place.end.max(wall - WIDEST_OFFSET),
                None => return None,
            };
            is_first = false;
        }
        None
    }

    /// What a jump of the clocks has to do with the occurrence at `at`, in ms since the epoch.
    pub(crate) fn origin(&self, at: i64) -> Option<Origin> {
        let at = at.div_euclid(1000);
        let place = self.zone.place(at);
        let wall = at + place.offset;
        if self.cron.next_wall(wall) == Some(wall) {
            if place.before > place.offset && wall < place.begin + place.before {
                return Some(Origin::Second(wall));
            }
            let repeats = place.after < place.offset && wall >= place.end + place.after;
            return repeats.then_some(Origin::First(wall));
        }
        match self.gap {
            Gap::Skip => None,
            Gap::End => self.missing_at(place.begin).map(Origin::GapEnd),
            Gap::Shift => Some(Origin::Shifted(at + place.before)),
        }
    }

    /// The first matching wall time that is missing when clocks change at `change`, in seconds since 1970.
    pub(crate) fn missing_at(&self, change: i64) -> Option<i64> {
        let place = self.zone.place(change);
        let gap_end = place.begin + place.offset;
        let wall = self.cron.next_wall(place.begin + place.before)?;
        (wall < gap_end).then_some(wall)
    }

    /// The first matching wall time that a clock shows in this stretch at or after `from`, or later.
    fn natural(&self, place: &Place, from: i64) -> Option<i64> {
        let mut wall = from + place.offset;
        if self.fold == Fold::First && place.before > place.offset {
            // Up to here the wall clock repeats what it showed before.
            wall = wall.max(place.begin + place.before);
        }
        self.cron.next_wall(wall)
    }

    /// Where in UTC the stretch's own wall times end to count.
    fn natural_end(&self, place: &Place) -> i64 {
        if self.fold == Fold::Last && place.after < place.offset {
            // From here on the wall clock shows what it will show again.
            return place.end + place.after - place.offset;
        }
        place.end
    }

    /// The first occurrence at or after `from` out of the gap that this stretch begins with.
    fn moved(&self, place: &Place, from: i64) -> Option<i64> {
        if place.before >= place.offset {
            return None;
        }
        let gap_begin = place.begin + place.before;
        let gap_end = place.begin + place.offset;
        let missing = |from: i64| self.cron.next_wall(from).filter(|wall| *wall < gap_end);
        match self.gap {
            Gap::Skip => None,
            Gap::End if from > place.begin => None,
            Gap::End => missing(gap_begin).map(|_| place.begin),
            Gap::Shift => {
                let from = gap_begin + (from - place.begin);
                missing(from).map(|wall| wall - place.before)
            }
        }
    }
}
