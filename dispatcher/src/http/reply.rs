//! What an answer is worth, and what went wrong, in words.

use std::time::Duration;

use reqwest::Response;
use reqwest::header::{CONTENT_TYPE, HeaderValue, RETRY_AFTER};
use schemas::AnswerBody;

use super::plain::{Answer, Broken};
use crate::event::{BODY_READ, Reply};
use crate::guard::Forbidden;

/// Reads what of the answer is of use. The status decides once it came in time: a body that breaks
/// off does not undo what the endpoint did.
pub(super) async fn read(mut response: Response, limit: Duration) -> Reply {
    let status = response.status().as_u16();
    let mut body: Vec<u8> = Vec::new();
    let cut = loop {
        match response.chunk().await {
            Ok(Some(chunk)) => {
                let room = BODY_READ - body.len();
                body.extend_from_slice(&chunk[..room.min(chunk.len())]);
                if chunk.len() > room {
                    break true;
                }
            }
            Ok(None) => break false,
            Err(error) if error.is_timeout() => return failure(&error, Some(status), limit),
            Err(_) => break true,
        }
    };
    into_reply(Answer {
        status,
        headers: std::mem::take(response.headers_mut()),
        body,
        cut,
    })
}

pub(super) fn into_reply(answer: Answer) -> Reply {
    let text = |name| {
        let value: Option<&HeaderValue> = answer.headers.get(name);
        value
            .and_then(|value| value.to_str().ok())
            .map(str::to_owned)
    };
    Reply::Status {
        status: answer.status,
        retry_after: text(RETRY_AFTER),
        body: (!answer.body.is_empty()).then(|| AnswerBody {
            content_type: text(CONTENT_TYPE),
            cut: answer.cut,
            bytes: answer.body.into(),
        }),
    }
}

pub(super) fn broken_reply(broken: Broken, limit: Duration) -> Reply {
    let (error, status) = match broken {
        Broken::Connecting(error) => match forbidden(error.as_ref()) {
            Some(reason) => return Reply::Refused { reason },
            None => (format!("cannot connect: {}", root(error.as_ref())), None),
        },
        Broken::ConnectingTooLong => (CONNECTING_TOO_LONG.to_owned(), None),
        Broken::TooLong(status) => (too_long(limit), status),
        Broken::Broke(error) => (format!("connection broke: {}", root(error.as_ref())), None),
    };
    Reply::Failed { error, status }
}

const CONNECTING_TOO_LONG: &str = "connecting timed out";

fn too_long(limit: Duration) -> String {
    format!("timed out after {} ms", limit.as_millis())
}

/// The words of a refusal that `error` comes from.
fn forbidden(error: &(dyn std::error::Error + 'static)) -> Option<String> {
    let mut cause = Some(error);
    while let Some(error) = cause {
        if let Some(forbidden) = error.downcast_ref::<Forbidden>() {
            return Some(forbidden.to_string());
        }
        cause = error.source();
    }
    None
}

pub(super) fn failure(error: &reqwest::Error, status: Option<u16>, limit: Duration) -> Reply {
    if let Some(reason) = forbidden(error) {
        return Reply::Refused { reason };
    }
    let error = if error.is_timeout() && error.is_connect() {
        CONNECTING_TOO_LONG.to_owned()
    } else if error.is_timeout() {
        too_long(limit)
    } else if error.is_connect() {
        format!("cannot connect: {}", root(error))
    } else {
        format!("connection broke: {}", root(error))
    };
    Reply::Failed { error, status }
}

/// The innermost cause, in its own words.
pub(super) fn root(error: &(dyn std::error::Error + 'static)) -> String {
    let mut innermost = error;
    while let Some(cause) = innermost.source() {
        innermost = cause;
    }
    innermost.to_string()
}
