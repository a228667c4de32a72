//! The next occurrences of a schedule as people read them, and why each is when it is.

mod words;

use crate::calendar::Calendar;
use crate::rule::{Gap, Origin, Rule};
use crate::timetable::{Beat, NoMore, Occurrence, OnClosed, Timetable};
use crate::zone::{Zone, tzdata_version};
use chrono::{DateTime, FixedOffset, SecondsFormat};
use serde::Serialize;

/// A schedule in words, and its next occurrences.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Explanation {
    /// The schedule in English.
    pub words: String,
    /// The zone of the local times.
    pub zone: String,
    /// The version of the time zone data.
    pub tzdata: &'static str,
    /// What becomes of times that clocks skip; cron only.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub gap: Option<&'static str>,
    /// What becomes of times that clocks show twice; cron only.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fold: Option<&'static str>,
    /// The next occurrences, in order.
    pub occurrences: Vec<Explained>,
    /// Why there are no more than these; absent where more were not asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ends: Option<String>,
}

/// One occurrence.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Explained {
    /// When it fires, ms since the epoch.
    pub due_ms: i64,
    /// The same in UTC, RFC 3339.
    pub utc: String,
    /// The same in the zone, RFC 3339.
    pub local: String,
    /// The zone's abbreviation at that time, such as `CEST`, where it has one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub abbreviation: Option<String>,
    /// What is unusual about it.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub notes: Vec<String>,
}

/// The next `n` occurrences after `from` (ms since the epoch).
#[must_use]
pub fn explain(timetable: &Timetable, calendars: &[&Calendar], from: i64, n: usize) -> Explanation {
    let rule = match &timetable.beat {
        Beat::Cron(rule) => Some(rule),
        Beat::Every(_) => None,
    };
    let zone = rule.map_or(Zone::utc(), Rule::zone);
    let mut explanation = Explanation {
        words: words::words(timetable, zone),
        zone: zone.name().to_owned(),
        tzdata: tzdata_version(),
        gap: rule.map(|rule| rule.gap().as_str()),
        fold: rule.map(|rule| rule.fold().as_str()),
        occurrences: Vec::new(),
        ends: None,
    };
    let mut after = from;
    while explanation.occurrences.len() < n {
        let next = if explanation.occurrences.is_empty() {
            timetable.due_after(after, calendars)
        } else {
            timetable.next_after(after, calendars)
        };
        let occurrence = match next {
            Ok(occurrence) => occurrence,
            Err(end) => {
                explanation.ends = Some(ending(timetable, end));
                break;
            }
        };
        let mut notes = Vec::new();
        if let Some(rule) = rule {
            notes.extend(skipped_gaps(rule, after, occurrence.beat));
            notes.extend(origin(rule, occurrence.beat));
        }
        notes.extend(closed(&occurrence, timetable, zone));
        explanation
            .occurrences
            .push(explained(occurrence.due, zone, notes));
        after = occurrence.due;
    }
    explanation
}

fn ending(timetable: &Timetable, end: NoMore) -> String {
    match (end, timetable.end) {
        (NoMore::Ended, Some(end)) => format!("the schedule ends at {}", local(end, Zone::utc())),
        (reason, _) => reason.to_string(),
    }
}

fn explained(due: i64, zone: Zone, notes: Vec<String>) -> Explained {
    Explained {
        due_ms: due,
        utc: local(due, Zone::utc()),
        local: local(due, zone),
        abbreviation: zone
            .abbreviation(due.div_euclid(1000))
            .filter(|name| name.starts_with(|c: char| c.is_ascii_alphabetic())),
        notes,
    }
}

/// RFC 3339 in a zone, with ms only where there are some.
fn local(at: i64, zone: Zone) -> String {
    let seconds = i32::try_from(zone.offset(at.div_euclid(1000))).unwrap_or(0);
    let offset = FixedOffset::east_opt(seconds);
    let time = DateTime::from_timestamp_millis(at).zip(offset);
    time.map_or_else(
        || format!("{at} ms"),
        |(time, offset)| {
            time.with_timezone(&offset)
                .to_rfc3339_opts(SecondsFormat::AutoSi, true)
        },
    )
}

/// `02:30` or `02:30:15` of a wall time in seconds.
fn clock(wall: i64) -> String {
    let (hour, minute, second) = (
        wall.div_euclid(3600).rem_euclid(24),
        wall.div_euclid(60).rem_euclid(60),
        wall.rem_euclid(60),
    );
    if second == 0 {
        return format!("{hour:02}:{minute:02}");
    }
    format!("{hour:02}:{minute:02}:{second:02}")
}

/// What clocks that jump have to do with one occurrence of a rule.
fn origin(rule: &Rule, at: i64) -> Option<String> {
    match rule.origin(at)? {
        Origin::GapEnd(wall) => Some(format!(
            "clocks go forward over {} on this day: moved to the end of the gap",
            clock(wall)
        )),
        Origin::Shifted(wall) => Some(format!(
            "clocks go forward over {} on this day: shifted by the length of the gap",
            clock(wall)
        )),
        Origin::First(wall) => Some(format!(
            "clocks go back and show {} twice on this day: this is the first",
            clock(wall)
        )),
        Origin::Second(wall) => Some(format!(
            "clocks go back and show {} twice on this day: this is the second",
            clock(wall)
        )),
    }
}

/// Times between two occurrences that fell into a gap and are skipped; the first three gaps.
fn skipped_gaps(rule: &Rule, after: i64, before: i64) -> Vec<String> {
    if rule.gap() != Gap::Skip {
        return Vec::new();
    }
    let zone = rule.zone();
    let changes = std::iter::successors(zone.next_change(after.div_euclid(1000)), |change| {
        zone.next_change(*change)
    });
    changes
        .take_while(|change| *change <= before.div_euclid(1000))
        .filter_map(|change| {
            let wall = rule.missing_at(change)?;
            let day = DateTime::from_timestamp(wall, 0)?.date_naive();
            Some(format!(
                "before it, {} on {day} is skipped: clocks go forward over it",
                clock(wall)
            ))
        })
        .take(3)
        .collect()
}

fn closed(occurrence: &Occurrence, timetable: &Timetable, zone: Zone) -> Vec<String> {
    let mut notes = Vec::new();
    if let Some(left_out) = occurrence.left_out {
        notes.push(format!(
            "before it, from {} on, a calendar is closed: skipped",
            local(left_out, zone)
        ));
    }
    if occurrence.at != occurrence.beat && timetable.on_closed == OnClosed::Move {
        notes.push(format!(
            "a calendar is closed at {}: moved to the end of the closed time",
            local(occurrence.beat, zone)
        ));
    }
    if occurrence.due != occurrence.at {
        notes.push(format!(
            "spread by {} ms within jitter and window",
            occurrence.due - occurrence.at
        ));
    }
    notes
}
