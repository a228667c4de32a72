//! The calendars' part of the document.

use serde_json::{Map, Value, json};

use super::{content, problems};
use crate::calendars::LIMIT;

pub(super) fn paths() -> Map<String, Value> {
    let of = |name: &str, description: &str| {
        json!({"name": name, "in": "path", "required": true, "description": description,
            "schema": {"type": "string", "pattern": "^[a-z0-9._-]{1,64}$"}})
    };
    let parameters = json!([
        of("tenant", "Whose calendar."),
        of("name", "Its name there.")
    ]);
    let mut paths = Map::new();
    paths.insert("/v1/calendars".to_owned(), json!({"get": list()}));
    let one = json!({"parameters": parameters, "get": get(), "put": put(), "delete": delete()});
    paths.insert("/v1/calendars/{tenant}/{name}".to_owned(), one);
    paths
}

fn list() -> Value {
    let mut responses = problems(&["400", "401", "403", "422", "503"]);
    let page = json!({"type": "object", "required": ["calendars", "page"], "properties": {
        "calendars": {"type": "array", "items": {"$ref": "#/components/schemas/CalendarView"}},
        "page": {"type": ["string", "null"]},
    }});
    responses["200"] = json!({"description": "A page.", "content": content(page)});
    json!({
        "operationId": "list_calendars",
        "summary": "A tenant's calendars by name; the end is where `page` is null.",
        "parameters": [
            {"name": "tenant", "in": "query", "required": true, "schema": {"type": "string"}},
            {"name": "limit", "in": "query", "description": "Most calendars of a page.",
                "schema": {"type": "integer", "minimum": 1, "maximum": LIMIT.1,
                    "default": LIMIT.0}},
            {"name": "page", "in": "query", "description": "The `page` of the page before.",
                "schema": {"type": "string"}},
        ],
        "responses": responses,
    })
}

fn get() -> Value {
    let mut responses = problems(&["400", "401", "403", "404", "422", "503"]);
    let view = json!({"$ref": "#/components/schemas/CalendarView"});
    responses["200"] = json!({"description": "As it stands.", "content": content(view)});
    json!({"operationId": "get_calendar", "summary": "One calendar.", "responses": responses})
}

fn put() -> Value {
    let mut responses = decided();
    responses["201"] = says("Created; the answer to `wait`. `location` is the calendar's path.");
    json!({
        "operationId": "put_calendar",
        "summary": "From now on the calendar says this; tasks that name it are planned anew.",
        "parameters": [wait()],
        "requestBody": {"required": true, "content": content(
            json!({"$ref": "#/components/schemas/Calendar"}))},
        "responses": responses,
    })
}

fn delete() -> Value {
    json!({
        "operationId": "delete_calendar",
        "summary": "Removes a calendar; tasks that name it are parked until it is there again.",
        "parameters": [wait()],
        "responses": decided(),
    })
}

fn wait() -> Value {
    json!({"name": "wait", "in": "query", "schema": {"type": "string"}, "example": "2s",
        "description": "Answer what became of it, if that is known within this."})
}

fn decided() -> Value {
    let mut out = problems(&["400", "401", "403", "413", "415", "422", "429", "503"]);
    out["202"] = says("Durably accepted; what becomes of it is not known yet.");
    out["200"] = says("What became of it; the answer to `wait`.");
    out
}

fn says(description: &str) -> Value {
    let told = json!({"$ref": "#/components/schemas/CalendarTold"});
    json!({"description": description, "content": content(told)})
}

/// What is said of a change.
pub(super) fn told() -> Value {
    json!({"type": "object", "required": ["tenant", "name", "status"], "properties": {
        "tenant": {"type": "string"}, "name": {"type": "string"},
        "status": {"enum": ["accepted", "created", "changed", "unchanged", "removed", "unknown"]},
        "version": {"type": "integer", "minimum": 0},
    }})
}

/// A calendar as it is shown.
pub(super) fn view() -> Value {
    let required = ["tenant", "name", "version", "calendar"];
    json!({"type": "object", "required": required, "properties": {
        "tenant": {"type": "string"}, "name": {"type": "string"},
        "version": {"type": "integer", "minimum": 0},
        "calendar": {"$ref": "#/components/schemas/Calendar"},
    }})
}
