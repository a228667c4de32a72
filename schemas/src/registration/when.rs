//! The `schedule` of a registration: once, or again and again.

use std::ops::RangeInclusive;

use serde_json::value::RawValue;

use super::object::{Complaints, Object, Path, kind, quote, text};
use super::parts::{AFTER_MS, duration};
use super::recurring::{self, RECURRENCE};
use crate::schedule::Schedule;
use crate::time::{Millis, parse_rfc3339};

/// Epoch seconds of the years 2001 to 2286, taken for ms, are the spring of 1970: nobody means that.
const SECONDS_TAKEN_FOR_MS: RangeInclusive<i64> = 1_000_000_000..=9_999_999_999;

/// The forms of a schedule; one of them says what it is.
pub(crate) const FORMS: [&str; 5] = ["at", "after", "cron", "every", "after_each"];

pub(super) fn schedule(
    raw: &RawValue,
    at: Path<'_>,
    complaints: &mut Complaints,
) -> Option<Schedule> {
    let beside = RECURRENCE.iter().map(|(name, _)| *name);
    let known: Vec<&str> = FORMS.into_iter().chain(beside).collect();
    let object = Object::read(raw, at, &known, complaints)?;
    let forms: Vec<&str> = FORMS
        .into_iter()
        .filter(|name| object.get(name).is_some())
        .collect();
    let [form] = forms.as_slice() else {
        let found = if forms.is_empty() {
            "none"
        } else {
            &forms.join(", ")
        };
        let forms = FORMS.map(|form| format!("`{form}`")).join(", ");
        complaints.add(at, format!("takes exactly one of {forms}; has {found}"));
        return None;
    };
    for (name, of) in RECURRENCE {
        if object.get(name).is_some() && !of.contains(form) {
            complaints.add(at.field(name), format!("does not belong to `{form}`"));
        }
    }
    let raw = object.get(form)?;
    match *form {
        "at" => time(raw, at.field(form), complaints).map(Schedule::At),
        "after" => duration(raw, at.field(form), AFTER_MS, complaints).map(Schedule::After),
        _ => recurring::recurrence(form, &object, at, complaints)
            .map(|recurrence| Schedule::Recurring(Box::new(recurrence))),
    }
}

/// RFC 3339 text or epoch ms.
pub(super) fn time(raw: &RawValue, at: Path<'_>, complaints: &mut Complaints) -> Option<Millis> {
    let ms = match kind(raw) {
        "a number" => epoch_ms(raw, at, complaints)?,
        "text" => {
            let found = text(raw, at, complaints)?;
            let Some(time) = parse_rfc3339(&found) else {
                let problem = "is not a time with its offset, such as `2026-12-01T09:00:00+08:00`";
                complaints.add(at, format!("`{}` {problem}", quote(&found)));
                return None;
            };
            time.0
        }
        other => {
            let problem = format!("must be RFC 3339 text or epoch ms, is {other}");
            complaints.add(at, problem);
            return None;
        }
    };
    if Millis(ms) > Millis::LATEST_DUE {
        complaints.add(at, "is behind the year 9999");
        return None;
    }
    Some(Millis(ms))
}

fn epoch_ms(raw: &RawValue, at: Path<'_>, complaints: &mut Complaints) -> Option<i64> {
    let found = quote(raw.get());
    let Ok(ms) = serde_json::from_str::<i64>(raw.get()) else {
        let problem = format!("must be a whole number of ms since the epoch, is {found}");
        complaints.add(at, problem);
        return None;
    };
    if SECONDS_TAKEN_FOR_MS.contains(&ms) {
        let problem = format!("is ms since the epoch; {found} looks like seconds");
        complaints.add(at, problem);
        return None;
    }
    Some(ms)
}
