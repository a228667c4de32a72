//! What ended, what is tried again, what was taken back.
//!
//! An outcome counts if it names the task's live firing and leg; any other is of a firing that is
//! no more, and is dropped.

use bytes::Bytes;
use pipeline::Record;
use pipeline::invariant::{Invariant, check};
use schemas::answer::AttemptView;
use schemas::dead_letter::Origin;
use schemas::index::{Ending, PastFiring, Phase, StepRow, Wish};
use schemas::outcome::{Again, Decision, End, Ended, Recalled, Taken, UnplantedEnd};
use schemas::{CommandAnswer, FireId, FiringPart, Millis, OutcomeRecord, TaskKey, Topic, Work};

use super::PlannerCore;
use super::index::Task;
use super::revoke::met_the_end;
use crate::metrics;
use crate::store::Store;

/// Attempts of a firing that are remembered.
const MOST_ATTEMPTS: usize = 10;
/// Firings of a task that are remembered.
pub(super) const MOST_FIRINGS: usize = 5;
/// Characters of an error that are remembered.
const LONGEST_ERROR: usize = 256;

impl<S: Store> PlannerCore<S> {
    /// How many outcomes stood in it.
    pub(super) fn handle_outcome(&mut self, record: Record) -> usize {
        let value = record.value.unwrap_or_default();
        if !self.is_for_now(record.offset, record.appended, &value) {
            return 1;
        }
        match OutcomeRecord::decode(&value) {
            Ok(OutcomeRecord::Ended(ended)) => self.ended(ended),
            Ok(OutcomeRecord::Completed(all)) => {
                let many = all.ended.len();
                all.ended.into_iter().for_each(|it| self.ended(it));
                return many;
            }
            Ok(OutcomeRecord::Recalled(recalled, _)) => self.recalled(&recalled),
            Ok(OutcomeRecord::Revoked(taken, _)) => self.revoked(&taken),
            Ok(OutcomeRecord::Expired(taken, body)) => self.expired(&taken, &body),
            Ok(OutcomeRecord::Drained(drained)) => self.drained(&drained),
            // Our own.
            Ok(OutcomeRecord::Unplanted(_) | OutcomeRecord::Missed(_)) => {}
            Err(error) => {
                let origin = Origin {
                    topic: Topic::Outcomes.name(),
                    shard: self.shard.0,
                    offset: record.offset,
                };
                self.dead_letter(origin, error.to_string(), None, value);
            }
        }
        1
    }

    /// The task, if this is its live firing and leg.
    fn live_firing(&mut self, task: Option<Task>, fire_id: FireId, leg: u32) -> Option<Task> {
        let live = task.filter(|task| {
            let planted = matches!(task.row.phase, Phase::Planted { .. });
            planted && task.row.firing.fire_id == fire_id && task.row.firing.leg == leg
        });
        if live.is_none() {
            ::metrics::counter!(metrics::STALE_OUTCOMES).increment(1);
        }
        live
    }

    fn find(
        &mut self,
        key: &TaskKey,
        part: Option<FiringPart>,
        fire_id: FireId,
        leg: u32,
    ) -> Option<Task> {
        let task = self.table.load_part(key, part);
        self.live_firing(task, fire_id, leg)
    }

    /// A leg ended at the dispatcher.
    fn ended(&mut self, ended: Ended) {
        let Some(mut task) = self.find(&ended.task, ended.part, ended.fire_id, ended.leg) else {
            return;
        };
        let told = matches!(task.row.phase, Phase::Planted { began: true, .. });
        let called = ended.answer.is_some() || ended.phases.began_at.is_some();
        remember(&mut task, &ended);
        if task.part.is_none() {
            keep_answer(&mut task, &ended);
        }
        let how = match ended.end {
            End::Success => Ending::Completed,
            End::Dead { .. } => Ending::Dead,
            End::Expired => Ending::Expired,
            End::Again { at, attempt, why } => return self.again(task, at, attempt, why),
        };
        self.finish(task, how, told || called, ended.phases.ended_at);
    }

    /// The firing is over, and the task with it unless it recurs. `began`: a call of this leg did.
    fn finish(&mut self, mut task: Task, how: Ending, began: bool, ended_at: Millis) {
        self.tally.outcome(ending_name(how));
        if task.part.is_some() {
            return self.firing_ended(task, how, began, ended_at);
        }
        let wish = task.row.wish.take();
        let ever = began || task.row.firing.attempt > 1;
        self.end(&mut task, how, ever);
        let Some(wish) = wish.filter(|wish| !wish.told) else {
            return self.table.save(task);
        };
        let answer = match (began, wish.cancel) {
            (true, _) => CommandAnswer::TooLate,
            (false, true) => CommandAnswer::Cancelled,
            (false, false) => met_the_end(&task.key, task.row.version),
        };
        self.decide(task, *wish, &answer);
    }

    /// To be planted again, unless a wish says otherwise.
    fn again(&mut self, mut task: Task, at: Millis, attempt: u32, why: Again) {
        self.tally.outcome("again");
        let wish = taken_back(&mut task);
        task.row.firing.attempt = attempt;
        task.row.firing.leg_due = at;
        match wish {
            None => self.settle(task, None),
            Some(wish) if task.part.is_some() => self.firing_again(task, &wish, why),
            Some(wish) => {
                if wish.cancel {
                    self.unplanted(&task, UnplantedEnd::Cancelled, None);
                }
                self.execute(task, *wish);
            }
        }
    }

    /// The trigger took it out of the wheel.
    fn revoked(&mut self, taken: &Taken) {
        let task = self.table.revoked(taken.fire_id);
        let Some(task) = self.live_firing(task, taken.fire_id, taken.leg) else {
            return;
        };
        self.tally.outcome("revoked");
        self.come_true(task);
    }

    /// The firing was taken back: its wish comes true.
    fn come_true(&mut self, mut task: Task) {
        let Some(wish) = taken_back(&mut task) else {
            return;
        };
        if task.part.is_some() {
            self.firing_taken(task);
        } else {
            self.execute(task, *wish);
        }
    }

    /// It left the wheel too late to be called.
    fn expired(&mut self, taken: &Taken, body: &Bytes) {
        let task = match Work::decode(body) {
            Ok((work, _)) => self.find(&work.task, work.part, taken.fire_id, taken.leg),
            Err(error) => {
                tracing::warn!(fire_id = %taken.fire_id, %error, "an expired firing's work");
                None
            }
        };
        if let Some(task) = task {
            self.finish(task, Ending::Expired, false, taken.at);
        }
    }

    /// The dispatcher decided a recall.
    fn recalled(&mut self, recalled: &Recalled) {
        let task = self.table.revoked(recalled.fire_id);
        let live = self.live_firing(task, recalled.fire_id, recalled.leg);
        if recalled.decision == Decision::Gone {
            // Its own outcome stands before this. Where it was put off the call ended well: a recall came too late.
            let put_off = self.putting_off.owes();
            check(Invariant::T7, live.is_none() || put_off, || {
                format!("{recalled:?}: its own outcome should stand before this")
            });
            if !put_off {
                return;
            }
        }
        let Some(mut task) = live else {
            return;
        };
        if recalled.decision == Decision::Cancelled {
            self.tally.outcome("recalled");
            return self.come_true(task);
        }
        self.tally.outcome("too_late");
        if let Phase::Planted { began, .. } = &mut task.row.phase {
            *began = true;
        }
        let Some(mut wish) = task.row.wish.take() else {
            return;
        };
        if wish.cancel {
            // What remains of a cancel: no further leg.
            task.row.wish = Some(Box::new(Wish {
                cancel: true,
                pause: false,
                plan: None,
                told: true,
                askers: Vec::new(),
                successor: None,
            }));
        }
        if task.part.is_some() {
            let key = task.key.clone();
            let part = task.part.filter(|part| part.shard().is_some());
            self.table.save(task);
            if part.is_some() {
                return self.share_decided(&key, part);
            }
            return self.firing_decided(&key, true);
        }
        wish.plan = None;
        self.decide(task, *wish, &CommandAnswer::TooLate);
    }
}

/// The leg is over and none is planted: the task waits with its next leg. Hands out its wish.
fn taken_back(task: &mut Task) -> Option<Box<Wish>> {
    task.row.firing.leg += 1;
    task.row.phase = Phase::Waiting;
    task.row.wish.take()
}

/// Adds what a leg came to to the task's last firings.
fn remember(task: &mut Task, ended: &Ended) {
    let row = &mut task.row;
    if row
        .past
        .last()
        .is_none_or(|last| last.fire_id != ended.fire_id)
    {
        row.past.push(PastFiring {
            fire_id: ended.fire_id,
            due: row.firing.due,
            occurrence: ended.occurrence,
            ended: None,
            attempts: Vec::new(),
            phases: None,
            shard: task.part.and_then(FiringPart::shard),
            shares: None,
        });
        let surplus = row.past.len().saturating_sub(MOST_FIRINGS);
        row.past.drain(..surplus);
    }
    let Some(last) = row.past.last_mut() else {
        return;
    };
    last.phases = Some(ended.phases);
    let Some(answer) = &ended.answer else {
        return;
    };
    let short = |error: &String| error.chars().take(LONGEST_ERROR).collect();
    last.attempts.push(AttemptView {
        started: ended.phases.began_at,
        finished: ended.phases.ended_at,
        status: answer.status,
        error: answer.error.as_ref().map(short),
    });
    let surplus = last.attempts.len().saturating_sub(MOST_ATTEMPTS);
    last.attempts.drain(..surplus);
}

/// What a step's last call answered is there for those that need it.
fn keep_answer(task: &mut Task, ended: &Ended) {
    let over = !matches!(ended.end, End::Again { .. });
    if let Some(answer) = ended.answer.as_ref().filter(|_| over)
        && task.key.id.step().is_some()
    {
        let body = answer.body.clone().unwrap_or_default();
        task.row.step = Some(Box::new(StepRow::Answered(body)));
    }
}

fn ending_name(how: Ending) -> &'static str {
    match how {
        Ending::Completed => "completed",
        Ending::Dead => "dead",
        Ending::Cancelled => "cancelled",
        Ending::Expired => "expired",
        Ending::NotTaken => "not_taken",
    }
}
