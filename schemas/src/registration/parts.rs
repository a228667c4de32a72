//! The other parts of a definition: durations, payload, retry, tags.

use std::ops::RangeInclusive;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use serde_json::value::RawValue;

use super::call::value_problem;
use super::object::{Complaints, Object, Path, items, kind, quote, text, whole, word};
use crate::call::{Jitter, Payload, Priority, RetryPlan, RetryPolicy};
use crate::duration;

const DAY_MS: u64 = 86_400_000;
/// Longest `after`: 200 years. What is meant to be further away is a slip of the unit.
pub(crate) const LONGEST_AFTER_MS: u64 = 73_050 * DAY_MS;
/// What `after` may be, ms.
pub(super) const AFTER_MS: RangeInclusive<u64> = 0..=LONGEST_AFTER_MS;
/// What `timeout` may be, ms.
pub(super) const TIMEOUT_MS: RangeInclusive<u64> = 1..=600_000;
/// What `expires_after` may be, ms.
pub(super) const EXPIRY_MS: RangeInclusive<u64> = 1..=LONGEST_AFTER_MS;
/// What a wait between attempts may be, ms.
const WAIT_MS: RangeInclusive<u64> = 0..=30 * DAY_MS;
/// Calls in all, the first included.
pub(crate) const MOST_ATTEMPTS: u32 = 100;
/// Growth of the wait from one attempt to the next.
pub(crate) const LARGEST_FACTOR: f64 = 100.0;
/// Calls of one firing.
pub(crate) const SHARDS: RangeInclusive<u32> = 2..=1_000;
/// Most tags of a task.
pub(crate) const MOST_TAGS: usize = 16;
/// Longest tag, in characters.
pub(crate) const LONGEST_TAG: usize = 64;

/// The lanes, by name.
pub(crate) const PRIORITIES: [(&str, Priority); 3] = [
    ("high", Priority::High),
    ("normal", Priority::Normal),
    ("low", Priority::Low),
];
pub(crate) const JITTERS: [(&str, Jitter); 3] = [
    ("none", Jitter::None),
    ("full", Jitter::Full),
    ("equal", Jitter::Equal),
];

pub(super) fn duration(
    raw: &RawValue,
    at: Path<'_>,
    allowed: RangeInclusive<u64>,
    complaints: &mut Complaints,
) -> Option<u64> {
    if kind(raw) == "a number" {
        let problem = "must be text with a unit, as in `1500ms` or `30m`, is a number";
        complaints.add(at, problem);
        return None;
    }
    let found = text(raw, at, complaints)?;
    let ms = duration::parse(&found)
        .map_err(|error| complaints.add(at, error.to_string()))
        .ok()?;
    if !allowed.contains(&ms) {
        let (low, high) = (allowed.start(), allowed.end());
        let (low, high) = (duration::format(*low), duration::format(*high));
        complaints.add(
            at,
            format!("must be from {low} to {high}, is {}", quote(&found)),
        );
        return None;
    }
    Some(ms)
}

pub(super) fn payload(object: &Object<'_>, complaints: &mut Complaints) -> Option<Payload> {
    let at = Path::Root;
    let content_type = object.get("content_type").and_then(|raw| {
        let at = at.field("content_type");
        let found = text(raw, at, complaints)?;
        let problem = value_problem(&found).or_else(|| {
            (!found.contains('/')).then(|| "is not a media type such as `text/plain`".to_owned())
        });
        match problem {
            None => Some(found.into_owned()),
            Some(problem) => {
                complaints.add(at, problem);
                None
            }
        }
    });
    match (object.get("payload"), object.get("payload_base64")) {
        (None, None) => {
            if object.get("content_type").is_some() {
                let problem = "needs a `payload` or `payload_base64` beside it";
                complaints.add(at.field("content_type"), problem);
            }
            None
        }
        (Some(_), Some(_)) => {
            let problem = "cannot stand beside `payload`; give one of them";
            complaints.add(at.field("payload_base64"), problem);
            None
        }
        (Some(raw), None) => Some(Payload {
            content_type: Some(content_type.unwrap_or_else(|| "application/json".to_owned())),
            bytes: Bytes::copy_from_slice(raw.get().as_bytes()),
        }),
        (None, Some(raw)) => {
            let found = text(raw, at.field("payload_base64"), complaints)?;
            let bytes = STANDARD.decode(found.as_bytes()).map_err(|error| {
                let problem = format!("is not base64 with its padding: {error}");
                complaints.add(at.field("payload_base64"), problem);
            });
            let fallback = || "application/octet-stream".to_owned();
            Some(Payload {
                content_type: Some(content_type.unwrap_or_else(fallback)),
                bytes: bytes.ok()?.into(),
            })
        }
    }
}

pub(super) fn retry(
    raw: &RawValue,
    at: Path<'_>,
    complaints: &mut Complaints,
) -> Option<RetryPolicy> {
    let known = ["max_attempts", "backoff", "schedule"];
    let object = Object::read(raw, at, &known, complaints)?;
    let defaults = RetryPolicy::default();
    let plan = match (object.get("backoff"), object.get("schedule")) {
        (Some(_), Some(_)) => {
            let problem = "cannot stand beside `backoff`; give one of them";
            complaints.add(at.field("schedule"), problem);
            None
        }
        (Some(raw), None) => backoff(raw, at.field("backoff"), complaints),
        (None, Some(raw)) => waits(raw, at.field("schedule"), complaints),
        (None, None) => Some(defaults.plan),
    };
    let max_attempts = match (object.get("max_attempts"), &plan) {
        (Some(raw), _) => attempts(raw, at.field("max_attempts"), complaints),
        (None, Some(RetryPlan::Explicit(waits))) => u32::try_from(waits.len() + 1).ok(),
        (None, _) => Some(defaults.max_attempts),
    };
    Some(RetryPolicy {
        max_attempts: max_attempts?,
        plan: plan?,
    })
}

fn attempts(raw: &RawValue, at: Path<'_>, complaints: &mut Complaints) -> Option<u32> {
    let found = whole(raw, at, complaints)?;
    let fits = u32::try_from(found)
        .ok()
        .filter(|count| (1..=MOST_ATTEMPTS).contains(count));
    if fits.is_none() {
        let problem = format!("must be from 1 to {MOST_ATTEMPTS}, is {found}");
        complaints.add(at, problem);
    }
    fits
}

fn backoff(raw: &RawValue, at: Path<'_>, complaints: &mut Complaints) -> Option<RetryPlan> {
    let known = ["first", "factor", "max", "jitter"];
    let object = Object::read(raw, at, &known, complaints)?;
    let mut wait = |name: &'static str, fallback: u64| match object.get(name) {
        Some(raw) => duration(raw, at.field(name), WAIT_MS, complaints),
        None => Some(fallback),
    };
    let first = wait("first", RetryPolicy::FIRST_MS);
    // A first wait beyond the default longest one raises that, rather than be at odds with it.
    let longest = first.unwrap_or(0).max(RetryPolicy::LONGEST_MS);
    let max = wait("max", longest);
    if let (Some(first), Some(max)) = (first, max)
        && first > max
    {
        complaints.add(at.field("max"), "must be at least `first`");
    }
    let factor = match object.get("factor") {
        Some(raw) => factor(raw, at.field("factor"), complaints),
        None => Some(RetryPolicy::FACTOR),
    };
    let jitter = match object.get("jitter") {
        Some(raw) => word(raw, at.field("jitter"), &JITTERS, complaints),
        None => Some(Jitter::default()),
    };
    Some(RetryPlan::Backoff {
        first_ms: first?,
        factor: factor?,
        max_ms: max?,
        jitter: jitter?,
    })
}

fn factor(raw: &RawValue, at: Path<'_>, complaints: &mut Complaints) -> Option<f64> {
    let found = serde_json::from_str::<f64>(raw.get())
        .ok()
        .filter(|factor| (1.0..=LARGEST_FACTOR).contains(factor));
    if found.is_none() {
        let problem = format!("must be a number from 1 to {LARGEST_FACTOR}");
        complaints.add(at, problem);
    }
    found
}

fn waits(raw: &RawValue, at: Path<'_>, complaints: &mut Complaints) -> Option<RetryPlan> {
    let items = items(raw, at, complaints)?;
    let most = usize::try_from(MOST_ATTEMPTS - 1).unwrap_or(usize::MAX);
    if items.is_empty() || items.len() > most {
        complaints.add(at, format!("must hold 1 to {most} waits"));
        return None;
    }
    let waits: Vec<Option<u64>> = items
        .iter()
        .enumerate()
        .map(|(index, raw)| duration(raw, at.item(index), WAIT_MS, complaints))
        .collect();
    let waits: Option<Vec<u64>> = waits.into_iter().collect();
    waits.map(RetryPlan::Explicit)
}

/// Reads `broadcast`.
pub(super) fn shards(raw: &RawValue, at: Path<'_>, complaints: &mut Complaints) -> Option<u32> {
    let found = whole(raw, at, complaints)?;
    let fits = u32::try_from(found).ok().filter(|n| SHARDS.contains(n));
    if fits.is_none() {
        let (least, most) = (SHARDS.start(), SHARDS.end());
        complaints.add(at, format!("must be from {least} to {most}, is {found}"));
    }
    fits
}

pub(super) fn tags(
    raw: &RawValue,
    at: Path<'_>,
    complaints: &mut Complaints,
) -> Option<Vec<String>> {
    let items = items(raw, at, complaints)?;
    if items.len() > MOST_TAGS {
        complaints.add(at, format!("holds more than {MOST_TAGS} tags"));
        return None;
    }
    let mut tags: Vec<String> = Vec::with_capacity(items.len());
    for (index, raw) in items.iter().enumerate() {
        let at = at.item(index);
        let Some(tag) = text(raw, at, complaints) else {
            continue;
        };
        if check_tag(&tag, at, complaints) && tags.iter().any(|other| *other == tag) {
            complaints.add(at, "is given twice");
        }
        tags.push(tag.into_owned());
    }
    Some(tags)
}

/// Whether it can be a tag; complains of it otherwise.
pub(super) fn check_tag(tag: &str, at: Path<'_>, complaints: &mut Complaints) -> bool {
    let length = tag.chars().count();
    let good = (1..=LONGEST_TAG).contains(&length) && !tag.chars().any(char::is_control);
    if !good {
        let problem = format!("must be 1-{LONGEST_TAG} characters, none of them a control");
        complaints.add(at, problem);
    }
    good
}
