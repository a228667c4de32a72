//! What a recurring schedule is made of, and the options of a recurring task.

use std::borrow::Cow;
use std::ops::RangeInclusive;

use serde_json::value::RawValue;

use super::object::{Complaints, Object, Path, items, quote, text, whole, word};
use super::parts::{LONGEST_AFTER_MS, duration};
use super::when::time;
use crate::schedule::{Beat, Fold, Gap, Misfire, MisfirePolicy, OnClosed, Overlap, Recurrence};

/// What `every` and `after_each` may be, ms.
pub(super) const EVERY_MS: RangeInclusive<u64> = 100..=LONGEST_AFTER_MS;
/// What `jitter` and `window` may be, ms.
const SPREAD_MS: RangeInclusive<u64> = 0..=24 * 3_600_000;
/// What a misfire `threshold` may be, ms.
const THRESHOLD_MS: RangeInclusive<u64> = 1_000..=LONGEST_AFTER_MS;
/// What a misfire `max` may be.
pub(crate) const MOST_MISFIRES: u32 = 10_000;
/// Most calendars of a task.
pub(crate) const MOST_CALENDARS: usize = 8;
/// Longest cron expression, in characters.
pub(crate) const LONGEST_CRON: usize = 256;
/// Longest name of a zone, in characters.
pub(crate) const LONGEST_ZONE: usize = 64;

const ALL: &[&str] = &["cron", "every", "after_each"];
const CRON: &[&str] = &["cron"];
const EVERY: &[&str] = &["every"];

/// What may stand beside the form of a recurring schedule, and beside which.
pub(crate) const RECURRENCE: [(&str, &[&str]); 11] = [
    ("zone", CRON),
    ("gap", CRON),
    ("fold", CRON),
    ("anchor", EVERY),
    ("start", ALL),
    ("end", ALL),
    ("max_runs", ALL),
    ("jitter", ALL),
    ("window", ALL),
    ("calendars", ALL),
    ("on_closed", ALL),
];
pub(crate) const GAPS: [(&str, Gap); 3] = [
    ("skip", Gap::Skip),
    ("shift", Gap::Shift),
    ("end", Gap::End),
];
pub(crate) const FOLDS: [(&str, Fold); 3] = [
    ("first", Fold::First),
    ("last", Fold::Last),
    ("both", Fold::Both),
];
pub(crate) const ON_CLOSED: [(&str, OnClosed); 2] =
    [("skip", OnClosed::Skip), ("move", OnClosed::Move)];
pub(crate) const OVERLAPS: [(&str, Overlap); 5] = [
    ("allow", Overlap::Allow),
    ("skip", Overlap::Skip),
    ("buffer_one", Overlap::BufferOne),
    ("buffer_all", Overlap::BufferAll),
    ("cancel_previous", Overlap::CancelPrevious),
];
/// The misfire policies, by name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum PolicyName {
    Skip,
    Once,
    All,
    Window,
}
pub(crate) const POLICIES: [(&str, PolicyName); 4] = [
    ("skip", PolicyName::Skip),
    ("once", PolicyName::Once),
    ("all", PolicyName::All),
    ("window", PolicyName::Window),
];

/// Reads the schedule whose form is `form`.
pub(super) fn recurrence(
    form: &str,
    object: &Object<'_>,
    at: Path<'_>,
    complaints: &mut Complaints,
) -> Option<Recurrence> {
    let beat = beat(form, object, at, complaints);
    let mut when = |name: &'static str| {
        let raw = object.get(name);
        raw.and_then(|raw| time(raw, at.field(name), complaints))
    };
    let (start, end) = (when("start"), when("end"));
    if let (Some(start), Some(end)) = (start, end)
        && end < start
    {
        complaints.add(at.field("end"), "is before `start`");
    }
    let max_runs = object.get("max_runs").and_then(|raw| {
        let at = at.field("max_runs");
        let found = whole(raw, at, complaints);
        if found == Some(0) {
            complaints.add(at, "must be 1 or more");
        }
        found
    });
    let mut spread = |name: &'static str| match object.get(name) {
        Some(raw) => duration(raw, at.field(name), SPREAD_MS, complaints).unwrap_or(0),
        None => 0,
    };
    let (jitter_ms, window_ms) = (spread("jitter"), spread("window"));
    let calendars = match object.get("calendars") {
        Some(raw) => calendars(raw, at.field("calendars"), complaints),
        None => Vec::new(),
    };
    let on_closed = one_of(object, "on_closed", &ON_CLOSED, at, complaints);
    Some(Recurrence {
        beat: beat?,
        start,
        end,
        max_runs,
        jitter_ms,
        window_ms,
        calendars,
        on_closed,
    })
}

fn beat(
    form: &str,
    object: &Object<'_>,
    at: Path<'_>,
    complaints: &mut Complaints,
) -> Option<Beat> {
    let raw = object.get(form)?;
    match form {
        "every" => {
            let ms = duration(raw, at.field(form), EVERY_MS, complaints);
            let anchor = object.get("anchor");
            let anchor = anchor.and_then(|raw| time(raw, at.field("anchor"), complaints));
            Some(Beat::Every { ms: ms?, anchor })
        }
        "after_each" => duration(raw, at.field(form), EVERY_MS, complaints).map(Beat::AfterEach),
        _ => cron(raw, object, at, complaints),
    }
}

/// Reads an expression with its zone, and refuses what can never occur.
fn cron(
    raw: &RawValue,
    object: &Object<'_>,
    at: Path<'_>,
    complaints: &mut Complaints,
) -> Option<Beat> {
    let expression = short(raw, at.field("cron"), LONGEST_CRON, complaints).and_then(|found| {
        timetable::Cron::parse(&found)
            .map_err(|error| {
                complaints.add_at(at.field("cron"), error.position, error.to_string());
            })
            .map(|_| found.into_owned())
            .ok()
    });
    let zone = match object.get("zone") {
        None => Some(timetable::Zone::utc().name().to_owned()),
        Some(raw) => short(raw, at.field("zone"), LONGEST_ZONE, complaints).and_then(|found| {
            timetable::Zone::parse(&found)
                .map_err(|error| complaints.add(at.field("zone"), error.to_string()))
                .map(|zone| zone.name().to_owned())
                .ok()
        }),
    };
    let gap = object.get("gap");
    let gap = gap.and_then(|raw| word(raw, at.field("gap"), &GAPS, complaints));
    let fold = object.get("fold");
    let fold = fold.and_then(|raw| word(raw, at.field("fold"), &FOLDS, complaints));
    Some(Beat::Cron {
        expression: expression?,
        zone: zone?,
        gap,
        fold,
    })
}

/// Reads text of at most so many characters.
fn short<'a>(
    raw: &'a RawValue,
    at: Path<'_>,
    most: usize,
    complaints: &mut Complaints,
) -> Option<Cow<'a, str>> {
    let found = text(raw, at, complaints)?;
    if found.chars().count() > most {
        complaints.add(at, format!("has more than {most} characters"));
        return None;
    }
    Some(found)
}

fn one_of<T: Copy + Default>(
    object: &Object<'_>,
    name: &'static str,
    words: &[(&str, T)],
    at: Path<'_>,
    complaints: &mut Complaints,
) -> T {
    let raw = object.get(name);
    let found = raw.and_then(|raw| word(raw, at.field(name), words, complaints));
    found.unwrap_or_default()
}

fn calendars(raw: &RawValue, at: Path<'_>, complaints: &mut Complaints) -> Vec<String> {
    let items = items(raw, at, complaints).unwrap_or_default();
    if items.len() > MOST_CALENDARS {
        complaints.add(at, format!("holds more than {MOST_CALENDARS} calendars"));
        return Vec::new();
    }
    let mut names: Vec<String> = Vec::with_capacity(items.len());
    for (index, raw) in items.iter().enumerate() {
        let at = at.item(index);
        let Some(name) = text(raw, at, complaints) else {
            continue;
        };
        if crate::id::TenantId::new(&name).is_err() {
            let problem = "a calendar is 1-64 characters of a-z, 0-9, `.`, `_`, `-`";
            complaints.add(at, format!("`{}`: {problem}", quote(&name)));
        } else if names.iter().any(|other| *other == name) {
            complaints.add(at, "is given twice");
        }
        names.push(name.into_owned());
    }
    names
}

/// Reads `misfire`.
pub(super) fn misfire(
    raw: &RawValue,
    at: Path<'_>,
    complaints: &mut Complaints,
) -> Option<Misfire> {
    let known = ["policy", "threshold", "max", "window"];
    let object = Object::read(raw, at, &known, complaints)?;
    let name = match object.get("policy") {
        Some(raw) => word(raw, at.field("policy"), &POLICIES, complaints),
        None => Some(PolicyName::Once),
    };
    let threshold_ms = match object.get("threshold") {
        Some(raw) => duration(raw, at.field("threshold"), THRESHOLD_MS, complaints),
        None => Some(Misfire::THRESHOLD_MS),
    };
    for (field, word, policy) in [
        ("max", "all", PolicyName::All),
        ("window", "window", PolicyName::Window),
    ] {
        if object.get(field).is_some() && name.is_some_and(|name| name != policy) {
            complaints.add(at.field(field), format!("belongs to the policy `{word}`"));
        }
    }
    let max = match object.get("max") {
        Some(raw) => most(raw, at.field("max"), complaints),
        None => Some(Misfire::MAX),
    };
    let window_ms = match object.get("window") {
        Some(raw) => duration(raw, at.field("window"), THRESHOLD_MS, complaints),
        None => Some(Misfire::WINDOW_MS),
    };
    let policy = match name? {
        PolicyName::Skip => MisfirePolicy::Skip,
        PolicyName::Once => MisfirePolicy::Once,
        PolicyName::All => MisfirePolicy::All { max: max? },
        PolicyName::Window => MisfirePolicy::Window { ms: window_ms? },
    };
    Some(Misfire {
        threshold_ms: threshold_ms?,
        policy,
    })
}

fn most(raw: &RawValue, at: Path<'_>, complaints: &mut Complaints) -> Option<u32> {
    let found = whole(raw, at, complaints)?;
    let fits = u32::try_from(found)
        .ok()
        .filter(|max| (1..=MOST_MISFIRES).contains(max));
    if fits.is_none() {
        complaints.add(at, format!("must be from 1 to {MOST_MISFIRES}, is {found}"));
    }
    fits
}
