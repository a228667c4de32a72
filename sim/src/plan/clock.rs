//! Tasks by the clock of a zone, and when they are due by looking at every second: it shares nothing with
//! the code that plans them.

use chrono::{DateTime, Offset, TimeZone, Timelike};
use chrono_tz::Tz;
use rand::Rng;
use rand::seq::IndexedRandom;
use rand_chacha::ChaCha8Rng;
use schemas::Millis;
use serde_json::{Value, json};

/// Zones, and one second each at which their clocks go forward, and back.
const CHANGES: [(Tz, [i64; 2]); 4] = [
    // 2027-03-28T01:00Z from 02:00 to 03:00, 2026-10-25T01:00Z from 03:00 to 02:00.
    (Tz::Europe__Paris, [1_806_195_600, 1_792_890_000]),
    // 2027-03-14T07:00Z from 02:00 to 03:00, 2026-11-01T06:00Z from 02:00 to 01:00.
    (Tz::America__New_York, [1_805_007_600, 1_793_512_800]),
    // 2026-10-03T15:30Z from 02:00 to 02:30, 2027-04-03T15:00Z from 02:00 to 01:30.
    (Tz::Australia__Lord_Howe, [1_791_041_400, 1_806_764_400]),
    // It has none.
    (Tz::Asia__Shanghai, [1_796_086_800, 1_796_086_800]),
];
/// No clock here jumps by anything else, s.
const JUMPS: [i64; 2] = [3_600, 1_800];

/// By the time zone data of another release clocks of the one show what those of the other do.
const RELEASED: [(Tz, Tz); 4] = [
    (Tz::Europe__Paris, Tz::Europe__London),
    (Tz::America__New_York, Tz::America__Chicago),
    (Tz::Australia__Lord_Howe, Tz::Australia__Sydney),
    (Tz::Asia__Shanghai, Tz::Asia__Tokyo),
];

/// The zone of a name, by the data of another release.
///
/// # Errors
/// There is none of that name.
pub fn released(name: &str) -> Result<timetable::Zone, timetable::ZoneError> {
    let other = RELEASED.iter().find(|(zone, _)| zone.name() == name);
    timetable::Zone::parse(other.map_or(name, |(_, other)| other.name()))
}

/// Seconds, minutes and hours that a clock must show.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Clock {
    zone: Tz,
    second: Field,
    minute: Field,
    /// From and to; `None` for all.
    hours: Option<(u32, u32)>,
    gap: Option<&'static str>,
    fold: Option<&'static str>,
}

/// A value, and every so many behind it if that is above 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Field(u32, u32);

impl Field {
    fn has(self, value: u32) -> bool {
        value == self.0 || (self.1 > 0 && value > self.0 && (value - self.0).is_multiple_of(self.1))
    }

    fn text(self) -> String {
        match self {
            Self(from, 0) => from.to_string(),
            Self(from, step) => format!("{from}/{step}"),
        }
    }
}

/// A time shortly before a zone's clocks change, and the zone's place in the list.
pub(super) fn near_a_change(span_ms: u64, rng: &mut ChaCha8Rng) -> (usize, Millis) {
    let zone = rng.random_range(0..CHANGES.len());
    let changes = CHANGES.get(zone).map(|(_, changes)| changes);
    let change = changes.and_then(|changes| changes.choose(rng)).copied();
    let ahead = rng.random_range(0..span_ms + 600_000);
    (zone, Millis(change.unwrap_or(0) * 1_000).minus(ahead))
}

impl Clock {
    /// One of a zone's, and how long it is worth looking at, ms.
    pub(super) fn draw(zone: usize, rng: &mut ChaCha8Rng) -> (Self, u64) {
        let zone = CHANGES.get(zone).map_or(Tz::UTC, |(zone, _)| *zone);
        let once = |most: u32, rng: &mut ChaCha8Rng| Field(rng.random_range(0..most), 0);
        let (second, minute, hours, lasts_ms) = match rng.random_range(0..5) {
            0 => {
                let step = *[5, 7, 20].choose(rng).unwrap_or(&20);
                (Field(0, step), Field(0, 1), None, 300_000)
            }
            1 => (
                once(60, rng),
                Field(rng.random_range(0..5), 5),
                None,
                3_600_000,
            ),
            2 => (once(60, rng), once(60, rng), None, 7_200_000),
            3 => {
                let from = rng.random_range(0..4);
                let hours = Some((from, from + rng.random_range(0..2)));
                (
                    once(60, rng),
                    Field(rng.random_range(0..20), 20),
                    hours,
                    7_200_000,
                )
            }
            _ => {
                let hour = rng.random_range(1..4);
                (once(60, rng), once(60, rng), Some((hour, hour)), 7_200_000)
            }
        };
        let (gaps, folds) = (["skip", "shift", "end"], ["first", "last", "both"]);
        let chosen = rng.random_bool(0.5);
        let clock = Self {
            zone,
            second,
            minute,
            hours,
            gap: gaps.choose(rng).copied().filter(|_| chosen),
            fold: folds.choose(rng).copied().filter(|_| chosen),
        };
        (clock, lasts_ms)
    }

    /// The same by the time zone data of another release.
    #[must_use]
    pub fn released(self) -> Self {
        let other = RELEASED.iter().find(|(zone, _)| *zone == self.zone);
        Self {
            zone: other.map_or(self.zone, |(_, other)| *other),
            ..self
        }
    }

    /// As it is registered.
    pub(super) fn json(&self) -> Value {
        let hours = match self.hours {
            None => "*".to_owned(),
            Some((from, to)) if from == to => from.to_string(),
            Some((from, to)) => format!("{from}-{to}"),
        };
        let cron = format!(
            "{} {} {hours} * * *",
            self.second.text(),
            self.minute.text()
        );
        let mut json = json!({"cron": cron, "zone": self.zone.name()});
        if let (Some(gap), Some(fold)) = (self.gap, self.fold) {
            (json["gap"], json["fold"]) = (json!(gap), json!(fold));
        }
        json
    }

    /// The occurrences behind `from`, up to `to`.
    #[must_use]
    pub fn dues(&self, from: Millis, to: Millis) -> Vec<Millis> {
        let seconds = from.0.div_euclid(1_000) + 1..=to.0.div_euclid(1_000);
        let due = seconds.filter(|at| self.occurs(*at));
        due.map(|at| Millis(at * 1_000)).collect()
    }

    fn occurs(&self, at: i64) -> bool {
        let wall = at + self.offset(at);
        self.shows(wall) && self.counts(at, wall) || self.is_moved_to(at)
    }

    /// Of a time that comes twice: whether this one counts.
    fn counts(&self, at: i64, wall: i64) -> bool {
        let same = |other: i64| other + self.offset(other) == wall;
        let is_second = JUMPS.iter().any(|jump| same(at - jump));
        let is_first = JUMPS.iter().any(|jump| same(at + jump));
        let by_custom = if self.hours.is_none() {
            "both"
        } else {
            "first"
        };
        match self.fold.unwrap_or(by_custom) {
            "first" => !is_second,
            "last" => !is_first,
            _ => true,
        }
    }

    /// Whether a time that the clock never showed occurs here.
    fn is_moved_to(&self, at: i64) -> bool {
        let by_custom = if self.hours.is_none() { "skip" } else { "end" };
        match self.gap.unwrap_or(by_custom) {
            "end" => {
                let before = at - 1 + self.offset(at - 1);
                let mut missing = before + 1..at + self.offset(at);
                missing.any(|wall| self.shows(wall))
            }
            "shift" => JUMPS.iter().any(|jump| {
                // What the clock would show had it not jumped, if it never showed that.
                let wall = at + self.offset(at) - jump;
                if self.offset(at) - self.offset(at - jump) != *jump || !self.shows(wall) {
                    return false;
                }
                let jumped = |second: &i64| self.offset(*second) - self.offset(second - 1) == *jump;
                let change = (at - jump + 1..=at).find(jumped);
                let end = change.map(|change| change + self.offset(change));
                end.is_some_and(|end| (end - jump..end).contains(&wall))
            }),
            _ => false,
        }
    }

    fn shows(&self, wall: i64) -> bool {
        let Some(clock) = DateTime::from_timestamp(wall, 0) else {
            return false;
        };
        self.second.has(clock.second())
            && self.minute.has(clock.minute())
            && self
                .hours
                .is_none_or(|(from, to)| (from..=to).contains(&clock.hour()))
    }

    /// Seconds to add to UTC.
    fn offset(&self, at: i64) -> i64 {
        let utc = DateTime::from_timestamp(at, 0)
            .unwrap_or_default()
            .naive_utc();
        i64::from(
            self.zone
                .offset_from_utc_datetime(&utc)
                .fix()
                .local_minus_utc(),
        )
    }
}
