//! What can be asked of the committer, and how whoever asked is told.

use std::collections::VecDeque;
use std::sync::mpsc::SyncSender;
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use schemas::Role;

use super::Inner;
use super::frame::BlockHead;
use super::signal::Signal;
use crate::error::LogError;
use crate::log::{LogEvent, Written};
use crate::record::{Outgoing, Position, TopicPartition};

/// A group is closed once it holds about this many bytes, so that the first in it need not wait long.
const GROUP_BYTES: usize = 8 << 20;

/// Why a record that a member sent outside of its transactions was not written, if one was not.
pub(super) type OutsideFate = Arc<Mutex<Option<LogError>>>;

/// Who hands in a commit.
#[derive(Debug)]
pub(super) struct Committing {
    pub(super) role: Role,
    pub(super) epoch: u64,
    pub(super) signal: Arc<Signal>,
    pub(super) outside: OutsideFate,
    /// When it was handed in, monotonic ms.
    pub(super) proven_at: u64,
}

/// What can be asked of the committer.
pub(super) enum Request {
    /// A turn.
    Commit {
        by: Committing,
        records: Vec<Outgoing>,
        positions: Vec<(TopicPartition, Position)>,
    },
    /// A member's record outside of its transactions.
    Outside { record: Outgoing, fate: OutsideFate },
    /// A producer's record.
    Send { record: Outgoing, written: Written },
    /// Deletions.
    Starts {
        starts: Vec<(TopicPartition, i64)>,
        done: SyncSender<Result<(), LogError>>,
    },
    /// Blocks written anew by the sweep.
    Replace {
        blocks: Vec<(BlockHead, Vec<u8>)>,
        done: SyncSender<Result<(), LogError>>,
    },
}

/// What waits.
#[derive(Debug, Default)]
pub(super) struct Queue {
    requests: VecDeque<(usize, Request)>,
    bytes: usize,
    closed: bool,
}

impl Queue {
    /// Queues a request, or gives it back when closed.
    pub(super) fn push(&mut self, request: Request) -> Option<Request> {
        if self.closed {
            return Some(request);
        }
        let bytes = request.bytes();
        self.bytes += bytes;
        self.requests.push_back((bytes, request));
        None
    }

    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }

    pub(super) fn close(&mut self) {
        self.closed = true;
    }

    /// Whether there is nothing to do yet.
    pub(super) fn is_quiet(&self) -> bool {
        self.requests.is_empty() && !self.closed
    }

    pub(super) fn take_group(&mut self) -> Vec<Request> {
        let mut group = Vec::new();
        let mut bytes = 0;
        while bytes < GROUP_BYTES
            && let Some((size, request)) = self.requests.pop_front()
        {
            bytes += size;
            group.push(request);
        }
        self.bytes -= bytes;
        group
    }
}

impl Request {
    fn bytes(&self) -> usize {
        let size = |record: &Outgoing| {
            64 + record.key.as_ref().map_or(0, Bytes::len)
                + record.value.as_ref().map_or(0, Bytes::len)
        };
        match self {
            Self::Commit { records, .. } => records.iter().map(size).sum(),
            Self::Outside { record, .. } | Self::Send { record, .. } => size(record),
            Self::Starts { .. } => 0,
            Self::Replace { blocks, .. } => blocks.iter().map(|(_, body)| body.len()).sum(),
        }
    }

    /// Answers with an error instead.
    pub(super) fn refuse(self, inner: &Inner, error: &LogError) {
        Waiting::of(self).tell(inner, Err(error));
    }
}

/// Who waits for a request's fate.
pub(super) enum Waiting {
    Commit(Committing),
    Outside(OutsideFate),
    Send(Written, i64),
    Done(SyncSender<Result<(), LogError>>),
}

impl Waiting {
    pub(super) fn of(request: Request) -> Self {
        match request {
            Request::Commit { by, .. } => Self::Commit(by),
            Request::Outside { fate, .. } => Self::Outside(fate),
            Request::Send { written, .. } => Self::Send(written, -1),
            Request::Starts { done, .. } | Request::Replace { done, .. } => Self::Done(done),
        }
    }

    pub(super) fn tell(self, inner: &Inner, result: Result<(), &LogError>) {
        match self {
            Self::Commit(by) => {
                if let Some(count) = inner.state().undecided.get_mut(&by.role) {
                    *count = count.saturating_sub(1);
                }
                by.signal.post(match result {
                    Ok(()) => LogEvent::Committed {
                        proven_at: by.proven_at,
                    },
                    Err(error) => LogEvent::Failed(error.clone()),
                });
            }
            Self::Outside(fate) => {
                if let Err(error) = result {
                    *fate.lock().unwrap_or_else(PoisonError::into_inner) = Some(error.clone());
                }
            }
            Self::Send(written, offset) => written(result.map(|()| offset).map_err(Clone::clone)),
            Self::Done(done) => {
                if done.try_send(result.map_err(Clone::clone)).is_err() {
                    tracing::debug!("who asked the log has stopped waiting");
                }
            }
        }
    }
}

/// The error of who was taken over.
pub(super) fn fenced(role: Role) -> LogError {
    LogError::Fatal(format!("another member has taken over the {}", role.name()))
}

impl std::fmt::Debug for Request {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Commit { .. } => "Commit",
            Self::Outside { .. } => "Outside",
            Self::Send { .. } => "Send",
            Self::Starts { .. } => "Starts",
            Self::Replace { .. } => "Replace",
        })
    }
}
