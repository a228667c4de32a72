//! Expressions with one fault at a known place.

use super::expression::Expression;
use rand::Rng;
use rand::seq::IndexedRandom;
use timetable::Cron;

/// What no field takes, in the first column, or what the day of month alone does not.
const FAULTS: [&str; 36] = [
    "",
    "x",
    "61",
    "99999",
    "184467440737095516160",
    "-1",
    "1-",
    "-",
    "5-2",
    "*/0",
    "*/",
    "*/400",
    "/5",
    "1//2",
    "1-2-3",
    "1,,2",
    ",",
    "1,",
    ",1",
    "**",
    "*5",
    "1.5",
    "1e3",
    "0x1",
    "é",
    "\u{0}",
    "🦀",
    "MONDAY",
    "FOO",
    "#2",
    "1#2#3",
    "L5",
    "WL",
    "H(",
    "H(9-1)",
    "?,1",
];

/// One malformed expression, and the characters that its fault lies in.
pub(crate) fn random(rng: &mut impl Rng) -> (String, std::ops::RangeInclusive<usize>) {
    let text = Expression::random(rng).text(rng);
    let mut fields: Vec<String> = text.split(' ').map(str::to_owned).collect();
    let whole = |text: String| {
        let length = text.chars().count();
        (text, 0..=length)
    };
    match rng.random_range(0..10) {
        0 => {
            fields.truncate(rng.random_range(0..5));
            whole(fields.join(" "))
        }
        1 => whole(format!("{text} {text} {text}")),
        2 => whole(format!("@{}", fields.join(""))),
        3 => whole(format!("CRON_TZ=UTC {text}")),
        4 => {
            let days = ["30 2", "31 2,4", "31 FEB-FEB", "30W 2", "31 6,9,11"];
            let days = days.choose(rng).expect("some");
            whole(format!(
                "{} {} {days} *",
                rng.random_range(0..60),
                rng.random_range(0..24)
            ))
        }
        _ => {
            let place = rng.random_range(0..fields.len());
            let mut fault = *FAULTS.choose(rng).expect("some");
            if fault.is_empty() {
                fault = "1-2-";
            }
            let start = fields.iter().take(place).map(|field| field.len() + 1).sum();
            if let Some(field) = fields.get_mut(place) {
                *field = fault.to_owned();
            }
            (fields.join(" "), start..=start + fault.chars().count())
        }
    }
}

/// What is wrong with the refusal of a malformed expression; `None` when it is as it should be.
pub(crate) fn judge(text: &str, place: &std::ops::RangeInclusive<usize>) -> Option<String> {
    match Cron::parse(text) {
        Ok(_) => Some(format!("`{text}` is accepted")),
        Err(e) if !place.contains(&e.position) => {
            Some(format!("`{text}`: {e}, but the fault is in {place:?}"))
        }
        Err(e) if e.reason.is_empty() => Some(format!("`{text}`: no reason")),
        Err(_) => None,
    }
}
