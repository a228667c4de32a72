//! What can go wrong between a stage and its log, by what must be done about it.

/// Why the log did not do what it was asked.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LogError {
    /// Not now: ask the same again later.
    #[error("not available yet: {0}")]
    Retry(String),
    /// The transaction is void: drop the cores, rebuild them from the last commit.
    #[error("transaction aborted: {0}")]
    Aborted(String),
    /// Another owner has taken over, or this client can never go on: drop everything, join anew.
    #[error("log client is unusable: {0}")]
    Fatal(String),
    /// A setting, a missing topic, a refused credential: a person must act.
    #[error("log is misconfigured: {0}")]
    Config(String),
}
