//! What is written about a fire: how it ended, how a recall met it, what was given up.

use bytes::Bytes;
use pipeline::{Outgoing, TopicPartition};
use rand::Rng;
use schemas::dead_letter::Origin;
use schemas::fire::Recall;
use schemas::outcome::{Again, Answer, Completed, Decision, End, Ended, Phases, Recalled, kept_of};
use schemas::{AnswerBody, DeadLetter, FireId, Millis, OutcomeRecord, Role, TaskKey, Topic};

use super::attempt::Attempt;
use super::outbox::Cut;
use super::retry;
use crate::event::Reply;
use crate::metrics;

/// Longest text of an error that is kept, bytes.
const ERROR_KEPT: usize = 1_024;
/// What stands in one record of completed legs at most, but for the last of them.
const FOLDED_BYTES: usize = 16 * 1_024;

/// What came of a call.
#[derive(Debug)]
pub(crate) struct Verdict {
    pub(crate) end: End,
    pub(crate) answer: Answer,
}

/// Decides how a called leg ends.
pub(crate) fn judge(attempt: &Attempt, reply: Reply, now: Millis, rng: &mut impl Rng) -> Verdict {
    let clip_body =
        |body: Option<AnswerBody>| body.map(|body| clip_body(body, kept_of(&attempt.work.task)));
    match reply {
        Reply::Status { status, body, .. } if (200..300).contains(&status) => Verdict {
            end: End::Success,
            answer: answer(Some(status), None, clip_body(body)),
        },
        Reply::Status {
            status,
            body,
            retry_after,
        } => {
            let wished = retry_after.and_then(|header| retry::wish_ms(&header, now));
            let what = if (300..400).contains(&status) {
                format!("answered {status}; redirects are not followed")
            } else {
                format!("answered {status}")
            };
            Verdict {
                end: failed(attempt, &what, wished, now, rng),
                answer: answer(Some(status), Some(what), clip_body(body)),
            }
        }
        Reply::Failed { error, status } => {
            let what = clip(error, ERROR_KEPT);
            Verdict {
                end: failed(attempt, &what, None, now, rng),
                answer: answer(status, Some(what), None),
            }
        }
        Reply::Refused { reason } => {
            let reason = clip(reason, ERROR_KEPT);
            Verdict {
                end: End::Dead {
                    reason: reason.clone(),
                },
                answer: answer(None, Some(reason), None),
            }
        }
    }
}

fn failed(
    attempt: &Attempt,
    what: &str,
    wished: Option<u64>,
    now: Millis,
    rng: &mut impl Rng,
) -> End {
    let number = attempt.work.attempt;
    let Some(wait) = retry::wait_ms(&attempt.work.retry, number, wished, rng) else {
        return End::Dead {
            reason: format!("{what}; attempt {number} was the last"),
        };
    };
    let at = now.plus(wait).min(Millis::LATEST_DUE);
    // What the task says, not what this leg was given: an occurrence's first may have less.
    if attempt.work.expires_at.is_some_and(|expires| at > expires) {
        return End::Dead {
            reason: format!("expired before the next attempt; attempt {number}: {what}"),
        };
    }
    End::Again {
        at,
        attempt: number.saturating_add(1),
        why: Again::Retry,
    }
}

fn answer(status: Option<u16>, error: Option<String>, body: Option<AnswerBody>) -> Answer {
    Answer {
        status,
        error,
        body,
    }
}

/// At most `most` bytes of a body, in memory of its own where there was more.
fn clip_body(body: AnswerBody, most: usize) -> AnswerBody {
    match body.bytes.get(..most) {
        Some(kept) if kept.len() < body.bytes.len() => AnswerBody {
            bytes: Bytes::copy_from_slice(kept),
            cut: true,
            ..body
        },
        _ => body,
    }
}

/// At most `most` bytes of `text`, cut between characters.
fn clip(mut text: String, most: usize) -> String {
    if text.len() > most {
        let cut = (0..=most)
            .rev()
            .find(|at| text.is_char_boundary(*at))
            .unwrap_or(0);
        text.truncate(cut);
    }
    text
}

/// Whether nothing follows but bookkeeping: no attempt, no occurrence, no other firing or task.
pub(crate) fn is_last_word(ended: &Ended) -> bool {
    ended.end == End::Success && ended.part.is_none() && ended.task.id.step().is_none()
}

/// Bytes it takes in a record, roughly.
fn size(ended: &Ended) -> usize {
    let body = ended
        .answer
        .as_ref()
        .and_then(|answer| answer.body.as_ref());
    let names = ended.task.tenant.as_str().len() + ended.task.id.as_str().len();
    100 + names + body.map_or(0, |body| body.bytes.len())
}

/// Where the records of one lane partition go, and where its fires stood.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Place(pub(crate) TopicPartition);

impl Place {
    /// What ends `attempt`, which stood at `offset`: its outcome, and a dead letter where it was
    /// given up.
    pub(crate) fn end(
        self,
        offset: i64,
        attempt: &Attempt,
        end: End,
        answer: Option<Answer>,
        began_at: Option<Millis>,
        now: Millis,
    ) -> (Ended, Option<Outgoing>) {
        let letter = match &end {
            End::Dead { reason } => Some(self.dead_letter(
                offset,
                reason.clone(),
                Some(&attempt.work.task),
                Some(attempt.fire.fire_id),
                now,
                attempt.payload.clone(),
            )),
            End::Success | End::Again { .. } | End::Expired => None,
        };
        let ended = Ended {
            task: attempt.work.task.clone(),
            version: attempt.work.version,
            occurrence: attempt.work.occurrence,
            part: attempt.work.part,
            fire_id: attempt.fire.fire_id,
            leg: attempt.fire.leg,
            attempt: attempt.work.attempt,
            end,
            answer,
            phases: Phases {
                registered_at: attempt.work.registered_at,
                planted_at: attempt.work.planted_at,
                due: attempt.work.due,
                leg_due: attempt.fire.due,
                triggered_at: attempt.fire.triggered_at,
                received_at: attempt.received_at,
                began_at,
                ended_at: now,
            },
        };
        (ended, letter)
    }

    /// Writes what a turn completed, in few records, in front of the rest of it.
    pub(crate) fn fold(self, cut: &mut Cut) {
        let completed = std::mem::take(&mut cut.completed);
        let ended = completed.len();
        if ended == 0 {
            return;
        }
        count(&End::Success, ended);
        let mut records = Vec::new();
        let mut together = Vec::new();
        let mut bytes = 0;
        for it in completed {
            bytes += size(&it);
            together.push(it);
            if bytes >= FOLDED_BYTES || together.len() == Completed::MOST {
                records.push(self.completed(std::mem::take(&mut together)));
                bytes = 0;
            }
        }
        if !together.is_empty() {
            records.push(self.completed(together));
        }
        cut.folded = ended - records.len();
        records.append(&mut cut.records);
        cut.records = records;
    }

    fn completed(self, mut ended: Vec<Ended>) -> Outgoing {
        let record = match ended.pop() {
            Some(one) if ended.is_empty() => OutcomeRecord::Ended(one),
            last => {
                ended.extend(last);
                OutcomeRecord::Completed(Completed::new(ended))
            }
        };
        self.outcome(&record)
    }

    /// The record that answers `recall`, which met `attempt`.
    pub(crate) fn recalled(
        self,
        recall: &Recall,
        decision: Decision,
        attempt: Option<&Attempt>,
        now: Millis,
    ) -> Outgoing {
        let label = decision_label(decision);
        ::metrics::counter!(metrics::RECALLED, "decision" => label).increment(1);
        let body = attempt
            .filter(|_| decision == Decision::Cancelled)
            .map(|attempt| attempt.body.clone());
        let recalled = Recalled {
            fire_id: recall.fire_id,
            leg: recall.leg,
            purpose: recall.purpose,
            decision,
            task: attempt.map(|attempt| attempt.work.task.clone()),
            at: now,
        };
        self.outcome(&OutcomeRecord::Recalled(recalled, body.unwrap_or_default()))
    }

    /// The dead letter of what stood at `offset`.
    pub(crate) fn dead_letter(
        self,
        offset: i64,
        reason: String,
        task: Option<&TaskKey>,
        fire_id: Option<FireId>,
        now: Millis,
        original: Bytes,
    ) -> Outgoing {
        let letter = DeadLetter {
            reason,
            role: Role::Dispatcher.name().to_owned(),
            origin: Origin {
                topic: self.0.topic.name(),
                shard: self.0.shard.0,
                offset,
            },
            task: task.cloned(),
            fire_id,
            at: now,
            original,
        };
        Outgoing {
            to: TopicPartition::new(Topic::DeadLetters, self.0.shard),
            key: task.map(|task| Bytes::from(task.routing_key())),
            value: Some(letter.encode()),
            headers: Vec::new(),
        }
    }

    /// The record of an outcome.
    pub(crate) fn outcome(self, record: &OutcomeRecord) -> Outgoing {
        Outgoing {
            to: TopicPartition::new(Topic::Outcomes, self.0.shard),
            key: None,
            value: Some(record.encode()),
            headers: Vec::new(),
        }
    }
}

/// Counts legs that ended so.
pub(crate) fn count(end: &End, many: usize) {
    let many = u64::try_from(many).unwrap_or(u64::MAX);
    ::metrics::counter!(metrics::ENDED, "end" => end_label(end)).increment(many);
}

fn end_label(end: &End) -> &'static str {
    match end {
        End::Success => "success",
        End::Again {
            why: Again::Retry, ..
        } => "again",
        End::Again {
            why: Again::Hold, ..
        } => "held_back",
        End::Dead { .. } => "dead",
        End::Expired => "expired",
    }
}

fn decision_label(decision: Decision) -> &'static str {
    match decision {
        Decision::Cancelled => "cancelled",
        Decision::TooLate => "too_late",
        Decision::Gone => "gone",
    }
}

#[cfg(test)]
mod tests {
    use schemas::{FiringPart, TaskId, TenantId};

    use super::*;

    #[test]
    fn only_the_end_of_a_task_that_nothing_needs_is_its_last_word() {
        let dead = End::Dead {
            reason: String::new(),
        };
        let occurrence = FiringPart::occurrence(2);
        for (id, part, end, expected) in [
            ("order", None, End::Success, true),
            ("flow/pay", None, End::Success, false),
            ("order", Some(occurrence), End::Success, false),
            ("order", None, dead, false),
            ("order", None, End::Expired, false),
        ] {
            let at = Millis(0);
            let ended = Ended {
                task: TaskKey {
                    tenant: TenantId::new("shop").expect("a name"),
                    id: TaskId::new(id).expect("a name"),
                },
                version: 1,
                occurrence: 1,
                part,
                fire_id: FireId([0; 16]),
                leg: 1,
                attempt: 1,
                end,
                answer: None,
                phases: Phases {
                    registered_at: at,
                    planted_at: at,
                    due: at,
                    leg_due: at,
                    triggered_at: at,
                    received_at: at,
                    began_at: None,
                    ended_at: at,
                },
            };
            assert_eq!(is_last_word(&ended), expected, "{ended:?}");
        }
    }

    #[test]
    fn text_is_cut_between_characters() {
        for (text, most, expected) in [("abc", 3, "abc"), ("abcd", 3, "abc"), ("aää", 4, "aä")] {
            assert_eq!(clip(text.to_owned(), most), expected);
        }
    }
}
