//! Which days of a month an expression means.

/// Mondays of a month whose first day is a Monday, and the like: bit 1 and every seventh after it.
const WEEKLY: u32 = 0b10_0000_0100_0000_1000_0001_0000_0010;
const SATURDAY: u32 = 6;
const SUNDAY: u32 = 0;

/// The two day fields. Bit n stands for the day n of a month, or the weekday n from Sunday = 0.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Days {
    /// `None` for `*` and `?`: the other field alone decides.
    pub(super) of_month: Option<OfMonth>,
    /// As above.
    pub(super) of_week: Option<OfWeek>,
}

/// The day-of-month field.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct OfMonth {
    pub(super) days: u32,
    /// `15W`: the working day nearest to it, within the month.
    pub(super) nearest: u32,
    /// `L` is bit 0; `L-3` is bit 3.
    pub(super) before_last: u32,
    /// `LW`: the last working day.
    pub(super) last_working: bool,
}

/// The day-of-week field.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct OfWeek {
    pub(super) days: u8,
    /// `FRI#2` is bit 5 of the second.
    pub(super) nth: [u8; 5],
    /// `FRIL`: the last one of the month.
    pub(super) last: u8,
}

impl Days {
    /// The days of a month with `length` days whose first is the weekday `first`: bit n for the day n.
    pub(super) fn mask(&self, length: u32, first: u32) -> u32 {
        let all = mask_of(length);
        let of_month = self.of_month.as_ref().map(|days| days.mask(length, first));
        let of_week = self.of_week.as_ref().map(|days| days.mask(length, first));
        all & match (of_month, of_week) {
            (None, None) => all,
            (Some(days), None) | (None, Some(days)) => days,
            // As crontab has it: either field is enough where both are restricted.
            (Some(month), Some(week)) => month | week,
        }
    }
}

impl OfMonth {
    fn mask(&self, length: u32, first: u32) -> u32 {
        let mut mask = self.days;
        for day in bits(self.nearest).filter(|day| *day <= length) {
            mask |= 1 << nearest_working(day, length, first);
        }
        for back in bits(self.before_last).filter(|back| *back < length) {
            mask |= 1 << (length - back);
        }
        if self.last_working {
            let last = match weekday(length, first) {
                SATURDAY => length - 1,
                SUNDAY => length - 2,
                _ => length,
            };
            mask |= 1 << last;
        }
        mask
    }
}

impl OfWeek {
    fn mask(&self, length: u32, first: u32) -> u32 {
        let mut mask = 0;
        for day in 0..7 {
            let bit = 1_u8 << day;
            // The first such weekday of the month is the day 1 + `behind`.
            let behind = (day + 7 - first) % 7;
            if self.days & bit != 0 {
                mask |= WEEKLY << behind;
            }
            for (n, nth) in (0..).zip(self.nth) {
                if nth & bit != 0 {
                    mask |= 1_u64.checked_shl(1 + behind + 7 * n).map_or(0, low);
                }
            }
            if self.last & bit != 0 {
                mask |= 1 << (1 + behind + 7 * ((length - 1 - behind) / 7));
            }
        }
        mask
    }
}

/// Days 1 to `length`.
fn mask_of(length: u32) -> u32 {
    low((1_u64 << (length + 1)) - 2)
}

/// What of it stands for days: the lower half.
fn low(bits: u64) -> u32 {
    u32::try_from(bits & u64::from(u32::MAX)).unwrap_or(0)
}

/// The weekday of a day of a month whose first is `first`.
fn weekday(day: u32, first: u32) -> u32 {
    (first + day - 1) % 7
}

/// Saturdays go back to Friday and Sundays on to Monday, but never out of the month.
fn nearest_working(day: u32, length: u32, first: u32) -> u32 {
    match weekday(day, first) {
        SATURDAY if day > 1 => day - 1,
        SATURDAY => day + 2,
        SUNDAY if day < length => day + 1,
        SUNDAY => day - 2,
        _ => day,
    }
}

/// The positions of set bits, lowest first.
fn bits(mut mask: u32) -> impl Iterator<Item = u32> {
    std::iter::from_fn(move || {
        (mask != 0).then(|| {
            let lowest = mask.trailing_zeros();
            mask &= mask - 1;
            lowest
        })
    })
}
