//! Durations as text: whole numbers with units (`1500ms`, `30m`, `1h30m`), or ISO 8601 (`PT30M`,
//! `P1DT2H`).
//!
//! Units are `ms s m h d w`, from the largest to the smallest, each at most once. A day is 24 hours
//! and a week seven days, whatever the calendar does; months and years have no fixed length and are
//! refused.

/// What is wrong with a duration, and what would be right.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DurationError {
    /// Nothing there.
    #[error("is empty; write a duration such as `30m`")]
    Empty,
    /// A minus sign.
    #[error("`{0}` is negative; a duration is 0 or more")]
    Negative(String),
    /// A number without a unit.
    #[error("`{0}` has no unit; write one of ms, s, m, h, d, w behind the number, as in `{0}ms`")]
    NoUnit(String),
    /// A unit without a number, or a sign or letter where a digit should be.
    #[error("`{0}` is not a duration; write `1500ms`, `1h30m` or `PT30M`")]
    Shape(String),
    /// A unit that is none of ours.
    #[error("`{0}` is not a unit; the units are ms, s, m, h, d, w")]
    Unit(String),
    /// A fraction where there may be none.
    #[error("`{0}` has a fraction; write whole numbers, as in `1h30m` for one hour and a half")]
    Fraction(String),
    /// A smaller unit before a larger one, or one twice.
    #[error("`{0}` has its units out of order or twice; write the largest first, each once")]
    Order(String),
    /// ISO 8601 years or months.
    #[error("`{0}` has years or months, which have no fixed length; write days: `P365D`")]
    Calendar(String),
    /// More than fits.
    #[error("`{0}` is too long")]
    Long(String),
}

/// Units of the text form, largest first.
const UNITS: [(&str, u64); 6] = [
    ("w", 604_800_000),
    ("d", 86_400_000),
    ("h", 3_600_000),
    ("m", 60_000),
    ("s", 1_000),
    ("ms", 1),
];

/// Longest text looked at; anything longer is not a duration somebody meant.
const LONGEST_TEXT: usize = 64;

/// Reads a duration, in ms.
///
/// # Errors
/// [`DurationError`] says what is wrong and what would be right.
pub fn parse(text: &str) -> Result<u64, DurationError> {
    if text.is_empty() {
        return Err(DurationError::Empty);
    }
    if text.len() > LONGEST_TEXT {
        let start = text.chars().take(LONGEST_TEXT).collect();
        return Err(DurationError::Long(start));
    }
    if text.starts_with('-') {
        return Err(DurationError::Negative(text.to_owned()));
    }
    match text.strip_prefix('P') {
        Some(rest) => parse_iso(text, rest),
        None => parse_units(text),
    }
}

/// Writes a duration so that [`parse`] reads the same ms back: `1h30m`, `1500ms`, `0ms`.
#[must_use]
pub fn format(ms: u64) -> String {
    if ms == 0 {
        return "0ms".to_owned();
    }
    // Seconds and ms mixed read worse than ms alone: 1500ms, not 1s500ms.
    if ms < 60_000 && !ms.is_multiple_of(1_000) {
        return format!("{ms}ms");
    }
    let mut rest = ms;
    let mut out = String::new();
    for (unit, length) in UNITS {
        if rest >= length {
            out.push_str(&format!("{}{unit}", rest / length));
            rest %= length;
        }
    }
    out
}

fn parse_units(text: &str) -> Result<u64, DurationError> {
    let mut total = 0_u64;
    let mut rest = text;
    let mut allowed = UNITS.as_slice();
    while !rest.is_empty() {
        let (number, behind) = number(text, rest)?;
        let unit_length = behind
            .find(|c: char| c.is_ascii_digit())
            .unwrap_or(behind.len());
        let (unit, behind) = behind.split_at(unit_length);
        match unit {
            "" => return Err(DurationError::NoUnit(text.to_owned())),
            _ if unit.starts_with(['.', ',']) => {
                return Err(DurationError::Fraction(text.to_owned()));
            }
            _ => {}
        }
        if !UNITS.iter().any(|(name, _)| *name == unit) {
            return Err(DurationError::Unit(unit.to_owned()));
        }
        let place = allowed
            .iter()
            .position(|(name, _)| *name == unit)
            .ok_or_else(|| DurationError::Order(text.to_owned()))?;
        let length = allowed.get(place).map_or(1, |(_, length)| *length);
        total = add(text, total, number, length)?;
        allowed = allowed.get(place + 1..).unwrap_or_default();
        rest = behind;
    }
    Ok(total)
}

/// `P[nW][nD][T[nH][nM][n[.fff]S]]`, at least one part, and at least one behind a `T`.
fn parse_iso(text: &str, rest: &str) -> Result<u64, DurationError> {
    let shape = || DurationError::Shape(text.to_owned());
    let (date, time) = match rest.split_once('T') {
        Some((_, "")) => return Err(shape()),
        Some((date, time)) => (date, time),
        None => (rest, ""),
    };
    if date.is_empty() && time.is_empty() {
        return Err(shape());
    }
    if date.contains(['Y', 'M']) {
        return Err(DurationError::Calendar(text.to_owned()));
    }
    let days = parse_iso_half(text, date, &[('W', 604_800_000), ('D', 86_400_000)])?;
    let parts = [('H', 3_600_000), ('M', 60_000), ('S', 1_000)];
    let clock = parse_iso_half(text, time, &parts)?;
    add(text, days, clock, 1)
}

fn parse_iso_half(
    text: &str,
    half: &str,
    mut allowed: &[(char, u64)],
) -> Result<u64, DurationError> {
    let shape = || DurationError::Shape(text.to_owned());
    let mut total = 0_u64;
    let mut rest = half;
    while !rest.is_empty() {
        let (whole, behind) = number(text, rest)?;
        let (fraction_ms, behind) = match behind.strip_prefix(['.', ',']) {
            Some(digits) => seconds_fraction(text, digits)?,
            None => (0, behind),
        };
        let mut letters = behind.chars();
        let letter = letters.next().ok_or_else(shape)?;
        let place = allowed
            .iter()
            .position(|(name, _)| *name == letter)
            .ok_or_else(shape)?;
        let length = allowed.get(place).map_or(1, |(_, length)| *length);
        total = add(text, total, whole, length)?;
        total = add(text, total, fraction_ms, 1)?;
        allowed = allowed.get(place + 1..).unwrap_or_default();
        rest = letters.as_str();
    }
    Ok(total)
}

/// The digits behind a decimal point, up to three, and what stands behind them, which must be `S`.
fn seconds_fraction<'a>(text: &str, digits: &'a str) -> Result<(u64, &'a str), DurationError> {
    let count = digits.bytes().take_while(u8::is_ascii_digit).count();
    let (digits, behind) = digits.split_at(count);
    if !(1..=3).contains(&count) || behind != "S" {
        return Err(DurationError::Fraction(text.to_owned()));
    }
    let value: u64 = digits
        .parse()
        .map_err(|_| DurationError::Shape(text.to_owned()))?;
    let scale = [100, 10, 1].get(count - 1).copied().unwrap_or(1);
    Ok((value * scale, behind))
}

/// The whole number at the start of `rest`, and what stands behind it.
fn number<'a>(text: &str, rest: &'a str) -> Result<(u64, &'a str), DurationError> {
    let count = rest.bytes().take_while(u8::is_ascii_digit).count();
    let (digits, behind) = rest.split_at(count);
    if digits.is_empty() {
        return Err(DurationError::Shape(text.to_owned()));
    }
    let number = digits
        .parse()
        .map_err(|_| DurationError::Long(text.to_owned()))?;
    Ok((number, behind))
}

fn add(text: &str, total: u64, number: u64, length: u64) -> Result<u64, DurationError> {
    number
        .checked_mul(length)
        .and_then(|ms| total.checked_add(ms))
        .ok_or_else(|| DurationError::Long(text.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_read_as_milliseconds() {
        let cases = [
            ("0ms", 0),
            ("1500ms", 1_500),
            ("30m", 1_800_000),
            ("1h30m", 5_400_000),
            ("1m500ms", 60_500),
            ("2w3d", 1_468_800_000),
            ("007s", 7_000),
            ("PT30M", 1_800_000),
            ("P1DT2H", 93_600_000),
            ("PT1.5S", 1_500),
            ("PT0,25S", 250),
            ("PT2M0.001S", 120_001),
            ("P2W", 1_209_600_000),
            ("PT0S", 0),
            ("18446744073709551615ms", u64::MAX),
        ];
        for (text, ms) in cases {
            assert_eq!(parse(text), Ok(ms), "{text}");
        }
    }

    #[test]
    fn what_is_no_duration_is_refused_with_a_hint() {
        let cases = [
            ("", "is empty"),
            ("-5s", "negative"),
            ("1500", "`1500ms`"),
            ("1h30", "no unit"),
            ("1.5h", "fraction"),
            ("5 s", "` s` is not a unit"),
            ("5min", "`min` is not a unit"),
            ("5S", "`S` is not a unit"),
            ("s", "not a duration"),
            ("+5s", "not a duration"),
            ("soon", "not a duration"),
            ("30m1h", "out of order"),
            ("1s1s", "out of order"),
            ("18446744073709551616ms", "too long"),
            ("99999999999999999w", "too long"),
            ("P", "not a duration"),
            ("PT", "not a duration"),
            ("P1DT", "not a duration"),
            ("P1Y", "no fixed length"),
            ("P1M", "no fixed length"),
            ("PT1H1D", "not a duration"),
            ("PT1.5M", "fraction"),
            ("PT1.S", "fraction"),
            ("PT1.0001S", "fraction"),
            ("PT1S1S", "not a duration"),
            ("ß1s", "not a duration"),
            ("1µs", "`µs` is not a unit"),
        ];
        for (text, hint) in cases {
            let error = parse(text).expect_err(text).to_string();
            assert!(error.contains(hint), "{text}: {error}");
        }
        assert!(parse(&"9".repeat(100)).is_err());
    }

    #[test]
    fn a_written_duration_reads_back_the_same() {
        let cases = [
            (0, "0ms"),
            (1_500, "1500ms"),
            (2_000, "2s"),
            (5_400_000, "1h30m"),
            (60_500, "1m500ms"),
            (86_400_000, "1d"),
        ];
        for (ms, text) in cases {
            assert_eq!(format(ms), text);
        }
        let mut ms = 1_u64;
        for _ in 0..63 {
            for near in [ms - 1, ms, ms + 1] {
                assert_eq!(parse(&format(near)), Ok(near));
            }
            ms *= 2;
        }
    }
}
