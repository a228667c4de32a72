//! The mix of recurring tasks, and when each is to fire by counting seconds: it shares nothing with the
//! code that plans them.

use serde_json::{Value, json};

/// Asia/Shanghai has had no other offset since 1991, s.
const SHANGHAI: i64 = 8 * 3_600;
const DAY: i64 = 86_400;

/// So many tasks of mixed periods, from five seconds to a month.
#[derive(Clone, Copy, Debug)]
pub(super) struct Mix {
    pub(super) tasks: u64,
}

/// When one of them fires.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Period {
    /// Every so many seconds, with this remainder.
    Every(i64, i64),
    /// At this second of every minute.
    Minute(i64),
    /// At this second of every hour.
    Hour(i64),
    /// At this second of every day in Shanghai.
    Day(i64),
    /// On this day of every month, UTC, at this second of it.
    Month(i64, i64),
}

impl Mix {
    pub(super) fn new(tasks: u64) -> Self {
        Self { tasks }
    }

    fn period(self, task: u64) -> Period {
        // Spread over the tasks of a kind, so that no second is a herd.
        let spread = i64::try_from(task / 1_000 * 7_919 + task).unwrap_or(0);
        match task % 1_000 {
            0..10 => Period::Every(5, spread % 5),
            10..20 => Period::Every(30, spread % 30),
            20..50 => Period::Minute(spread % 60),
            50..150 => Period::Every(600, spread % 600),
            150..350 => Period::Hour(spread % 3_600),
            350..700 => Period::Day(spread * 61 % DAY),
            _ => Period::Month(spread % 31 + 1, spread * 61 % DAY),
        }
    }

    /// As it is registered.
    pub(super) fn schedule(self, task: u64, start: i64) -> Value {
        let cron = |text: String, zone: &str| json!({"cron": text, "zone": zone, "start": start});
        let clock = |second: i64| (second % 60, second / 60 % 60, second / 3_600);
        match self.period(task) {
            Period::Every(seconds, rest) => {
                let anchor = start / 1_000 / seconds * seconds + rest;
                json!({"every": format!("{seconds}s"), "anchor": anchor * 1_000, "start": start})
            }
            Period::Minute(second) => cron(format!("{second} * * * * *"), "UTC"),
            Period::Hour(second) => {
                let (s, m, _) = clock(second);
                cron(format!("{s} {m} * * * *"), "Europe/Berlin")
            }
            Period::Day(second) => {
                let (s, m, h) = clock(second);
                cron(format!("{s} {m} {h} * * *"), "Asia/Shanghai")
            }
            Period::Month(day, second) => {
                let (s, m, h) = clock(second);
                cron(format!("{s} {m} {h} {day} * *"), "UTC")
            }
        }
    }

    /// Every occurrence of every task between two times, epoch ms.
    pub(super) fn occurrences(self, from: i64, to: i64, mut each: impl FnMut(u64, i64)) {
        let seconds = from.div_euclid(1_000) + 1..to.div_euclid(1_000) + 1;
        for task in 0..self.tasks {
            let period = self.period(task);
            let step = period.least_step();
            // The first second in question that can be one, then every one that can.
            let mut at = seconds.start;
            while at < seconds.end {
                if period.is_at(at) {
                    each(task, at * 1_000);
                    at += step;
                } else {
                    at += 1;
                }
            }
        }
    }
}

impl Period {
    /// No two occurrences are closer, s.
    fn least_step(self) -> i64 {
        match self {
            Self::Every(seconds, _) => seconds,
            Self::Minute(_) => 60,
            Self::Hour(_) => 3_600,
            Self::Day(_) | Self::Month(..) => DAY,
        }
    }

    fn is_at(self, second: i64) -> bool {
        match self {
            Self::Every(seconds, rest) => second.rem_euclid(seconds) == rest % seconds,
            Self::Minute(rest) => second.rem_euclid(60) == rest,
            Self::Hour(rest) => second.rem_euclid(3_600) == rest,
            Self::Day(rest) => (second + SHANGHAI).rem_euclid(DAY) == rest,
            Self::Month(day, rest) => {
                second.rem_euclid(DAY) == rest && day_of_month(second.div_euclid(DAY)) == day
            }
        }
    }
}

/// Of a day counted from 1970-01-01, by the proleptic Gregorian calendar: days are counted down month
/// by month.
fn day_of_month(days: i64) -> i64 {
    let leap = |year: i64| (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
    let (mut year, mut left) = (1970, days);
    loop {
        let length = if leap(year) { 366 } else { 365 };
        if left < length {
            break;
        }
        left -= length;
        year += 1;
    }
    let february = if leap(year) { 29 } else { 28 };
    for length in [31, february, 31, 30, 31, 30, 31, 31, 30, 31, 30] {
        if left < length {
            return left + 1;
        }
        left -= length;
    }
    left + 1
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_are_counted() {
        // 1970-01-01, 2000-02-29, 2000-03-01, 2026-11-21, 2026-12-31.
        let cases = [
            (0, 1),
            (11_016, 29),
            (11_017, 1),
            (20_778, 21),
            (20_818, 31),
        ];
        for (days, expected) in cases {
            assert_eq!(day_of_month(days), expected, "{days}");
        }
    }

    #[test]
    fn a_mix_fires_at_the_rate_of_its_periods() {
        let mut count = 0;
        let start = 1_796_086_800_500;
        Mix::new(10_000).occurrences(start, start + 600_000, |_, due| {
            assert!((start..start + 600_000).contains(&due));
            count += 1;
        });
        // 100 every 5 s, 100 every 30 s, 300 a minute, 1,000 in ten, some of the rest.
        let often = 100 * 120 + 100 * 20 + 300 * 10 + 1_000;
        assert!((often..often + 600).contains(&count), "{count}");
    }
}
