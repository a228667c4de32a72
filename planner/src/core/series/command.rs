//! Commands on a recurring task.

use schemas::bucket::Purpose;
use schemas::index::{Phase, Plan, content_of, decode_definition, encode_definition};
use schemas::{Beat, CommandAnswer, Definition, FiringPart, Millis, Payload, Schedule};

use super::wish::next_anew;
use crate::core::PlannerCore;
use crate::core::admit::Asked;
use crate::core::answer::{Verdict, conflict, refused};
use crate::core::change::Change;
use crate::core::command::{due_of, unchanged};
use crate::core::index::Task;
use crate::core::revoke::{full, taken, wait};
use crate::store::Store;

impl<S: Store> PlannerCore<S> {
    /// No further occurrence; what has not begun is taken back.
    pub(in crate::core) fn cancel_series(&mut self, asked: &Asked, mut task: Task) -> Verdict {
        if task.row.wish.as_ref().is_some_and(|wish| wish.told) {
            return Some(CommandAnswer::TooLate);
        }
        let (mut wish, _) = taken(&mut task);
        if let Some(answer) = full(&wish.askers, asked.request) {
            return Some(answer);
        }
        if let Some(successor) = wish.successor.take() {
            let answer = conflict(task.row.version, "a later cancel overtook it");
            self.answer_all(successor.askers, &answer);
        }
        wish.cancel = true;
        wait(&mut wish, &task.row, asked.request);
        task.row.wish = Some(wish);
        self.pursue(task, Purpose::Cancel)
    }

    pub(in crate::core) fn change_series(
        &mut self,
        asked: &Asked,
        mut task: Task,
        change: Change,
    ) -> Verdict {
        if task.row.wish.as_ref().is_some_and(|wish| wish.told) {
            return Some(CommandAnswer::TooLate);
        }
        let change = match change {
            Change::Run(payload) => return Some(self.run_series(task, payload)),
            Change::Backfill(it) => return Some(self.backfill_series(asked, task, it)),
            other => other,
        };
        let (mut wish, new) = taken(&mut task);
        if let Some(answer) = full(&wish.askers, asked.request) {
            return Some(answer);
        }
        if wish.successor.is_some() {
            let reason = "the task is being cancelled and registered anew; ask again later";
            return Some(conflict(task.row.version, reason));
        }
        if new {
            wish.pause = task.row.phase == Phase::Paused;
        }
        if !wish.cancel {
            let pause = match change {
                Change::Pause => true,
                Change::Resume => false,
                _ => wish.pause,
            };
            let same = matches!(change, Change::Pause | Change::Resume) && pause == wish.pause;
            if same && new {
                return Some(unchanged(&task.row));
            }
            match self.plan_series(asked, &task, wish.plan.as_ref(), change) {
                Ok(Some(plan)) => wish.plan = Some(plan),
                Ok(None) if wish.plan.is_none() => return Some(unchanged(&task.row)),
                Ok(None) => {}
                Err(answer) => return Some(answer),
            }
            wish.pause = pause;
        }
        wait(&mut wish, &task.row, asked.request);
        task.row.wish = Some(wish);
        self.pursue(task, Purpose::Move)
    }

    /// Takes back what stands in the wish's way. The answer comes once all of that is decided.
    fn pursue(&mut self, mut task: Task, purpose: Purpose) -> Verdict {
        self.take_back(&mut task, purpose, purpose == Purpose::Cancel, None);
        self.carry_out_or_wait(task);
        None
    }

    /// The wish is carried out once nothing that stands in its way is still being decided.
    pub(super) fn carry_out_or_wait(&mut self, mut task: Task) {
        let deciding = task.row.series.as_ref().map_or(0, |series| series.deciding);
        if deciding == 0 {
            self.carry_out(task);
        } else {
            task.row.phase = Phase::Busy;
            self.save_series(task);
        }
    }

    /// How the task is to be planned by `change`; `None` where that is how it is.
    fn plan_series(
        &mut self,
        asked: &Asked,
        task: &Task,
        wished: Option<&Plan>,
        change: Change,
    ) -> Result<Option<Plan>, CommandAnswer> {
        let before = match wished {
            Some(plan) => self.table.understood(decode_definition(&plan.definition)),
            None => self.definition_of(task),
        };
        let before = before.ok_or_else(|| refused("", "the task cannot be read"))?;
        let mut definition = before.clone();
        let mut keep = true;
        let updates = matches!(change, Change::Update(_));
        match change {
            Change::Update(patch) => {
                patch.apply(&mut definition);
                if definition == before {
                    return Ok(None);
                }
                keep = definition.schedule == before.schedule;
            }
            Change::Reschedule(schedule) => {
                definition.schedule = schedule;
                keep = false;
            }
            Change::Touch => {
                check_touchable(&definition.schedule)?;
                keep = false;
            }
            Change::Pause | Change::Resume | Change::Run(_) | Change::Backfill(_) => {}
        }
        check_recurring(&definition)?;
        let wished_anew = wished.filter(|plan| !plan.keep);
        let since = match (keep, wished_anew) {
            (false, _) => asked.appended,
            (true, Some(plan)) => plan.registered_at,
            (true, None) => task.row.series.as_ref().map_or(self.now, |it| it.since),
        };
        // What is taken back for an update and waits with it is still to come, unless it was paused.
        let waiting = wished.filter(|_| keep && updates);
        let leg_due = waiting.map_or(self.now, |plan| plan.leg_due);
        let keep = keep && wished_anew.is_none();
        let due = self.due_behind(task, &definition, since, (leg_due, keep))?;
        let bytes = encode_definition(&definition);
        let content = content_of(&bytes);
        let registered_at = if !keep {
            since
        } else if content == task.row.content {
            task.row.registered_at
        } else {
            asked.appended
        };
        Ok(Some(Plan {
            version: self.number_of(asked),
            content,
            registered_at,
            priority: definition.priority,
            due,
            leg_due,
            keep,
            definition: bytes,
        }))
    }

    /// When the next occurrence is due if it is planned so.
    fn due_behind(
        &mut self,
        task: &Task,
        definition: &Definition,
        since: Millis,
        at: (Millis, bool),
    ) -> Result<Millis, CommandAnswer> {
        let timer = self.timer_of(&task.key, definition, since);
        let settled = task.row.series.as_ref().and_then(|series| series.settled);
        let next = timer.and_then(|timer| {
            let next = next_anew(&timer, since, settled, at);
            next.or_else(|| timer.closed_behind(at.0))
        });
        match next {
            Some(due) => Ok(due),
            None if at.1 => Ok(due_of(&task.row)),
            None => Err(refused("schedule", "has no occurrence any more")),
        }
    }

    /// One firing beside the schedule, at once.
    fn run_series(&mut self, mut task: Task, payload: Option<Payload>) -> CommandAnswer {
        if task.row.wish.as_ref().is_some_and(|wish| wish.cancel) {
            return conflict(task.row.version, "the task is being cancelled");
        }
        let Some(mut definition) = self.definition_of(&task) else {
            return refused("", "the task cannot be read");
        };
        let own = payload.map(|payload| {
            definition.payload = payload;
            encode_definition(&definition)
        });
        let occurrence = task.row.firing.occurrence;
        let Some(series) = &mut task.row.series else {
            return refused("op", "the task fires once");
        };
        series.manual += 1;
        let part = FiringPart {
            occurrence,
            part: 0,
            manual: series.manual,
        };
        let (version, due) = (task.row.version, self.now);
        self.spawn(&mut task, &definition, part, due, own);
        self.save_series(task);
        CommandAnswer::Changed { version, due }
    }
}

fn check_recurring(definition: &Definition) -> Result<(), CommandAnswer> {
    if definition.schedule.recurrence().is_none() {
        let problem = "a recurring task stays one; cancel it and register another";
        return Err(refused("schedule", problem));
    }
    let complaints = definition.complaints();
    if complaints.is_empty() {
        Ok(())
    } else {
        Err(CommandAnswer::Refused { complaints })
    }
}

/// Only what counts from a registration can be counted anew.
fn check_touchable(schedule: &Schedule) -> Result<(), CommandAnswer> {
    let recurrence = schedule.recurrence();
    let counts = recurrence.is_some_and(|recurrence| match recurrence.beat {
        Beat::Every { anchor, .. } => anchor.is_none() && recurrence.start.is_none(),
        Beat::AfterEach(_) => true,
        Beat::Cron { .. } => false,
    });
    if counts {
        return Ok(());
    }
    let problem = "only a schedule that counts from its registration can be touched: `after`, \
        `after_each`, or `every` without `anchor` and `start`";
    Err(refused("op", problem))
}
