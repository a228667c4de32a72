//! Steps that wait for others: sequence, join, condition.
//!
//! A step with needs stands in the index as held. The step it needs is told about in an order of this
//! machine, from the needed step to those that wait, derived from the rows of those that wait. When a
//! step ends, they are told, so many a turn; whom a turn does not get to is told in a later one, for
//! the end stands in a row of its own until all were. A need is decided once. What is decided by all
//! needs together is carried out at once: the step is planted like any other, or it ends as not taken
//! and those that wait for it are told in turn.

mod cycle;
mod judge;

use std::collections::VecDeque;

use schemas::index::{Ending, Follow, Held, HeldNeed, NeedState, Phase, StepRow};
use schemas::outcome::UnplantedEnd;
use schemas::{AnswerBody, CommandAnswer, Definition, Millis, Needs, Payload, Schedule, TaskKey};

use super::PlannerCore;
use super::answer::refused;
use super::change::Change;
use super::index::{Task, waiting_behind, who_waits};
use crate::metrics;
use crate::store::Store;
use judge::{End, Standing, judge, standing};

/// Those that wait are looked up so many at a time.
const STEP: usize = 256;
/// Copying a payload of so many bytes costs as much as telling one more step.
const BYTES_A_STEP: usize = 1_024;

/// Ends that not all were told of.
#[derive(Clone, Debug)]
pub(super) struct Following {
    /// Of the turn being gathered, with their numbers.
    fresh: VecDeque<(u64, Follow)>,
    /// Rows of earlier turns may be left.
    stored: bool,
}

impl Following {
    pub(super) fn new() -> Self {
        Self {
            fresh: VecDeque::new(),
            stored: true,
        }
    }

    /// Whether a turn has something to do here.
    pub(super) fn has_work(&self) -> bool {
        self.stored || !self.fresh.is_empty()
    }
}

impl<S: Store> PlannerCore<S> {
    /// Notes that a step ended, if any waits for it.
    pub(super) fn step_ended(&mut self, task: &TaskKey, version: u64, how: Ending) {
        if task.id.step().is_none() || !self.table.is_needed(task) {
            return;
        }
        let number = self.table.next_version();
        let follow = Follow {
            task: task.clone(),
            version,
            how,
            told: None,
        };
        self.following.fresh.push_back((number, follow));
    }

    /// Tells those that wait, within the budget of one turn.
    pub(super) fn tell_waiting(&mut self) {
        let mut left = self.config.turn_followed;
        while left > 0 {
            let stored = self.first_stored();
            let kept = stored.is_some();
            let Some((number, mut follow)) = stored.or_else(|| self.following.fresh.pop_front())
            else {
                break;
            };
            let done = self.tell_all(number, &mut follow, &mut left);
            match (done, kept) {
                (false, _) => self.keep(number, &follow),
                (true, true) => self.table.drop_follow(number),
                (true, false) => {}
            }
        }
        self.keep_follows();
    }

    /// What was not told in this turn is told in later ones.
    pub(super) fn keep_follows(&mut self) {
        while let Some((number, follow)) = self.following.fresh.pop_front() {
            self.keep(number, &follow);
        }
    }

    fn keep(&mut self, number: u64, follow: &Follow) {
        self.table.set_follow(number, follow);
        self.following.stored = true;
    }

    fn first_stored(&mut self) -> Option<(u64, Follow)> {
        if !self.following.stored {
            return None;
        }
        let first = self.table.first_follow();
        self.following.stored = first.is_some();
        first
    }

    /// Tells everybody who waits for that step, or as many as `left` allows; whether all were.
    fn tell_all(&mut self, number: u64, follow: &mut Follow, left: &mut usize) -> bool {
        let ended = self.table.load(&follow.task);
        let ended = ended.filter(|task| task.row.version == follow.version);
        let end = End {
            how: follow.how,
            answer: ended.as_ref().and_then(|task| answer_of(task)),
        };
        *left = left.saturating_sub(1);
        let (mut from, to) = waiting_behind(&follow.task, follow.told.as_ref());
        loop {
            let scan = self.table.scan(&from, &to, STEP);
            for key in scan.keys {
                if *left == 0 {
                    return false;
                }
                if let Some(waiting) = who_waits(&follow.task, &key) {
                    let cost = self.tell(number, &follow.task, &end, &waiting);
                    *left = left.saturating_sub(cost);
                    follow.told = Some(waiting.id.as_str().to_owned());
                }
            }
            match scan.next {
                Some(next) => from = next,
                None => return true,
            }
        }
    }

    /// Tells one of them how the step ended; what that cost.
    fn tell(&mut self, number: u64, ended: &TaskKey, end: &End<'_>, waiting: &TaskKey) -> usize {
        let Some(mut task) = self.table.load(waiting) else {
            return 1;
        };
        let step = ended.id.step().unwrap_or_default();
        // What was registered behind this end looked for itself.
        let open = |held: &Held| {
            let open = |it: &HeldNeed| it.step == step && it.state == NeedState::Open;
            let place = held.needs.iter().position(open);
            place.filter(|_| held.since <= number)
        };
        let Some(at) = task.row.held().and_then(open) else {
            return 1;
        };
        let Some(definition) = self.definition_of(&task) else {
            return 1;
        };
        let need = definition.needs.as_ref().and_then(|needs| needs.of.get(at));
        let (Some(need), Some(StepRow::Held(held))) = (need, task.row.step.as_deref_mut()) else {
            return 1;
        };
        let because = judge(need, end);
        if let Some(state) = held.needs.get_mut(at).map(|need| &mut need.state) {
            *state = because
                .as_ref()
                .map_or(NeedState::Met, |_| NeedState::Unmet);
        }
        ::metrics::counter!(metrics::FOLLOWED).increment(1);
        self.resolve(task, definition, because)
    }

    /// Holds a step until its needs are decided; what is decided already counts.
    pub(super) fn hold(
        &mut self,
        mut task: Task,
        definition: &Definition,
        needs: &Needs,
        pause: bool,
    ) {
        let (held, because) = self.held_of(&task.key, task.row.version, needs);
        task.row.step = Some(Box::new(StepRow::Held(held)));
        task.row.phase = if pause { Phase::Paused } else { Phase::Held };
        self.resolve(task, definition.clone(), because);
    }

    /// As [`Self::hold`], for a step that got other needs.
    pub(super) fn hold_anew(&mut self, task: Task, needs: &Needs, pause: bool) {
        if let Some(definition) = self.definition_of(&task) {
            self.hold(task, &definition, needs, pause);
        }
    }

    /// Looks again at what the needs of a step came to while it was paused, and saves it.
    pub(super) fn resolve_again(&mut self, task: Task) {
        if let Some(definition) = self.definition_of(&task) {
            self.resolve(task, definition, None);
        }
    }

    /// The answer where a definition's needs cannot be met.
    pub(super) fn cannot_wait(
        &mut self,
        key: &TaskKey,
        definition: &Definition,
    ) -> Option<CommandAnswer> {
        let needs = definition.needs.as_ref()?;
        self.closes_a_cycle(key, needs)
    }

    /// How a step's needs stand at this moment.
    fn held_of(&mut self, key: &TaskKey, version: u64, needs: &Needs) -> (Held, Option<String>) {
        let mut because = None;
        let states: Vec<HeldNeed> = needs
            .of
            .iter()
            .map(|need| {
                let needed = key
                    .sibling(&need.step)
                    .and_then(|key| self.table.load(&key));
                let state = match needed.as_ref().map(|task| task.row.phase) {
                    Some(Phase::Ended { how, .. }) => {
                        let answer = needed.as_ref().and_then(answer_of);
                        let unmet = judge(need, &End { how, answer });
                        let state = unmet.as_ref().map_or(NeedState::Met, |_| NeedState::Unmet);
                        because = because.take().or(unmet);
                        state
                    }
                    _ => NeedState::Open,
                };
                HeldNeed {
                    step: need.step.clone(),
                    state,
                }
            })
            .collect();
        let held = Held {
            join: needs.join,
            since: version,
            needs: states,
        };
        (held, because)
    }

    /// Carries out what the needs of a held task have come to, if they have, and saves it; what that
    /// cost. `because` says why the need decided last is not met.
    pub(super) fn resolve(
        &mut self,
        task: Task,
        definition: Definition,
        because: Option<String>,
    ) -> usize {
        let paused = task.row.phase == Phase::Paused;
        match task.row.held().map(standing) {
            Some(Standing::Never) => {
                let because = because.unwrap_or_else(|| "none of its needs can be met".to_owned());
                self.refuse_step(task, Ending::NotTaken, because);
                1
            }
            Some(Standing::Met) if !paused => self.release(task, definition),
            _ => {
                self.table.save(task);
                1
            }
        }
    }

    /// The needs are met: from now on it is a task like any other.
    fn release(&mut self, mut task: Task, mut definition: Definition) -> usize {
        let from = definition
            .needs
            .as_ref()
            .and_then(|it| it.payload_from.clone());
        let mut cost = 1;
        match from.map(|step| self.payload_of(&task.key, &step)) {
            None | Some(Ok(None)) => {}
            Some(Ok(Some(payload))) => {
                cost += payload.bytes.len() / BYTES_A_STEP;
                definition.payload = payload;
                task.define(schemas::index::encode_definition(&definition));
            }
            Some(Err(because)) => {
                self.refuse_step(task, Ending::Dead, because);
                return cost;
            }
        }
        let due = met_due(&definition.schedule, self.now);
        (task.row.firing.due, task.row.firing.leg_due) = (due, due);
        task.row.step = None;
        task.row.phase = Phase::Waiting;
        self.settle(task, Some(&definition));
        cost
    }

    /// What the call of a needed step answered, as a payload; `None` where there was no such call.
    fn payload_of(&mut self, key: &TaskKey, step: &str) -> Result<Option<Payload>, String> {
        let needed = key.sibling(step).and_then(|key| self.table.load(&key));
        let Some(answer) = needed.as_ref().and_then(answer_of) else {
            return Ok(None);
        };
        if answer.cut {
            let most = schemas::outcome::kept_of(key);
            return Err(format!(
                "the answer of `{step}` was cut off or is longer than {most} bytes, the most that \
                 can be passed on as a payload"
            ));
        }
        let content_type = answer
            .content_type
            .clone()
            .filter(|_| !answer.bytes.is_empty());
        Ok(Some(Payload {
            content_type,
            bytes: answer.bytes.clone(),
        }))
    }

    /// Ends a held step without a call.
    fn refuse_step(&mut self, mut task: Task, how: Ending, because: String) {
        let end = match how {
            Ending::Dead => UnplantedEnd::Dead,
            _ => UnplantedEnd::NotTaken,
        };
        self.unplanted(&task, end, Some(because.clone()));
        self.end(&mut task, how, false);
        task.row.step = Some(Box::new(StepRow::Refused(because)));
        self.table.save(task);
    }

    /// Whether `change` gives a task other needs, or `Some(None)`, frees it of them.
    ///
    /// # Errors
    /// The answer where it cannot have them.
    pub(super) fn other_needs(
        &mut self,
        task: &Task,
        change: &Change,
    ) -> Result<Option<Option<Needs>>, CommandAnswer> {
        let held = task.row.held().is_some();
        let patch = match change {
            Change::Update(patch) => patch,
            Change::Touch if held => {
                let problem = "the step waits for what it needs; its `after` counts from then";
                return Err(refused("op", problem));
            }
            _ => return Ok(None),
        };
        let Some(needs) = &patch.needs else {
            return Ok(None);
        };
        let now = self.definition_of(task).and_then(|it| it.needs);
        if now == *needs {
            return Ok(None);
        }
        if !held {
            let problem = "the task does not wait any more; cancel it and register it anew";
            return Err(refused("needs", problem));
        }
        let closes = needs
            .as_ref()
            .and_then(|it| self.closes_a_cycle(&task.key, it));
        closes.map_or_else(|| Ok(Some(needs.clone())), Err)
    }
}

/// When a step is due whose needs are met `now`.
fn met_due(schedule: &Schedule, now: Millis) -> Millis {
    schedule.once(now).unwrap_or(now).max(now)
}

fn answer_of(task: &Task) -> Option<&AnswerBody> {
    match task.row.step.as_deref() {
        Some(StepRow::Answered(answer)) => Some(answer),
        _ => None,
    }
}
