//! JSON to calendars, with every problem at once.

use super::{Calendar, DAY, Dates, Window};
use crate::zone::Zone;
use chrono::NaiveDate;
use serde_json::{Map, Value};

/// More windows than anybody means.
const MOST_WINDOWS: usize = 400;
const WEEKDAYS: [&str; 7] = ["SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT"];

/// One thing wrong with a calendar.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{field}` {reason}")]
pub struct Problem {
    /// Where, as in `excluded[2].time`; empty for the calendar itself.
    pub field: String,
    /// What is wrong, and what would be right.
    pub reason: String,
}

/// Gathers problems.
#[derive(Default)]
struct Problems(Vec<Problem>);

impl Problems {
    fn add(&mut self, field: &str, reason: impl Into<String>) {
        self.0.push(Problem {
            field: field.to_owned(),
            reason: reason.into(),
        });
    }

    /// Says so of every field that is not one of `known`.
    fn unknown(&mut self, object: &Map<String, Value>, prefix: &str, known: &[&str]) {
        for name in object.keys().filter(|name| !known.contains(&name.as_str())) {
            let reason = format!("is not known; there are {}", known.join(", "));
            self.add(&format!("{prefix}{name}"), reason);
        }
    }
}

pub(super) fn parse(value: &Value) -> Result<Calendar, Vec<Problem>> {
    let mut problems = Problems::default();
    let Some(object) = value.as_object() else {
        problems.add("", "must be an object with `excluded` or `allowed`");
        return Err(problems.0);
    };
    problems.unknown(object, "", &["zone", "excluded", "allowed"]);
    let zone = match object.get("zone") {
        None => Some(Zone::utc()),
        Some(Value::String(name)) => Zone::parse(name)
            .map_err(|e| problems.add("zone", e.to_string()))
            .ok(),
        Some(_) => {
            problems.add("zone", "must be the name of a zone");
            None
        }
    };
    let windows = match (object.get("excluded"), object.get("allowed")) {
        (Some(list), None) => Some((windows("excluded", list, &mut problems), false)),
        (None, Some(list)) => Some((windows("allowed", list, &mut problems), true)),
        _ => {
            problems.add(
                "",
                "must have one of `excluded` and `allowed`, each a list of windows",
            );
            None
        }
    };
    match (zone, windows) {
        (Some(zone), Some((windows, only))) if problems.0.is_empty() => {
            let mut edges = vec![0];
            for (from, to) in windows.iter().filter_map(|window| window.time) {
                edges.extend([from, to % DAY]);
            }
            edges.sort_unstable();
            edges.dedup();
            Ok(Calendar {
                zone,
                windows,
                only,
                edges,
            })
        }
        _ => Err(problems.0),
    }
}

fn windows(name: &str, list: &Value, problems: &mut Problems) -> Vec<Window> {
    let Some(list) = list.as_array() else {
        problems.add(name, "must be a list of windows");
        return Vec::new();
    };
    if list.is_empty() || list.len() > MOST_WINDOWS {
        problems.add(name, format!("must have 1 to {MOST_WINDOWS} windows"));
        return Vec::new();
    }
    let read = |(index, value)| window(&format!("{name}[{index}]"), value, problems);
    list.iter().enumerate().map(read).collect()
}

fn window(path: &str, value: &Value, problems: &mut Problems) -> Window {
    let mut window = Window::default();
    let Some(object) = value.as_object() else {
        problems.add(
            path,
            "must be an object, as in {\"weekdays\": [\"SAT\", \"SUN\"]}",
        );
        return window;
    };
    if object.is_empty() {
        problems.add(
            path,
            "says nothing; write `date`, `from` and `to`, `weekdays` or `time`",
        );
    }
    problems.unknown(
        object,
        &format!("{path}."),
        &["date", "from", "to", "weekdays", "time"],
    );
    let mut read = |name: &str| {
        object.get(name).and_then(|value| {
            let read = value.as_str().and_then(date);
            if read.is_none() {
                let reason = "must be a date, `2026-12-25`, or `12-25` for every year";
                problems.add(&format!("{path}.{name}"), reason);
            }
            read
        })
    };
    let (date, from, to) = (read("date"), read("from"), read("to"));
    let has = |name| object.contains_key(name);
    if has("from") != has("to") || (has("date") && has("from")) {
        problems.add(path, "has either `date`, or both `from` and `to`");
    }
    window.dates = match (date, from, to) {
        (Some(date), ..) => range(date, date),
        (None, Some(from), Some(to)) => {
            let dates = range(from, to);
            if dates.is_none() {
                let reason = "must be of one kind, and `to` not before `from`";
                problems.add(&format!("{path}.to"), reason);
            }
            dates
        }
        _ => None,
    };
    if let Some(value) = object.get("weekdays") {
        window.weekdays = weekdays(value);
        if window.weekdays.is_none() {
            let reason = "must be a list of weekdays, as in [\"MON-THU\", \"SAT\"]";
            problems.add(&format!("{path}.weekdays"), reason);
        }
    }
    if let Some(value) = object.get("time") {
        window.time = value.as_str().and_then(times);
        if window.time.is_none() {
            let reason = "must be two different times of day, as in `22:00-06:00`";
            problems.add(&format!("{path}.time"), reason);
        }
    }
    window
}

/// A date with a year, as days since 1970, or without.
#[derive(Clone, Copy)]
enum Date {
    Day(i64),
    Yearly(u32, u32),
}

fn date(text: &str) -> Option<Date> {
    if let Ok(date) = NaiveDate::parse_from_str(text, "%Y-%m-%d") {
        let day = date.signed_duration_since(NaiveDate::default());
        return (text.len() == 10).then_some(Date::Day(day.num_days()));
    }
    let (month, day) = text.split_once('-')?;
    let digits = |part: &str| part.len() == 2 && part.bytes().all(|b| b.is_ascii_digit());
    if !digits(month) || !digits(day) {
        return None;
    }
    let (month, day) = (month.parse().ok()?, day.parse().ok()?);
    // A leap year has every day there is.
    NaiveDate::from_ymd_opt(2000, month, day).map(|_| Date::Yearly(month, day))
}

fn range(from: Date, to: Date) -> Option<Dates> {
    match (from, to) {
        (Date::Day(from), Date::Day(to)) if from <= to => Some(Dates::Once(from, to)),
        (Date::Yearly(m, d), Date::Yearly(n, e)) => Some(Dates::Yearly((m, d), (n, e))),
        _ => None,
    }
}

fn weekdays(value: &Value) -> Option<u8> {
    let place = |name: &str| {
        WEEKDAYS
            .iter()
            .position(|known| known.eq_ignore_ascii_case(name))
    };
    let mut days = 0;
    for part in value.as_array()? {
        let part = part.as_str()?;
        let (first, last) = part.split_once('-').unwrap_or((part, part));
        let (mut day, last) = (place(first)?, place(last)?);
        days |= 1 << day;
        while day != last {
            day = (day + 1) % 7;
            days |= 1 << day;
        }
    }
    (days != 0).then_some(days)
}

/// `22:00-06:00`, also with seconds; a day ends at 24:00.
fn times(text: &str) -> Option<(i64, i64)> {
    let (from, to) = text.split_once('-')?;
    let (from, to) = (time(from)?, time(to)?);
    (from != to && from < DAY).then_some((from, to))
}

fn time(text: &str) -> Option<i64> {
    let mut parts = text.split(':').map(|part| {
        let is_number = part.len() == 2 && part.bytes().all(|b| b.is_ascii_digit());
        is_number.then(|| part.parse::<i64>().ok()).flatten()
    });
    let (hour, minute) = (parts.next()??, parts.next()??);
    let second = parts.next().unwrap_or(Some(0))?;
    let all = hour * 3600 + minute * 60 + second;
    (parts.next().is_none() && minute < 60 && second < 60 && all <= DAY).then_some(all)
}
