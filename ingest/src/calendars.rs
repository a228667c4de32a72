//! `/v1/calendars`: when work may not begin, by tenant and name.
//!
//! A calendar goes to the planner that decides about it, like a command; that one answers, and tells
//! the planners of the other shards. So a list, which one of those gives, may lag a little.

use axum::Json;
use axum::extract::Request;
use axum::http::{HeaderValue, StatusCode, Uri, header};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use schemas::answer::CalendarChange;
use schemas::calendar::{CalendarQuery, LARGEST_CALENDAR, read_calendar};
use schemas::registration::Complaint;
use schemas::{CalendarKey, CalendarName, CalendarView, CommandAnswer, TenantId};
use serde::Serialize;

use crate::body::{self, Expect};
use crate::door::{Door, Ready};
use crate::problem::Problem;
use crate::query::{Pairs, wait};

/// Where the calendars are.
const CALENDARS: &str = "/v1/calendars/";
/// The names a list is asked by.
pub(crate) const NAMES: [&str; 3] = ["tenant", "limit", "page"];
/// Calendars of a page unless asked otherwise, and at most.
pub(crate) const LIMIT: (usize, usize) = (20, 100);

/// What became of a calendar: `status` in a word, and its version where that is known.
#[derive(Serialize)]
struct Told {
    tenant: TenantId,
    name: CalendarName,
    status: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    version: Option<u64>,
}

#[derive(Serialize)]
struct Page {
    calendars: Vec<CalendarView>,
    page: Option<CalendarName>,
}

/// `PUT /v1/calendars/{tenant}/{name}`: from now on it says this.
pub(crate) async fn put(door: &Door, request: Request) -> Result<Response, Problem> {
    let (head, body) = request.into_parts();
    let caller = door.access.admit(&head.headers)?;
    let calendar = named(head.uri.path())?;
    caller.check(&calendar.tenant)?;
    let held = body::read(door, &head.headers, body, Expect::Object).await?;
    if held.bytes.is_empty() {
        return Err(Problem::malformed("the body is empty; send a calendar"));
    }
    if held.bytes.len() > LARGEST_CALENDAR {
        let detail = format!("a calendar has at most {LARGEST_CALENDAR} bytes");
        return Err(Problem::too_large(detail));
    }
    let mut complaints = match read_calendar(&held.bytes) {
        Ok(_) => Vec::new(),
        Err(refusal) if refusal.malformed => return Err(refusal.into()),
        Err(refusal) => refusal.complaints,
    };
    let pairs = Pairs::read(&head.uri, &["wait"])?;
    decide(
        door,
        &calendar,
        Some(held.bytes.clone()),
        pairs,
        &mut complaints,
    )
    .await
}

/// `DELETE /v1/calendars/{tenant}/{name}`: tasks that name it are parked.
pub(crate) async fn delete(door: &Door, request: Request) -> Result<Response, Problem> {
    let caller = door.access.admit(request.headers())?;
    let calendar = named(request.uri().path())?;
    caller.check(&calendar.tenant)?;
    let pairs = Pairs::read(request.uri(), &["wait"])?;
    decide(door, &calendar, None, pairs, &mut Vec::new()).await
}

/// `GET /v1/calendars/{tenant}/{name}`.
pub(crate) async fn get(door: &Door, request: Request) -> Result<Response, Problem> {
    let caller = door.access.admit(request.headers())?;
    let calendar = named(request.uri().path())?;
    caller.check(&calendar.tenant)?;
    let pairs = Pairs::read(request.uri(), &[])?;
    if !pairs.complaints.is_empty() {
        return Err(Problem::invalid(pairs.complaints));
    }
    let view = door.owners.calendar(calendar.clone()).await;
    match view.map_err(|error| Problem::unavailable(error.to_string()))? {
        Some(view) => Ok(Json(view).into_response()),
        None => Err(Problem::no_such_calendar(&calendar)),
    }
}

/// `GET /v1/calendars?tenant=`: by name, page by page.
pub(crate) async fn list(door: &Door, request: Request) -> Result<Response, Problem> {
    let caller = door.access.admit(request.headers())?;
    let query = read_query(request.uri())?;
    caller.check(&query.tenant)?;
    // Every shard knows all of them; by the tenant's name, so that its pages come from one.
    let shard = door.shards.of_key(query.tenant.as_str().as_bytes());
    let page = door.owners.calendars(shard, query).await;
    let page = page.map_err(|error| Problem::unavailable(error.to_string()))?;
    let (calendars, page) = (page.calendars, page.next);
    Ok(Json(Page { calendars, page }).into_response())
}

fn read_query(uri: &Uri) -> Result<CalendarQuery, Problem> {
    let mut pairs = Pairs::read(uri, &NAMES)?;
    if pairs.get("tenant").is_none() {
        pairs.complain("tenant", "is missing; a list is of one tenant".to_owned());
    }
    let tenant = pairs.take("tenant", |it| {
        TenantId::new(it).map_err(|error| error.to_string())
    });
    let limit = pairs.take("limit", |it| {
        let limit = it.parse().ok();
        let limit = limit.filter(|limit| (1..=LIMIT.1).contains(limit));
        limit.ok_or_else(|| format!("is a number from 1 to {}", LIMIT.1))
    });
    let after = pairs.take("page", |it| {
        CalendarName::new(it).map_err(|_| "is not the `page` of a list".to_owned())
    });
    match tenant {
        Some(tenant) if pairs.complaints.is_empty() => Ok(CalendarQuery {
            tenant,
            after,
            limit: limit.unwrap_or(LIMIT.0),
        }),
        _ => Err(Problem::invalid(pairs.complaints)),
    }
}

/// The calendar that a path names.
fn named(path: &str) -> Result<CalendarKey, Problem> {
    let rest = path.strip_prefix(CALENDARS).unwrap_or_default();
    let (tenant, name) = rest
        .split_once('/')
        .ok_or_else(|| Problem::no_such_route(path))?;
    let (tenant, name) = (TenantId::new(tenant), CalendarName::new(name));
    match (tenant, name) {
        (Ok(tenant), Ok(name)) => Ok(CalendarKey { tenant, name }),
        (tenant, name) => {
            let problems = [
                ("tenant", tenant.err().map(|error| error.to_string())),
                ("name", name.err().map(|error| error.to_string())),
            ];
            let complaint =
                |(field, problem): (&str, Option<String>)| Some(Complaint::new(field, problem?));
            let complaints = problems.into_iter().filter_map(complaint);
            Err(Problem::invalid(complaints.collect()))
        }
    }
}

async fn decide(
    door: &Door,
    calendar: &CalendarKey,
    value: Option<Bytes>,
    mut pairs: Pairs,
    complaints: &mut Vec<Complaint>,
) -> Result<Response, Problem> {
    let longest = door.config.max_wait;
    let waited = pairs.take("wait", |value| wait(value, longest));
    complaints.append(&mut pairs.complaints);
    if !complaints.is_empty() {
        return Err(Problem::invalid(std::mem::take(complaints)));
    }
    let waited = waited.filter(|wait| !wait.is_zero());
    let answer = door
        .submit(Ready::calendar(calendar, value), waited)
        .await?;
    respond(calendar, answer)
}

fn respond(calendar: &CalendarKey, answer: Option<CommandAnswer>) -> Result<Response, Problem> {
    let (code, status, version) = match answer {
        Some(CommandAnswer::Calendar { version, change }) => {
            let (code, status) = match change {
                CalendarChange::Created => (StatusCode::CREATED, "created"),
                CalendarChange::Changed => (StatusCode::OK, "changed"),
                CalendarChange::Unchanged => (StatusCode::OK, "unchanged"),
                CalendarChange::Removed => (StatusCode::OK, "removed"),
            };
            (code, status, Some(version))
        }
        Some(CommandAnswer::Unknown) => (StatusCode::OK, "unknown", None),
        Some(CommandAnswer::Refused { complaints }) => return Err(Problem::invalid(complaints)),
        _ => (StatusCode::ACCEPTED, "accepted", None),
    };
    let told = Told {
        tenant: calendar.tenant.clone(),
        name: calendar.name.clone(),
        status,
        version,
    };
    let mut response = (code, Json(told)).into_response();
    // Tenants and names hold nothing that a path would have to encode.
    let place = HeaderValue::from_str(&format!("{CALENDARS}{calendar}"));
    if code == StatusCode::CREATED
        && let Ok(place) = place
    {
        response.headers_mut().insert(header::LOCATION, place);
    }
    Ok(response)
}
