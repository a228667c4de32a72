//! What a look at a recurring task needs beside its row: the definition, and the times it gives.

use schemas::{Beat, Definition, Millis, Overlap, Recurrence, TaskKey};

use super::Timer;
use crate::core::PlannerCore;
use crate::core::index::Task;
use crate::store::Store;

/// An end in time may so long, ms, be on its way here.
const GRACE_MS: u64 = 250;

/// What a look needs beside the row.
pub(super) struct Course<'d> {
    pub(super) definition: &'d Definition,
    pub(super) timer: Timer,
}

impl Course<'_> {
    pub(super) fn is_serial(&self) -> bool {
        is_serial(self.definition)
    }

    /// An occurrence that comes while the firing before goes on is decided so much later, ms.
    pub(super) fn grace_ms(&self) -> u64 {
        match self.definition.overlap {
            Overlap::CancelPrevious => 0,
            _ => GRACE_MS,
        }
    }
}

impl<S: Store> PlannerCore<S> {
    /// A task's schedule, ready to be asked; `None` where it fires once.
    pub(super) fn timer_of(
        &mut self,
        key: &TaskKey,
        definition: &Definition,
        since: Millis,
    ) -> Option<Timer> {
        let calendars = self.calendars_of(key, definition);
        match Timer::of(key, definition, since, &mut self.rules, calendars) {
            Ok(timer) => timer,
            Err(problem) => {
                let problem = format!("the schedule of `{key}` is not understood: {problem}");
                self.table.break_with(problem);
                None
            }
        }
    }

    pub(super) fn course_of<'d>(
        &mut self,
        task: &Task,
        definition: &'d Definition,
    ) -> Option<Course<'d>> {
        let since = task.row.series.as_ref()?.since;
        Some(Course {
            definition,
            timer: self.timer_of(&task.key, definition, since)?,
        })
    }
}

/// Whether a firing must end before the next one begins.
pub(super) fn is_serial(definition: &Definition) -> bool {
    let recurrence = definition.schedule.recurrence();
    let follows = |it: &Recurrence| matches!(it.beat, Beat::AfterEach(_));
    definition.overlap != Overlap::Allow || recurrence.is_some_and(follows)
}
