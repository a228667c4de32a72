//! What each command does to a task, by where the task stands.

use bytes::Bytes;
use pipeline::invariant::{Invariant, check};
use schemas::id::FiringName;
use schemas::index::{
    Ending, Firing, Mark, Phase, Plan, TaskRow, content_of, decode_definition, encode_definition,
};
use schemas::outcome::{Unplanted, UnplantedEnd};
use schemas::registration::Patch;
use schemas::{
    Command, CommandAnswer, Definition, FireId, Millis, OutcomeRecord, Schedule, TaskKey, Topic,
};

use super::PlannerCore;
use super::admit::Asked;
use super::answer::{Verdict, conflict, name_of, refused};
use super::index::Task;
use crate::metrics;
use crate::store::Store;

/// Larger definitions lose their payload and headers once their task ended: nobody sends them again.
const KEPT_WHOLE: usize = 256;

/// A command that changes a live task.
#[derive(Clone, Debug)]
pub(super) enum Change {
    Update(Box<Patch>),
    Reschedule(Schedule),
    Touch,
    Run(Option<schemas::Payload>),
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
    pub(super) fn command(&mut self, asked: Asked, command: Command) {
        let (request, name) = (asked.request, word(&command));
        let verdict = match self.table.load(&asked.task) {
            None => self.absent(&asked, command),
            Some(task) => match stale(&task.row, &asked) {
                Some(answer) => Some(answer),
                None if ended(&task.row) => self.over(&asked, task, command),
                None => self.live(&asked, task, command),
            },
        };
        ::metrics::counter!(metrics::COMMANDS, "command" => name, "answer" => name_of(&verdict))
            .increment(1);
        if let Some(answer) = verdict {
            self.answer(request, answer);
        }
    }

    /// Of a task that is not known, or no longer.
    fn absent(&mut self, asked: &Asked, command: Command) -> Verdict {
        match command {
            Command::Kill | Command::Report(_) => Some(not_yet(&command)),
            Command::Register(definition) => Some(self.register_new(asked, &definition, None)),
            Command::Update(patch) => match (*patch).into_definition() {
                Ok(definition) => Some(self.register_new(asked, &definition, None)),
                Err(_) => Some(CommandAnswer::Unknown),
            },
            Command::Cancel => {
                self.table.set_mark(
                    &asked.task,
                    Mark {
                        cancelled_at: asked.appended,
                        until: self.now.plus(self.config.mark_ms),
                    },
                );
                self.forgetting.note(self.now.plus(self.config.mark_ms));
                Some(CommandAnswer::Unknown)
            }
            _ => Some(CommandAnswer::Unknown),
        }
    }

    /// Makes a task that is not there.
    fn register_new(
        &mut self,
        asked: &Asked,
        definition: &Definition,
        instead: Option<&Task>,
    ) -> CommandAnswer {
        if let (Some(_), None) = (asked.if_version, instead) {
            return conflict(0, "there is no such task");
        }
        if asked.forwarded && self.marked(asked) {
            return self.stopped(asked, definition);
        }
        let bytes = encode_definition(definition);
        self.create(&asked.task, definition, bytes, asked.appended, instead)
    }

    /// A cancel came first that was appended behind this register: the register took the longer way.
    /// The append times of two partitions are compared as they are; within the difference of the
    /// brokers' clocks either order is as good as the other, for `unknown` promised nothing.
    fn marked(&mut self, asked: &Asked) -> bool {
        let mark = self.table.mark(&asked.task);
        mark.is_some_and(|mark| mark.until > self.now && asked.appended <= mark.cancelled_at)
    }

    /// Accepted and ended in one step, so that it is accounted for (T1).
    fn stopped(&mut self, asked: &Asked, definition: &Definition) -> CommandAnswer {
        let version = self.table.next_version();
        let due = definition.schedule.due(asked.appended);
        let fire_id = fire_id(&asked.task, version);
        let unplanted = Unplanted {
            task: asked.task.clone(),
            version,
            occurrence: 1,
            fire_id,
            due,
            registered_at: asked.appended,
            end: UnplantedEnd::Cancelled,
            at: self.now,
        };
        self.write_outcome(&asked.task, &OutcomeRecord::Unplanted(unplanted));
        CommandAnswer::Cancelled
    }

    /// Makes a task, planted at once where it is near.
    pub(super) fn create(
        &mut self,
        key: &TaskKey,
        definition: &Definition,
        bytes: Bytes,
        appended: Millis,
        instead: Option<&Task>,
    ) -> CommandAnswer {
        let version = self.table.next_version();
        let due = definition.schedule.due(appended);
        let row = TaskRow {
            version,
            content: content_of(&bytes),
            registered_at: appended,
            priority: definition.priority,
            phase: Phase::Waiting,
            firing: first_leg(key, version, due, due),
            wish: None,
            past: Vec::new(),
            apart: false,
        };
        let task = Task::new(key.clone(), row, bytes, instead);
        self.settle(task, Some(definition));
        CommandAnswer::Created { version, due }
    }

    /// Of a task that ended within the dedup window.
    fn over(&mut self, asked: &Asked, task: Task, command: Command) -> Verdict {
        let Phase::Ended { how, began, .. } = task.row.phase else {
            return None;
        };
        let told = if began {
            CommandAnswer::TooLate
        } else {
            CommandAnswer::Unknown
        };
        Some(match command {
            Command::Kill | Command::Report(_) => not_yet(&command),
            Command::Cancel if began && how != Ending::Cancelled => CommandAnswer::TooLate,
            Command::Cancel => CommandAnswer::Cancelled,
            Command::Register(definition) => self.register_over(asked, task, &definition, how),
            Command::Update(patch) => match (*patch).into_definition() {
                Ok(definition) => self.register_new(asked, &definition, Some(&task)),
                Err(_) => told,
            },
            _ => told,
        })
    }

    fn register_over(
        &mut self,
        asked: &Asked,
        task: Task,
        definition: &Definition,
        how: Ending,
    ) -> CommandAnswer {
        if how == Ending::Cancelled {
            return self.register_new(asked, definition, Some(&task));
        }
        same_or_conflict(&task.row, content_of(&encode_definition(definition)))
    }

    /// Of a task that is to come or under way.
    fn live(&mut self, asked: &Asked, task: Task, command: Command) -> Verdict {
        let change = match command {
            Command::Kill | Command::Report(_) => return Some(not_yet(&command)),
            Command::Register(definition) => return self.register_live(asked, task, &definition),
            Command::Cancel => return self.cancel(asked, task),
            Command::Update(patch) => {
                if task
                    .row
                    .wish
                    .as_ref()
                    .is_some_and(|wish| wish.cancel && !wish.told)
                    && let Ok(definition) = (*patch).clone().into_definition()
                {
                    return self.register_live(asked, task, &definition);
                }
                Change::Update(patch)
            }
            Command::Reschedule(schedule) => Change::Reschedule(schedule),
            Command::Touch => Change::Touch,
            Command::Run(payload) => Change::Run(payload),
            Command::Pause => Change::Pause,
            Command::Resume => Change::Resume,
        };
        match task.row.phase {
            Phase::Planted { .. } => self.change_planted(asked, task, change),
            _ => Some(self.change_waiting(asked, task, change)),
        }
    }

    fn cancel(&mut self, asked: &Asked, mut task: Task) -> Verdict {
        if matches!(task.row.phase, Phase::Planted { .. }) {
            return self.cancel_planted(asked, task);
        }
        self.unplanted(&task, UnplantedEnd::Cancelled);
        let began = task.row.firing.attempt > 1;
        self.end(&mut task, Ending::Cancelled, began);
        self.table.save(task);
        Some(CommandAnswer::Cancelled)
    }

    /// In the index: changed in the turn.
    fn change_waiting(&mut self, asked: &Asked, mut task: Task, change: Change) -> CommandAnswer {
        let paused = task.row.phase == Phase::Paused;
        let unchanged = unchanged(&task.row);
        let pause = match change {
            Change::Pause if paused => return unchanged,
            Change::Resume if !paused => return unchanged,
            Change::Pause => true,
            Change::Resume | Change::Run(_) => false,
            _ => paused,
        };
        let plan = match self.plan(asked, &task, None, change) {
            Ok(Some(plan)) => plan,
            Ok(None) => return unchanged,
            Err(answer) => return answer,
        };
        self.follow_plan(&mut task, plan);
        self.hold_or_settle(task, pause)
    }

    /// Saves a task whose plan was changed, and says so.
    pub(super) fn hold_or_settle(&mut self, mut task: Task, pause: bool) -> CommandAnswer {
        let (version, due) = (task.row.version, task.row.firing.leg_due);
        if pause {
            task.row.phase = Phase::Paused;
            self.table.save(task);
        } else {
            task.row.phase = Phase::Waiting;
            self.settle(task, None);
        }
        CommandAnswer::Changed { version, due }
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
        let before = base.content;
        let restart = |base: &mut Base, due: Millis| {
            (base.due, base.leg_due) = (due, due);
            base.keep = false;
            base.registered_at = asked.appended;
        };
        match change {
            Change::Pause | Change::Resume => {}
            Change::Update(patch) => {
                let schedule = patch.schedule.clone();
                patch.apply(&mut base.definition);
                base.content = content_of(&encode_definition(&base.definition));
                if base.content == before {
                    return Ok(None);
                }
                base.keep = false;
                base.registered_at = asked.appended;
                if let Some(schedule) = schedule {
                    restart(&mut base, schedule.due(asked.appended));
                }
            }
            Change::Reschedule(schedule) => {
                restart(&mut base, schedule.due(asked.appended));
                base.definition.schedule = schedule;
            }
            Change::Touch => match base.definition.schedule {
                Schedule::After(_) => {
                    let due = base.definition.schedule.due(asked.appended);
                    restart(&mut base, due);
                }
                Schedule::At(_) => {
                    return Err(refused("op", "only a task with an `after` can be touched"));
                }
            },
            Change::Run(payload) => {
                base.leg_due = self.now;
                base.due = base.due.min(self.now);
                if let Some(payload) = payload {
                    base.definition.payload = payload;
                    base.keep = false;
                    base.registered_at = asked.appended;
                }
            }
        }
        let definition = encode_definition(&base.definition);
        Ok(Some(Plan {
            version: self.table.next_version(),
            content: content_of(&definition),
            registered_at: base.registered_at,
            priority: base.definition.priority,
            due: base.due,
            leg_due: base.leg_due,
            keep: base.keep,
            definition,
        }))
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
    pub(super) fn unplanted(&mut self, task: &Task, end: UnplantedEnd) {
        let firing = &task.row.firing;
        let unplanted = Unplanted {
            task: task.key.clone(),
            version: firing.version,
            occurrence: firing.occurrence,
            fire_id: firing.fire_id,
            due: firing.due,
            registered_at: task.row.registered_at,
            end,
            at: self.now,
        };
        self.write_outcome(&task.key, &OutcomeRecord::Unplanted(unplanted));
    }

    fn write_outcome(&mut self, task: &TaskKey, outcome: &OutcomeRecord) {
        let key = Bytes::from(task.routing_key());
        self.write(Topic::Outcomes, Some(key), outcome.encode());
    }
}

/// The first leg of a firing that a version plans.
fn first_leg(key: &TaskKey, version: u64, due: Millis, leg_due: Millis) -> Firing {
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

fn fire_id(key: &TaskKey, version: u64) -> FireId {
    let name = FiringName {
        version,
        occurrence: 1,
        part: 0,
        manual: 0,
    };
    FireId::new(key, name)
}

fn ended(row: &TaskRow) -> bool {
    matches!(row.phase, Phase::Ended { .. })
}

/// The version a caller would see: that of what is wished for, if anything is.
pub(super) fn version_of(row: &TaskRow) -> u64 {
    let wished = row.wish.as_ref().and_then(|wish| wish.plan.as_ref());
    wished.map_or(row.version, |plan| plan.version)
}

/// The answer where the caller expects another version.
fn stale(row: &TaskRow, asked: &Asked) -> Verdict {
    let version = version_of(row);
    let other = asked.if_version.is_some_and(|wanted| wanted != version);
    other.then(|| conflict(version, "the task has another version"))
}

pub(super) fn unchanged(row: &TaskRow) -> CommandAnswer {
    CommandAnswer::Unchanged {
        version: row.version,
        due: row.firing.leg_due,
    }
}

/// What a register is told by a task that stays.
pub(super) fn same_or_conflict(row: &TaskRow, content: [u8; 16]) -> CommandAnswer {
    if content == row.content {
        unchanged(row)
    } else {
        conflict(row.version, "the task exists with other content")
    }
}

fn not_yet(command: &Command) -> CommandAnswer {
    let problem = format!(
        "`{}` is not supported for tasks that fire once",
        word(command)
    );
    refused("op", &problem)
}

/// As in registrations and metrics.
fn word(command: &Command) -> &'static str {
    match command {
        Command::Register(_) => "register",
        Command::Update(_) => "update",
        Command::Reschedule(_) => "reschedule",
        Command::Touch => "touch",
        Command::Cancel => "cancel",
        Command::Run(_) => "run",
        Command::Pause => "pause",
        Command::Resume => "resume",
        Command::Kill => "kill",
        Command::Report(_) => "report",
    }
}
