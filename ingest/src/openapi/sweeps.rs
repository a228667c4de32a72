//! Commands on many tasks.

use serde_json::{Map, Value, json};

use super::{content, problems};
use crate::sweeps;

/// `/v1/tasks:{verb}` and `/v1/sweeps/{sweep}`.
pub(super) fn paths() -> Map<String, Value> {
    let mut paths = Map::new();
    for verb in sweeps::VERBS {
        let name = verb.word();
        let mut responses = problems(&["400", "401", "403", "413", "415", "422", "429", "503"]);
        let accepted = json!({"type": "object", "required": ["tenant", "sweep", "status"],
            "properties": {"tenant": {"type": "string"}, "sweep": {"type": "string"},
                "status": {"const": "accepted"}}});
        responses["202"] = json!({
            "description": "Durably accepted; `location` says where to ask how it stands.",
            "content": content(accepted),
        });
        let body = json!({
            "type": "object",
            "required": ["tenant"],
            "oneOf": [{"required": ["tag"]}, {"required": ["all"]}],
            "properties": {
                "tenant": {"type": "string"},
                "tag": {"type": "string", "description": "Every task with this tag."},
                "all": {"const": true, "description": "Every task of the tenant."},
            },
        });
        let lane = json!({"name": "lane", "in": "query", "schema": {"enum": ["normal", "bulk"]}});
        let post = json!({
            "operationId": format!("{name}Many"),
            "summary": format!("The op `{name}` on every task that is accepted by then, by tag or all \
                of a tenant."),
            "parameters": [lane],
            "requestBody": {"required": true, "content": content(body)},
            "responses": responses,
        });
        paths.insert(format!("/v1/tasks:{name}"), json!({"post": post}));
    }
    let mut responses = problems(&["400", "401", "404", "422", "503"]);
    let view = json!({"$ref": "#/components/schemas/Sweep"});
    responses["200"] = json!({"description": "As it stands.", "content": content(view)});
    let parameter = json!({"name": "sweep", "in": "path", "required": true,
        "schema": {"type": "string", "pattern": "^[0-9A-Fa-f]{32}$"}});
    let get = json!({
        "operationId": "getSweep",
        "summary": "How a command on many tasks stands, in all and by shard; known for an hour \
            behind its end.",
        "responses": responses,
    });
    let at = "/v1/sweeps/{sweep}".to_owned();
    paths.insert(at, json!({"parameters": [parameter], "get": get}));
    paths
}

/// What is told of one.
pub(super) fn schema() -> Value {
    let state = json!({"enum": ["accepted", "running", "done"]});
    let counts = [
        ("looked", "Tasks looked at."),
        ("matched", "Of those, tasks it is for."),
        (
            "undecided",
            "Of those, tasks whose firing is being taken back.",
        ),
        ("changed", "Changed as was wished."),
        ("unchanged", "As was wished already."),
        ("cancelled", "Ended; no call follows, ever."),
        ("too_late", "A call had begun."),
        (
            "refused",
            "Another command came first, or this one is not for such a task.",
        ),
    ];
    let counts = counts.map(|(name, description)| {
        let count = json!({"type": "integer", "minimum": 0, "description": description});
        (name.to_owned(), count)
    });
    let mut part: Map<String, Value> = counts.iter().cloned().collect();
    part.insert("shard".to_owned(), json!({"type": "integer"}));
    part.insert("state".to_owned(), state.clone());
    let mut whole: Map<String, Value> = counts.into_iter().collect();
    let text = json!({"type": "string"});
    for (name, value) in [
        ("sweep", text.clone()),
        ("op", json!({"enum": sweeps::VERBS.map(|verb| verb.word())})),
        ("tenant", text),
        ("tag", json!({"type": ["string", "null"]})),
        ("state", state),
        (
            "shards",
            json!({"type": "array", "items": {"type": "object", "properties": part}}),
        ),
    ] {
        whole.insert(name.to_owned(), value);
    }
    json!({"type": "object", "properties": whole})
}
