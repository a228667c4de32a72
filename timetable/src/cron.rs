//! Cron expressions: what they mean on a wall clock. Zones come in [`crate::Rule`].
//!
//! | fields | order |
//! |---|---|
//! | 5 | minute, hour, day of month, month, day of week |
//! | 6 | second, then those |
//! | 7 | second, those, year (1970 to 2199) |
//!
//! A field is `*`, or a list with commas of values, ranges `1-5`, steps `*/5`, `1-30/5`, `10/5` (from 10
//! to the end) and hashed values. Months and weekdays have names of three letters, in any case; a week
//! counts from Sunday = 0, and 7 is Sunday too, as in crontab. Day of month takes `L` (the last), `L-3` (three before it), `15W`
//! (the working day nearest to the 15th, within its month) and `LW`; day of week `FRIL` (the last Friday)
//! and `FRI#2` (the second one). `?` in a day field is `*`. Where both day fields are restricted, a day
//! needs to match only one of them; a field is unrestricted when it is `*`, `*/1` or `?`.
//!
//! `H` is a value that the seed chooses, the same for ever: `H`, `H(0-29)`, `H/15`, `H(0-29)/10`.

mod cursor;
mod days;
mod error;
mod field;
mod list;
mod parse;

use chrono::{DateTime, Datelike, NaiveDate};
use days::Days;
pub use error::CronError;
use field::YEARS;
use parse::Parsed;

const DAY: i64 = 86_400;
/// The last year in which anything occurs.
const LAST_YEAR: i32 = 9999;
/// Within so many years every kind of month comes: as long as any, beginning on any weekday.
const ALL_KINDS: i32 = 40;

/// A cron expression that occurs at least once.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cron {
    text: Box<str>,
    /// The five fields that a nickname stands for.
    plain: Box<str>,
    /// Bit n for the second n.
    seconds: u64,
    minutes: u64,
    hours: u64,
    /// Bit 0 for January.
    months: u64,
    days: Days,
    /// Bit 0 for 1970; `None` for all, and for those after 2199 too.
    years: Option<[u64; 4]>,
    is_hashed: bool,
    year_position: usize,
}

impl Cron {
    /// Reads an expression. `H` chooses as for seed 0 until [`Cron::hashed`] is asked.
    ///
    /// # Errors
    /// [`CronError`] says what is wrong and where: also for what can never occur, such as 30 February.
    pub fn parse(text: &str) -> Result<Self, CronError> {
        Self::build(text, parse::parse(text, 0)?)
    }

    /// As [`Cron::parse`], and refuses what can never occur after `now` (ms since the epoch): years
    /// that are past in every zone.
    ///
    /// # Errors
    /// As [`Cron::parse`].
    pub fn parse_after(text: &str, now: i64) -> Result<Self, CronError> {
        let cron = Self::parse(text)?;
        // A day covers every zone's distance from UTC.
        let wall = now.div_euclid(1000).saturating_sub(DAY);
        match cron.next_wall(wall) {
            Some(_) => Ok(cron),
            None => Err(CronError::new(
                cron.year_position,
                "never occurs again: all of it is past",
            )),
        }
    }

    /// The same expression with every `H` chosen by `seed`; any other expression as it is.
    #[must_use]
    pub fn hashed(&self, seed: u64) -> Self {
        if !self.is_hashed {
            return self.clone();
        }
        // What `H` may choose occurs whatever it chooses, so this reads as well as the first time.
        parse::parse(&self.text, seed)
            .and_then(|parsed| Self::build(&self.text, parsed))
            .unwrap_or_else(|_| self.clone())
    }

    /// Whether an `H` asks for a seed.
    #[must_use]
    pub fn is_hashed(&self) -> bool {
        self.is_hashed
    }

    /// The expression as it was written.
    #[must_use]
    pub fn text(&self) -> &str {
        &self.text
    }

    /// Its seven fields, with what the seed chose in the place of `H`: for those who know no `H`.
    pub(crate) fn resolved(&self) -> Vec<String> {
        let words: Vec<&str> = self.plain.split_ascii_whitespace().collect();
        let seconds = (words.len() == 5).then_some("0");
        let years = (words.len() < 7).then_some("*");
        let words = seconds.into_iter().chain(words).chain(years);
        let (days, weekdays) = (&self.days.of_month, &self.days.of_week);
        let sets = [
            (self.seconds, 0),
            (self.minutes, 0),
            (self.hours, 0),
            (days.as_ref().map_or(0, |days| u64::from(days.days)), 0),
            (self.months, 1),
            (weekdays.as_ref().map_or(0, |days| u64::from(days.days)), 0),
            (0, 0),
        ];
        words
            .zip(sets)
            .map(|(word, (bits, least))| {
                let mut part = word.split(',');
                if !part.any(|part| part.starts_with(['H', 'h'])) {
                    return word.to_owned();
                }
                let values = (0..64).filter(|bit| bits >> bit & 1 == 1);
                let values = values.map(|bit: u32| (bit + least).to_string());
                values.collect::<Vec<_>>().join(",")
            })
            .collect()
    }

    /// Whether it goes by elapsed time: every hour of the day is meant.
    #[must_use]
    pub fn is_every_hour(&self) -> bool {
        self.hours == (1 << 24) - 1
    }

    fn build(text: &str, parsed: Parsed) -> Result<Self, CronError> {
        let [seconds, minutes, hours, of_month, months, of_week, years] = parsed.sets;
        let days = Days {
            of_month: (!of_month.any).then(|| days::OfMonth {
                // Values count from the day 1.
                days: u32::try_from(of_month.bits() << 1).unwrap_or(0),
                ..of_month.of_month
            }),
            of_week: (!of_week.any).then(|| days::OfWeek {
                days: u8::try_from(of_week.bits()).unwrap_or(0),
                ..of_week.of_week
            }),
        };
        let cron = Self {
            text: text.into(),
            plain: parsed.plain.unwrap_or(text).into(),
            seconds: seconds.bits(),
            minutes: minutes.bits(),
            hours: hours.bits(),
            months: months.bits(),
            days,
            years: (parsed.has_years && !years.any).then(|| years.wide()),
            is_hashed: parsed.is_hashed,
            year_position: parsed.positions[6],
        };
        cron.check_possible(parsed.positions[3])?;
        Ok(cron)
    }

    /// Refuses days that no month of the expression has, and 29 February in common years only.
    fn check_possible(&self, day_position: usize) -> Result<(), CronError> {
        let any_year = Self {
            years: None,
            ..self.clone()
        };
        if any_year.next_wall(0).is_none() {
            let what = "never occurs: no month of it has such a day";
            return Err(CronError::new(day_position, what));
        }
        if self.next_wall(0).is_none() {
            let what = "never occurs: no year of it has such a day";
            return Err(CronError::new(self.year_position, what));
        }
        Ok(())
    }

    /// The first second at or after `from` that matches, both as seconds since 1970-01-01T00:00:00 on
    /// the wall clock. `None` when there is none before the year 10000.
    #[must_use]
    pub fn next_wall(&self, from: i64) -> Option<i64> {
        let from = from.max(0);
        let date = DateTime::from_timestamp(from, 0)?.date_naive();
        let time = u32::try_from(from.rem_euclid(DAY)).ok()?;
        let mut month = Month::of(date)?;
        let mut first_day = date.day();
        if month.mask(self) >> first_day & 1 == 1
            && let Some(second) = self.time_from(time)
        {
            return Some(month.day(first_day) + i64::from(second));
        }
        first_day += 1;
        // The day was looked at; from the next one on the day's first time is meant.
        let second = self.time_from(0)?;
        let last_year = match self.years {
            Some(_) => i32::from(YEARS.1),
            None => LAST_YEAR.min(month.year + ALL_KINDS),
        };
        loop {
            let mask = month.mask(self).checked_shr(first_day).unwrap_or(0);
            if mask != 0 {
                return Some(month.day(first_day + mask.trailing_zeros()) + i64::from(second));
            }
            month = month.next(self, last_year)?;
            first_day = 1;
        }
    }

    /// The first matching second of a day at or after `time`.
    fn time_from(&self, time: u32) -> Option<u32> {
        let (hour, minute, second) = (time / 3600, time / 60 % 60, time % 60);
        if self.hours >> hour & 1 == 1 {
            if self.minutes >> minute & 1 == 1
                && let Some(second) = next_bit(self.seconds, second)
            {
                return Some(hour * 3600 + minute * 60 + second);
            }
            if let Some(minute) = next_bit(self.minutes, minute + 1) {
                return Some(hour * 3600 + minute * 60 + self.seconds.trailing_zeros());
            }
        }
        let hour = next_bit(self.hours, hour + 1)?;
        Some(hour * 3600 + self.minutes.trailing_zeros() * 60 + self.seconds.trailing_zeros())
    }

    fn has_year(&self, year: i32) -> bool {
        match &self.years {
            None => true,
            Some(years) => u32::try_from(year - i32::from(YEARS.0)).is_ok_and(|bit| {
                years
                    .get(bit as usize / 64)
                    .is_some_and(|word| word >> (bit % 64) & 1 == 1)
            }),
        }
    }
}

impl std::fmt::Display for Cron {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.text)
    }
}

/// The first set bit at or after `from`.
fn next_bit(bits: u64, from: u32) -> Option<u32> {
    let rest = bits.checked_shr(from).unwrap_or(0);
    (rest != 0).then(|| from + rest.trailing_zeros())
}

/// One month of one year.
struct Month {
    year: i32,
    /// From 0.
    month: u32,
    /// Days from 1970-01-01 to its first.
    start: i64,
    length: u32,
}

impl Month {
    fn of(date: NaiveDate) -> Option<Self> {
        let first = date.with_day(1)?;
        Some(Self {
            year: date.year(),
            month: date.month0(),
            start: first.signed_duration_since(NaiveDate::default()).num_days(),
            length: length(date.year(), date.month0()),
        })
    }

    /// The next month that the expression names, if one comes before `last_year` ends.
    fn next(mut self, cron: &Cron, last_year: i32) -> Option<Self> {
        loop {
            self.start += i64::from(self.length);
            self.month += 1;
            if self.month == 12 {
                self.month = 0;
                self.year += 1;
                if self.year > last_year {
                    return None;
                }
            }
            self.length = length(self.year, self.month);
            if cron.months >> self.month & 1 == 1 && cron.has_year(self.year) {
                return Some(self);
            }
        }
    }

    /// The days of this month that the expression names.
    fn mask(&self, cron: &Cron) -> u32 {
        if cron.months >> self.month & 1 == 0 || !cron.has_year(self.year) {
            return 0;
        }
        // 1970-01-01 was a Thursday.
        let first = u32::try_from((self.start + 4).rem_euclid(7)).unwrap_or(0);
        cron.days.mask(self.length, first)
    }

    /// The first second of one of its days.
    fn day(&self, day: u32) -> i64 {
        (self.start + i64::from(day) - 1) * DAY
    }
}

fn length(year: i32, month: u32) -> u32 {
    match month {
        3 | 5 | 8 | 10 => 30,
        1 if year % 4 == 0 && (year % 100 != 0 || year % 400 == 0) => 29,
        1 => 28,
        _ => 31,
    }
}
