//! JSON Schema of the public registration, and of a calendar, for editors, other languages and the OpenAPI document.
//!
//! Built from the parser's own tables, so that names and limits cannot drift apart; a test holds both
//! to the same examples. `schemas/json/registration.schema.json` is its checked-in text. A schema
//! cannot tell everything: how long a duration is, whether a port exists, whether two header names
//! differ in case only. There the parser has the last word.

mod calendar;
mod schedule;

use serde_json::{Map, Value, json};

pub use calendar::calendar;

use crate::registration::tables::{
    CONNECTION_HEADERS, FIELDS, JITTERS, JOINS, LARGEST_FACTOR, LONGEST_EQUALS, LONGEST_MESSAGE,
    LONGEST_NAME, LONGEST_POINTER, LONGEST_TAG, LONGEST_URL, LONGEST_VALUE, MANY, METHODS, MOST,
    MOST_ALLOWED, MOST_ATTEMPTS, MOST_HEADERS, MOST_NEEDS, MOST_TAGS, ONS, OUR_PREFIXES, OVERLAPS,
    Op, PRIORITIES, REMOVABLE, REPORT_RESULTS, SHARDS,
};

/// The schema of one registration, draft 2020-12.
#[must_use]
pub fn registration() -> Value {
    let mut properties = Map::new();
    for (name, _) in FIELDS {
        properties.insert(name.to_owned(), removable(name, property(name)));
    }
    let rules: Vec<Value> = Op::WORDS.iter().map(|(word, op)| rule(word, *op)).collect();
    json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": "urn:tidewheel:schema:registration",
        "title": "Registration",
        "description": "One command on one task, or on many, as it is written to `registrations` or \
            posted. In an `update`, null removes what a task may be without.",
        "type": "object",
        "properties": properties,
        "required": ["tenant"],
        "additionalProperties": false,
        "not": {"required": ["payload", "payload_base64"]},
        "dependentSchemas": {
            "content_type": {
                "anyOf": [{"required": ["payload"]}, {"required": ["payload_base64"]}],
            },
            "needs": {"properties": {"id": {"type": "string", "pattern": "/"}}},
            "join": {"required": ["needs"]},
            "payload_from": {"required": ["needs"]},
            "if_version": {"required": ["id"]},
        },
        "allOf": rules,
        "$defs": {"duration": duration(), "step": step()},
    })
}

/// Whether an `update` removes a field by null, which it cannot be for other ops. A payload may be
/// null for any; only what that means differs.
fn is_removed_by_null(name: &str) -> bool {
    REMOVABLE.contains(&name) && name != "payload"
}

fn removable(name: &str, property: Value) -> Value {
    if !is_removed_by_null(name) {
        return property;
    }
    json!({"anyOf": [property, {"type": "null"}]})
}

/// What one op needs, and which fields do not belong to it.
fn rule(word: &str, op: Op) -> Value {
    let is_this = match op {
        // The default is asked by saying nothing.
        Op::Register => json!({"properties": {"op": {"const": word}}}),
        _ => json!({"properties": {"op": {"const": word}}, "required": ["op"]}),
    };
    let strange = FIELDS
        .iter()
        .filter(|(_, ops)| !ops.is_empty() && !ops.contains(&op))
        .map(|(name, _)| ((*name).to_owned(), Value::Bool(false)));
    let here = FIELDS
        .iter()
        .filter(|(name, ops)| op != Op::Update && ops.contains(&op) && is_removed_by_null(name))
        .map(|(name, _)| ((*name).to_owned(), json!({"not": {"type": "null"}})));
    let strange: Map<String, Value> = strange.chain(here).collect();
    let own = |ops: &[Op]| ops.contains(&op) && ops.len() < Op::WORDS.len();
    let mut then = json!({"properties": strange});
    if MANY.contains(&op) {
        then["oneOf"] = json!([
            {"required": ["id"]},
            {"required": ["tag"]},
            {"required": ["all"]},
        ]);
        return json!({"if": is_this, "then": then});
    }
    then["required"] = json!(["id"]);
    match op {
        Op::Register => {
            then["required"] = json!(["id", "call"]);
            then["anyOf"] = json!([{"required": ["schedule"]}, {"required": ["needs"]}]);
        }
        Op::Reschedule => then["required"] = json!(["id", "schedule"]),
        Op::Backfill => then["required"] = json!(["id", "from", "to"]),
        Op::Report => then["required"] = json!(["id", "fire_id", "result"]),
        Op::Update => {
            let any = FIELDS.iter().filter(|(_, ops)| own(ops));
            then["anyOf"] = any.map(|(name, _)| json!({"required": [name]})).collect();
        }
        _ => {}
    }
    json!({"if": is_this, "then": then})
}

fn property(name: &str) -> Value {
    match name {
        "op" => json!({"enum": words(&Op::WORDS), "default": "register"}),
        "tenant" => json!({"type": "string", "pattern": "^[a-z0-9._-]{1,64}$"}),
        "id" => json!({
            "description": "`group` or `group/step`; the tasks of one group share a shard.",
            "type": "string",
            "maxLength": 256,
            "pattern": r"^[^/\s\u0000-\u001f\u007f-\u009f]+(/[^/\s\u0000-\u001f\u007f-\u009f]+)?$",
        }),
        "if_version" => json!({
            "description": "Refused as a conflict unless the task has this version.",
            "type": "integer",
            "minimum": 0,
        }),
        "schedule" => schedule::schedule(),
        "misfire" => schedule::misfire(),
        "overlap" => json!({
            "description": "Of a recurring task, while the firing before goes on.",
            "enum": words(&OVERLAPS),
            "default": "allow",
        }),
        "broadcast" => broadcast(),
        "call" => call(),
        "payload" => json!({
            "description": "Any JSON value; sent with its bytes unchanged. In an `update`, null \
                removes it.",
        }),
        "payload_base64" => json!({
            "type": "string",
            "contentEncoding": "base64",
            "pattern": "^([A-Za-z0-9+/]{4})*([A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$",
        }),
        "content_type" => json!({
            "description": "Of the payload; application/json unless said, or \
                application/octet-stream for payload_base64.",
            "type": "string",
            "maxLength": LONGEST_VALUE,
            "pattern": r"^[!-~]([\t -~]*[!-~])?$",
            "allOf": [{"pattern": "/"}],
        }),
        "timeout" => limited("1ms to 10m; a call that takes longer has failed.", "5s"),
        "retry" => retry(),
        "priority" => json!({"enum": words(&PRIORITIES), "default": "normal"}),
        "tags" => tags(),
        "tag" | "all" => many(name),
        "expires_after" => json!({
            "description": "No call begins later than this behind the due time.",
            "$ref": "#/$defs/duration",
        }),
        "needs" => needs(),
        "join" => json!({
            "description": "Whether every need must be met, or the first that is will do.",
            "enum": words(&JOINS),
            "default": "all",
        }),
        "payload_from" => json!({
            "description": "The answer to this needed step's call becomes the payload.",
            "$ref": "#/$defs/step",
        }),
        "from" | "to" | "max" | "stop" => backfill(name),
        "fire_id" => json!({"type": "string", "pattern": "^[0-9A-Fa-f]{32}$"}),
        "result" => json!({"enum": words(&REPORT_RESULTS)}),
        "message" => json!({"type": "string", "maxLength": LONGEST_MESSAGE}),
        // Reserved by name: not available in this release.
        _ => Value::Bool(false),
    }
}

fn tags() -> Value {
    json!({
        "type": "array",
        "maxItems": MOST_TAGS,
        "uniqueItems": true,
        "items": tag(),
    })
}

fn broadcast() -> Value {
    json!({
        "description": "A firing is so many calls, each told its shard by `tidewheel-shard` and \
            `tidewheel-shards`; it has ended once all have.",
        "type": "integer",
        "minimum": SHARDS.start(),
        "maximum": SHARDS.end(),
    })
}

/// What names a past range.
fn backfill(name: &str) -> Value {
    match name {
        "from" => schedule::time("Occurrences due at this or later."),
        "to" => schedule::time("Occurrences due before this; past."),
        "max" => json!({
            "description": "Refused where the range has more occurrences.",
            "type": "integer",
            "minimum": 1,
            "maximum": MOST_ALLOWED,
            "default": MOST,
        }),
        _ => json!({
            "description": "Release no more of this range, which is being backfilled.",
            "type": "boolean",
            "default": false,
        }),
    }
}

/// What names many tasks.
fn many(name: &str) -> Value {
    if name == "all" {
        return json!({
            "description": "In place of `id`: every task of the tenant.",
            "const": true,
        });
    }
    let mut tag = tag();
    tag["description"] = json!("In place of `id`: every task of the tenant with this tag.");
    tag
}

fn tag() -> Value {
    json!({
        "type": "string",
        "minLength": 1,
        "maxLength": LONGEST_TAG,
        "pattern": r"^[^\u0000-\u001f\u007f-\u009f]*$",
    })
}

fn needs() -> Value {
    json!({
        "description": "Steps of the same group that must end before this one is planned; its \
            schedule counts from then on, `{\"after\": \"0s\"}` unless said.",
        "type": "array",
        "minItems": 1,
        "maxItems": MOST_NEEDS,
        "items": {"oneOf": [{"$ref": "#/$defs/step"}, {
            "type": "object",
            "required": ["step"],
            "additionalProperties": false,
            "properties": {
                "step": {"$ref": "#/$defs/step"},
                "on": {
                    "description": "How it must end: completed; dead or expired; however.",
                    "enum": words(&ONS),
                    "default": "success",
                },
                "when": {
                    "description": "A value that its answer must hold.",
                    "type": "object",
                    "required": ["pointer", "equals"],
                    "additionalProperties": false,
                    "properties": {
                        "pointer": {
                            "description": "JSON pointer (RFC 6901).",
                            "type": "string",
                            "maxLength": LONGEST_POINTER,
                            "pattern": "^(/([^~]|~[01])*)?$",
                        },
                        "equals": {
                            "description": format!("JSON of at most {LONGEST_EQUALS} bytes."),
                        },
                    },
                },
            },
        }]},
    })
}

/// The name of another step.
fn step() -> Value {
    json!({
        "description": "The name of a step in the same group; the group may stand before it.",
        "type": "string",
        "maxLength": 256,
        "pattern": r"^([^/\s\u0000-\u001f\u007f-\u009f]+/)?[^/\s\u0000-\u001f\u007f-\u009f]+$",
    })
}

fn call() -> Value {
    let connection = CONNECTION_HEADERS.join("|");
    let ours = OUR_PREFIXES.join("|");
    let reserved = format!("^({connection}|content-type|({ours}).*)$");
    json!({
        "type": "object",
        "required": ["url"],
        "additionalProperties": false,
        "properties": {
            "url": {
                "description": "Absolute, no user information, no fragment.",
                "type": "string",
                "maxLength": LONGEST_URL,
                "pattern": r"^[Hh][Tt][Tt][Pp][Ss]?://[^/?#@:\\\s][^/?#@\\\s]*([/?][^#\\\s]*)?$",
            },
            "method": {"enum": words(&METHODS), "default": "POST"},
            "headers": {
                "type": "object",
                "maxProperties": MOST_HEADERS,
                "propertyNames": {
                    "maxLength": LONGEST_NAME,
                    "pattern": r"^[!#$%&'*+\-.^_`|~0-9A-Za-z]+$",
                    "not": {"pattern": ignoring_case(&reserved)},
                },
                "additionalProperties": {
                    "type": "string",
                    "maxLength": LONGEST_VALUE,
                    "pattern": r"^([!-~]([\t -~]*[!-~])?)?$",
                },
            },
        },
    })
}

fn retry() -> Value {
    json!({
        "type": "object",
        "additionalProperties": false,
        "not": {"required": ["backoff", "schedule"]},
        "properties": {
            "max_attempts": {
                "description": "Calls in all; one more than `schedule` has waits unless said.",
                "type": "integer",
                "minimum": 1,
                "maximum": MOST_ATTEMPTS,
                "default": 5,
            },
            "backoff": {
                "type": "object",
                "additionalProperties": false,
                "properties": {
                    "first": limited("Wait behind the first attempt; at most 30d.", "1s"),
                    "factor": {
                        "type": "number",
                        "minimum": 1,
                        "maximum": LARGEST_FACTOR,
                        "default": 2,
                    },
                    "max": limited("Longest wait; at least `first`, at most 30d.", "10m"),
                    "jitter": {"enum": words(&JITTERS), "default": "full"},
                },
            },
            "schedule": {
                "description": "These waits, one behind each attempt; the last one repeats.",
                "type": "array",
                "minItems": 1,
                "maxItems": MOST_ATTEMPTS - 1,
                "items": {"$ref": "#/$defs/duration"},
            },
        },
    })
}

fn duration() -> Value {
    json!({
        "description": "Whole numbers with units w d h m s ms, or ISO 8601.",
        "examples": ["1500ms", "1h30m", "PT30M"],
        "type": "string",
        "maxLength": 64,
        "anyOf": [
            {"pattern": r"^(?=\d)(\d+w)?(\d+d)?(\d+h)?(\d+m)?(\d+s)?(\d+ms)?$"},
            {"pattern": r"^P(?=[\dT])(\d+W)?(\d+D)?(T(?=\d)(\d+H)?(\d+M)?(\d+([.,]\d{1,3})?S)?)?$"},
        ],
    })
}

fn limited(description: &str, default: &str) -> Value {
    json!({"description": description, "default": default, "$ref": "#/$defs/duration"})
}

fn words<T>(table: &[(&str, T)]) -> Vec<String> {
    table.iter().map(|(word, _)| (*word).to_owned()).collect()
}

/// Regular expressions of JSON Schema have no flag for it.
fn ignoring_case(pattern: &str) -> String {
    let mut out = String::new();
    for c in pattern.chars() {
        if c.is_ascii_lowercase() {
            out.push_str(&format!("[{c}{}]", c.to_ascii_uppercase()));
        } else {
            out.push(c);
        }
    }
    out
}
