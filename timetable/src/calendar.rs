//! Business calendars: when work may not begin.
//!
//! A calendar is a set of windows in a zone, all of them excluded, or only they allowed. A window says on which dates, on which
//! weekdays and at which times of day it is; what it does not say does not matter. A window over midnight belongs to the day it begins on.

mod parse;

use crate::zone::Zone;
use chrono::{DateTime, Datelike};
pub use parse::Problem;

const DAY: i64 = 86_400;
/// How far ahead the end of a closed time is looked for, in seconds: eight years, between two leap days.
const HORIZON: i64 = 2_923 * DAY;
/// How many places where a window may end are looked at: six a day over the horizon.
const MOST_EDGES: usize = 20_000;

/// When work may not begin.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Calendar {
    zone: Zone,
    windows: Vec<Window>,
    /// Whether the windows are the open times, not the closed ones.
    only: bool,
    /// Seconds of the day at which a window may begin or end, sorted; 0 is one of them.
    edges: Vec<i64>,
}

/// All that it says holds.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Window {
    dates: Option<Dates>,
    /// Bit 0 for Sunday; `None` for all.
    weekdays: Option<u8>,
    /// Seconds of the day: from, and the first one behind. Ends the next day where that is not later.
    time: Option<(i64, i64)>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Dates {
    /// Days since 1970-01-01, both included.
    Once(i64, i64),
    /// Month and day, both included; over New Year where the second is the earlier.
    Yearly((u32, u32), (u32, u32)),
}

impl Calendar {
    /// Reads a calendar:
    ///
    /// ```json
    /// {"zone": "Europe/Paris", "excluded": [
    ///     {"weekdays": ["SAT", "SUN"]},
    ///     {"date": "12-25"}, {"from": "2026-12-24", "to": "2027-01-02"},
    ///     {"weekdays": ["MON-FRI"], "time": "22:00-06:00"}]}
    /// ```
    ///
    /// `"allowed"` instead of `"excluded"` closes all the rest. A date without a year is yearly. The zone is UTC unless said.
    ///
    /// # Errors
    /// Every [`Problem`], not only the first.
    pub fn parse(value: &serde_json::Value) -> Result<Self, Vec<Problem>> {
        parse::parse(value)
    }

    /// Whether work may not begin at a time, in ms since the epoch.
    #[must_use]
    pub fn is_closed(&self, at: i64) -> bool {
        self.is_closed_second(at.div_euclid(1000))
    }

    /// The first open time at or after `at`, both in ms since the epoch. `None` when there is none within eight years.
    #[must_use]
    pub fn open_from(&self, at: i64) -> Option<i64> {
        let mut second = at.div_euclid(1000);
        if !self.is_closed_second(second) {
            return Some(at);
        }
        if self
            .last_day()
            .is_some_and(|last| second > (last + 2) * DAY)
        {
            return None;
        }
        let end = second.saturating_add(HORIZON);
        for _ in 0..MOST_EDGES {
            if second >= end {
                break;
            }
            second = self.next_edge(second);
            if !self.is_closed_second(second) {
                return second.checked_mul(1000);
            }
        }
        None
    }

    /// The end of the closed time that `at` lies in; `None` when `at` is open, or when the end is farther off than eight years.
    #[must_use]
    pub fn closed_until(&self, at: i64) -> Option<i64> {
        self.open_from(at).filter(|open| *open != at)
    }

    fn is_closed_second(&self, at: i64) -> bool {
        let wall = at.saturating_add(self.zone.offset(at));
        let (day, second) = (wall.div_euclid(DAY), wall.rem_euclid(DAY));
        self.windows.iter().any(|window| window.holds(day, second)) != self.only
    }

    /// The next second at which something may change: a window's edge, midnight, or the clocks themselves.
    fn next_edge(&self, at: i64) -> i64 {
        let place = self.zone.place(at);
        let wall = at + place.offset;
        let second = wall.rem_euclid(DAY);
        let index = self.edges.partition_point(|edge| *edge <= second);
        let edge = self.edges.get(index).copied().unwrap_or(DAY);
        (at - second + edge).min(place.end)
    }

    /// The last day of an allowed window, where all of them have an end: days since 1970-01-01.
    fn last_day(&self) -> Option<i64> {
        let ends = self.windows.iter().map(|window| match window.dates {
            Some(Dates::Once(_, to)) if self.only => Some(to),
            _ => None,
        });
        ends.collect::<Option<Vec<i64>>>()?.into_iter().max()
    }
}

impl Window {
    fn holds(&self, day: i64, second: i64) -> bool {
        match self.time {
            None => self.has_day(day),
            Some((from, to)) if from < to => (from..to).contains(&second) && self.has_day(day),
            Some((from, to)) => {
                (second >= from && self.has_day(day)) || (second < to && self.has_day(day - 1))
            }
        }
    }

    fn has_day(&self, day: i64) -> bool {
        // 1970-01-01 was a Thursday.
        let weekday = (day + 4).rem_euclid(7);
        self.weekdays.is_none_or(|days| days >> weekday & 1 == 1)
            && self.dates.is_none_or(|dates| dates.has(day))
    }
}

impl Dates {
    fn has(self, day: i64) -> bool {
        match self {
            Self::Once(from, to) => (from..=to).contains(&day),
            Self::Yearly(from, to) => {
                let Some(date) = DateTime::from_timestamp(day.saturating_mul(DAY), 0) else {
                    return false;
                };
                let date = (date.month(), date.day());
                if from <= to {
                    (from..=to).contains(&date)
                } else {
                    date >= from || date <= to
                }
            }
        }
    }
}

/// The first time at or after `at` that is open in all of them, in ms since the epoch; `None` when there is none within eight years.
#[must_use]
pub fn open_in_all(calendars: &[&Calendar], at: i64) -> Option<i64> {
    let end = at.saturating_add(HORIZON * 1000);
    let mut open = at;
    loop {
        let before = open;
        for calendar in calendars {
            open = calendar.open_from(open)?;
        }
        if open == before {
            return Some(open);
        }
        if open > end {
            return None;
        }
    }
}
