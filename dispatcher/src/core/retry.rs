//! When to ask to be tried again: the policy's wait, its jitter, and what the endpoint wished.

use rand::Rng;
use schemas::call::{Jitter, RetryPlan};
use schemas::{Millis, RetryPolicy};

/// An endpoint may ask for so long a wait and no more, ms.
pub(crate) const LONGEST_WISH_MS: u64 = 24 * 3_600 * 1_000;

/// The wait behind failed attempt `attempt` (from 1), ms; `None` where it was the last. What the
/// endpoint `wished` for raises it.
pub(crate) fn wait_ms(
    policy: &RetryPolicy,
    attempt: u32,
    wished: Option<u64>,
    rng: &mut impl Rng,
) -> Option<u64> {
    if attempt >= policy.max_attempts {
        return None;
    }
    let wished = wished.unwrap_or(0).min(LONGEST_WISH_MS);
    Some(planned_ms(&policy.plan, attempt, rng).max(wished))
}

fn planned_ms(plan: &RetryPlan, attempt: u32, rng: &mut impl Rng) -> u64 {
    match plan {
        RetryPlan::Explicit(waits) => {
            let index = usize::try_from(attempt.saturating_sub(1)).unwrap_or(usize::MAX);
            waits
                .get(index)
                .or_else(|| waits.last())
                .copied()
                .unwrap_or(0)
        }
        RetryPlan::Backoff {
            first_ms,
            factor,
            max_ms,
            jitter,
        } => spread(grown_ms(*first_ms, *factor, *max_ms, attempt), *jitter, rng),
    }
}

/// first · factor^(attempt-1), at most `max_ms`.
fn grown_ms(first_ms: u64, factor: f64, max_ms: u64, attempt: u32) -> u64 {
    let exponent = i32::try_from(attempt.saturating_sub(1)).unwrap_or(i32::MAX);
    #[expect(
        clippy::cast_precision_loss,
        reason = "waits are far below 2^52 ms, and are jittered"
    )]
    let (first, max) = (first_ms as f64, max_ms as f64);
    // `max` is the second operand so that a product that is no number becomes the cap.
    let grown = (first * factor.max(1.0).powi(exponent)).min(max);
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "between 0 and `max_ms`"
    )]
    let grown = grown as u64;
    grown.min(max_ms)
}

fn spread(wait: u64, jitter: Jitter, rng: &mut impl Rng) -> u64 {
    match jitter {
        Jitter::None => wait,
        Jitter::Full => rng.random_range(0..=wait),
        Jitter::Equal => rng.random_range(wait / 2..=wait),
    }
}

/// The wait a `Retry-After` header wishes for, ms from `now`: seconds, or an HTTP date. `None` where it
/// is neither.
pub(crate) fn wish_ms(header: &str, now: Millis) -> Option<u64> {
    let header = header.trim();
    if !header.is_empty() && header.bytes().all(|b| b.is_ascii_digit()) {
        // Too large for a number is larger than the cap.
        return Some(
            header
                .parse::<u64>()
                .unwrap_or(u64::MAX)
                .saturating_mul(1_000),
        );
    }
    http_date(header).map(|at| at.since(now))
}

/// `Sun, 06 Nov 1994 08:49:37 GMT`, the one form that may still be sent.
fn http_date(text: &str) -> Option<Millis> {
    const MONTHS: [&str; 12] = [
        "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec",
    ];
    let (_, date) = text.split_once(", ")?;
    let mut words = date.split(' ');
    let (day, month, year) = (words.next()?, words.next()?, words.next()?);
    let (time, zone) = (words.next()?, words.next()?);
    if zone != "GMT" || words.next().is_some() {
        return None;
    }
    let month = MONTHS.iter().position(|name| *name == month)?;
    let mut parts = time.split(':');
    let (hour, minute, second) = (parts.next()?, parts.next()?, parts.next()?);
    let day = number(day, 2, 31)?;
    let year = number(year, 4, 9_999)?;
    // 60 is a leap second.
    let seconds =
        number(hour, 2, 23)? * 3_600 + number(minute, 2, 59)? * 60 + number(second, 2, 60)?;
    let days = days_since_1970(year, i64::try_from(month).ok()? + 1, day);
    Some(Millis((days * 86_400 + seconds) * 1_000))
}

fn number(text: &str, digits: usize, most: i64) -> Option<i64> {
    let good = text.len() == digits && text.bytes().all(|b| b.is_ascii_digit());
    text.parse().ok().filter(|n| good && *n <= most)
}

/// Days of the proleptic Gregorian calendar, counting years from March so that the leap day is last.
fn days_since_1970(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let era = year.div_euclid(400);
    let year_of_era = year.rem_euclid(400);
    let month_from_march = (month + 9) % 12;
    let day_of_year = (153 * month_from_march + 2) / 5 + day - 1;
    let day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    era * 146_097 + day_of_era - 719_468
}

#[cfg(test)]
#[path = "retry/tests.rs"]
mod tests;
