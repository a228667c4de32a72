//! How internal records are written: version byte, kind byte, length of the head (u32, little
//! endian), the head in postcard, then a tail of bytes that nobody on the way opens.
//!
//! A reader refuses versions and kinds it does not know by name; it never guesses.

use bytes::{BufMut, Bytes, BytesMut};
use serde::Serialize;
use serde::de::DeserializeOwned;

/// Written in front of every record. Raise it when a head changes shape, and keep the old decoder.
pub const VERSION: u8 = 1;

const PREFIX: usize = 6;
/// Heads of up to so many bytes, nearly all, are written without growing a buffer.
const HEAD_ROOM: usize = 1_024;

/// What a record is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Kind {
    /// Body of a placement or fire.
    Work = 1,
    /// Record of a bucket topic.
    Bucket = 2,
    /// Record of a fires lane.
    Lane = 3,
    /// Record of `outcomes`.
    Outcome = 4,
    /// Record of `index`.
    Index = 5,
    /// Record of `dead-letters`.
    DeadLetter = 6,
    /// Record of `forwards`.
    Forward = 7,
    /// Record of `owners`.
    Owner = 8,
    /// Record of `results`.
    Result = 9,
    /// A calendar in a record of `forwards`.
    Calendar = 10,
}

/// Why bytes are not the record they should be.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DecodeError {
    /// Shorter than its prefix or its head says.
    #[error("{kind:?} record of {length} bytes is cut short")]
    Short {
        /// What was expected.
        kind: Kind,
        /// How much there was.
        length: usize,
    },
    /// Written by a newer release.
    #[error("{kind:?} record has version {found}, this release knows {VERSION}")]
    Version {
        /// What was expected.
        kind: Kind,
        /// What the record says.
        found: u8,
    },
    /// Another kind of record.
    #[error("record is of kind {found}, expected {kind:?}")]
    Kind {
        /// What was expected.
        kind: Kind,
        /// What the record says.
        found: u8,
    },
    /// The head does not parse.
    #[error("head of {kind:?} record is not understood: {problem}")]
    Head {
        /// What was expected.
        kind: Kind,
        /// The parser's words.
        problem: String,
    },
}

/// Writes a record.
///
/// # Panics
/// Never for the types of this crate: they hold nothing postcard cannot write.
#[must_use]
pub fn encode<H: Serialize>(kind: Kind, head: &H, tail: &[u8]) -> Bytes {
    let mut room = [0; HEAD_ROOM];
    if let Ok(head) = postcard::to_slice(head, &mut room) {
        return join(kind, head, tail);
    }
    #[expect(
        clippy::expect_used,
        reason = "postcard fails only on unsized sequences; heads have none"
    )]
    let head = postcard::to_stdvec(head).expect("heads are always writable");
    join(kind, &head, tail)
}

fn join(kind: Kind, head: &[u8], tail: &[u8]) -> Bytes {
    let mut out = BytesMut::with_capacity(PREFIX + head.len() + tail.len());
    out.put_u8(VERSION);
    out.put_u8(kind as u8);
    out.put_u32_le(u32::try_from(head.len()).unwrap_or(u32::MAX));
    out.put_slice(head);
    out.put_slice(tail);
    out.freeze()
}

/// Reads a record: its head, and its tail sharing the record's memory.
///
/// # Errors
/// [`DecodeError`] says what was not understood.
pub fn decode<H: DeserializeOwned>(kind: Kind, bytes: &Bytes) -> Result<(H, Bytes), DecodeError> {
    let (head, tail) = split(kind, bytes)?;
    let head = postcard::from_bytes(head).map_err(|error| DecodeError::Head {
        kind,
        problem: error.to_string(),
    })?;
    Ok((head, bytes.slice(tail..)))
}

/// The bytes of a record's head, and where its tail begins.
pub(crate) fn split(kind: Kind, bytes: &Bytes) -> Result<(&[u8], usize), DecodeError> {
    let short = || DecodeError::Short {
        kind,
        length: bytes.len(),
    };
    let [version, found, a, b, c, d, rest @ ..] = bytes.as_ref() else {
        return Err(short());
    };
    if *version != VERSION {
        return Err(DecodeError::Version {
            kind,
            found: *version,
        });
    }
    if *found != kind as u8 {
        return Err(DecodeError::Kind {
            kind,
            found: *found,
        });
    }
    let length = usize::try_from(u32::from_le_bytes([*a, *b, *c, *d])).map_err(|_| short())?;
    let head = rest.get(..length).ok_or_else(short)?;
    Ok((head, PREFIX + length))
}
