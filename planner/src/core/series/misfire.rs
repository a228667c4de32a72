//! Occurrences that could not be looked after in time: which of them are fired all the same.
//!
//! They are looked through from the oldest on, a bounded step at a time. Those the policy keeps are
//! the last ones, so a second place in the row runs ahead until it meets one that is not too late.

use schemas::index::{Lapse, Span};
use schemas::outcome::MissedWhy;
use schemas::{Millis, MisfirePolicy};

use super::{Course, come, is_over};
use crate::core::PlannerCore;
use crate::core::index::Task;
use crate::store::Store;

/// So many occurrences are looked through at the cost of one placement.
const STEPS: usize = 16;

impl<S: Store> PlannerCore<S> {
    /// Whether the next occurrence is later than its task allows. Of a fixed delay none is.
    pub(super) fn has_misfired(&self, task: &Task, course: &Course<'_>) -> bool {
        let threshold = course.definition.misfire.threshold_ms;
        !course.timer.follows() && task.row.firing.due.plus(threshold) < self.now
    }

    /// Looks through what has misfired, then fires what the policy keeps. Whether the budget was
    /// enough for all.
    pub(super) fn look_through(
        &mut self,
        task: &mut Task,
        course: &Course<'_>,
        left: &mut usize,
    ) -> bool {
        let misfire = course.definition.misfire;
        let Some(series) = &mut task.row.series else {
            return true;
        };
        let mut lapse = series.lapse.take().unwrap_or(Lapse {
            before: Millis::MIN,
            oldest: Millis::MIN,
            left_out: None,
            ahead: 0,
            next: Some(task.row.firing.due),
            known: false,
        });
        if !lapse.known {
            lapse.before = self.now.minus(misfire.threshold_ms);
            lapse.oldest = oldest(misfire.policy, self.now);
        }
        let most = match misfire.policy {
            MisfirePolicy::Skip => 0,
            MisfirePolicy::Once => 1,
            MisfirePolicy::All { max } => u64::from(max),
            MisfirePolicy::Window { .. } => u64::MAX,
        };
        let lapse = if lapse.known {
            lapse
        } else {
            match self.run_ahead(task, course, lapse, most, left) {
                Ok(lapse) => lapse,
                Err(lapse) => {
                    keep(task, Some(lapse));
                    return false;
                }
            }
        };
        self.fire_kept(task, course, lapse, left)
    }

    /// Finds the end of what has misfired; leaves out what the policy does not keep.
    fn run_ahead(
        &mut self,
        task: &mut Task,
        course: &Course<'_>,
        mut lapse: Lapse,
        most: u64,
        left: &mut usize,
    ) -> Result<Lapse, Lapse> {
        let mut steps = left.saturating_mul(STEPS);
        while let Some(next) = lapse.next.filter(|due| *due < lapse.before) {
            if steps == 0 {
                *left = 0;
                return Err(lapse);
            }
            steps -= 1;
            let behind = course.timer.next(next);
            if next < lapse.oldest || most == 0 {
                // None is kept yet: the two places are one.
                leave_out(task, &mut lapse, behind);
            } else if lapse.ahead == most {
                let second = course.timer.next(task.row.firing.due);
                leave_out(task, &mut lapse, second);
            } else {
                lapse.ahead += 1;
            }
            lapse.next = behind;
        }
        *left = (*left).min(steps / STEPS);
        lapse.known = true;
        if let Some(span) = lapse.left_out.take() {
            self.tell_missed(task, span, MissedWhy::Late);
        }
        Ok(lapse)
    }

    /// Fires those that are kept, late.
    fn fire_kept(
        &mut self,
        task: &mut Task,
        course: &Course<'_>,
        mut lapse: Lapse,
        left: &mut usize,
    ) -> bool {
        while lapse.ahead > 0 && !is_over(task) {
            if *left == 0 || self.outbox.bytes >= self.config.turn_bytes {
                keep(task, Some(lapse));
                return false;
            }
            *left -= 1;
            lapse.ahead -= 1;
            self.arrive(task, course);
            self.advance(task, course);
        }
        true
    }
}

/// The row's occurrence is not fired; the one behind it, if any, takes its place.
fn leave_out(task: &mut Task, lapse: &mut Lapse, behind: Option<Millis>) {
    let (occurrence, due) = (task.row.firing.occurrence, task.row.firing.due);
    let span = lapse.left_out.get_or_insert(Span {
        first: occurrence,
        from: due,
        last: occurrence,
        to: due,
    });
    (span.last, span.to) = (occurrence, due);
    let Some(series) = &mut task.row.series else {
        return;
    };
    series.tally.missed += 1;
    series.settle(due);
    series.last_due = Some(due);
    match behind {
        Some(behind) => come(task, occurrence + 1, behind),
        None => {
            series.over = true;
            task.row.firing.occurrence = occurrence + 1;
        }
    }
}

fn keep(task: &mut Task, lapse: Option<Lapse>) {
    if let Some(series) = &mut task.row.series {
        series.lapse = lapse;
    }
}

/// What is due before this is left out, whatever else is kept.
fn oldest(policy: MisfirePolicy, now: Millis) -> Millis {
    match policy {
        MisfirePolicy::Window { ms } => now.minus(ms),
        _ => Millis::MIN,
    }
}
