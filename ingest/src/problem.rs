//! Every way to say no: RFC 9457 `application/problem+json`.

use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use schemas::registration::{Complaint, Refusal};
use schemas::{CalendarKey, TaskKey, TenantId};
use serde::Serialize;

/// What was wrong with a request, for people and for programs.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(crate) struct Problem {
    /// `urn:tidewheel:problem:` and a word that never changes.
    #[serde(rename = "type", serialize_with = "as_urn")]
    kind: &'static str,
    /// The same for all of one type.
    title: &'static str,
    /// The HTTP status.
    #[serde(serialize_with = "as_number")]
    pub(crate) status: StatusCode,
    /// What is wrong this time.
    detail: String,
    /// Each bad field.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    errors: Vec<FieldError>,
    /// The version the task has, for conflicts.
    #[serde(skip_serializing_if = "Option::is_none")]
    version: Option<u64>,
    /// Sent beside it.
    #[serde(skip)]
    header: Option<Header>,
}

#[derive(Clone, Debug, PartialEq, Serialize)]
struct FieldError {
    field: String,
    problem: String,
    /// Characters of the field's text before the fault, where it has a place.
    #[serde(skip_serializing_if = "Option::is_none")]
    position: Option<usize>,
}

/// A header that goes with some problems.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Header {
    /// 401: how to say who one is.
    Authenticate,
    /// 429 and 503: come back, but not at once.
    RetryAfter,
}

impl Problem {
    fn new(
        status: StatusCode,
        kind: &'static str,
        title: &'static str,
        detail: impl Into<String>,
    ) -> Self {
        Self {
            kind,
            title,
            status,
            detail: detail.into(),
            errors: Vec::new(),
            version: None,
            header: None,
        }
    }

    pub(crate) fn malformed(detail: impl Into<String>) -> Self {
        Self::new(
            StatusCode::BAD_REQUEST,
            "malformed",
            "the request is malformed",
            detail,
        )
    }

    pub(crate) fn unauthorized(detail: &str) -> Self {
        let title = "who are you?";
        let mut it = Self::new(StatusCode::UNAUTHORIZED, "unauthorized", title, detail);
        it.header = Some(Header::Authenticate);
        it
    }

    pub(crate) fn forbidden(caller: String, tenant: &TenantId) -> Self {
        let detail = format!("the key `{caller}` may not act for tenant `{tenant}`");
        Self::new(
            StatusCode::FORBIDDEN,
            "forbidden",
            "not for this tenant",
            detail,
        )
    }

    pub(crate) fn web_page() -> Self {
        let detail = "without API keys this door serves programs on this machine, not web pages";
        Self::new(
            StatusCode::FORBIDDEN,
            "forbidden",
            "not for web pages",
            detail,
        )
    }

    pub(crate) fn no_such_task(task: &TaskKey) -> Self {
        let detail = format!("no task `{task}` is known");
        Self::new(
            StatusCode::NOT_FOUND,
            "unknown-task",
            "no such task",
            detail,
        )
    }

    pub(crate) fn no_such_calendar(calendar: &CalendarKey) -> Self {
        let detail = format!("no calendar `{calendar}` is known");
        Self::new(
            StatusCode::NOT_FOUND,
            "unknown-calendar",
            "no such calendar",
            detail,
        )
    }

    pub(crate) fn no_such_sweep(id: &str) -> Self {
        let detail = format!(
            "no command on many tasks `{id}` is known: one is a moment after it was accepted, until \
             an hour after its end"
        );
        Self::new(
            StatusCode::NOT_FOUND,
            "unknown-sweep",
            "no such command on many tasks",
            detail,
        )
    }

    pub(crate) fn no_such_route(path: &str) -> Self {
        let detail = format!("nothing is served at `{path}`; see /openapi.json");
        Self::new(
            StatusCode::NOT_FOUND,
            "unknown-route",
            "no such route",
            detail,
        )
    }

    pub(crate) fn method(method: &str, path: &str) -> Self {
        let detail = format!("`{path}` does not take {method}; see /openapi.json");
        Self::new(
            StatusCode::METHOD_NOT_ALLOWED,
            "method",
            "no such method here",
            detail,
        )
    }

    pub(crate) fn slow_body() -> Self {
        let detail = "the body did not come in time";
        Self::new(StatusCode::REQUEST_TIMEOUT, "slow", "too slow", detail)
    }

    pub(crate) fn conflict(version: u64, reason: String) -> Self {
        let title = "the task is not as the command expects";
        let mut it = Self::new(StatusCode::CONFLICT, "conflict", title, reason);
        it.version = Some(version);
        it
    }

    pub(crate) fn too_large(detail: String) -> Self {
        Self::new(
            StatusCode::PAYLOAD_TOO_LARGE,
            "too-large",
            "too large",
            detail,
        )
    }

    pub(crate) fn media_type(found: &str) -> Self {
        let detail = format!("send `content-type: application/json`, not `{found}`");
        let status = StatusCode::UNSUPPORTED_MEDIA_TYPE;
        Self::new(status, "media-type", "only JSON is understood", detail)
    }

    pub(crate) fn head_too_large(limit: usize) -> Self {
        let detail = format!("the headers have more than {limit} bytes");
        let status = StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE;
        Self::new(status, "too-large", "too large", detail)
    }

    pub(crate) fn invalid(complaints: Vec<Complaint>) -> Self {
        let detail = match complaints.as_slice() {
            [one] if one.field.is_empty() => one.problem.clone(),
            [one] => format!("`{}` {}", one.field, one.problem),
            many => format!("{} fields are wrong", many.len()),
        };
        let title = "well formed but impossible";
        let mut it = Self::new(StatusCode::UNPROCESSABLE_ENTITY, "invalid", title, detail);
        it.errors = complaints
            .into_iter()
            .map(|complaint| FieldError {
                field: complaint.field,
                problem: complaint.problem,
                position: complaint.position,
            })
            .collect();
        it
    }

    pub(crate) fn busy() -> Self {
        let detail = "more is being sent than the door holds at once";
        let mut it = Self::new(
            StatusCode::TOO_MANY_REQUESTS,
            "busy",
            "too much at once",
            detail,
        );
        it.header = Some(Header::RetryAfter);
        it
    }

    pub(crate) fn unavailable(detail: impl Into<String>) -> Self {
        let title = "not available now";
        let mut it = Self::new(
            StatusCode::SERVICE_UNAVAILABLE,
            "unavailable",
            title,
            detail,
        );
        it.header = Some(Header::RetryAfter);
        it
    }
}

impl From<Refusal> for Problem {
    fn from(refusal: Refusal) -> Self {
        if refusal.malformed {
            Self::malformed(refusal.to_string())
        } else {
            Self::invalid(refusal.complaints)
        }
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let body = serde_json::to_vec(&self).unwrap_or_default();
        let mut response = (self.status, body).into_response();
        let headers = response.headers_mut();
        let kind = HeaderValue::from_static("application/problem+json");
        headers.insert(header::CONTENT_TYPE, kind);
        let (name, value) = match self.header {
            Some(Header::Authenticate) => (header::WWW_AUTHENTICATE, "Bearer"),
            Some(Header::RetryAfter) => (header::RETRY_AFTER, "1"),
            None => return response,
        };
        headers.insert(name, HeaderValue::from_static(value));
        response
    }
}

fn as_urn<S: serde::Serializer>(kind: &str, to: S) -> Result<S::Ok, S::Error> {
    to.collect_str(&format_args!("urn:tidewheel:problem:{kind}"))
}

fn as_number<S: serde::Serializer>(status: &StatusCode, to: S) -> Result<S::Ok, S::Error> {
    to.serialize_u16(status.as_u16())
}
