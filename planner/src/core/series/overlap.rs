//! Occurrences whose time comes while the firing before goes on.

use schemas::bucket::Purpose;
use schemas::index::{Buffer, Span};
use schemas::outcome::MissedWhy;
use schemas::{FiringPart, Overlap};

use super::{Course, buffered, scheduled_live};
use crate::core::PlannerCore;
use crate::core::index::Task;
use crate::store::Store;

/// Occurrences that wait with a time of their own each; further ones share one.
const MOST_APART: usize = 256;

impl<S: Store> PlannerCore<S> {
    /// The time of the row's occurrence has come, or is near and nothing stands in its way.
    pub(super) fn arrive(&mut self, task: &mut Task, course: &Course<'_>) {
        let Some(series) = &task.row.series else {
            return;
        };
        let (occurrence, due) = (task.row.firing.occurrence, task.row.firing.due);
        let free = scheduled_live(series) == 0 && series.buffers.is_empty();
        if free || !course.is_serial() {
            let part = FiringPart::occurrence(occurrence);
            return self.spawn(task, course.definition, part, due, None);
        }
        match course.definition.overlap {
            Overlap::BufferAll => buffer(task),
            Overlap::BufferOne if buffered(series) == 0 => buffer(task),
            Overlap::CancelPrevious => {
                self.drop_buffers(task);
                buffer(task);
                self.take_back(task, Purpose::Cancel, false, None);
                self.release_buffer(task, course);
            }
            Overlap::Allow | Overlap::Skip | Overlap::BufferOne => self.skip(task, occurrence, due),
        }
    }

    /// Fires the first that waits, if nothing stands in its way any more. Where the one before is to
    /// be cancelled it need not end, only be decided.
    pub(super) fn release_buffer(&mut self, task: &mut Task, course: &Course<'_>) {
        let Some(series) = &mut task.row.series else {
            return;
        };
        let cancels = course.definition.overlap == Overlap::CancelPrevious;
        let free = if cancels {
            series.deciding == 0
        } else {
            scheduled_live(series) == 0
        };
        let Some(first) = series.buffers.first_mut().filter(|_| free) else {
            return;
        };
        let (occurrence, due) = (first.occurrence, first.due);
        first.count -= 1;
        first.occurrence += 1;
        match course.timer.next(due) {
            Some(next) if first.count > 0 => first.due = next,
            _ => {
                series.buffers.remove(0);
            }
        }
        let part = FiringPart::occurrence(occurrence);
        self.spawn(task, course.definition, part, due, None);
    }

    /// What waits for a firing to end is not to be fired any more: a later one takes its place.
    fn drop_buffers(&mut self, task: &mut Task) {
        let Some(series) = &mut task.row.series else {
            return;
        };
        // Where each cancels the one before, one waits at most.
        for Buffer {
            occurrence, due, ..
        } in std::mem::take(&mut series.buffers)
        {
            self.skip(task, occurrence, due);
        }
    }

    fn skip(&mut self, task: &mut Task, occurrence: u64, due: schemas::Millis) {
        if let Some(series) = &mut task.row.series {
            series.tally.skipped += 1;
            series.settle(due);
        }
        let span = Span {
            first: occurrence,
            from: due,
            last: occurrence,
            to: due,
        };
        self.tell_missed(task, span, MissedWhy::Overlap);
    }
}

/// The row's occurrence waits.
fn buffer(task: &mut Task) {
    let occurrence = task.row.firing.occurrence;
    let due = task.row.firing.due;
    let Some(series) = &mut task.row.series else {
        return;
    };
    // Where a calendar may change, what comes behind an occurrence may too: each keeps its own time.
    let apart = !series.calendars.is_empty() && series.buffers.len() < MOST_APART;
    let last = series.buffers.last_mut().filter(|_| !apart);
    match last.filter(|last| last.occurrence + last.count == occurrence) {
        Some(last) => last.count += 1,
        None => series.buffers.push(Buffer {
            occurrence,
            due,
            count: 1,
        }),
    }
}
