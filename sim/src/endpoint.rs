//! Endpoints: what each does is in its URL.

use dispatcher::{CallOrder, Reply};
use rand::Rng;
use rand_chacha::ChaCha8Rng;
use schemas::AnswerBody;

/// How a call of that order goes: how long it takes, and what comes of it.
pub fn answer(order: &CallOrder, rng: &mut ChaCha8Rng) -> (u64, Reply) {
    let path = order
        .work
        .call
        .url
        .rsplit("endpoint.test/")
        .next()
        .unwrap_or("");
    let (name, number) = path.split_once('/').unwrap_or((path, "0"));
    let number: u32 = number.parse().unwrap_or(0);
    let quick = rng.random_range(0..40);
    let limit = order.work.timeout_ms;
    let refused = order.work.attempt <= number;
    let (takes, reply) = match name {
        "fail" if refused => (quick, status(500, None)),
        "busy" if refused => (quick, status(503, Some("2".to_owned()))),
        "never" => (quick, status(404, None)),
        "slow" => (u64::from(number), status(200, None)),
        "say" => (quick, said(number)),
        "hang" => (u64::MAX, status(200, None)),
        _ => (quick, status(204, None)),
    };
    if takes < limit {
        return (takes, reply);
    }
    let error = format!("no answer within {limit} ms");
    (
        limit,
        Reply::Failed {
            error,
            status: None,
        },
    )
}

/// Whether calls of a task registered with this endpoint, timeout and attempts end well.
#[must_use]
pub fn succeeds(path: &str, timeout_ms: u64, max_attempts: u32) -> bool {
    let (name, number) = path.split_once('/').unwrap_or((path, "0"));
    let number: u64 = number.parse().unwrap_or(0);
    match name {
        "fail" | "busy" => number < u64::from(max_attempts),
        "slow" => number < timeout_ms,
        "hang" | "never" => false,
        _ => true,
    }
}

/// 200 with a body.
fn said(number: u32) -> Reply {
    Reply::Status {
        status: 200,
        body: Some(AnswerBody {
            bytes: format!("{{\"said\":{number}}}").into(),
            content_type: Some("application/json".to_owned()),
            cut: false,
        }),
        retry_after: None,
    }
}

fn status(status: u16, retry_after: Option<String>) -> Reply {
    Reply::Status {
        status,
        body: None,
        retry_after,
    }
}
