//! The seven fields: their bounds and names, and the set of values one of them means.

use super::days::{OfMonth, OfWeek};

/// The first and the last year that an expression may name.
pub(super) const YEARS: (u16, u16) = (1970, 2199);

/// One of the seven, in the order they are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Field {
    Second,
    Minute,
    Hour,
    DayOfMonth,
    Month,
    DayOfWeek,
    Year,
}

impl Field {
    pub(super) const ALL: [Self; 7] = [
        Self::Second,
        Self::Minute,
        Self::Hour,
        Self::DayOfMonth,
        Self::Month,
        Self::DayOfWeek,
        Self::Year,
    ];

    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Second => "seconds",
            Self::Minute => "minutes",
            Self::Hour => "hours",
            Self::DayOfMonth => "day of month",
            Self::Month => "months",
            Self::DayOfWeek => "day of week",
            Self::Year => "years",
        }
    }

    /// The least and the greatest value. Day of week goes to 7, which is Sunday like 0.
    pub(super) fn bounds(self) -> (u16, u16) {
        match self {
            Self::Second | Self::Minute => (0, 59),
            Self::Hour => (0, 23),
            Self::DayOfMonth => (1, 31),
            Self::Month => (1, 12),
            Self::DayOfWeek => (0, 7),
            Self::Year => YEARS,
        }
    }

    /// The greatest value of `*`, and of a step without an end.
    pub(super) fn greatest(self) -> u16 {
        match self {
            Self::DayOfWeek => 6,
            _ => self.bounds().1,
        }
    }

    /// Where a hashed value may fall: a day of month that every month has.
    pub(super) fn hashed_bounds(self) -> (u16, u16) {
        match self {
            Self::DayOfMonth => (1, 28),
            Self::DayOfWeek => (0, 6),
            _ => self.bounds(),
        }
    }

    /// Names, the first of which stands for the value `first_named`.
    pub(super) fn names(self) -> &'static [&'static str] {
        match self {
            Self::Month => &[
                "JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC",
            ],
            Self::DayOfWeek => &["SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT"],
            _ => &[],
        }
    }

    /// The value of a name, in any case.
    pub(super) fn named(self, word: &str) -> Option<u16> {
        let place = self
            .names()
            .iter()
            .position(|name| name.eq_ignore_ascii_case(word))?;
        u16::try_from(place)
            .ok()
            .map(|place| place + self.bounds().0)
    }
}

/// What one field means. Only the day fields use the parts behind `values`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Set {
    /// Values less the field's least one, as bits.
    values: [u64; 4],
    pub(super) of_month: OfMonth,
    pub(super) of_week: OfWeek,
    /// Every value, written as `*` or `?`.
    pub(super) any: bool,
}

impl Set {
    pub(super) fn insert(&mut self, field: Field, value: u16) {
        let value = match field {
            Field::DayOfWeek => value % 7,
            _ => value - field.bounds().0,
        };
        if let Some(word) = self.values.get_mut(usize::from(value / 64)) {
            *word |= 1 << (value % 64);
        }
    }

    /// The values of a field with at most 64 of them: bit n stands for the field's least one plus n.
    pub(super) fn bits(&self) -> u64 {
        self.values[0]
    }

    /// The same for years.
    pub(super) fn wide(&self) -> [u64; 4] {
        self.values
    }
}
