//! A calendar changed: the tasks that name it are planned anew, so many a turn, and no others.
//!
//! Of each, the firings that the schedule still gives stay as they are, up to the first that it gives
//! no more or the first new one before them. What is planted behind that is taken back like for a
//! command, and what follows is planned anew once all of that is decided. What is past, or waits for a
//! firing to end, is left alone.
//!
//! A task one of whose calendars is not known is **parked**: nothing of it is planned, until the
//! calendar is there. What came due meanwhile is late, and the misfire policy says what becomes of it.

use std::sync::Arc;

use schemas::bucket::Purpose;
use schemas::index::{Parked, Phase, Plan, Replan, Wish};
use schemas::{CalendarKey, CalendarName, Definition, Millis, TaskKey};
use timetable::Calendar;

use super::{Timer, buffered, come, is_over};
use crate::core::PlannerCore;
use crate::core::index::{Task, naming, who_names};
use crate::core::revoke::nothing;
use crate::metrics;
use crate::store::Store;

/// Those that name a calendar are looked up so many at a time.
const STEP: usize = 256;

impl<S: Store> PlannerCore<S> {
    /// Notes that the tasks naming it are to be planned anew.
    pub(in crate::core) fn calendar_changed(&mut self, calendar: CalendarKey) {
        self.table.drop_replans_of(&calendar);
        if !self.table.is_named(&calendar) {
            return;
        }
        let number = self.table.next_version();
        let replan = Replan {
            calendar,
            done: None,
        };
        self.table.set_replan(number, &replan);
        self.calendars.replans = true;
    }

    /// Plans tasks anew, within the budget of one turn.
    pub(in crate::core) fn replan(&mut self) {
        if !self.calendars.replans {
            return;
        }
        let mut left = self.config.turn_replanned;
        while left > 0 && self.outbox.bytes < self.config.turn_bytes {
            let Some((number, mut replan)) = self.table.first_replan() else {
                self.calendars.replans = false;
                return;
            };
            if self.replan_all(&mut replan, &mut left) {
                self.table.drop_replan(number);
            } else {
                self.table.set_replan(number, &replan);
            }
        }
    }

    /// Whether the budget was enough for all that name it.
    fn replan_all(&mut self, replan: &mut Replan, left: &mut usize) -> bool {
        let (mut from, to) = naming(&replan.calendar, replan.done.as_ref());
        loop {
            let scan = self.table.scan(&from, &to, STEP);
            for key in scan.keys {
                if *left == 0 || self.outbox.bytes >= self.config.turn_bytes {
                    return false;
                }
                let Some(name) = who_names(&replan.calendar, &key) else {
                    continue;
                };
                replan.done = Some(name.id.as_str().to_owned());
                let cost = match self.table.load(&name) {
                    Some(task) => self.replan_one(task),
                    None => 1,
                };
                *left = left.saturating_sub(cost);
            }
            match scan.next {
                Some(next) => from = next,
                None => return true,
            }
        }
    }

    /// Plans one task anew; what that cost.
    pub(super) fn replan_one(&mut self, mut task: Task) -> usize {
        if is_left_alone(&task) {
            return 1;
        }
        let (Some(definition), Some(bytes)) =
            (self.definition_of(&task), self.table.definition(&task))
        else {
            return 1;
        };
        ::metrics::counter!(metrics::REPLANNED).increment(1);
        let Difference {
            mut behind, cost, ..
        } = self.first_difference(&task, &definition);
        let before = task.row.wish.take();
        if let Some(plan) = before.as_ref().and_then(|wish| wish.plan.as_ref()) {
            behind = behind.min(plan.leg_due);
        }
        let plan = Plan {
            version: task.row.version,
            content: task.row.content,
            registered_at: task.row.registered_at,
            priority: task.row.priority,
            due: task.row.firing.due,
            leg_due: behind,
            keep: true,
            definition: bytes,
        };
        let mut wish = before.unwrap_or_else(|| Box::new(nothing()));
        wish.plan = Some(plan);
        task.row.wish = Some(wish);
        let kept = behind.max(self.now);
        self.take_back(&mut task, Purpose::Move, false, Some(kept));
        self.carry_out_or_wait(task);
        cost
    }

    /// Where what is planned and what the schedule gives part.
    pub(super) fn first_difference(&mut self, task: &Task, definition: &Definition) -> Difference {
        let next = task.row.firing.due;
        // Where none follows, what stands there is planted, or waits, already.
        if next <= self.now && !is_over(task) {
            // It is late, and is looked at as late; nothing behind it is planted.
            return Difference::none(next.minus(1));
        }
        let since = task
            .row
            .series
            .as_ref()
            .map_or(self.now, |series| series.since);
        let unknown = self.unknown_calendar(&task.key, definition).is_some();
        let timer = self.timer_of(&task.key, definition, since);
        let timer = timer.filter(|timer| !unknown && !timer.follows());
        let mut given = timer.as_ref().and_then(|timer| timer.first(self.now));
        let mut behind = self.now;
        let parts = self.table.firings(&task.key);
        let cost = parts.len() + 1;
        for part in parts.into_iter().filter(|part| part.manual == 0) {
            let Some(firing) = self.table.load_part(&task.key, Some(part)) else {
                continue;
            };
            let due = firing.row.firing.due;
            if due <= self.now {
                continue;
            }
            if given != Some(due) {
                return Difference {
                    behind,
                    cost,
                    planned: Some(due),
                    given,
                };
            }
            behind = due;
            given = timer.as_ref().and_then(|timer| timer.next(due));
        }
        let series = task.row.series.as_deref();
        let runs = series.map_or(0, |series| series.runs + buffered(series));
        let spent = timer.is_some_and(|timer| runs >= timer.most_runs());
        let waits = task.row.phase == Phase::Waiting && !is_over(task);
        Difference {
            behind,
            cost,
            planned: waits.then_some(next),
            given: given.filter(|_| !spent),
        }
    }

    /// The calendars that a schedule names; of those that are not known, nothing.
    pub(super) fn calendars_of(
        &mut self,
        key: &TaskKey,
        definition: &Definition,
    ) -> Vec<Arc<Calendar>> {
        let names = calendar_keys(key, definition);
        names
            .iter()
            .filter_map(|name| self.calendar(name))
            .collect()
    }

    /// The first calendar of those it names that is not known.
    pub(super) fn unknown_calendar(
        &mut self,
        key: &TaskKey,
        definition: &Definition,
    ) -> Option<CalendarKey> {
        let mut names = calendar_keys(key, definition).into_iter();
        names.find(|name| self.calendar(name).is_none())
    }

    /// Parks a task that cannot be planned, if so.
    pub(super) fn is_parked(&mut self, task: &mut Task, definition: &Definition) -> bool {
        let unknown = self.unknown_calendar(&task.key, definition);
        let Some(series) = &mut task.row.series else {
            return false;
        };
        let closed = series.parked == Some(Parked::Closed);
        series.parked = match unknown {
            Some(unknown) => Some(Parked::Unknown(unknown.name)),
            None => closed.then_some(Parked::Closed),
        };
        if series.parked.is_none() {
            return false;
        }
        task.row.phase = Phase::Parked;
        true
    }
}

/// Where what is planned and what the schedule gives part.
pub(super) struct Difference {
    /// Up to here all stays as it is planned.
    pub(super) behind: Millis,
    /// What it cost to see that.
    pub(super) cost: usize,
    /// The first behind it that is planned.
    pub(super) planned: Option<Millis>,
    /// The first behind it that the schedule gives.
    pub(super) given: Option<Millis>,
}

impl Difference {
    fn none(behind: Millis) -> Self {
        Self {
            behind,
            cost: 1,
            planned: None,
            given: None,
        }
    }
}

/// Whether it is planned by the rules of a later time: what is wished, or resumed. A wish of our own is
/// none, but under way for a change before.
pub(super) fn is_left_alone(task: &Task) -> bool {
    let own = |wish: &Wish| !wish.cancel && plans(wish, task.row.version);
    let undecided = task.row.wish.as_deref().is_some_and(|wish| !own(wish));
    undecided || matches!(task.row.phase, Phase::Ended { .. } | Phase::Paused)
}

/// Whether it only plans the same version anew.
fn plans(wish: &Wish, version: u64) -> bool {
    let plan = wish.plan.as_ref();
    plan.is_some_and(|plan| plan.version == version) && wish.askers.is_empty()
}

/// Where its calendars close every occurrence that there would be, the task is not over: it waits for
/// them to change. Whether that is so.
pub(super) fn park_if_closed(task: &mut Task, timer: &Timer, behind: Millis) -> bool {
    let Some(series) = &mut task.row.series else {
        return false;
    };
    let spent = series.runs + buffered(series) >= timer.most_runs();
    let Some(next) = timer.closed_behind(behind).filter(|_| !spent) else {
        return false;
    };
    series.over = false;
    series.parked = Some(Parked::Closed);
    task.row.phase = Phase::Parked;
    let occurrence = task.row.firing.occurrence;
    come(task, occurrence, next);
    true
}

/// The first occurrence behind `from`; where the calendars close all of them, the first that would
/// come without, and that the task is parked.
pub(super) fn first_or_parked(timer: &Timer, from: Millis) -> (Option<Millis>, Option<Parked>) {
    match (timer.first(from), timer.closed_behind(from)) {
        (None, Some(first)) => (Some(first), Some(Parked::Closed)),
        (first, _) => (first, None),
    }
}

/// The calendars that a definition names.
pub(super) fn names_of(definition: &Definition) -> Vec<CalendarName> {
    let recurrence = definition.schedule.recurrence();
    let names = recurrence.map_or(&[][..], |it| &it.calendars).iter();
    names
        .filter_map(|name| CalendarName::new(name).ok())
        .collect()
}

fn calendar_keys(key: &TaskKey, definition: &Definition) -> Vec<CalendarKey> {
    let names = names_of(definition).into_iter();
    names
        .map(|name| CalendarKey {
            tenant: key.tenant.clone(),
            name,
        })
        .collect()
}
