//! What can go wrong in a planner: its disk, or a question at the wrong place.

/// This machine could not read or write the local table.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("cannot {action} the local table: {problem}")]
pub struct StoreError {
    action: &'static str,
    problem: String,
}

/// Why a question got no answer here.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum QueryError {
    /// The shard is not planned by this process, or not yet.
    #[error("shard {0} is not planned here, or not yet")]
    Elsewhere(u16),
    /// Too many questions wait already.
    #[error("too many questions wait for the planner")]
    Busy,
}

impl StoreError {
    /// `action` failed because of `problem`.
    pub fn new(action: &'static str, problem: impl std::fmt::Display) -> Self {
        Self {
            action,
            problem: problem.to_string(),
        }
    }
}
