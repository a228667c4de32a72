//! Parts of a definition back in the form they are registered in, for people who ask.

use serde_json::{Map, Value, json};

use crate::call::{Call, Definition, RetryPlan, RetryPolicy};
use crate::duration;
use crate::flow::{Need, Needs};
use crate::schedule::{Beat, Misfire, MisfirePolicy, Recurrence, Schedule};

use super::needs::{JOINS, ONS};
use super::parts::JITTERS;
use super::recurring::{FOLDS, GAPS, ON_CLOSED, OVERLAPS};

/// A schedule as it is registered: `{"at": 1796086800000}` or `{"every": "10s"}`.
#[must_use]
pub fn schedule_json(schedule: &Schedule) -> Value {
    match schedule {
        Schedule::At(at) => json!({"at": at.0}),
        Schedule::After(ms) => json!({"after": duration::format(*ms)}),
        Schedule::Recurring(recurrence) => Value::Object(recurrence_json(recurrence)),
    }
}

fn recurrence_json(recurrence: &Recurrence) -> Map<String, Value> {
    let mut out = Map::new();
    let mut put = |name: &str, value: Option<Value>| {
        if let Some(value) = value {
            out.insert(name.to_owned(), value);
        }
    };
    match &recurrence.beat {
        Beat::Cron {
            expression,
            zone,
            gap,
            fold,
        } => {
            put("cron", Some(expression.as_str().into()));
            put("zone", Some(zone.as_str().into()));
            put("gap", gap.map(|gap| name_of(&GAPS, gap).into()));
            put("fold", fold.map(|fold| name_of(&FOLDS, fold).into()));
        }
        Beat::Every { ms, anchor } => {
            put("every", Some(duration::format(*ms).into()));
            put("anchor", anchor.map(|at| at.0.into()));
        }
        Beat::AfterEach(ms) => put("after_each", Some(duration::format(*ms).into())),
    }
    let spread = |ms: u64| (ms > 0).then(|| duration::format(ms).into());
    put("start", recurrence.start.map(|at| at.0.into()));
    put("end", recurrence.end.map(|at| at.0.into()));
    put("max_runs", recurrence.max_runs.map(Into::into));
    put("jitter", spread(recurrence.jitter_ms));
    put("window", spread(recurrence.window_ms));
    if !recurrence.calendars.is_empty() {
        put("calendars", Some(json!(recurrence.calendars)));
        let on_closed = name_of(&ON_CLOSED, recurrence.on_closed);
        put("on_closed", Some(on_closed.into()));
    }
    out
}

/// A misfire policy as it is registered.
#[must_use]
pub fn misfire_json(misfire: &Misfire) -> Value {
    let threshold = duration::format(misfire.threshold_ms);
    match misfire.policy {
        MisfirePolicy::Skip => json!({"policy": "skip", "threshold": threshold}),
        MisfirePolicy::Once => json!({"policy": "once", "threshold": threshold}),
        MisfirePolicy::All { max } => {
            json!({"policy": "all", "threshold": threshold, "max": max})
        }
        MisfirePolicy::Window { ms } => json!({
            "policy": "window",
            "threshold": threshold,
            "window": duration::format(ms),
        }),
    }
}

/// A call as it is registered; the values of headers that carry secrets are left out.
#[must_use]
pub fn call_json(call: &Call) -> Value {
    let mut out = Map::new();
    out.insert("url".to_owned(), call.url.clone().into());
    out.insert("method".to_owned(), call.method.clone().into());
    if !call.headers.is_empty() {
        let shown = call.headers.iter().map(|(name, value)| {
            let value = if is_secret(name) { "(hidden)" } else { value };
            (name.clone(), Value::from(value))
        });
        out.insert("headers".to_owned(), Value::Object(shown.collect()));
    }
    Value::Object(out)
}

/// A retry policy as it is registered.
#[must_use]
pub fn retry_json(retry: &RetryPolicy) -> Value {
    match &retry.plan {
        RetryPlan::Backoff {
            first_ms,
            factor,
            max_ms,
            jitter,
        } => json!({
            "max_attempts": retry.max_attempts,
            "backoff": {
                "first": duration::format(*first_ms),
                "factor": factor,
                "max": duration::format(*max_ms),
                "jitter": name_of(&JITTERS, *jitter),
            },
        }),
        RetryPlan::Explicit(waits) => json!({
            "max_attempts": retry.max_attempts,
            "schedule": waits.iter().map(|ms| duration::format(*ms)).collect::<Vec<_>>(),
        }),
    }
}

/// What a step needs, as it is registered: `needs`, `join` and `payload_from`.
#[must_use]
pub fn needs_json(needs: &Needs) -> Value {
    let mut out = json!({
        "needs": needs.of.iter().map(need_json).collect::<Vec<_>>(),
        "join": name_of(&JOINS, needs.join),
    });
    if let Some(step) = &needs.payload_from {
        out["payload_from"] = step.as_str().into();
    }
    out
}

fn need_json(need: &Need) -> Value {
    let mut out = json!({"step": need.step, "on": name_of(&ONS, need.on)});
    if let Some(when) = &need.when {
        let equals: Value = serde_json::from_str(&when.equals).unwrap_or_default();
        out["when"] = json!({"pointer": when.pointer, "equals": equals});
    }
    out
}

/// A definition without its payload, as it is registered.
#[must_use]
pub fn definition_json(definition: &Definition) -> Value {
    let mut out = json!({
        "schedule": schedule_json(&definition.schedule),
        "call": call_json(&definition.call),
        "timeout": duration::format(definition.timeout_ms),
        "retry": retry_json(&definition.retry),
        "priority": definition.priority.name(),
        "tags": definition.tags,
    });
    if let (Some(ms), Some(fields)) = (definition.expires_after_ms, out.as_object_mut()) {
        fields.insert("expires_after".to_owned(), duration::format(ms).into());
    }
    if let (Some(shards), Some(fields)) = (definition.broadcast, out.as_object_mut()) {
        fields.insert("broadcast".to_owned(), shards.into());
    }
    if let (Some(needs), Some(fields)) = (&definition.needs, out.as_object_mut())
        && let Value::Object(shown) = needs_json(needs)
    {
        fields.extend(shown);
    }
    if definition.schedule.recurrence().is_some()
        && let Some(fields) = out.as_object_mut()
    {
        fields.insert("misfire".to_owned(), misfire_json(&definition.misfire));
        let overlap = name_of(&OVERLAPS, definition.overlap);
        fields.insert("overlap".to_owned(), overlap.into());
    }
    out
}

/// The word a value is asked by; every value has one.
fn name_of<T: Copy + PartialEq>(words: &[(&'static str, T)], value: T) -> &'static str {
    let found = words.iter().find(|(_, it)| *it == value);
    found.map_or("", |(name, _)| *name)
}

fn is_secret(header: &str) -> bool {
    header == "authorization"
        || header == "cookie"
        || ["secret", "token", "key", "password"]
            .iter()
            .any(|part| header.contains(part))
}
