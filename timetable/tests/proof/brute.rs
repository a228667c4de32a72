//! The next occurrence by walking: over days, then over the minutes and seconds of those that may match.

use super::expression::Expression;
use chrono::{DateTime, LocalResult, NaiveDateTime, Offset, TimeZone};
use chrono_tz::Tz;
use timetable::{Fold, Gap};

const DAY: i64 = 86_400;

/// What to find.
pub(crate) struct Walk<'a> {
    pub expression: &'a Expression,
    pub zone: Tz,
    pub gap: Gap,
    pub fold: Fold,
}

impl Walk<'_> {
    /// The first occurrence after `after` and before `end`, in seconds since the epoch. Clocks change at whole minutes, as
    /// they do from 2024 on in the zones of the proof.
    pub(crate) fn next_after(&self, after: i64, end: i64) -> Option<i64> {
        let first = after.div_euclid(DAY) * DAY;
        let is_day = |day: i64| self.expression.has_day(naive(day).date());
        let (mut before, mut today) = (is_day(first - DAY), is_day(first));
        for day in (first..end).step_by(86_400) {
            let next = is_day(day + DAY);
            if before || today || next {
                let dates = [before, today, next];
                let found = (day..day + DAY)
                    .step_by(60)
                    .flat_map(|minute| match self.plain_offset(day) {
                        Some(offset) => self.of_plain_minute(minute, day, offset, dates),
                        None => self.of_minute(minute),
                    })
                    .find(|at| *at > after);
                if found.is_some() {
                    return found.filter(|at| *at < end);
                }
            }
            (before, today) = (today, next);
        }
        None
    }

    /// The offset of a whole day of UTC that is far from any change: no zone of the proof changes twice within three days.
    fn plain_offset(&self, day: i64) -> Option<i64> {
        let offset = self.offset(day - DAY);
        (offset == self.offset(day + 2 * DAY)).then_some(offset)
    }

    /// All occurrences of one minute of a day without change, given whether the days before, of and behind it match.
    fn of_plain_minute(&self, minute: i64, day: i64, offset: i64, dates: [bool; 3]) -> Vec<i64> {
        let wall = minute + offset;
        let [before, today, next] = dates;
        let has_day = match (wall - day).div_euclid(DAY) {
            -1 => before,
            0 => today,
            _ => next,
        };
        let of_day = wall.rem_euclid(DAY);
        if !has_day || !self.expression.has_time(of_day / 3600, of_day / 60 % 60) {
            return Vec::new();
        }
        self.seconds().map(|second| minute + second).collect()
    }

    /// All occurrences of one minute of UTC.
    fn of_minute(&self, minute: i64) -> Vec<i64> {
        let mut found = Vec::new();
        let offset = self.offset(minute);
        let wall = minute + offset;
        if self.matches(wall) {
            for second in self.seconds() {
                let at = minute + second;
                let is_meant = match self.zone.from_local_datetime(&naive(at + offset)) {
                    LocalResult::Ambiguous(first, last) => match self.fold {
                        Fold::First => first.timestamp() == at,
                        Fold::Last => last.timestamp() == at,
                        Fold::Both => true,
                    },
                    _ => true,
                };
                if is_meant {
                    found.push(at);
                }
            }
        }
        // A gap that ends here, or one whose shifted times come here.
        match self.gap {
            Gap::Skip => {}
            Gap::End => {
                let before = self.offset(minute - 60);
                let mut missing = (minute + before..minute + offset).step_by(60);
                if missing.any(|wall| self.matches(wall)) {
                    found.push(minute);
                }
            }
            Gap::Shift => {
                let before = self.offset(minute - 2 * 3600);
                let wall = minute + before;
                let is_missing = matches!(
                    self.zone.from_local_datetime(&naive(wall)),
                    LocalResult::None
                );
                if is_missing && self.matches(wall) {
                    found.extend(self.seconds().map(|second| minute + second));
                }
            }
        }
        found.sort_unstable();
        found
    }

    fn seconds(&self) -> impl Iterator<Item = i64> {
        (0..60)
            .filter(|second| self.expression.has_second(*second))
            .map(i64::from)
    }

    fn matches(&self, wall: i64) -> bool {
        let of_day = wall.rem_euclid(DAY);
        self.expression.has_time(of_day / 3600, of_day / 60 % 60)
            && self.expression.has_day(naive(wall).date())
    }

    fn offset(&self, at: i64) -> i64 {
        let offset = self.zone.offset_from_utc_datetime(&naive(at));
        i64::from(offset.fix().local_minus_utc())
    }
}

pub(crate) fn naive(seconds: i64) -> NaiveDateTime {
    DateTime::from_timestamp(seconds, 0)
        .expect("in range")
        .naive_utc()
}
