//! The routes of one task: from a request to a record, from an answer to a response.

use std::time::Duration;

use axum::extract::Request;
use axum::http::{Uri, request};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use schemas::registration::{Complaint, Inbound, LARGEST, Op, Sweep};
use schemas::{Command, TaskKey};
use serde::Deserialize;
use serde_json::value::RawValue;

use crate::access::Caller;
use crate::answer;
use crate::array;
use crate::body::{self, Expect, Held};
use crate::door::{Door, Ready};
use crate::path;
use crate::problem::Problem;
use crate::query::{Manner, Pairs};
use crate::sweeps;

/// `POST /v1/tasks`: one object with any `op`, or an array of them.
pub(crate) async fn register(door: &Door, request: Request) -> Result<Response, Problem> {
    let (head, body) = request.into_parts();
    let caller = door.access.admit(&head.headers)?;
    let (manner, complaints) = Manner::read(&head.uri, door.config.max_wait)?;
    let held = body::read(door, &head.headers, body, Expect::ObjectOrArray).await?;
    if body::is_array(&held.bytes) {
        if complaints.is_empty() {
            return array::register(door, caller, manner, &held.bytes).await;
        }
        return Err(Problem::invalid(complaints));
    }
    let task = match admit(caller, &held.bytes, complaints)? {
        Admitted::One(task) => task,
        Admitted::Many(sweep) => {
            return sweeps::submit(door, &head.uri, sweep, held.bytes.clone()).await;
        }
    };
    let ready = Ready::command(&task, held.bytes.clone(), manner.lane);
    decide(door, &task, ready, manner.wait).await
}

/// `PUT /v1/tasks/{tenant}/{id}`: an update that makes the task where there is none.
pub(crate) async fn put(door: &Door, request: Request) -> Result<Response, Problem> {
    let (head, body) = request.into_parts();
    let caller = door.access.admit(&head.headers)?;
    let task = path::task(head.uri.path())?;
    let held = body::read(door, &head.headers, body, Expect::Object).await?;
    command(door, caller, &head.uri, (Op::Update, task), &held).await
}

/// `DELETE /v1/tasks/{tenant}/{id}`.
pub(crate) async fn delete(door: &Door, request: Request) -> Result<Response, Problem> {
    let (head, body) = request.into_parts();
    let caller = door.access.admit(&head.headers)?;
    let task = path::task(head.uri.path())?;
    let held = optional(door, &head, body).await?;
    command(door, caller, &head.uri, (Op::Cancel, task), &held).await
}

/// `POST /v1/tasks/{tenant}/{id}:{verb}`.
pub(crate) async fn act(door: &Door, request: Request) -> Result<Response, Problem> {
    let (head, body) = request.into_parts();
    let caller = door.access.admit(&head.headers)?;
    let (task, op) = path::task_and_verb(head.uri.path())?;
    let held = optional(door, &head, body).await?;
    command(door, caller, &head.uri, (op, task), &held).await
}

/// `GET /v1/tasks/{tenant}/{id}`.
pub(crate) async fn get(door: &Door, request: Request) -> Result<Response, Problem> {
    let caller = door.access.admit(request.headers())?;
    let task = path::task(request.uri().path())?;
    caller.check(&task.tenant)?;
    let pairs = Pairs::read(request.uri(), &[])?;
    if !pairs.complaints.is_empty() {
        return Err(Problem::invalid(pairs.complaints));
    }
    let view = door.owners.get(task.clone()).await;
    match view.map_err(|error| Problem::unavailable(error.to_string()))? {
        Some(view) => Ok(axum::Json(view).into_response()),
        None => Err(Problem::no_such_task(&task)),
    }
}

/// `POST /v1/fires/{fire_id}:report`: for calls that answered 202 and are still at it.
pub(crate) async fn report(door: &Door, request: Request) -> Result<Response, Problem> {
    door.access.admit(request.headers())?;
    let path = request.uri().path();
    let Some((fire, "report")) = path.rsplit('/').next().and_then(|it| it.rsplit_once(':')) else {
        return Err(Problem::no_such_route(path));
    };
    let mut complaints = vec![Complaint::new("", REPORTS_LATER)];
    if schemas::FireId::parse(fire).is_none() {
        let problem = "is not a fire id: 32 hex digits";
        complaints.push(Complaint::new("fire_id", problem));
    }
    Err(Problem::invalid(complaints))
}

const REPORTS_LATER: &str =
    "reports are not available in this release; a 2xx answer completes a call";

/// What an object that was let in is about.
#[derive(Clone, Debug)]
pub(crate) enum Admitted {
    One(TaskKey),
    Many(Sweep),
}

/// Judges one whole object: every complaint at once, the query's included.
pub(crate) fn admit(
    caller: Caller<'_>,
    bytes: &[u8],
    mut complaints: Vec<Complaint>,
) -> Result<Admitted, Problem> {
    if bytes.is_empty() {
        return Err(Problem::malformed("the body is empty; send a JSON object"));
    }
    if bytes.len() > LARGEST {
        return Err(Problem::too_large(format!(
            "a registration has at most {LARGEST} bytes"
        )));
    }
    let inbound = match Inbound::parse(bytes) {
        Ok(inbound) => inbound,
        Err(refusal) if refusal.malformed => return Err(refusal.into()),
        Err(refusal) => {
            complaints.extend(refusal.complaints);
            return Err(Problem::invalid(complaints));
        }
    };
    let (tenant, reports) = match &inbound {
        Inbound::One(it) => (&it.task.tenant, matches!(it.command, Command::Report(_))),
        Inbound::Many(sweep) => (&sweep.tenant, false),
    };
    caller.check(tenant)?;
    if reports {
        complaints.push(Complaint::new("op", REPORTS_LATER));
    }
    match inbound {
        _ if !complaints.is_empty() => Err(Problem::invalid(complaints)),
        Inbound::One(registration) => Ok(Admitted::One(registration.task)),
        Inbound::Many(sweep) => Ok(Admitted::Many(sweep)),
    }
}

/// A body that may be left out.
async fn optional(
    door: &Door,
    head: &request::Parts,
    body: axum::body::Body,
) -> Result<Held, Problem> {
    let mut held = body::read(door, &head.headers, body, Expect::Object).await?;
    if held.bytes.is_empty() {
        held.bytes = Bytes::from_static(b"{}");
    }
    Ok(held)
}

async fn command(
    door: &Door,
    caller: Caller<'_>,
    uri: &Uri,
    (op, task): (Op, TaskKey),
    held: &Held,
) -> Result<Response, Problem> {
    caller.check(&task.tenant)?;
    let (manner, mut complaints) = Manner::read(uri, door.config.max_wait)?;
    let value = complete(op, Some(&task), &held.bytes, &mut complaints)?;
    admit(caller, &value, complaints)?;
    let ready = Ready::command(&task, value, manner.lane);
    decide(door, &task, ready, manner.wait).await
}

/// The fields that a path decides.
#[derive(Deserialize)]
struct Named<'a> {
    #[serde(borrow)]
    op: Option<&'a RawValue>,
    #[serde(borrow)]
    tenant: Option<&'a RawValue>,
    #[serde(borrow)]
    id: Option<&'a RawValue>,
}

/// Puts what the path says in front of the body's fields, the body's own bytes unchanged. A body may
/// say the same again, but nothing else.
pub(crate) fn complete(
    op: Op,
    task: Option<&TaskKey>,
    body: &[u8],
    complaints: &mut Vec<Complaint>,
) -> Result<Bytes, Problem> {
    if body.is_empty() {
        return Err(Problem::malformed("the body is empty; send a JSON object"));
    }
    schemas::registration::check_depth(body)?;
    let named: Named<'_> = serde_json::from_slice(body)
        .map_err(|error| Problem::malformed(format!("is not a JSON object: {error}")))?;
    let text = body.trim_ascii_start();
    let rest = text
        .strip_prefix(b"{")
        .ok_or_else(|| Problem::malformed("is not a JSON object"))?;
    let mut says = vec![("op", named.op, op.word())];
    if let Some(task) = task {
        says.push(("tenant", named.tenant, task.tenant.as_str()));
        says.push(("id", named.id, task.id.as_str()));
    }
    let length: usize = says.iter().map(|(_, _, value)| value.len() + 16).sum();
    let mut out = Vec::with_capacity(body.len() + length);
    out.push(b'{');
    for (name, found, path) in says {
        if let Some(found) = found {
            let same = serde_json::from_str::<String>(found.get()).is_ok_and(|it| it == path);
            if !same {
                let problem = format!("is not `{path}`, as the path says; leave it out");
                complaints.push(Complaint::new(name, problem));
            }
            continue;
        }
        let quoted = serde_json::Value::from(path).to_string();
        if out.len() > 1 {
            out.push(b',');
        }
        out.extend_from_slice(format!("\"{name}\":{quoted}").as_bytes());
    }
    if out.len() > 1 && rest.trim_ascii_start().first() != Some(&b'}') {
        out.push(b',');
    }
    out.extend_from_slice(rest);
    Ok(out.into())
}

async fn decide(
    door: &Door,
    task: &TaskKey,
    ready: Ready,
    wait: Option<Duration>,
) -> Result<Response, Problem> {
    let answer = door.submit(ready, wait).await?;
    answer::respond(task, answer)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bodys_bytes_stay_behind_what_the_path_says() {
        let task = path::task("/v1/tasks/shop/a%22b").expect("a path");
        let cases = [
            ("{}", r#"{"op":"run","tenant":"shop","id":"a\"b"}"#),
            (" { } ", r#"{"op":"run","tenant":"shop","id":"a\"b" } "#),
            (
                r#"{ "payload" : 1.0 }"#,
                r#"{"op":"run","tenant":"shop","id":"a\"b", "payload" : 1.0 }"#,
            ),
            (
                r#"{"op": "run", "tenant": "shop", "id": "a\"b"}"#,
                r#"{"op": "run", "tenant": "shop", "id": "a\"b"}"#,
            ),
        ];
        for (body, value) in cases {
            let mut complaints = Vec::new();
            let found =
                complete(Op::Run, Some(&task), body.as_bytes(), &mut complaints).expect(body);
            assert_eq!(
                found,
                value.as_bytes(),
                "{}",
                String::from_utf8_lossy(&found)
            );
            assert!(complaints.is_empty());
            Inbound::parse(&found).expect(value);
        }
        let mut complaints = Vec::new();
        let other = br#"{"op": "kill", "tenant": "x", "id": 1}"#;
        complete(Op::Run, Some(&task), other, &mut complaints).expect("well formed");
        assert_eq!(complaints.len(), 3, "{complaints:?}");
    }
}
