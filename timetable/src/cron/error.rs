//! Why a cron expression is refused, and where.

/// What is wrong with an expression, where, and what to write instead.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{reason} (at character {position})")]
pub struct CronError {
    /// Characters of the expression before the fault, so 0 is the first one.
    pub position: usize,
    /// Says what is wrong and what would be right; quotes the part it is about.
    pub reason: String,
}

impl CronError {
    pub(super) fn new(position: usize, reason: impl Into<String>) -> Self {
        Self {
            position,
            reason: reason.into(),
        }
    }
}
