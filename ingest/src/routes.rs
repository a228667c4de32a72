//! Which path leads where.

use std::sync::Arc;
use std::time::Instant;

use axum::Router;
use axum::extract::{Request, State};
use axum::http::{HeaderMap, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};

use crate::calendars;
use crate::door::Door;
use crate::explain;
use crate::list;
use crate::metrics;
use crate::openapi;
use crate::problem::Problem;
use crate::sweeps;
use crate::tasks;

type Shared = State<Arc<Door>>;

/// The door's routes, and problems for all that is none of them. The openapi document names each.
pub fn router(door: Arc<Door>) -> Router {
    Router::new()
        .route("/v1/tasks", get(list_tasks).post(register))
        .route(
            "/v1/tasks/{tenant}/{*id}",
            get(get_task).put(put).delete(delete).post(act),
        )
        .route("/v1/tasks:pause", post(sweep))
        .route("/v1/tasks:resume", post(sweep))
        .route("/v1/tasks:cancel", post(sweep))
        .route("/v1/sweeps/{sweep}", get(get_sweep))
        .route("/v1/fires/{fire}", post(report))
        .route("/v1/calendars", get(list_calendars))
        .route(
            "/v1/calendars/{tenant}/{name}",
            get(get_calendar).put(put_calendar).delete(delete_calendar),
        )
        .route("/v1/schedules:explain", post(explain))
        .route("/openapi.json", get(document))
        .fallback(no_such_route)
        .method_not_allowed_fallback(no_such_method)
        .with_state(door)
}

async fn register(State(door): Shared, request: Request) -> Response {
    answer(&door, "register", request, tasks::register).await
}

async fn list_tasks(State(door): Shared, request: Request) -> Response {
    answer(&door, "list", request, list::list).await
}

async fn get_task(State(door): Shared, request: Request) -> Response {
    answer(&door, "get", request, tasks::get).await
}

async fn put(State(door): Shared, request: Request) -> Response {
    answer(&door, "put", request, tasks::put).await
}

async fn delete(State(door): Shared, request: Request) -> Response {
    answer(&door, "delete", request, tasks::delete).await
}

async fn act(State(door): Shared, request: Request) -> Response {
    answer(&door, "act", request, tasks::act).await
}

async fn sweep(State(door): Shared, request: Request) -> Response {
    answer(&door, "sweep", request, sweeps::begin).await
}

async fn get_sweep(State(door): Shared, request: Request) -> Response {
    answer(&door, "get_sweep", request, sweeps::get).await
}

async fn report(State(door): Shared, request: Request) -> Response {
    answer(&door, "report", request, tasks::report).await
}

async fn list_calendars(State(door): Shared, request: Request) -> Response {
    answer(&door, "list_calendars", request, calendars::list).await
}

async fn get_calendar(State(door): Shared, request: Request) -> Response {
    answer(&door, "get_calendar", request, calendars::get).await
}

async fn put_calendar(State(door): Shared, request: Request) -> Response {
    answer(&door, "put_calendar", request, calendars::put).await
}

async fn delete_calendar(State(door): Shared, request: Request) -> Response {
    answer(&door, "delete_calendar", request, calendars::delete).await
}

async fn explain(State(door): Shared, request: Request) -> Response {
    answer(&door, "explain", request, explain::explain).await
}

async fn document() -> Response {
    ([(header::CONTENT_TYPE, "application/json")], openapi::TEXT).into_response()
}

async fn no_such_route(request: Request) -> Response {
    Problem::no_such_route(request.uri().path()).into_response()
}

async fn no_such_method(request: Request) -> Response {
    Problem::method(request.method().as_str(), request.uri().path()).into_response()
}

/// Runs one route: its limit of headers before it, its measures around it.
async fn answer<'d, F>(door: &'d Door, route: &'static str, request: Request, run: F) -> Response
where
    F: AsyncFnOnce(&'d Door, Request) -> Result<Response, Problem>,
{
    let began = Instant::now();
    let result = if head_bytes(request.headers()) > door.config.max_head {
        Err(Problem::head_too_large(door.config.max_head))
    } else {
        run(door, request).await
    };
    let response = result.unwrap_or_else(IntoResponse::into_response);
    let status = response.status().as_str().to_owned();
    ::metrics::counter!(metrics::REQUESTS, "route" => route, "status" => status).increment(1);
    ::metrics::histogram!(metrics::REQUEST_SECONDS, "route" => route).record(began.elapsed());
    response
}

fn head_bytes(headers: &HeaderMap) -> usize {
    headers
        .iter()
        .map(|(name, value)| name.as_str().len() + value.len() + 4)
        .sum()
}
