//! What a planner decided, as a response.

use axum::Json;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use schemas::{CommandAnswer, TaskKey};
use serde::Serialize;

use crate::path;
use crate::problem::Problem;

/// What became of a command: `status` in a word, and the planner's answer where there is one.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(crate) struct Told {
    tenant: String,
    id: String,
    status: &'static str,
    #[serde(flatten)]
    answer: Option<CommandAnswer>,
}

/// Sorts an answer into what went well, with its status, and what did not.
pub(crate) fn sort(
    task: &TaskKey,
    answer: Option<CommandAnswer>,
) -> Result<(StatusCode, Told), Problem> {
    let (code, status) = match &answer {
        // No command on a task is told of a calendar.
        None | Some(CommandAnswer::Calendar { .. }) => (StatusCode::ACCEPTED, "accepted"),
        Some(CommandAnswer::Created { .. }) => (StatusCode::CREATED, "created"),
        Some(CommandAnswer::Unchanged { .. }) => (StatusCode::OK, "unchanged"),
        Some(CommandAnswer::Changed { .. }) => (StatusCode::OK, "changed"),
        Some(CommandAnswer::Cancelled) => (StatusCode::OK, "cancelled"),
        Some(CommandAnswer::TooLate) => (StatusCode::OK, "too_late"),
        Some(CommandAnswer::Unknown) => (StatusCode::OK, "unknown"),
        Some(CommandAnswer::Conflict { version, reason }) => {
            return Err(Problem::conflict(*version, reason.clone()));
        }
        Some(CommandAnswer::Refused { complaints }) => {
            return Err(Problem::invalid(complaints.clone()));
        }
    };
    let (tenant, id) = (task.tenant.as_str().to_owned(), task.id.as_str().to_owned());
    Ok((
        code,
        Told {
            tenant,
            id,
            status,
            answer,
        },
    ))
}

/// The response to a single command.
pub(crate) fn respond(task: &TaskKey, answer: Option<CommandAnswer>) -> Result<Response, Problem> {
    let (code, told) = sort(task, answer)?;
    let mut response = (code, Json(told)).into_response();
    if code == StatusCode::CREATED
        && let Ok(place) = HeaderValue::from_str(&path::of(task))
    {
        response.headers_mut().insert(header::LOCATION, place);
    }
    Ok(response)
}
