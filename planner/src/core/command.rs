//! What each command does to a task, by where the task stands.

use bytes::Bytes;
use schemas::index::{Ending, Mark, Phase, StepRow, TaskRow, content_of, encode_definition};
use schemas::outcome::{Unplanted, UnplantedEnd};
use schemas::{Command, CommandAnswer, Definition, Millis, OutcomeRecord, TaskKey};

use super::PlannerCore;
use super::admit::Asked;
use super::answer::{Verdict, conflict, name_of, refused};
use super::change::{Change, fire_id, first_leg};
use super::index::Task;
use super::revoke::is_planted;
use super::shares::shares_of;
use crate::store::Store;

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
        self.tally.command(name, name_of(&verdict));
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
        if let Some(answer) = self.cannot_wait(&asked.task, definition) {
            return answer;
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
        let due = definition.schedule.once(asked.appended);
        let due = due.unwrap_or(asked.appended);
        let fire_id = fire_id(&asked.task, version);
        let unplanted = Unplanted {
            task: asked.task.clone(),
            version,
            occurrence: 1,
            fire_id,
            due,
            registered_at: asked.appended,
            end: UnplantedEnd::Cancelled,
            reason: None,
            at: self.now,
        };
        self.write_outcome(&asked.task, &OutcomeRecord::Unplanted(unplanted));
        self.step_ended(&asked.task, version, Ending::Cancelled);
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
        let (series, firing) = match definition.schedule.once(appended) {
            Some(due) => {
                let version = self.table.next_version();
                (None, first_leg(key, version, due, due))
            }
            None => match self.begin_series(key, definition, appended) {
                Ok((series, firing)) => (Some(series), firing),
                Err(answer) => return answer,
            },
        };
        let (version, due) = (firing.version, firing.due);
        let mut row = TaskRow {
            version,
            content: content_of(&bytes),
            registered_at: appended,
            priority: definition.priority,
            phase: Phase::Waiting,
            firing,
            wish: None,
            past: Vec::new(),
            apart: false,
            step: None,
            series,
            shares: None,
        };
        let recurs = row.series.is_some();
        if !recurs {
            row.shares = shares_of(definition);
        }
        let task = Task::new(key.clone(), row, bytes, instead);
        match &definition.needs {
            Some(needs) => self.hold(task, definition, needs, false),
            None if recurs => self.settle_series(task, Some(definition)),
            None => self.settle(task, Some(definition)),
        }
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
                Ok(_) if self.is_answer_awaited(&task) => {
                    let reason = "steps that wait for others look at the answer of this one; \
                        to run a flow again, give it another group";
                    conflict(task.row.version, reason)
                }
                Ok(definition) => self.register_new(asked, &definition, Some(&task)),
                Err(_) => told,
            },
            _ => told,
        })
    }

    /// Whether a step that waits may still look at what this one answered, or take it over.
    fn is_answer_awaited(&mut self, task: &Task) -> bool {
        let answered = matches!(task.row.step.as_deref(), Some(StepRow::Answered(_)));
        answered && self.table.is_needed(&task.key)
    }

    fn register_over(
        &mut self,
        asked: &Asked,
        task: Task,
        definition: &Definition,
        how: Ending,
    ) -> CommandAnswer {
        if matches!(how, Ending::Cancelled | Ending::NotTaken) {
            return self.register_new(asked, definition, Some(&task));
        }
        same_or_conflict(&task.row, content_of(&encode_definition(definition)))
    }

    /// Of a task that is to come or under way.
    pub(super) fn live(&mut self, asked: &Asked, task: Task, command: Command) -> Verdict {
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
            Command::Backfill(backfill) => Change::Backfill(backfill),
            Command::Pause => Change::Pause,
            Command::Resume => Change::Resume,
        };
        if task.row.series.is_some() {
            return self.change_series(asked, task, change);
        }
        if is_planted(&task.row) {
            self.change_planted(asked, task, change)
        } else {
            Some(self.change_waiting(asked, task, change))
        }
    }

    fn cancel(&mut self, asked: &Asked, mut task: Task) -> Verdict {
        if task.row.series.is_some() {
            return self.cancel_series(asked, task);
        }
        if is_planted(&task.row) {
            return self.cancel_planted(asked, task);
        }
        self.unplanted(&task, UnplantedEnd::Cancelled, None);
        let began = task.row.firing.attempt > 1;
        self.end(&mut task, Ending::Cancelled, began);
        self.table.save(task);
        Some(CommandAnswer::Cancelled)
    }
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
        due: due_of(row),
    }
}

/// When a task is due next, as callers are told.
pub(super) fn due_of(row: &TaskRow) -> Millis {
    if row.series.is_some() {
        row.firing.due
    } else {
        row.firing.leg_due
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
    let problem = format!("`{}` is not available in this release", word(command));
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
        Command::Backfill(_) => "backfill",
        Command::Pause => "pause",
        Command::Resume => "resume",
        Command::Kill => "kill",
        Command::Report(_) => "report",
    }
}
