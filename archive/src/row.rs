//! One outcome as a row.

use bytes::Bytes;
use schemas::outcome::{
    Decision, End, Ended, Missed, MissedWhy, OutcomeRecord, Recalled, Taken, Unplanted,
};
use schemas::outcome::{Phases, UnplantedEnd};
use schemas::{DecodeError, FireId, Millis, TaskKey, Work};

/// Milliseconds of a day.
pub(crate) const DAY_MS: i64 = 86_400_000;

/// How a leg ended, as stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum State {
    /// The endpoint took it.
    Completed,
    /// The call failed; a further leg follows.
    Failed,
    /// It went back to be planted again; nothing was called.
    Deferred,
    /// Given up.
    Dead,
    /// Too late to call.
    Expired,
    /// Taken back before a call began.
    Cancelled,
    /// Too late to be looked after, and left out by the misfire policy.
    Missed,
    /// The firing before went on and the overlap policy left it out, or a step of a flow was not taken.
    Skipped,
}

/// One leg of one firing, ended. Times are epoch ms.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Row {
    /// Whose.
    pub task: TaskKey,
    /// Which firing.
    pub fire_id: FireId,
    /// Which planting of it; 0 where it ended in the index, before its first planting or between two:
    /// nothing follows that.
    pub leg: u32,
    /// Of that version.
    pub version: u64,
    /// Which occurrence, from 1; of several that were left out, the first.
    pub occurrence: u64,
    /// How many occurrences this tells of: more than one only where they were left out.
    pub occurrences: u64,
    /// Which attempt, from 1; 0 where no call was to be made.
    pub attempt: u32,
    /// How it ended.
    pub state: State,
    /// When the schedule wanted it.
    pub due: Millis,
    /// When this leg was due; of several occurrences, the last.
    pub leg_due: Millis,
    /// Registration appended.
    pub registered_at: Millis,
    /// Placement written.
    pub planted_at: Option<Millis>,
    /// Left the wheel.
    pub triggered_at: Option<Millis>,
    /// Read by the dispatcher.
    pub received_at: Option<Millis>,
    /// Call began.
    pub began_at: Option<Millis>,
    /// Leg ended.
    pub ended_at: Millis,
    /// HTTP status.
    pub status: Option<u16>,
    /// What went wrong, in words.
    pub error: Option<String>,
}

impl State {
    /// As stored.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Completed => "completed",
            Self::Failed => "failed",
            Self::Deferred => "deferred",
            Self::Dead => "dead",
            Self::Expired => "expired",
            Self::Cancelled => "cancelled",
            Self::Missed => "missed",
            Self::Skipped => "skipped",
        }
    }
}

impl Row {
    /// Whether it is to be kept as an attempt beside its firing, whose row the next leg takes.
    #[cfg(feature = "shell")]
    #[must_use]
    pub(crate) fn is_followed(&self) -> bool {
        self.began_at.is_some() && self.state == State::Failed
    }

    /// The day it was due, in days since the epoch: what history is partitioned by. It is the same for
    /// every leg of a firing. What was overdue when it was registered counts for the day of that:
    /// otherwise retention would take it at once.
    #[must_use]
    pub fn day(&self) -> i64 {
        self.due.max(self.registered_at).0.div_euclid(DAY_MS)
    }

    /// The rows of an outcome: none for what is about no firing's end.
    ///
    /// # Errors
    /// [`DecodeError`] when the work in it is not understood.
    pub fn of(outcome: OutcomeRecord) -> Result<Vec<Self>, DecodeError> {
        let row = match outcome {
            OutcomeRecord::Completed(all) => {
                return Ok(all.ended.into_iter().map(Self::ended).collect());
            }
            OutcomeRecord::Ended(ended) => Some(Self::ended(ended)),
            OutcomeRecord::Revoked(taken, body) => {
                Some(Self::taken(&taken, &body, State::Cancelled)?)
            }
            OutcomeRecord::Expired(taken, body) => {
                Some(Self::taken(&taken, &body, State::Expired)?)
            }
            OutcomeRecord::Recalled(recalled, body) if recalled.decision == Decision::Cancelled => {
                Some(Self::recalled(&recalled, &body)?)
            }
            OutcomeRecord::Recalled(..) | OutcomeRecord::Drained(_) => None,
            OutcomeRecord::Unplanted(unplanted) => Some(Self::unplanted(unplanted)),
            OutcomeRecord::Missed(missed) => Some(Self::missed(missed)),
        };
        Ok(row.into_iter().collect())
    }

    fn ended(ended: Ended) -> Self {
        let Phases {
            registered_at,
            planted_at,
            due,
            leg_due,
            triggered_at,
            received_at,
            began_at,
            ended_at,
        } = ended.phases;
        let (status, error) = ended
            .answer
            .map_or((None, None), |it| (it.status, it.error));
        let (state, reason) = match ended.end {
            End::Success => (State::Completed, None),
            End::Again { .. } if began_at.is_some() => (State::Failed, None),
            End::Again { .. } => (State::Deferred, None),
            End::Dead { reason } => (State::Dead, Some(reason)),
            End::Expired => (State::Expired, None),
        };
        Self {
            task: ended.task,
            fire_id: ended.fire_id,
            leg: ended.leg,
            version: ended.version,
            occurrence: ended.occurrence,
            occurrences: 1,
            attempt: ended.attempt,
            state,
            due,
            leg_due,
            registered_at,
            planted_at: Some(planted_at),
            triggered_at: Some(triggered_at),
            received_at: Some(received_at),
            began_at,
            ended_at,
            status,
            error: error.or(reason),
        }
    }

    fn taken(taken: &Taken, body: &Bytes, state: State) -> Result<Self, DecodeError> {
        let (work, _) = Work::decode(body)?;
        Ok(Self::of_work(
            work,
            taken.fire_id,
            taken.leg,
            taken.due,
            taken.at,
            state,
        ))
    }

    fn recalled(recalled: &Recalled, body: &Bytes) -> Result<Self, DecodeError> {
        let (work, _) = Work::decode(body)?;
        let due = work.due;
        Ok(Self::of_work(
            work,
            recalled.fire_id,
            recalled.leg,
            due,
            recalled.at,
            State::Cancelled,
        ))
    }

    fn of_work(
        work: Work,
        fire_id: FireId,
        leg: u32,
        leg_due: Millis,
        ended_at: Millis,
        state: State,
    ) -> Self {
        Self {
            task: work.task,
            fire_id,
            leg,
            version: work.version,
            occurrence: work.occurrence,
            occurrences: 1,
            attempt: work.attempt,
            state,
            due: work.due,
            leg_due,
            registered_at: work.registered_at,
            planted_at: Some(work.planted_at),
            triggered_at: None,
            received_at: None,
            began_at: None,
            ended_at,
            status: None,
            error: None,
        }
    }

    fn unplanted(unplanted: Unplanted) -> Self {
        Self {
            task: unplanted.task,
            fire_id: unplanted.fire_id,
            leg: 0,
            version: unplanted.version,
            occurrence: unplanted.occurrence,
            occurrences: 1,
            attempt: 0,
            state: match unplanted.end {
                UnplantedEnd::Cancelled => State::Cancelled,
                UnplantedEnd::Expired => State::Expired,
                UnplantedEnd::NotTaken => State::Skipped,
                UnplantedEnd::Dead => State::Dead,
            },
            due: unplanted.due,
            leg_due: unplanted.due,
            registered_at: unplanted.registered_at,
            planted_at: None,
            triggered_at: None,
            received_at: None,
            began_at: None,
            ended_at: unplanted.at,
            status: None,
            error: unplanted.reason,
        }
    }
    fn missed(missed: Missed) -> Self {
        let occurrences = missed.count();
        Self {
            task: missed.task,
            fire_id: missed.fire_id,
            leg: 0,
            version: missed.version,
            occurrence: missed.first,
            occurrences,
            attempt: 0,
            state: match missed.why {
                MissedWhy::Late => State::Missed,
                MissedWhy::Overlap => State::Skipped,
            },
            due: missed.from,
            leg_due: missed.to,
            registered_at: missed.registered_at,
            planted_at: None,
            triggered_at: None,
            received_at: None,
            began_at: None,
            ended_at: missed.at,
            status: None,
            error: Some(missed.why.reason().to_owned()),
        }
    }
}
