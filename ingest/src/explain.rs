//! `POST /v1/schedules:explain`: what a schedule means, before anything is registered. Asks nobody and writes nothing.

mod read;

use axum::extract::Request;
use axum::response::{IntoResponse, Response};
use pipeline::Clock;
use pipeline::clock::SystemClock;

use crate::body::{self, Expect};
use crate::door::Door;
use crate::problem::Problem;
pub(crate) use read::{FIELDS, MOST, SCHEDULE};

/// Answers with the schedule in words and its next occurrences.
pub(crate) async fn explain(door: &Door, request: Request) -> Result<Response, Problem> {
    let (head, body) = request.into_parts();
    door.access.admit(&head.headers)?;
    let held = body::read(door, &head.headers, body, Expect::Object).await?;
    let asked = read::read(&held.bytes, SystemClock.now().wall)?;
    // A calendar may take a while to look through; that must not hold up other requests.
    let explanation = tokio::task::spawn_blocking(move || {
        let calendars: Vec<&timetable::Calendar> = asked.calendars.iter().collect();
        timetable::explain(&asked.timetable, &calendars, asked.from, asked.n)
    });
    let explanation = explanation.await.map_err(|error| {
        Problem::unavailable(format!("the schedule could not be explained: {error}"))
    })?;
    Ok(axum::Json(explanation).into_response())
}
