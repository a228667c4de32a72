//! Tasks by the HTTP door, as claims need them.

use crate::harness::http;
use anyhow::{Context, Result, bail};
use serde_json::{Value, json};
use std::net::SocketAddr;

/// One registration.
pub(super) fn register(tenant: &str, id: &str, schedule: Value, url: &str) -> Value {
    json!({"tenant": tenant, "id": id, "schedule": schedule, "call": {"url": url}})
}

/// Registers many in one request; an item that is not accepted is an error.
pub(super) fn register_all(door: SocketAddr, tasks: &[Value]) -> Result<()> {
    let body = serde_json::to_string(tasks)?;
    let answer = http::request(door, "POST", "/v1/tasks", Some(&body))?;
    let json = answer.json();
    let items = json.as_array().or_else(|| json["items"].as_array());
    let refused = items.and_then(|items| {
        items
            .iter()
            .find(|item| item["status"] != "accepted" && item["status"] != 202)
    });
    if answer.status != 207 || refused.is_some() {
        bail!(
            "an array of tasks was answered {}: {}",
            answer.status,
            beginning(&answer.body)
        );
    }
    Ok(())
}

/// Registers one and waits until it is planned; returns its version.
pub(super) fn register_and_wait(door: SocketAddr, task: &Value) -> Result<u64> {
    let body = task.to_string();
    let answer = http::request(door, "POST", "/v1/tasks?wait=10s", Some(&body))?;
    if !matches!(answer.status, 200 | 201) {
        bail!(
            "a task was answered {}: {}",
            answer.status,
            beginning(&answer.body)
        );
    }
    answer.json()["version"]
        .as_u64()
        .context("an answer without a version")
}

/// Cancels one; returns the answer: `cancelled`, `too_late` or `unknown`.
pub(super) fn cancel(door: SocketAddr, tenant: &str, id: &str) -> Result<String> {
    let path = format!("/v1/tasks/{tenant}/{id}?wait=10s");
    told(&http::request(door, "DELETE", &path, None)?)
}

/// The word in an answer to a command.
pub(super) fn told(answer: &http::Answer) -> Result<String> {
    let json = answer.json();
    let word = json["answer"].as_str();
    let word =
        word.with_context(|| format!("answered {}: {}", answer.status, beginning(&answer.body)));
    Ok(word?.to_owned())
}

fn beginning(text: &str) -> String {
    text.chars().take(300).collect()
}
