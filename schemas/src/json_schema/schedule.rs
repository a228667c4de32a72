//! The schema of a schedule, and of what becomes of misfires.

use serde_json::{Map, Value, json};

use super::{limited, words};
use crate::registration::tables::{
    FOLDS, FORMS, GAPS, LONGEST_CRON, LONGEST_ZONE, MOST_CALENDARS, MOST_MISFIRES, ON_CLOSED,
    POLICIES, RECURRENCE,
};
use crate::time::Millis;

pub(super) fn schedule() -> Value {
    let mut properties = Map::new();
    for form in FORMS {
        properties.insert(form.to_owned(), of_form(form));
    }
    for (name, _) in RECURRENCE {
        properties.insert(name.to_owned(), beside(name));
    }
    let belongs: Map<String, Value> = RECURRENCE
        .iter()
        .map(|(name, forms)| {
            let any = forms.iter().map(|form| json!({"required": [form]}));
            let any: Vec<Value> = any.collect();
            ((*name).to_owned(), json!({"anyOf": any}))
        })
        .collect();
    let one: Vec<Value> = FORMS
        .iter()
        .map(|form| json!({"required": [form]}))
        .collect();
    json!({
        "description": "Exactly one of `at`, `after` (once), `cron`, `every`, `after_each` (again and again).",
        "type": "object",
        "additionalProperties": false,
        "properties": properties,
        "oneOf": one,
        "dependentSchemas": belongs,
    })
}

fn of_form(form: &str) -> Value {
    match form {
        "at" => time("RFC 3339 with its offset, or epoch ms; at once where it is past."),
        "after" => json!({
            "description": "From the append time of the record; at most 200 years.",
            "$ref": "#/$defs/duration",
        }),
        "every" => json!({
            "description": "At a fixed rate; 100ms or more.",
            "$ref": "#/$defs/duration",
        }),
        "after_each" => json!({
            "description": "From the end of each firing to the next one; 100ms or more.",
            "$ref": "#/$defs/duration",
        }),
        _ => json!({
            "description": "5 fields, or 6 with seconds in front, or 7 with years behind; or `@daily` and friends.",
            "type": "string",
            "minLength": 1,
            "maxLength": LONGEST_CRON,
        }),
    }
}

fn beside(name: &str) -> Value {
    match name {
        "zone" => json!({
            "description": "IANA name.",
            "type": "string",
            "maxLength": LONGEST_ZONE,
            "default": "UTC",
        }),
        "gap" => json!({
            "description": "What becomes of a local time that the clocks jump over.",
            "enum": words(&GAPS),
        }),
        "fold" => json!({
            "description": "What becomes of a local time that comes twice.",
            "enum": words(&FOLDS),
        }),
        "anchor" => time("One of the occurrences; `start` unless said, or else the append time."),
        "start" => time("No occurrence before this."),
        "end" => time("No occurrence behind this."),
        "max_runs" => json!({
            "description": "At most so many firings.",
            "type": "integer",
            "minimum": 1,
        }),
        "jitter" => limited(
            "Each occurrence is late by a time of its own below this; at most 1d.",
            "0ms",
        ),
        "window" => limited(
            "Each occurrence may fire anywhere in so long behind its time; at most 1d.",
            "0ms",
        ),
        "calendars" => json!({
            "description": "Names of the calendars it keeps to.",
            "type": "array",
            "maxItems": MOST_CALENDARS,
            "uniqueItems": true,
            "items": {"type": "string", "pattern": "^[a-z0-9._-]{1,64}$"},
        }),
        _ => json!({
            "description": "What becomes of an occurrence that a calendar excludes: left out, or moved to the end of the closed time.",
            "enum": words(&ON_CLOSED),
            "default": "skip",
        }),
    }
}

pub(super) fn time(description: &str) -> Value {
    json!({
        "description": description,
        "oneOf": [
            {"type": "string", "pattern": RFC_3339},
            {
                "type": "integer",
                "maximum": Millis::LATEST_DUE.0,
                "not": {"minimum": 1_000_000_000, "maximum": 9_999_999_999_i64},
            },
        ],
    })
}

const RFC_3339: &str = r"^\d{4}-\d{2}-\d{2}[Tt ]\d{2}:\d{2}:\d{2}(\.\d+)?([Zz]|[+-]\d{2}:\d{2})$";

/// What becomes of occurrences that are too late.
pub(super) fn misfire() -> Value {
    let only = |field: &str, policy: &str| {
        json!({
            "if": {"required": [field]},
            "then": {"properties": {"policy": {"const": policy}}, "required": ["policy"]},
        })
    };
    json!({
        "description": "Of a recurring task: which occurrences are fired all the same that could not be looked after in time.",
        "type": "object",
        "additionalProperties": false,
        "properties": {
            "policy": {"enum": words(&POLICIES), "default": "once"},
            "threshold": limited("Later than this is a misfire; 1s or more.", "1m"),
            "max": {
                "description": "The latest so many are fired; of the policy `all`.",
                "type": "integer",
                "minimum": 1,
                "maximum": MOST_MISFIRES,
                "default": 100,
            },
            "window": limited("Those not older than this are fired; of the policy `window`.", "1h"),
        },
        "allOf": [only("max", "all"), only("window", "window")],
    })
}
