//! Reading a request's body, within every limit there is.

use axum::body::Body;
use axum::http::{HeaderMap, header};
use bytes::{Bytes, BytesMut};
use http_body_util::BodyExt;
use hyper::body::Body as _;
use tokio::sync::OwnedSemaphorePermit;

use crate::door::Door;
use crate::metrics;
use crate::problem::Problem;

/// A whole body, and its share of what the door holds at once.
pub(crate) struct Held {
    pub(crate) bytes: Bytes,
    share: Option<OwnedSemaphorePermit>,
}

impl Drop for Held {
    fn drop(&mut self) {
        let share = self
            .share
            .as_ref()
            .map_or(0, OwnedSemaphorePermit::num_permits);
        ::metrics::gauge!(metrics::BODY_BYTES).decrement(as_f64(share));
    }
}

/// What a body may be.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Expect {
    /// One object.
    Object,
    /// One object, or an array of them.
    ObjectOrArray,
}

/// Reads a body; empty where there is none.
pub(crate) async fn read(
    door: &Door,
    headers: &HeaderMap,
    body: Body,
    expect: Expect,
) -> Result<Held, Problem> {
    let mut held = Held {
        bytes: Bytes::new(),
        share: None,
    };
    if body.is_end_stream() {
        return Ok(held);
    }
    check_kind(headers)?;
    let most = match expect {
        Expect::Object => door.config.max_body,
        Expect::ObjectOrArray => door.config.max_array_body,
    };
    let announced = body.size_hint().lower();
    if announced > u64::try_from(most).unwrap_or(u64::MAX) {
        return Err(too_large(most));
    }
    tokio::time::timeout(
        door.config.body_timeout,
        collect(door, body, most, &mut held),
    )
    .await
    .map_err(|_| Problem::slow_body())??;
    Ok(held)
}

/// Whether the first character that matters opens an array.
pub(crate) fn is_array(bytes: &[u8]) -> bool {
    first(bytes) == Some(b'[')
}

async fn collect(
    door: &Door,
    mut body: Body,
    mut most: usize,
    held: &mut Held,
) -> Result<(), Problem> {
    let mut pieces = BytesMut::new();
    while let Some(frame) = body.frame().await {
        let frame =
            frame.map_err(|error| Problem::malformed(format!("the body broke off: {error}")))?;
        let Ok(piece) = frame.into_data() else {
            continue;
        };
        hold(door, held, piece.len())?;
        // Most bodies come in one piece, which is kept as it is.
        if held.bytes.is_empty() && pieces.is_empty() {
            held.bytes = piece;
        } else {
            if pieces.is_empty() {
                pieces.extend_from_slice(&std::mem::take(&mut held.bytes));
            }
            pieces.extend_from_slice(&piece);
        }
        let so_far = if pieces.is_empty() {
            &held.bytes[..]
        } else {
            &pieces[..]
        };
        if first(so_far).is_some_and(|byte| byte != b'[') {
            most = most.min(door.config.max_body);
        }
        if so_far.len() > most {
            return Err(too_large(most));
        }
    }
    if !pieces.is_empty() {
        held.bytes = pieces.freeze();
    }
    Ok(())
}

/// Takes `length` more bytes of the common budget.
fn hold(door: &Door, held: &mut Held, length: usize) -> Result<(), Problem> {
    let count = u32::try_from(length).unwrap_or(u32::MAX);
    let Ok(share) = door.bodies.clone().try_acquire_many_owned(count) else {
        ::metrics::counter!(metrics::TURNED_AWAY).increment(1);
        return Err(Problem::busy());
    };
    ::metrics::gauge!(metrics::BODY_BYTES).increment(as_f64(length));
    match &mut held.share {
        Some(before) => before.merge(share),
        none => *none = Some(share),
    }
    Ok(())
}

fn check_kind(headers: &HeaderMap) -> Result<(), Problem> {
    let text = |name| {
        headers
            .get(name)
            .map(|it: &axum::http::HeaderValue| it.to_str().unwrap_or("?"))
    };
    if let Some(encoding) = text(header::CONTENT_ENCODING)
        && !encoding.eq_ignore_ascii_case("identity")
    {
        return Err(Problem::media_type(&format!(
            "content-encoding: {encoding}"
        )));
    }
    let Some(kind) = text(header::CONTENT_TYPE) else {
        return Ok(());
    };
    let media = kind
        .split(';')
        .next()
        .unwrap_or_default()
        .trim()
        .to_ascii_lowercase();
    let is_json = media == "application/json"
        || media.starts_with("application/") && media.ends_with("+json");
    if is_json {
        Ok(())
    } else {
        Err(Problem::media_type(kind))
    }
}

fn too_large(most: usize) -> Problem {
    Problem::too_large(format!("the body has more than {most} bytes"))
}

/// JSON's white space is skipped.
fn first(bytes: &[u8]) -> Option<u8> {
    bytes
        .iter()
        .copied()
        .find(|byte| !matches!(byte, b' ' | b'\t' | b'\n' | b'\r'))
}

fn as_f64(length: usize) -> f64 {
    f64::from(u32::try_from(length).unwrap_or(u32::MAX))
}
