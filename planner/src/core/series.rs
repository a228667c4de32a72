//! Recurring tasks: which occurrence is next, when it is looked at, and how it becomes a firing.
//!
//! The row of a recurring task holds its next occurrence and stands in an order of its own, by the
//! time at which that must be looked at. Looked at, an occurrence becomes a **firing**: a row of its
//! own that goes the way of any one-shot task, until its outcome comes back here. Several are spawned
//! at one look, so that the task's row is written once for all of them.
//!
//! An occurrence is looked at two slots before it is due at the latest; a lone one as soon as it is
//! within the horizon and the one before is past. Where one firing must end before the next begins,
//! at most one is spawned, and the rest is decided when its time comes, or by the end of the one before.
//!
//! `backfill.rs`: a past range, fired belatedly. `misfire.rs`: what came too late. `overlap.rs`: what came too soon. `ended.rs`: how a firing comes
//! back. `command.rs` and `wish.rs`: commands. `walk.rs`: the order. `course.rs`,
//! `timer.rs` and `rules.rs`: the times. `zones.rs`: other rules. `told.rs`: what is said of occurrences that are not fired.

mod backfill;
mod command;
mod course;
mod ended;
mod misfire;
mod overlap;
mod pace;
mod replan;
mod rules;
mod timer;
mod told;
mod walk;
mod wish;
mod zones;

use bytes::Bytes;
use pipeline::invariant::{Invariant, check};
use schemas::index::{Ending, Firing, Phase, Series, Tally, TaskRow};
use schemas::outcome::UnplantedEnd;
use schemas::slot::WIDTH_MS;
use schemas::{CommandAnswer, Definition, FireId, FiringPart, Millis, TaskKey};

use super::PlannerCore;
use super::answer::refused;
use super::index::Task;
use super::plant::expiry_of;
use super::shares::shares_of;
use crate::metrics;
use crate::store::Store;
pub(super) use backfill::Backfilling;
use course::{Course, is_serial};
pub(super) use pace::Pacer;
use replan::{first_or_parked, names_of, park_if_closed};
pub(super) use rules::Rules;
pub(super) use timer::Timer;
pub(super) use walk::Looking;

/// An occurrence is a firing so long before it is due, ms.
const AHEAD_MS: u64 = 2 * WIDTH_MS.unsigned_abs();
/// At one look everything due within this becomes one, ms: a slot more, so that looks are few.
const REACH_MS: u64 = 3 * WIDTH_MS.unsigned_abs();
/// What is later than this is released at a pace, ms.
pub(super) const LATE_MS: u64 = 5_000;

impl<S: Store> PlannerCore<S> {
    /// What a new recurring task begins with, or why it cannot be.
    pub(super) fn begin_series(
        &mut self,
        key: &TaskKey,
        definition: &Definition,
        appended: Millis,
    ) -> Result<(Box<Series>, Firing), CommandAnswer> {
        // As far as its calendars are known; where one is not, the task is parked when it is looked at.
        let timer = self.timer_of(key, definition, appended);
        let (first, parked) = timer
            .as_ref()
            .map_or((None, None), |timer| first_or_parked(timer, appended));
        let Some(first) = first else {
            return Err(refused("schedule", "has no occurrence any more"));
        };
        let version = self.table.next_version();
        let series = Series {
            defined: version,
            since: appended,
            serial: is_serial(definition),
            last_due: None,
            settled: None,
            over: false,
            tally: Tally::default(),
            runs: 0,
            live: 0,
            manual_live: 0,
            manual: 0,
            older: Vec::new(),
            buffers: Vec::new(),
            lapse: None,
            deciding: 0,
            began: false,
            calendars: names_of(definition),
            parked,
        };
        let firing = next_firing(key, &series, 1, first);
        Ok((Box::new(series), firing))
    }

    /// Saves a recurring task: looked at as far as that can be now, then where it belongs.
    pub(super) fn settle_series(&mut self, mut task: Task, definition: Option<&Definition>) {
        if !self.rests(&mut task) {
            let decoded;
            let definition = match definition {
                Some(definition) => definition,
                None => match self.definition_of(&task) {
                    Some(definition) => {
                        decoded = definition;
                        &decoded
                    }
                    None => return,
                },
            };
            let mut left = self.config.turn_placements;
            self.look(&mut task, definition, None, &mut left);
        }
        self.save_series(task);
    }

    /// Whether there is nothing to look at; ends the task where that is so for good.
    fn rests(&mut self, task: &mut Task) -> bool {
        let Some(series) = &task.row.series else {
            return true;
        };
        let undecided = task.row.wish.as_ref().is_some_and(|wish| !wish.told);
        if undecided && series.deciding > 0 {
            task.row.phase = Phase::Busy;
            return true;
        }
        match task.row.phase {
            Phase::Ended { .. } | Phase::Paused => return true,
            _ => {}
        }
        if !series.over || !series.buffers.is_empty() {
            return false;
        }
        if series.live > 0 || self.backfilling.is_open(&task.key) {
            task.row.phase = Phase::Busy;
        } else {
            let told = task.row.wish.take().is_some_and(|wish| wish.cancel);
            let how = if told {
                Ending::Cancelled
            } else {
                Ending::Completed
            };
            let began = series.tally.ended > 0;
            self.end(task, how, began);
        }
        true
    }

    /// Saves the row of a recurring task; its books must balance (T8).
    pub(super) fn save_series(&mut self, task: Task) {
        if let Some(series) = &task.row.series {
            let passed = task.row.firing.occurrence - 1;
            check(Invariant::T8, accounted(series) == passed, || {
                let key = &task.key;
                format!("`{key}`: {passed} occurrences have passed, {series:?}")
            });
            if task.row.phase == Phase::Waiting {
                self.looking.note(&task.key, None, task.row.firing.leg_due);
            }
            self.backfilling.note(&task.key);
        }
        self.table.save(task);
    }

    /// Turns occurrences into firings, as far as their time has come. `until`: decides only what is
    /// due by then. Whether the budget was enough for all.
    pub(super) fn look(
        &mut self,
        task: &mut Task,
        definition: &Definition,
        until: Option<Millis>,
        left: &mut usize,
    ) -> bool {
        if self.is_parked(task, definition) {
            return true;
        }
        let Some(course) = self.course_of(task, definition) else {
            return true;
        };
        task.row.phase = Phase::Waiting;
        if until.is_none() {
            self.release_buffer(task, &course);
        }
        loop {
            let Some(series) = &task.row.series else {
                return true;
            };
            if series.over {
                break;
            }
            if course.timer.follows() && scheduled_live(series) > 0 {
                task.row.phase = Phase::Busy;
                return true;
            }
            if *left == 0 || self.outbox.bytes >= self.config.turn_bytes {
                task.row.firing.leg_due = self.now;
                return false;
            }
            if series.lapse.is_some() || self.has_misfired(task, &course) {
                if !self.look_through(task, &course, left) {
                    task.row.firing.leg_due = self.now;
                    return false;
                }
                continue;
            }
            let due = task.row.firing.due;
            let reach = until.unwrap_or_else(|| self.reach(task, &course));
            if due > reach {
                break;
            }
            *left -= 1;
            self.arrive(task, &course);
            self.advance(task, &course);
            // Nothing to do unless it came too late to be fired.
            self.plan_behind(task, Some(definition), self.now, true);
        }
        let series = task.row.series.as_ref();
        let over = series.filter(|series| series.over);
        let behind = over.map(|series| series.last_due.unwrap_or(series.since));
        if behind.is_some_and(|behind| park_if_closed(task, &course.timer, behind)) {
            return true;
        }
        task.row.firing.leg_due = self.look_at(task, &course);
        if until.is_none() && !self.rests(task) && is_over(task) {
            task.row.phase = Phase::Busy;
        }
        true
    }

    /// What is due by this is decided now.
    fn reach(&self, task: &Task, course: &Course<'_>) -> Millis {
        if is_held_up(task, course) {
            return self.now.minus(course.grace_ms());
        }
        if self.look_at(task, course) <= self.now {
            return task.row.firing.due;
        }
        if course.is_serial() {
            return self.now;
        }
        self.now.plus(REACH_MS)
    }

    /// When the next occurrence is to be looked at.
    fn look_at(&self, task: &Task, course: &Course<'_>) -> Millis {
        let due = task.row.firing.due;
        if is_held_up(task, course) {
            return due.plus(course.grace_ms());
        }
        let before = task.row.series.as_ref().and_then(|series| series.last_due);
        let near = before.map_or(Millis::MIN, |before| before.min(due.minus(AHEAD_MS)));
        near.max(due.minus(self.config.horizon_ms))
    }

    /// The next occurrence has become what it becomes: on to the one behind it.
    fn advance(&mut self, task: &mut Task, course: &Course<'_>) {
        let Some(series) = &mut task.row.series else {
            return;
        };
        let (occurrence, due) = (task.row.firing.occurrence + 1, task.row.firing.due);
        check(
            Invariant::T8,
            series.last_due.is_none_or(|last| last < due),
            || {
                let (key, last) = (&task.key, series.last_due);
                format!(
                    "`{key}`: occurrence {} is due at {due}, the one before at {last:?}",
                    occurrence - 1
                )
            },
        );
        series.last_due = Some(due);
        let spent = series.runs + buffered(series) >= course.timer.most_runs();
        match course.timer.next(due).filter(|_| !spent) {
            Some(next) => come(task, occurrence, next),
            None => {
                series.over = spent || !course.timer.follows();
                task.row.firing.occurrence = occurrence;
            }
        }
    }

    /// Makes a firing. `own`: its definition, where it is not that of its task.
    pub(super) fn spawn(
        &mut self,
        task: &mut Task,
        definition: &Definition,
        part: FiringPart,
        due: Millis,
        own: Option<Bytes>,
    ) {
        let late = due.plus(LATE_MS) < self.now && is_paced(part);
        // The shares of a broadcast are spread one by one.
        let shares = shares_of(definition);
        let leg_due = if late && shares.is_none() {
            self.pacer.next(self.now)
        } else {
            due
        };
        let Some(series) = &mut task.row.series else {
            return;
        };
        let row = TaskRow {
            version: series.defined,
            content: [0; 16],
            registered_at: task.row.registered_at,
            priority: definition.priority,
            phase: Phase::Waiting,
            firing: Firing {
                fire_id: FireId::new(&task.key, part.named(series.defined)),
                version: series.defined,
                occurrence: part.occurrence,
                leg: 1,
                attempt: 1,
                due,
                leg_due,
            },
            wish: None,
            past: Vec::new(),
            apart: false,
            step: None,
            series: None,
            shares,
        };
        let firing = Task::firing(task.key.clone(), part, row, own);
        if part.manual == 0 {
            series.runs += 1;
            let expires = expiry_of(&firing, definition);
            if expires.is_some_and(|at| at < self.now.max(leg_due)) {
                series.tally.missed += 1;
                series.settle(due);
                ::metrics::counter!(metrics::MISSED).increment(1);
                return self.unplanted(&firing, UnplantedEnd::Expired, None);
            }
        } else {
            series.manual_live += 1;
        }
        series.live += 1;
        ::metrics::counter!(metrics::OCCURRENCES).increment(1);
        self.settle(firing, Some(definition));
    }
}

/// Whether a firing is released behind others that are late, rather than at once.
fn is_paced(part: FiringPart) -> bool {
    part.manual == 0 || part.backfill().is_some()
}

/// Puts the next occurrence into the row.
pub(super) fn come(task: &mut Task, occurrence: u64, due: Millis) {
    if let Some(series) = &task.row.series {
        task.row.firing = next_firing(&task.key, series, occurrence, due);
    }
}

fn next_firing(key: &TaskKey, series: &Series, occurrence: u64, due: Millis) -> Firing {
    let version = series.defined;
    Firing {
        fire_id: FireId::new(key, FiringPart::occurrence(occurrence).named(version)),
        version,
        occurrence,
        leg: 1,
        attempt: 1,
        due,
        leg_due: due,
    }
}

/// Whether the next occurrence waits for the one before to end.
fn is_held_up(task: &Task, course: &Course<'_>) -> bool {
    let series = task.row.series.as_ref();
    let waits = |series: &Series| scheduled_live(series) > 0 || !series.buffers.is_empty();
    course.is_serial() && series.is_some_and(|series| waits(series))
}

/// Whether no occurrence follows.
fn is_over(task: &Task) -> bool {
    task.row.series.as_ref().is_none_or(|series| series.over)
}

/// Live firings that the schedule asked for.
fn scheduled_live(series: &Series) -> u32 {
    series.live - series.manual_live
}

/// Occurrences that wait for the firing before to end.
pub(crate) fn buffered(series: &Series) -> u64 {
    series.buffers.iter().map(|buffer| buffer.count).sum()
}

/// Occurrences of which it is known what becomes of them.
fn accounted(series: &Series) -> u64 {
    let tally = &series.tally;
    let over = tally.ended + tally.skipped + tally.missed + tally.taken;
    over + u64::from(scheduled_live(series)) + buffered(series)
}
