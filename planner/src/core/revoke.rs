//! Cancel and change of what is planted: one wish a task, one revoke a firing, who waits.
//!
//! A planted firing may be on its way to its call. What becomes of it the trigger or the dispatcher
//! decide; until an outcome says so, the task's row holds the wish. Later commands fold into it, and
//! a cancel wins. A register behind a cancel waits as its successor.

use schemas::bucket::{Purpose, Revoke};
use schemas::index::{
    Asker, Ending, Phase, Successor, TaskRow, Wish, content_of, decode_definition,
    encode_definition,
};
use schemas::{BucketRecord, CommandAnswer, Definition, Instance, RequestId, TaskKey, Topic};

use super::PlannerCore;
use super::admit::Asked;
use super::answer::{Verdict, conflict, refused};
use super::change::Change;
use super::command::{due_of, same_or_conflict, unchanged, version_of};
use super::index::Task;
use crate::metrics;
use crate::store::Store;

/// So many may wait for one decision: they stand in the task's row.
const MOST_ASKERS: usize = 64;

impl<S: Store> PlannerCore<S> {
    pub(super) fn cancel_planted(&mut self, asked: &Asked, mut task: Task) -> Verdict {
        if has_begun(&task.row) {
            // Known to be called: no further leg, that is all.
            let wish = task.row.wish.get_or_insert_with(|| Box::new(nothing()));
            let known = std::mem::replace(&mut wish.told, true);
            wish.cancel = true;
            if task.row.shares.is_some() && !known {
                self.start_taking(task);
            } else {
                self.table.save(task);
            }
            return Some(CommandAnswer::TooLate);
        }
        let (mut wish, new) = taken(&mut task);
        if let Some(answer) = full(&wish.askers, asked.request) {
            return Some(answer);
        }
        if let Some(successor) = wish.successor.take() {
            let answer = conflict(task.row.version, "a later cancel overtook it");
            self.answer_all(successor.askers, &answer);
        }
        wish.cancel = true;
        wait(&mut wish, &task.row, asked.request);
        self.wish(task, wish, new, Purpose::Cancel);
        None
    }

    pub(super) fn change_planted(
        &mut self,
        asked: &Asked,
        mut task: Task,
        change: Change,
    ) -> Verdict {
        if has_begun(&task.row) {
            return Some(CommandAnswer::TooLate);
        }
        let (mut wish, new) = taken(&mut task);
        if let Some(answer) = full(&wish.askers, asked.request) {
            return Some(answer);
        }
        if wish.successor.is_some() {
            let reason = "the task is being cancelled and registered anew; ask again later";
            return Some(conflict(task.row.version, reason));
        }
        if !wish.cancel {
            let pause = match change {
                Change::Pause => true,
                Change::Resume | Change::Run(_) => false,
                _ => wish.pause,
            };
            if matches!(change, Change::Resume) && !wish.pause {
                return Some(unchanged(&task.row));
            }
            if let Err(answer) = self.other_needs(&task, &change) {
                return Some(answer);
            }
            match self.plan(asked, &task, wish.plan.as_ref(), change) {
                Ok(Some(plan)) => wish.plan = Some(plan),
                Ok(None) if wish.plan.is_none() => return Some(unchanged(&task.row)),
                Ok(None) => {}
                Err(answer) => return Some(answer),
            }
            wish.pause = pause;
        }
        wait(&mut wish, &task.row, asked.request);
        self.wish(task, wish, new, Purpose::Move);
        None
    }

    /// A register meets a task that is to come or under way.
    pub(super) fn register_live(
        &mut self,
        asked: &Asked,
        mut task: Task,
        definition: &Definition,
    ) -> Verdict {
        let bytes = encode_definition(definition);
        let content = content_of(&bytes);
        let cancelling = task
            .row
            .wish
            .as_mut()
            .filter(|wish| wish.cancel && !wish.told);
        let Some(wish) = cancelling else {
            let wished = task.row.wish.as_ref().and_then(|wish| wish.plan.as_ref());
            if wished.is_some_and(|plan| plan.content != content) && content != task.row.content {
                let version = version_of(&task.row);
                return Some(conflict(version, "the task exists with other content"));
            }
            if wished.is_some_and(|plan| plan.content == content) {
                return Some(unchanged(&task.row));
            }
            return Some(same_or_conflict(&task.row, content));
        };
        match &mut wish.successor {
            Some(successor) if successor.content != content => {
                let reason = "another register waits for the cancel before it";
                return Some(conflict(task.row.version, reason));
            }
            Some(successor) => {
                if let Some(answer) = full(&successor.askers, asked.request) {
                    return Some(answer);
                }
                successor.askers.extend(asked.request);
            }
            None => {
                wish.successor = Some(Successor {
                    definition: bytes,
                    content,
                    registered_at: asked.appended,
                    askers: asked.request.into_iter().collect(),
                });
            }
        }
        self.table.save(task);
        None
    }

    /// Keeps a wish, with a revoke if none is under way.
    pub(super) fn wish(&mut self, mut task: Task, wish: Box<Wish>, new: bool, purpose: Purpose) {
        task.row.wish = Some(wish);
        if task.row.shares.is_some() {
            return if new || purpose == Purpose::Cancel {
                self.start_taking(task)
            } else {
                self.go_on_taking(task)
            };
        }
        if new {
            self.revoke(&task, purpose);
        }
        self.table.save(task);
    }

    /// Writes a revoke where the firing's placement stands, or, once the slot was freed, into the
    /// current one: the trigger passes it on either way.
    fn revoke(&mut self, task: &Task, purpose: Purpose) {
        let Phase::Planted { instance, .. } = task.row.phase else {
            return;
        };
        let slot = if self.ring.holds(instance) {
            self.ring.count_revoke(instance);
            instance.slot()
        } else {
            let current = Instance::of(self.now);
            let open = self.ring.usable_from(current);
            if let Some(open) = open {
                self.ring.open(open);
            }
            open.unwrap_or(current).slot()
        };
        let revoke = Revoke {
            instance,
            fire_id: task.row.firing.fire_id,
            leg: task.row.firing.leg,
            priority: task.row.priority,
            purpose,
        };
        self.write(
            Topic::Bucket(slot),
            None,
            BucketRecord::Revoke(revoke).encode(),
        );
        ::metrics::counter!(metrics::REVOKES).increment(1);
    }

    /// The firing was taken back, or ended to be planted again, with its wish undecided: the wish
    /// comes true. The task waits, its next leg counted.
    pub(super) fn execute(&mut self, mut task: Task, wish: Wish) {
        if wish.cancel {
            let began = task.row.firing.attempt > 1;
            self.end(&mut task, Ending::Cancelled, began);
            return self.decide(task, wish, &CommandAnswer::Cancelled);
        }
        if let Some(plan) = wish.plan {
            self.follow_plan(&mut task, plan);
        }
        self.hold_or_settle(task, wish.pause);
        for Asker {
            request,
            version,
            due,
        } in wish.askers
        {
            self.answer(Some(request), CommandAnswer::Changed { version, due });
        }
    }

    /// Tells everybody how a wish was decided, and lets the successor have its turn. Saves the task.
    pub(super) fn decide(&mut self, task: Task, wish: Wish, answer: &CommandAnswer) {
        for asker in wish.askers {
            self.answer(Some(asker.request), answer.clone());
        }
        let Some(successor) = wish.successor else {
            return self.table.save(task);
        };
        let definition = self
            .table
            .understood(decode_definition(&successor.definition));
        let definition = definition.filter(|_| *answer == CommandAnswer::Cancelled);
        let cannot = definition
            .as_ref()
            .and_then(|definition| self.cannot_wait(&task.key, definition));
        let answer = match (cannot, definition) {
            (Some(answer), _) => {
                self.table.save(task);
                answer
            }
            (None, Some(definition)) => self.create(
                &task.key,
                &definition,
                successor.definition,
                successor.registered_at,
                Some(&task),
            ),
            _ => {
                let answer = same_or_conflict(&task.row, successor.content);
                self.table.save(task);
                answer
            }
        };
        let mut askers = successor.askers.into_iter();
        self.answer(askers.next(), answer.clone());
        let rest = match answer {
            CommandAnswer::Created { version, due } => CommandAnswer::Unchanged { version, due },
            other => other,
        };
        self.answer_all(askers.collect(), &rest);
    }
}

/// Whether it, or a share of it, may be on its way to its call.
pub(super) fn is_planted(row: &TaskRow) -> bool {
    let made = row.shares.as_ref().is_some_and(|shares| shares.made > 0);
    made || matches!(row.phase, Phase::Planted { .. })
}

/// Whether a call is known to have begun, and nothing is left to be decided.
fn has_begun(row: &TaskRow) -> bool {
    let began = row.shares.as_ref().is_some_and(|shares| shares.began);
    (began && !row.revoking()) || matches!(row.phase, Phase::Planted { began: true, .. })
}

/// The answer to a change that met a firing which ended without a call.
pub(super) fn met_the_end(task: &TaskKey, version: u64) -> CommandAnswer {
    conflict(version, &format!("`{task}` ended before this reached it"))
}

pub(super) fn nothing() -> Wish {
    Wish {
        cancel: false,
        pause: false,
        plan: None,
        told: false,
        askers: Vec::new(),
        successor: None,
    }
}

/// The wish to fold into, and whether it is a new one.
pub(super) fn taken(task: &mut Task) -> (Box<Wish>, bool) {
    match task.row.wish.take() {
        Some(wish) => (wish, false),
        None => (Box::new(nothing()), true),
    }
}

/// Lets `request` wait for the decision, to be told of the task as it is wished for by now.
pub(super) fn wait(wish: &mut Wish, row: &TaskRow, request: Option<RequestId>) {
    let (version, due) = match &wish.plan {
        Some(plan) if row.series.is_some() => (plan.version, plan.due),
        Some(plan) => (plan.version, plan.leg_due),
        None => (row.version, due_of(row)),
    };
    wish.askers.extend(request.map(|request| Asker {
        request,
        version,
        due,
    }));
}

pub(super) fn full<T>(askers: &[T], request: Option<RequestId>) -> Verdict {
    let full = request.is_some() && askers.len() >= MOST_ASKERS;
    full.then(|| refused("", "too many commands wait for this task; ask again later"))
}
