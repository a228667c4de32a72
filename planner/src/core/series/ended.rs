//! How a firing comes back to its recurring task.

use schemas::index::{Ending, PastFiring, Phase, Wish};
use schemas::outcome::{Again, UnplantedEnd};
use schemas::{Definition, Millis, Overlap};

use super::{come, park_if_closed, scheduled_live};
use crate::core::PlannerCore;
use crate::core::index::Task;
use crate::core::outcome::MOST_FIRINGS;
use crate::metrics;
use crate::store::Store;

/// How a firing's row closes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Closed {
    /// It ended so; whether any call of it began.
    Ended(Ending, bool),
    /// It was taken back before a call began.
    Taken,
}

impl<S: Store> PlannerCore<S> {
    /// A firing is over. `began`: a call of its last leg did.
    pub(in crate::core) fn firing_ended(
        &mut self,
        mut firing: Task,
        how: Ending,
        began: bool,
        ended_at: Millis,
    ) {
        if is_share(&firing) {
            return self.share_ended(firing, how, began, ended_at);
        }
        let Some(mut task) = self.table.load(&firing.key) else {
            return self.lost_its_task(&firing);
        };
        let undecided = firing.row.wish.take().is_some_and(|wish| !wish.told);
        let ever = began || firing.row.firing.attempt > 1;
        let scheduled = firing.part.is_some_and(|part| part.manual == 0);
        let definition = self.needed_definition(&task);
        if scheduled && let Some(definition) = &definition {
            self.decide_overlaps(&mut task, definition, ended_at);
        }
        self.close(&mut task, firing, Closed::Ended(how, ever));
        if undecided {
            decided(&mut task, began);
        }
        if scheduled {
            self.plan_behind(&mut task, definition.as_ref(), ended_at, true);
        }
        self.go_on(task, definition.as_ref());
    }

    /// A leg ended to be planted again, but the firing was to be taken back. Its next leg waits in the
    /// row.
    pub(in crate::core) fn firing_again(&mut self, firing: Task, wish: &Wish, why: Again) {
        if is_share(&firing) {
            return self.share_again(firing, wish, why);
        }
        let called = why == Again::Retry || firing.row.firing.attempt > 1;
        if called && !wish.cancel {
            let key = firing.key.clone();
            self.settle(firing, None);
            return self.firing_decided(&key, true);
        }
        self.unplanted(&firing, UnplantedEnd::Cancelled, None);
        if wish.told {
            return self.firing_ended(firing, Ending::Cancelled, true, self.now);
        }
        self.firing_taken(firing);
    }

    /// A firing was taken back.
    pub(in crate::core) fn firing_taken(&mut self, firing: Task) {
        if is_share(&firing) {
            return self.share_taken(firing);
        }
        let Some(mut task) = self.table.load(&firing.key) else {
            return self.lost_its_task(&firing);
        };
        let scheduled = firing.part.is_some_and(|part| part.manual == 0);
        self.close(&mut task, firing, Closed::Taken);
        decided(&mut task, false);
        let definition = self.needed_definition(&task);
        if scheduled {
            self.plan_behind(&mut task, definition.as_ref(), self.now, false);
        }
        self.go_on(task, definition.as_ref());
    }

    /// What a revoke of a firing came to; the firing goes on.
    pub(in crate::core) fn firing_decided(&mut self, key: &schemas::TaskKey, began: bool) {
        let Some(mut task) = self.table.load(key) else {
            return;
        };
        decided(&mut task, began);
        self.go_on(task, None);
    }

    /// Carries out what is wished where all is decided, or looks at what comes next.
    fn go_on(&mut self, task: Task, definition: Option<&Definition>) {
        let deciding = task.row.series.as_ref().map_or(0, |series| series.deciding);
        let wished = task.row.wish.as_ref().is_some_and(|wish| !wish.told);
        if wished && deciding == 0 {
            return self.carry_out(task);
        }
        let serial = task.row.series.as_ref().is_some_and(|series| series.serial);
        if !serial && task.row.phase == Phase::Waiting {
            // The end of a firing changes nothing of what comes next.
            return self.save_series(task);
        }
        self.settle_series(task, definition);
    }

    /// The definition, where the end of a firing may decide what comes next.
    fn needed_definition(&mut self, task: &Task) -> Option<Definition> {
        let serial = task.row.series.as_ref().is_some_and(|series| series.serial);
        if serial {
            self.definition_of(task)
        } else {
            None
        }
    }

    /// Occurrences that came while the firing was still going on are decided before it is closed.
    fn decide_overlaps(&mut self, task: &mut Task, definition: &Definition, ended_at: Millis) {
        let waits = task.row.phase == Phase::Waiting && task.row.wish.is_none();
        let by_end = matches!(
            definition.overlap,
            Overlap::Skip | Overlap::BufferOne | Overlap::BufferAll
        );
        if waits && by_end {
            let mut left = self.config.turn_placements;
            self.look(task, definition, Some(ended_at.min(self.now)), &mut left);
        }
    }

    /// With a fixed delay the next occurrence is known only now. `ended`: the one before was not taken
    /// back.
    pub(super) fn plan_behind(
        &mut self,
        task: &mut Task,
        definition: Option<&Definition>,
        ended_at: Millis,
        ended: bool,
    ) {
        let course = definition.and_then(|definition| self.course_of(task, definition));
        let Some(course) = course.filter(|course| course.timer.follows()) else {
            return;
        };
        let Some(series) = &mut task.row.series else {
            return;
        };
        if series.over || scheduled_live(series) > 0 {
            return;
        }
        let after = series.last_due.map_or(ended_at, |last| last.max(ended_at));
        let next = course.timer.behind_end(after);
        if ended {
            series.settle(after);
        }
        match next {
            Some(next) => {
                let occurrence = task.row.firing.occurrence;
                come(task, occurrence, next);
            }
            None => {
                series.over = true;
                park_if_closed(task, &course.timer, after);
            }
        }
    }

    /// Takes a firing's row away and books it.
    pub(super) fn close(&mut self, task: &mut Task, firing: Task, closed: Closed) {
        if let Some(part) = firing.part {
            self.backfilling.closed(&task.key, part, self.now);
        }
        let Some(series) = &mut task.row.series else {
            return;
        };
        let manual = firing.part.is_some_and(|part| part.manual > 0);
        series.live = series.live.saturating_sub(1);
        match closed {
            _ if manual => series.manual_live = series.manual_live.saturating_sub(1),
            Closed::Ended(Ending::Expired, false) => {
                series.tally.missed += 1;
                ::metrics::counter!(metrics::MISSED).increment(1);
            }
            Closed::Ended(..) => series.tally.ended += 1,
            Closed::Taken => series.tally.taken += 1,
        }
        // What was called once stays done, though a later leg of it was taken back.
        if !manual && (closed != Closed::Taken || firing.row.firing.attempt > 1) {
            series.settle(firing.row.firing.due);
        }
        let version = firing.row.firing.version;
        if let Some(older) = series
            .older
            .iter_mut()
            .find(|older| older.version == version)
        {
            older.live = older.live.saturating_sub(1);
            if older.live == 0 {
                series.older.retain(|older| older.version != version);
                self.table.drop_definition(&task.key, version);
            }
        }
        remember(task, &firing, closed);
        self.table.erase(firing);
    }

    fn lost_its_task(&mut self, firing: &Task) {
        let key = &firing.key;
        pipeline::invariant::check(pipeline::invariant::Invariant::T1, false, || {
            format!("`{key}` has a live firing and no row")
        });
    }
}

/// Whether it is one call of a broadcast.
fn is_share(firing: &Task) -> bool {
    firing.part.is_some_and(|part| part.shard().is_some())
}

/// One revoke fewer is under way.
fn decided(task: &mut Task, began: bool) {
    let wished = task.row.wish.as_ref().is_some_and(|wish| !wish.told);
    if let Some(series) = &mut task.row.series {
        series.deciding = series.deciding.saturating_sub(1);
        series.began |= began && wished;
    }
}

/// Adds a firing to the last ones of its task.
fn remember(task: &mut Task, firing: &Task, closed: Closed) {
    if closed == Closed::Taken && firing.row.past.is_empty() {
        // Nothing happened: that must not push out what did.
        return;
    }
    let how = match closed {
        Closed::Ended(how, _) => how,
        Closed::Taken => Ending::Cancelled,
    };
    let shares = firing.row.shares.as_ref().map(|shares| shares.tally);
    let told = firing.row.past.last().filter(|_| shares.is_none()).cloned();
    let mut past = told.unwrap_or(PastFiring {
        fire_id: firing.row.firing.fire_id,
        due: firing.row.firing.due,
        occurrence: firing.row.firing.occurrence,
        ended: None,
        attempts: Vec::new(),
        phases: None,
        shard: None,
        shares,
    });
    past.ended = Some(how);
    task.row.past.push(past);
    let surplus = task.row.past.len().saturating_sub(MOST_FIRINGS);
    task.row.past.drain(..surplus);
}
