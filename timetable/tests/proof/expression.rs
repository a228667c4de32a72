//! Random expressions as trees, their text, and what they mean: evaluated from the tree, never from the text.

use chrono::{Datelike, NaiveDate};
use rand::Rng;
use rand::seq::IndexedRandom;

const MONTHS: [&str; 12] = [
    "JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC",
];
const WEEKDAYS: [&str; 7] = ["SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT"];

/// One part of a list.
#[derive(Clone, Debug)]
pub(crate) enum Part {
    Any {
        step: u32,
    },
    One(u32),
    Range {
        first: u32,
        last: u32,
        step: u32,
    },
    /// `10/5`
    From {
        first: u32,
        step: u32,
    },
    Last,
    Before(u32),
    LastWorking,
    Nearest(u32),
    LastOf(u32),
    Nth(u32, u32),
}

#[derive(Clone, Debug)]
pub(crate) struct Field {
    pub parts: Vec<Part>,
    least: u32,
    names: &'static [&'static str],
}

#[derive(Clone, Debug)]
pub(crate) struct Expression {
    pub second: Option<Field>,
    pub minute: Field,
    pub hour: Field,
    pub day: Field,
    pub month: Field,
    pub weekday: Field,
    pub year: Option<Field>,
}

impl Field {
    pub(crate) fn is_any(&self) -> bool {
        matches!(self.parts[..], [Part::Any { step: 1 }])
    }

    fn has(&self, value: u32) -> bool {
        self.parts.iter().any(|part| match part {
            Part::Any { step } => (value - self.least).is_multiple_of(*step),
            Part::One(one) => value == *one,
            Part::Range { first, last, step } => {
                (*first..=*last).contains(&value) && (value - first).is_multiple_of(*step)
            }
            Part::From { first, step } => value >= *first && (value - first).is_multiple_of(*step),
            _ => false,
        })
    }

    fn random(
        rng: &mut impl Rng,
        least: u32,
        greatest: u32,
        names: &'static [&'static str],
    ) -> Self {
        let part = |rng: &mut dyn rand::RngCore| {
            let first = rng.random_range(least..=greatest);
            let last = rng.random_range(first..=greatest);
            match rng.random_range(0..10) {
                0..=4 => Part::One(first),
                5 | 6 => Part::Range {
                    first,
                    last,
                    step: 1,
                },
                7 => Part::Range {
                    first,
                    last,
                    step: rng.random_range(1..=(greatest - least).min(12)),
                },
                8 => Part::From {
                    first,
                    step: rng.random_range(1..=(greatest - least).min(30)),
                },
                _ => Part::Any {
                    step: rng.random_range(2..=(greatest - least).min(30)),
                },
            }
        };
        let parts = match rng.random_range(0..10) {
            0..=3 => vec![Part::Any { step: 1 }],
            4..=7 => vec![part(rng)],
            _ => (0..rng.random_range(2..=4)).map(|_| part(rng)).collect(),
        };
        Self {
            parts,
            least,
            names,
        }
    }

    fn text(&self, rng: &mut impl Rng) -> String {
        let mut value = |value: u32| match self.names.get((value - self.least) as usize) {
            Some(name) if rng.random() => (*name).to_owned(),
            _ => value.to_string(),
        };
        let parts: Vec<String> = self
            .parts
            .iter()
            .map(|part| match part {
                Part::Any { step: 1 } => "*".to_owned(),
                Part::Any { step } => format!("*/{step}"),
                Part::One(one) => value(*one),
                Part::Range { first, last, step } => {
                    let range = format!("{}-{}", value(*first), value(*last));
                    if *step == 1 {
                        range
                    } else {
                        format!("{range}/{step}")
                    }
                }
                Part::From { first, step } => format!("{}/{step}", value(*first)),
                Part::Last => "L".to_owned(),
                Part::Before(days) => format!("L-{days}"),
                Part::LastWorking => "LW".to_owned(),
                Part::Nearest(day) => format!("{day}W"),
                Part::LastOf(day) => format!("{}L", value(*day)),
                Part::Nth(day, nth) => format!("{}#{nth}", value(*day)),
            })
            .collect();
        parts.join(",")
    }
}

impl Expression {
    pub(crate) fn random(rng: &mut impl Rng) -> Self {
        let mut day = Field::random(rng, 1, 31, &[]);
        let mut weekday = Field::random(rng, 0, 6, &WEEKDAYS);
        if rng.random_ratio(1, 5) {
            day.parts = vec![match rng.random_range(0..5) {
                0 | 1 => Part::Last,
                2 => Part::Before(rng.random_range(1..=30)),
                3 => Part::LastWorking,
                _ => Part::Nearest(rng.random_range(1..=31)),
            }];
        }
        if rng.random_ratio(1, 5) {
            let of = rng.random_range(0..=6);
            weekday.parts = vec![match rng.random_range(0..2) {
                0 => Part::LastOf(of),
                _ => Part::Nth(of, rng.random_range(1..=5)),
            }];
        }
        let fields = *[5, 5, 6, 6, 7].choose(rng).expect("some");
        Self {
            second: (fields > 5).then(|| Field::random(rng, 0, 59, &[])),
            minute: Field::random(rng, 0, 59, &[]),
            hour: Field::random(rng, 0, 23, &[]),
            day,
            month: Field::random(rng, 1, 12, &MONTHS),
            weekday,
            year: (fields > 6).then(|| {
                let mut year = Field::random(rng, 2024, 2045, &[]);
                year.least = 1970;
                year
            }),
        }
    }

    pub(crate) fn text(&self, rng: &mut impl Rng) -> String {
        let fields = [
            self.second.as_ref(),
            Some(&self.minute),
            Some(&self.hour),
            Some(&self.day),
            Some(&self.month),
            Some(&self.weekday),
            self.year.as_ref(),
        ];
        let fields: Vec<String> = fields
            .into_iter()
            .flatten()
            .map(|field| field.text(rng))
            .collect();
        fields.join(" ")
    }

    pub(crate) fn has_day(&self, date: NaiveDate) -> bool {
        let next = date + chrono::Days::new(1);
        let of_month = self.day.has(date.day())
            || self.day.parts.iter().any(|part| match part {
                Part::Last => next.month() != date.month(),
                Part::Before(days) => {
                    (date + chrono::Days::new(u64::from(*days) + 1)).day() == 1
                        && (date + chrono::Days::new(u64::from(*days))).month() == date.month()
                }
                Part::LastWorking => last_working(date) == date,
                Part::Nearest(day) => date.with_day(*day).is_some_and(|day| nearest(day) == date),
                _ => false,
            });
        let weekday = date.weekday().num_days_from_sunday();
        let week_later = date + chrono::Days::new(7);
        let of_week = self.weekday.has(weekday)
            || self.weekday.parts.iter().any(|part| match part {
                Part::LastOf(day) => weekday == *day && week_later.month() != date.month(),
                Part::Nth(day, nth) => weekday == *day && date.day().div_ceil(7) == *nth,
                _ => false,
            });
        let day = match (self.day.is_any(), self.weekday.is_any()) {
            (true, true) => true,
            (false, true) => of_month,
            (true, false) => of_week,
            (false, false) => of_month || of_week,
        };
        day && self.month.has(date.month())
            && self
                .year
                .as_ref()
                .is_none_or(|year| u32::try_from(date.year()).is_ok_and(|y| year.has(y)))
    }

    pub(crate) fn has_time(&self, hour: i64, minute: i64) -> bool {
        let has = |field: &Field, value| u32::try_from(value).is_ok_and(|value| field.has(value));
        has(&self.hour, hour) && has(&self.minute, minute)
    }

    pub(crate) fn has_second(&self, second: u32) -> bool {
        self.second
            .as_ref()
            .map_or(second == 0, |field| field.has(second))
    }
}

fn is_working(date: NaiveDate) -> bool {
    date.weekday().number_from_monday() <= 5
}

fn last_working(date: NaiveDate) -> NaiveDate {
    let mut day = (date.with_day(1).expect("a first") + chrono::Months::new(1)).pred_opt();
    while let Some(some) = day.filter(|day| !is_working(*day)) {
        day = some.pred_opt();
    }
    day.expect("a working day")
}

/// The working day of the same month that is fewest days away.
fn nearest(day: NaiveDate) -> NaiveDate {
    let near = (0..=2_i64).flat_map(|away| [-away, away]);
    near.map(|away| day + chrono::Duration::days(away))
        .find(|near| is_working(*near) && near.month() == day.month())
        .expect("within two days")
}
