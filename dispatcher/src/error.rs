//! What can keep the dispatcher's shell from starting.

/// Why calls cannot be made.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The HTTP client cannot be made.
    #[error("http client cannot be made")]
    Client(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// The thread that makes calls cannot be started.
    #[error("no thread for calls can be started")]
    Thread(#[source] std::io::Error),
    /// The journal of begun calls cannot be opened.
    #[error("journal `{path}` cannot be opened")]
    Journal {
        /// Where.
        path: String,
        /// Why.
        #[source]
        source: std::io::Error,
    },
}
