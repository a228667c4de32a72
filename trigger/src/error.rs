//! What the core does not take, and why. It never fails: each of these becomes a dead letter.

/// Why a bucket record went to `dead-letters`.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unread {
    /// A tombstone in a topic that has none.
    #[error("bucket record has no value")]
    NoValue,
    /// Not a record this release can read.
    #[error("bucket record is not understood: {0}")]
    Decode(#[from] schemas::DecodeError),
}
