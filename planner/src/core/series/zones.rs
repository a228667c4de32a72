//! The time zone data changed, with the release: recurring tasks are compared, so many a turn, and those
//! whose next occurrences differ are planned anew, and listed.
//!
//! The version stands in the table, and the work is a sweep; both are written by one turn, so that a crash
//! before it begins again, and one behind it goes on. What is registered later is planned by the new data
//! anyway.

use schemas::index::{Moved, SweepWork};
use schemas::{Beat, Definition};

use super::replan::{is_left_alone, names_of};
use crate::core::PlannerCore;
use crate::core::index::Task;
use crate::metrics;
use crate::store::Store;

impl<S: Store> PlannerCore<S> {
    /// Where the table was planned by other time zone data, all recurring tasks are to be compared.
    pub(in crate::core) fn heed_zones(&mut self) {
        let now = self.config.zones.version.clone();
        let before = self.table.zones();
        if before.as_ref() == Some(&now) {
            return;
        }
        if self.table.written() > 0 {
            let before = before.unwrap_or_default();
            let shard = self.shard.0;
            tracing::info!(shard, before, now, "the time zone data changed");
            self.begin_zones(before, now.clone());
        }
        self.table.set_zones(now);
    }

    /// Compares one task; whether other data can move it.
    pub(in crate::core) fn compare_zones(&mut self, number: u64, task: Task) -> bool {
        if task.row.series.is_none() || is_left_alone(&task) {
            return false;
        }
        let Some(definition) = self.definition_of(&task).filter(has_zone) else {
            return false;
        };
        let found = self.first_difference(&task, &definition);
        let differs = found.planned != found.given;
        let work = self.zones_compared(number, differs);
        let Some(SweepWork::Zones { before, now }) = work.filter(|_| differs) else {
            return true;
        };
        let moved = Moved {
            tzdata_before: before,
            tzdata: now,
            before: found.planned,
            after: found.given,
            at: self.now,
        };
        self.table.set_moved(&task.key, &moved);
        ::metrics::counter!(metrics::ZONES_MOVED).increment(1);
        let time = |due: Option<schemas::Millis>| due.map_or(-1, |due| due.0);
        tracing::info!(
            task = %task.key,
            before = time(moved.before),
            after = time(moved.after),
            "the next occurrence moves with the time zone data"
        );
        self.replan_one(task);
        true
    }
}

/// Whether clocks of a zone have a say in when it is due.
fn has_zone(definition: &Definition) -> bool {
    let Some(recurrence) = definition.schedule.recurrence() else {
        return false;
    };
    let zoned = matches!(&recurrence.beat, Beat::Cron { zone, .. } if zone != "UTC");
    zoned || !names_of(definition).is_empty()
}
