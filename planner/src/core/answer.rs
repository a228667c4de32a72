//! What is said to whoever asked, and what is said of records that were not understood.

use bytes::Bytes;
use schemas::dead_letter::{DeadLetter, Origin};
use schemas::registration::Complaint;
use schemas::{CommandAnswer, RequestId, TaskKey, Topic};

use super::PlannerCore;
use crate::event::Effect;
use crate::metrics;
use crate::store::Store;

/// Of a record that was not understood at most so many bytes are kept, and of the reason so many
/// characters: the letter must fit what a broker takes at once.
const MOST_KEPT: usize = 1_000_000;
const LONGEST_REASON: usize = 2_000;

/// Why there is no answer yet or what it is.
pub(super) type Verdict = Option<CommandAnswer>;

impl<S: Store> PlannerCore<S> {
    /// Told once the turn being gathered is committed (T4).
    pub(super) fn answer(&mut self, request: Option<RequestId>, answer: CommandAnswer) {
        if let Some(number) = request.and_then(RequestId::sweep) {
            self.sweep_told(number, &answer);
        } else if let Some(request) = request {
            self.outbox.after.push(Effect::Answer { request, answer });
        }
    }

    pub(super) fn answer_all(&mut self, requests: Vec<RequestId>, answer: &CommandAnswer) {
        for request in requests {
            self.answer(Some(request), answer.clone());
        }
    }

    /// Keeps a record that was not understood, with the reason, for people.
    pub(super) fn dead_letter(
        &mut self,
        origin: Origin,
        reason: String,
        task: Option<TaskKey>,
        original: Bytes,
    ) {
        let key = task.as_ref().map(|task| Bytes::from(task.routing_key()));
        let letter = DeadLetter {
            reason: reason.chars().take(LONGEST_REASON).collect(),
            role: schemas::Role::Planner.name().to_owned(),
            origin,
            task,
            fire_id: None,
            at: self.now,
            original: original.slice(..original.len().min(MOST_KEPT)),
        };
        self.write(Topic::DeadLetters, key, letter.encode());
        ::metrics::counter!(metrics::DEAD_LETTERS).increment(1);
    }
}

/// One complaint about the whole command, or one of its fields.
pub(super) fn refused(field: &str, problem: &str) -> CommandAnswer {
    CommandAnswer::Refused {
        complaints: vec![Complaint::new(field, problem)],
    }
}

pub(super) fn conflict(version: u64, reason: &str) -> CommandAnswer {
    CommandAnswer::Conflict {
        version,
        reason: reason.to_owned(),
    }
}

/// As in metrics.
pub(super) fn name_of(verdict: &Verdict) -> &'static str {
    match verdict {
        None => "later",
        Some(CommandAnswer::Created { .. }) => "created",
        Some(CommandAnswer::Unchanged { .. }) => "unchanged",
        Some(CommandAnswer::Changed { .. }) => "changed",
        Some(CommandAnswer::Conflict { .. }) => "conflict",
        Some(CommandAnswer::Cancelled) => "cancelled",
        Some(CommandAnswer::TooLate) => "too_late",
        Some(CommandAnswer::Unknown) => "unknown",
        Some(CommandAnswer::Calendar { .. }) => "calendar",
        Some(CommandAnswer::Refused { .. }) => "refused",
    }
}
