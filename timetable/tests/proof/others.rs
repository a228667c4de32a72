//! What `croner` and `cron` say to the same question.

use super::expression::{Expression, Part};
use chrono::{DateTime, TimeZone};
use chrono_tz::Tz;
use std::str::FromStr;

fn parts(expression: &Expression) -> impl Iterator<Item = &Part> {
    let fields = [
        expression.second.as_ref(),
        Some(&expression.minute),
        Some(&expression.hour),
        Some(&expression.day),
        Some(&expression.month),
        Some(&expression.weekday),
        expression.year.as_ref(),
    ];
    fields.into_iter().flatten().flat_map(|field| &field.parts)
}

/// Whether the expression is in croner's syntax: it has neither `L-3` nor `10/5`.
pub(crate) fn is_for_croner(expression: &Expression) -> bool {
    !parts(expression).any(|part| matches!(part, Part::Before(_) | Part::From { .. }))
}

/// Whether the years are counted by a step from the first there is.
pub(crate) fn has_year_steps(expression: &Expression) -> bool {
    let year = expression.year.as_ref();
    year.is_some_and(|year| {
        let is_step = |part: &Part| matches!(part, Part::Any { step } if *step > 1);
        year.parts.iter().any(is_step)
    })
}

/// Whether croner takes the expression for a time of day; it treats those differently at clock changes.
pub(crate) fn is_fixed_time(text: &str) -> bool {
    croner::Cron::from_str(text)
        .is_ok_and(|cron| cron.determine_job_type() == croner::JobType::FixedTime)
}

/// Croner's next time; `Ok(None)` where it finds none, the error's text where it does not read it.
pub(crate) fn croner(text: &str, zone: Tz, after: i64) -> Result<Option<i64>, String> {
    let cron = croner::Cron::from_str(text).map_err(|e| e.to_string())?;
    let from = zone.timestamp_opt(after, 0).single().ok_or("time")?;
    let next = cron.find_next_occurrence(&from, false);
    Ok(next.ok().map(|next| next.timestamp()))
}

/// Whether `cron` reads the expression as we do: with seconds, no `L`, `W`, `#`, and at most one day field restricted, since
/// it wants both to match. Weekdays it counts from Sunday = 1.
pub(crate) fn is_for_cron(expression: &Expression) -> bool {
    expression.second.is_some()
        && expression.weekday.is_any()
        && !parts(expression).any(|part| {
            matches!(
                part,
                Part::Last | Part::Before(_) | Part::LastWorking | Part::Nearest(_)
            )
        })
}

/// The next time by `cron`, in UTC.
pub(crate) fn cron(text: &str, after: i64) -> Result<Option<i64>, String> {
    let schedule = cron::Schedule::from_str(text).map_err(|e| e.to_string())?;
    let from = DateTime::from_timestamp(after, 0).ok_or("time")?;
    Ok(schedule.after(&from).next().map(|next| next.timestamp()))
}
