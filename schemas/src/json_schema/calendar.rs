//! JSON Schema of a calendar.

use serde_json::{Value, json};

/// The schema of one calendar, draft 2020-12. Whether a date exists, a range is in order and a zone is
/// known the parser says.
#[must_use]
pub fn calendar() -> Value {
    let windows = |description: &str| {
        json!({
            "description": description,
            "type": "array",
            "minItems": 1,
            "maxItems": 400,
            "items": {"$ref": "#/$defs/window"},
        })
    };
    json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": "urn:tidewheel:schema:calendar",
        "title": "Calendar",
        "description": "When work may not begin, as it is written to `calendars` under the key \
            `tenant/name`, or put to `/v1/calendars/{tenant}/{name}`.",
        "type": "object",
        "properties": {
            "zone": {"description": "IANA name.", "type": "string", "default": "UTC"},
            "excluded": windows("It is closed when one of these holds."),
            "allowed": windows("It is closed when none of these holds."),
        },
        "additionalProperties": false,
        "oneOf": [{"required": ["excluded"]}, {"required": ["allowed"]}],
        "$defs": {"window": window()},
    })
}

fn window() -> Value {
    let date = json!({
        "description": "A date, or month and day of every year.",
        "type": "string",
        "pattern": "^([0-9]{4}-)?[0-9]{2}-[0-9]{2}$",
    });
    let day = "([sS][uU][nN]|[mM][oO][nN]|[tT][uU][eE]|[wW][eE][dD]|[tT][hH][uU]|[fF][rR][iI]|[sS][aA][tT])";
    let time = "([01][0-9]|2[0-4]):[0-5][0-9](:[0-5][0-9])?";
    json!({
        "description": "Holds where all that it says holds.",
        "type": "object",
        "minProperties": 1,
        "properties": {
            "date": date,
            "from": date,
            "to": date,
            "weekdays": {
                "type": "array",
                "minItems": 1,
                "items": {"type": "string", "pattern": format!("^{day}(-{day})?$")},
            },
            "time": {
                "description": "From, and the first time behind it; over midnight where that is the earlier.",
                "type": "string",
                "pattern": format!("^{time}-{time}$"),
            },
        },
        "additionalProperties": false,
        "dependentRequired": {"from": ["to"], "to": ["from"]},
        "not": {"required": ["date", "from"]},
    })
}
