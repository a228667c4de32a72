//! Definitions as the table stores them, and what makes two the same.

use bytes::Bytes;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::{Tag, decode_row, encode_row};
use crate::call::{Call, Definition, Payload, Priority, RetryPolicy};
use crate::codec::DecodeError;
use crate::flow::Needs;
use crate::schedule::{Misfire, Overlap, Schedule};

/// All of a definition but the payload's bytes.
#[derive(Deserialize)]
struct DefinitionHead {
    schedule: Schedule,
    call: Call,
    content_type: Option<String>,
    timeout_ms: u64,
    retry: RetryPolicy,
    priority: Priority,
    tags: Vec<String>,
    expires_after_ms: Option<u64>,
    needs: Option<Needs>,
    misfire: Misfire,
    overlap: Overlap,
    broadcast: Option<u32>,
}

/// As [`DefinitionHead`], without taking it.
#[derive(Serialize)]
struct DefinitionRef<'a> {
    schedule: &'a Schedule,
    call: &'a Call,
    content_type: &'a Option<String>,
    timeout_ms: u64,
    retry: &'a RetryPolicy,
    priority: Priority,
    tags: &'a [String],
    expires_after_ms: Option<u64>,
    needs: &'a Option<Needs>,
    misfire: Misfire,
    overlap: Overlap,
    broadcast: Option<u32>,
}

/// A definition as it is stored: everything but the payload, then the payload's bytes.
#[must_use]
pub fn encode_definition(definition: &Definition) -> Bytes {
    let head = DefinitionRef {
        schedule: &definition.schedule,
        call: &definition.call,
        content_type: &definition.payload.content_type,
        timeout_ms: definition.timeout_ms,
        retry: &definition.retry,
        priority: definition.priority,
        tags: &definition.tags,
        expires_after_ms: definition.expires_after_ms,
        needs: &definition.needs,
        misfire: definition.misfire,
        overlap: definition.overlap,
        broadcast: definition.broadcast,
    };
    encode_row(Tag::Definition, &head, &definition.payload.bytes)
}

/// Reads what [`encode_definition`] wrote; the payload shares its memory.
///
/// # Errors
/// [`DecodeError`] says what was not understood.
pub fn decode_definition(bytes: &Bytes) -> Result<Definition, DecodeError> {
    let (head, tail) = decode_row::<DefinitionHead>(Tag::Definition, bytes)?;
    Ok(Definition {
        schedule: head.schedule,
        call: head.call,
        payload: Payload {
            content_type: head.content_type,
            bytes: tail,
        },
        timeout_ms: head.timeout_ms,
        retry: head.retry,
        priority: head.priority,
        tags: head.tags,
        expires_after_ms: head.expires_after_ms,
        needs: head.needs,
        misfire: head.misfire,
        overlap: head.overlap,
        broadcast: head.broadcast,
    })
}

/// The hash by which two definitions are the same, of what [`encode_definition`] wrote. An `after`
/// counts as written, not by the due time it gives.
#[must_use]
pub fn content_of(definition: &[u8]) -> [u8; 16] {
    let digest = Sha256::digest(definition);
    let mut content = [0; 16];
    content.copy_from_slice(&digest[..16]);
    content
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_definition_comes_back_as_it_went() {
        let definition = Definition {
            schedule: Schedule::After(5),
            call: Call {
                url: "http://a/".to_owned(),
                method: "POST".to_owned(),
                headers: vec![("x".to_owned(), "y".to_owned())],
            },
            payload: Payload {
                content_type: Some("text/plain".to_owned()),
                bytes: Bytes::from_static(b"body"),
            },
            timeout_ms: 7,
            retry: RetryPolicy {
                max_attempts: 2,
                plan: crate::call::RetryPlan::Explicit(vec![1, 2]),
            },
            priority: Priority::High,
            tags: vec!["t".to_owned()],
            expires_after_ms: Some(9),
            needs: Some(Needs {
                of: vec![crate::flow::Need::success("pay")],
                join: crate::flow::Join::Any,
                payload_from: Some("pay".to_owned()),
            }),
            misfire: Misfire::default(),
            overlap: Overlap::Skip,
            broadcast: Some(2),
        };
        let bytes = encode_definition(&definition);
        assert_eq!(decode_definition(&bytes), Ok(definition));
    }
}
