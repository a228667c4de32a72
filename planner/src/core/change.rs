//! How a live task is planned anew, and how it ends.

use bytes::Bytes;
use pipeline::invariant::{Invariant, check};
use schemas::id::FiringName;
use schemas::index::{
    Ending, Firing, Phase, Plan, content_of, decode_definition, encode_definition,
};
use schemas::outcome::{Unplanted, UnplantedEnd};
use schemas::registration::{Backfill, Patch};
use schemas::{
    CommandAnswer, Definition, FireId, Millis, OutcomeRecord, Payload, Schedule, TaskKey, Topic,
};

use super::PlannerCore;
use super::admit::Asked;
use super::answer::refused;
use super::command::unchanged;
use super::index::Task;
use super::shares::shares_of;
use crate::store::Store;

/// Larger definitions lose their payload and headers once their task ended: nobody sends them again.
const KEPT_WHOLE: usize = 256;

/// A command that changes a live task.
#[derive(Clone, Debug)]
pub(super) enum Change {
    Update(Box<Patch>),
    Reschedule(Schedule),
    Touch,
    Run(Option<Payload>),
    Backfill(Backfill),
    Pause,
    Resume,
}

/// What a change starts from: the task as it is, or as it is already wished to be.
struct Base {
    definition: Definition,
    content: [u8; 16],
    due: Millis,
    leg_due: Millis,
    keep: bool,
    registered_at: Millis,
}

impl<S: Store> PlannerCore<S> {
    /// In the index: changed in the turn.
    pub(super) fn change_waiting(
        &mut self,
        asked: &Asked,
        mut task: Task,
        change: Change,
    ) -> CommandAnswer {
        let paused = task.row.phase == Phase::Paused;
        let unchanged = unchanged(&task.row);
        let pause = match change {
            Change::Pause if paused => return unchanged,
            Change::Resume if !paused => return unchanged,
            Change::Pause => true,
            Change::Resume | Change::Run(_) => false,
            _ => paused,
        };
        let runs = matches!(change, Change::Run(_));
        let plan = self
            .other_needs(&task, &change)
            .and_then(|needs| Ok((needs, self.plan(asked, &task, None, change)?)));
        let (needs, plan) = match plan {
            Ok((needs, Some(plan))) => (needs, plan),
            Ok((_, None)) => return unchanged,
            Err(answer) => return answer,
        };
        self.follow_plan(&mut task, plan);
        let (version, due) = (task.row.version, task.row.firing.leg_due);
        if runs || needs == Some(None) {
            // Whatever it waits for.
            task.row.step = None;
        }
        match needs.flatten() {
            Some(needs) => self.hold_anew(task, &needs, pause),
            None => self.hold_or_settle(task, pause),
        }
        CommandAnswer::Changed { version, due }
    }

    /// Saves a task whose plan was changed.
    pub(super) fn hold_or_settle(&mut self, mut task: Task, pause: bool) {
        if pause {
            task.row.phase = Phase::Paused;
            self.table.save(task);
        } else if task.row.held().is_some() {
            task.row.phase = Phase::Held;
            self.resolve_again(task);
        } else {
            task.row.phase = Phase::Waiting;
            self.settle(task, None);
        }
    }

    /// How the task is to be planned by `change`; `None` where that is how it is.
    pub(super) fn plan(
        &mut self,
        asked: &Asked,
        task: &Task,
        wished: Option<&Plan>,
        change: Change,
    ) -> Result<Option<Plan>, CommandAnswer> {
        let unreadable = || refused("", "the task cannot be read");
        let mut base = self.base(task, wished).ok_or_else(unreadable)?;
        // What a step took over as its payload is not what it was registered with: nobody asked for other
        // content here.
        let stays = matches!(
            change,
            Change::Pause | Change::Resume | Change::Touch | Change::Run(None)
        );
        let restart = |base: &mut Base, due: Millis| {
            (base.due, base.leg_due) = (due, due);
            (base.keep, base.registered_at) = (false, asked.appended);
        };
        match change {
            Change::Pause | Change::Resume => {}
            Change::Backfill(_) => {
                return Err(refused("op", "only recurring tasks have a past"));
            }
            Change::Update(patch) => {
                let before = base.definition.clone();
                // A step that waits no more begins now, as if its needs were met.
                let begins = patch.schedule.is_some()
                    || (patch.needs == Some(None) && task.row.held().is_some());
                patch.apply(&mut base.definition);
                let due = begins.then(|| once(&base.definition.schedule, asked.appended));
                let due = due.transpose()?;
                let complaints = base.definition.complaints();
                if !complaints.is_empty() {
                    return Err(CommandAnswer::Refused { complaints });
                }
                if base.definition == before {
                    return Ok(None);
                }
                (base.keep, base.registered_at) = (false, asked.appended);
                if let Some(due) = due {
                    restart(&mut base, due);
                }
            }
            Change::Reschedule(schedule) => {
                restart(&mut base, once(&schedule, asked.appended)?);
                base.definition.schedule = schedule;
            }
            Change::Touch => match base.definition.schedule {
                Schedule::After(_) => {
                    let due = once(&base.definition.schedule, asked.appended)?;
                    restart(&mut base, due);
                }
                Schedule::At(_) | Schedule::Recurring(_) => {
                    return Err(refused("op", "only a task with an `after` can be touched"));
                }
            },
            Change::Run(payload) => {
                base.leg_due = self.now;
                base.due = base.due.min(self.now);
                if let Some(payload) = payload {
                    base.definition.payload = payload;
                    (base.keep, base.registered_at) = (false, asked.appended);
                }
            }
        }
        let definition = encode_definition(&base.definition);
        let content = content_of(&definition);
        Ok(Some(Plan {
            version: self.number_of(asked),
            content: if stays { base.content } else { content },
            registered_at: base.registered_at,
            priority: base.definition.priority,
            due: base.due,
            leg_due: base.leg_due,
            keep: base.keep,
            definition,
        }))
    }

    /// The version of what a command changes.
    pub(super) fn number_of(&mut self, asked: &Asked) -> u64 {
        asked.number.unwrap_or_else(|| self.table.next_version())
    }

    fn base(&mut self, task: &Task, wished: Option<&Plan>) -> Option<Base> {
        let firing = &task.row.firing;
        let base = match wished {
            Some(plan) => Base {
                definition: self.table.understood(decode_definition(&plan.definition))?,
                content: plan.content,
                due: plan.due,
                leg_due: plan.leg_due,
                keep: plan.keep,
                registered_at: plan.registered_at,
            },
            None => Base {
                definition: self.definition_of(task)?,
                content: task.row.content,
                due: firing.due,
                leg_due: firing.leg_due,
                keep: true,
                registered_at: task.row.registered_at,
            },
        };
        Some(base)
    }

    /// Gives a task that is not planted its new plan.
    pub(super) fn follow_plan(&mut self, task: &mut Task, plan: Plan) {
        check(Invariant::T1, plan.version > task.row.version, || {
            let (key, old) = (&task.key, task.row.version);
            format!("`{key}`: version {} follows {old}", plan.version)
        });
        if plan.keep {
            task.row.firing.due = plan.due;
            task.row.firing.leg_due = plan.leg_due;
        } else {
            task.row.firing = first_leg(&task.key, plan.version, plan.due, plan.leg_due);
        }
        task.row.version = plan.version;
        task.row.registered_at = plan.registered_at;
        task.row.priority = plan.priority;
        if plan.content != task.row.content {
            task.row.content = plan.content;
            let definition = self.table.understood(decode_definition(&plan.definition));
            task.row.shares = definition.as_ref().and_then(shares_of);
            task.define(plan.definition);
        }
    }

    /// Ends a task; it is saved by whoever calls.
    pub(super) fn end(&mut self, task: &mut Task, how: Ending, began: bool) {
        let at = self.now;
        task.row.phase = Phase::Ended { at, how, began };
        task.row.wish = None;
        let fire_id = task.row.firing.fire_id;
        if let Some(last) = task
            .row
            .past
            .last_mut()
            .filter(|last| last.fire_id == fire_id)
        {
            last.ended = Some(how);
        }
        self.forgetting.note(at);
        if task.row.held().is_some() {
            task.row.step = None;
        }
        self.step_ended(&task.key, task.row.version, how);
        let whole = self.table.definition(task);
        if let Some(whole) = whole.filter(|whole| whole.len() > KEPT_WHOLE)
            && let Some(mut definition) = self.table.understood(decode_definition(&whole))
        {
            definition.payload.bytes = Bytes::new();
            definition.call.headers.clear();
            task.define(encode_definition(&definition));
        }
    }

    /// Tells that a task ended with nothing planted.
    pub(super) fn unplanted(&mut self, task: &Task, end: UnplantedEnd, reason: Option<String>) {
        let firing = &task.row.firing;
        let unplanted = Unplanted {
            task: task.key.clone(),
            version: firing.version,
            occurrence: firing.occurrence,
            fire_id: firing.fire_id,
            due: firing.due,
            registered_at: task.row.registered_at,
            end,
            reason,
            at: self.now,
        };
        self.write_outcome(&task.key, &OutcomeRecord::Unplanted(unplanted));
    }

    pub(super) fn write_outcome(&mut self, task: &TaskKey, outcome: &OutcomeRecord) {
        let key = Bytes::from(task.routing_key());
        self.write(Topic::Outcomes, Some(key), outcome.encode());
    }
}

/// When a task that fires once is due by another schedule.
fn once(schedule: &Schedule, appended: Millis) -> Result<Millis, CommandAnswer> {
    let problem = "a task that fires once stays one; cancel it and register another";
    let due = schedule.once(appended);
    due.ok_or_else(|| refused("schedule", problem))
}

/// The first leg of a firing that a version plans.
pub(super) fn first_leg(key: &TaskKey, version: u64, due: Millis, leg_due: Millis) -> Firing {
    Firing {
        fire_id: fire_id(key, version),
        version,
        occurrence: 1,
        leg: 1,
        attempt: 1,
        due,
        leg_due,
    }
}

pub(super) fn fire_id(key: &TaskKey, version: u64) -> FireId {
    let name = FiringName {
        version,
        occurrence: 1,
        part: 0,
        manual: 0,
    };
    FireId::new(key, name)
}
