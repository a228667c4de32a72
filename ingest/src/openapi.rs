//! The OpenAPI 3.1 document: built here, checked in as `openapi.json`, served as that text.
//!
//! `tests/openapi.rs` holds the text to the builder, and the builder to the routes.

mod calendars;

use schemas::{TaskState, json_schema};
use serde_json::{Map, Value, json};

use crate::explain;
use crate::list;
use crate::path;

mod sweeps;

/// As served.
pub(crate) const TEXT: &str = include_str!("../openapi.json");

/// The document.
#[must_use]
pub fn document() -> Value {
    json!({
        "openapi": "3.1.0",
        "info": {
            "title": "Tidewheel",
            "version": "1",
            "description": "Registers tasks that fire later. The same objects may be written to \
                the topic `registrations` instead.",
        },
        "security": [{"key": []}, {}],
        "paths": paths(),
        "components": {
            "securitySchemes": {"key": {"type": "http", "scheme": "bearer"}},
            "responses": responses(),
            "schemas": all_schemas(),
        },
    })
}

fn paths() -> Value {
    let mut paths = Map::new();
    paths.insert(
        "/v1/tasks".to_owned(),
        json!({"get": list_tasks(), "post": register()}),
    );
    paths.insert(
        "/v1/tasks/{tenant}/{id}".to_owned(),
        json!({"parameters": task(), "get": get_task(), "put": put(), "delete": delete()}),
    );
    for verb in path::VERBS {
        let name = verb.word();
        let body = json!({"required": name == "reschedule", "content": content(json!({
            "description": "The registration's fields that belong to this op.",
            "type": "object",
        }))});
        let act = json!({
            "operationId": name,
            "summary": format!("The op `{name}` on a task."),
            "parameters": manner(),
            "requestBody": body,
            "responses": decided("200"),
        });
        let at = format!("/v1/tasks/{{tenant}}/{{id}}:{name}");
        paths.insert(at, json!({"parameters": task(), "post": act}));
    }
    paths.extend(sweeps::paths());
    let fire = json!({"name": "fire_id", "in": "path", "required": true,
        "schema": {"type": "string", "pattern": "^[0-9A-Fa-f]{32}$"}});
    let report = json!({
        "operationId": "report",
        "summary": "Tells how a call that answered 202 went on. Not available in this release.",
        "responses": problems(&["400", "401", "422"]),
    });
    let at = "/v1/fires/{fire_id}:report".to_owned();
    paths.insert(at, json!({"parameters": [fire], "post": report}));
    paths.extend(calendars::paths());
    let at = "/v1/schedules:explain".to_owned();
    paths.insert(at, json!({"post": explain_schedule()}));
    let document = json!({
        "operationId": "document",
        "summary": "This document.",
        "security": [],
        "responses": {"200": {"description": "OpenAPI 3.1.", "content": content(json!({}))}},
    });
    paths.insert("/openapi.json".to_owned(), json!({"get": document}));
    Value::Object(paths)
}

fn explain_schedule() -> Value {
    let any = |names: &[&str]| -> Value {
        let field = |name: &&str| ((*name).to_owned(), json!({}));
        Value::Object(names.iter().map(field).collect())
    };
    let mut fields = any(&explain::FIELDS);
    fields["schedule"] = json!({"type": "object", "properties": any(&explain::SCHEDULE),
        "additionalProperties": false, "oneOf": [{"required": ["cron"]}, {"required": ["every"]}]});
    fields["n"] = json!({"type": "integer", "minimum": 1, "maximum": explain::MOST, "default": 10});
    fields["from"] = json!({"description": "Epoch ms or RFC 3339; now, where it is left out."});
    fields["calendars"] = json!({"type": "object", "maxProperties": 8,
        "additionalProperties": {"type": "object"},
        "description": "Calendars by name; docs/schedules.md says what they hold."});
    let body = json!({"type": "object", "required": ["schedule"], "properties": fields,
        "additionalProperties": false});
    let mut responses = problems(&["400", "401", "413", "415", "422", "429", "503"]);
    let explanation = json!({"$ref": "#/components/schemas/Explanation"});
    responses["200"] = json!({"description": "What it means.", "content": content(explanation)});
    json!({
        "operationId": "explain",
        "summary": "A schedule in words, and its next occurrences with what clock changes and calendars make of them.",
        "requestBody": {"required": true, "content": content(body)},
        "responses": responses,
    })
}

fn register() -> Value {
    let mut responses = decided("200");
    responses["201"] = told("Created; the answer to `wait`. `location` is the task's path.");
    let entries = json!({"type": "array", "items": {"$ref": "#/components/schemas/Entry"}});
    responses["207"] =
        json!({"description": "To an array: one entry per item.", "content": content(entries)});
    json!({
        "operationId": "register",
        "summary": "One command, any op, or an array of up to 1,000.",
        "parameters": manner(),
        "requestBody": {"required": true, "content": content(json!({"oneOf": [
            {"$ref": "#/components/schemas/Registration"},
            {"type": "array", "items": {"$ref": "#/components/schemas/Registration"}},
        ]}))},
        "responses": responses,
    })
}

fn put() -> Value {
    let mut responses = decided("200");
    responses["201"] = told("Created; the answer to `wait`. `location` is the task's path.");
    json!({
        "operationId": "put",
        "summary": "Changes what is named; makes the task where there is none.",
        "parameters": manner(),
        "requestBody": {"required": true, "content": content(json!({
            "description": "A registration; op, tenant and id may be left out.",
            "type": "object",
        }))},
        "responses": responses,
    })
}

fn delete() -> Value {
    json!({
        "operationId": "delete",
        "summary": "Cancels a task: with `wait`, 200 cancelled, too_late or unknown.",
        "parameters": manner(),
        "requestBody": {"required": false, "content": content(json!({
            "type": "object",
            "properties": {"if_version": {"type": "integer", "minimum": 0}},
        }))},
        "responses": decided("200"),
    })
}

fn get_task() -> Value {
    let mut responses = problems(&["400", "401", "403", "404", "422", "503"]);
    let view = json!({"$ref": "#/components/schemas/Task"});
    responses["200"] = json!({"description": "As it stands.", "content": content(view)});
    json!({"operationId": "get", "summary": "One task.", "responses": responses})
}

fn list_tasks() -> Value {
    let parameters: Vec<Value> = list::NAMES
        .iter()
        .map(|name| {
            let (description, schema) = match *name {
                "tenant" => ("Whose tasks; required.", json!({"type": "string"})),
                "state" => (
                    "Only in this state.",
                    json!({"$ref": "#/components/schemas/State"}),
                ),
                "tag" => ("Only with this tag.", json!({"type": "string"})),
                "due_from" => ("`due` at or behind: epoch ms or RFC 3339.", json!({})),
                "due_to" => ("`due` before: epoch ms or RFC 3339.", json!({})),
                "moved" => (
                    "Only recurring tasks whose next occurrence moved with other time zone data.",
                    json!({"type": "boolean", "enum": [true]}),
                ),
                "limit" => (
                    "Most tasks of a page.",
                    json!({"type": "integer", "minimum": 1, "maximum": 1000, "default": 100}),
                ),
                _ => ("The `page` of the page before.", json!({"type": "string"})),
            };
            let required = *name == "tenant";
            json!({"name": name, "in": "query", "required": required,
                "description": description, "schema": schema})
        })
        .collect();
    let mut responses = problems(&["400", "401", "403", "422", "503"]);
    let page = json!({"$ref": "#/components/schemas/Page"});
    responses["200"] = json!({"description": "A page.", "content": content(page)});
    json!({
        "operationId": "list",
        "summary": "A tenant's tasks, by shard, then by id; the end is where `page` is null.",
        "parameters": parameters,
        "responses": responses,
    })
}

fn task() -> Value {
    let of = |name: &str, description: &str| {
        json!({"name": name, "in": "path", "required": true, "description": description,
            "schema": {"type": "string"}})
    };
    json!([
        of("tenant", "Whose task."),
        of("id", "`group` or `group/step`, percent-encoded.")
    ])
}

fn manner() -> Value {
    json!([
        {"name": "wait", "in": "query", "schema": {"type": "string"}, "example": "2s",
            "description": "Answer how the command was decided, if that is known within this."},
        {"name": "lane", "in": "query", "schema": {"enum": ["normal", "bulk"]},
            "description": "Bulk never delays the other; order holds within a lane."},
    ])
}

fn decided(code: &str) -> Value {
    let mut out = problems(&[
        "400", "401", "403", "404", "409", "413", "415", "422", "429", "503",
    ]);
    out["202"] = told("Durably accepted; how it is decided is not known yet.");
    out[code] = told("How it was decided; the answer to `wait`.");
    out
}

fn told(description: &str) -> Value {
    let told = json!({"$ref": "#/components/schemas/Told"});
    json!({"description": description, "content": content(told)})
}

fn problems(codes: &[&str]) -> Value {
    let reference = |code: &&str| {
        (
            (*code).to_owned(),
            json!({"$ref": format!("#/components/responses/{code}")}),
        )
    };
    Value::Object(codes.iter().map(reference).collect())
}

fn content(schema: Value) -> Value {
    json!({"application/json": {"schema": schema}})
}

fn responses() -> Value {
    let all = [
        ("400", "Malformed."),
        ("401", "No API key, or one that is not known."),
        ("403", "Not for this tenant."),
        ("404", "No such task or route."),
        (
            "409",
            "The task is not as the command expects; `version` is the one it has.",
        ),
        ("413", "Too large, or too many items."),
        ("415", "Not JSON."),
        (
            "422",
            "Well formed but impossible; `errors` names every bad field.",
        ),
        ("429", "Too much at once; see Retry-After."),
        (
            "503",
            "The log or a planner does not answer now; see Retry-After, send it again.",
        ),
    ];
    let problem = json!({"application/problem+json":
        {"schema": {"$ref": "#/components/schemas/Problem"}}});
    all.into_iter()
        .map(|(code, description)| {
            (
                code.to_owned(),
                json!({"description": description, "content": problem}),
            )
        })
        .collect::<Map<_, _>>()
        .into()
}

fn all_schemas() -> Value {
    let mut all = schemas();
    all["Calendar"] = json_schema::calendar();
    all["CalendarView"] = calendars::view();
    all["CalendarTold"] = calendars::told();
    all
}

#[expect(clippy::too_many_lines, reason = "a document")]
fn schemas() -> Value {
    let time = json!({"type": "integer", "description": "Epoch ms."});
    let text = json!({"type": "string"});
    let count = json!({"type": "integer", "minimum": 0});
    let maybe = |kind: &str| json!({"type": [kind, "null"]});
    json!({
        "Registration": json_schema::registration(),
        "Sweep": sweeps::schema(),
        "State": {"enum": TaskState::WORDS.map(|(word, _)| word)},
        "Told": {"type": "object", "required": ["tenant", "id", "status"], "properties": {
            "tenant": text, "id": text,
            "status": {"enum": ["accepted", "created", "unchanged", "changed", "cancelled",
                "too_late", "unknown"]},
            "answer": {"type": "string", "description": "The planner's; the same word."},
            "version": count, "due": time,
        }},
        "Entry": {"anyOf": [
            {"allOf": [{"$ref": "#/components/schemas/Told"},
                {"required": ["code"], "properties": {"code": count}}]},
            {"type": "object", "required": ["code", "status", "problem"], "properties": {
                "code": count, "status": {"const": "refused"},
                "problem": {"$ref": "#/components/schemas/Problem"},
            }},
        ]},
        "Problem": {"type": "object", "required": ["type", "title", "status", "detail"],
            "properties": {
                "type": text, "title": text, "status": count, "detail": text, "version": count,
                "errors": {"type": "array", "items": {"type": "object", "properties": {
                    "field": text, "problem": text, "position": count,
                }}},
            }},
        "Explanation": {"type": "object", "required": ["words", "zone", "tzdata", "occurrences"],
            "properties": {
                "words": text, "zone": text, "tzdata": text, "gap": text, "fold": text, "ends": text,
                "occurrences": {"type": "array", "items": {"type": "object",
                    "required": ["due_ms", "utc", "local"], "properties": {
                        "due_ms": time, "utc": text, "local": text, "abbreviation": text,
                        "notes": {"type": "array", "items": text},
                    }}},
            }},
        "Page": {"type": "object", "required": ["tasks", "page"], "properties": {
            "tasks": {"type": "array", "items": {"$ref": "#/components/schemas/Task"}},
            "page": maybe("string"),
        }},
        "Task": {"type": "object", "properties": {
            "tenant": text, "id": text, "version": count,
            "due": {"type": "integer",
                "description": "When the schedule wants or wanted it; epoch ms."},
            "retry_at": {"type": "integer",
                "description": "When it is called again after a failure; epoch ms."},
            "state": {"$ref": "#/components/schemas/State"},
            "slot": maybe("string"), "schedule": {"type": "object"}, "call": {"type": "object"},
            "tags": {"type": "array", "items": text},
            "priority": {"enum": ["high", "normal", "low"]},
            "flow": {"type": "object", "description": "What a step needs, as registered."},
            "waits_for": {"type": "array", "description": "Needs of a held step that are not met.",
                "items": {"type": "object", "properties": {
                    "step": text, "unmet": {"type": "boolean"},
                    "state": {"anyOf": [{"$ref": "#/components/schemas/State"}, {"type": "null"}],
                        "description": "Of the needed step; null where there is none."},
                }}},
            "reason": {"type": "string",
                "description": "Why a step was skipped or given up, or why a task is parked."},
            "moved": {"type": "object",
                "description": "What other time zone data did to the next occurrence of a recurring task.",
                "properties": {
                    "before": maybe("integer"), "after": maybe("integer"),
                    "tzdata_before": text, "tzdata": text, "at": time,
                }},
            "backfills": {"type": "array", "description": "Of a recurring task: past ranges fired belatedly.",
                "items": {"$ref": "#/components/schemas/Backfill"}},
            "firings": {"type": "array", "items": {"$ref": "#/components/schemas/Firing"}},
            "occurrences": {"$ref": "#/components/schemas/Occurrences"},
            "broadcast": {"$ref": "#/components/schemas/Shards"},
        }},
        "Backfill": {"type": "object", "properties": {
            "from": time, "to": time, "released": count, "live": count,
            "next": maybe("integer"), "stopped": {"type": "boolean"}, "ended_at": maybe("integer"),
        }},
        "Occurrences": {"type": "object",
            "description": "Of a recurring task: what became of its occurrences.",
            "properties": {"next": {"type": ["integer", "null"],
                    "description": "The number of the next one; null where none follows, or none is known yet."},
                "ended": count, "skipped": count, "missed": count, "taken": count, "buffered": count, "live": count}},
        "Shards": {"type": "object",
            "description": "Where the shards of a broadcast stand; those not counted are not planted yet.",
            "properties": {"shards": count, "live": count, "completed": count, "dead": count, "expired": count,
                "cancelled": count}},
        "Firing": {"type": "object", "properties": {
            "fire_id": text, "due": time, "occurrence": count,
            "state": {"$ref": "#/components/schemas/State"},
            "shard": {"type": "integer", "description": "Which shard of a broadcast, from 0."},
            "shares": {"$ref": "#/components/schemas/Shards"},
            "phases": {"type": ["object", "null"], "additionalProperties": maybe("integer")},
            "attempts": {"type": "array", "items": {"type": "object", "properties": {
                "started": maybe("integer"), "finished": time,
                "status": maybe("integer"), "error": maybe("string"),
            }}},
        }},
    })
}
