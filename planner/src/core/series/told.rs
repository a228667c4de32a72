//! What is said of occurrences that are not fired.

use schemas::index::Span;
use schemas::outcome::{Missed, MissedWhy};
use schemas::{FireId, FiringPart, OutcomeRecord};

use super::{PlannerCore, Store, Task, metrics};

impl<S: Store> PlannerCore<S> {
    /// Tells of occurrences that are not fired.
    pub(super) fn tell_missed(&mut self, task: &Task, span: Span, why: MissedWhy) {
        let Some(series) = &task.row.series else {
            return;
        };
        let version = series.defined;
        let missed = Missed {
            task: task.key.clone(),
            version,
            first: span.first,
            last: span.last,
            fire_id: FireId::new(&task.key, FiringPart::occurrence(span.first).named(version)),
            from: span.from,
            to: span.to,
            registered_at: task.row.registered_at,
            why,
            at: self.now,
        };
        let name = match why {
            MissedWhy::Late => metrics::MISSED,
            MissedWhy::Overlap => metrics::SKIPPED,
        };
        ::metrics::counter!(name).increment(missed.count());
        self.write_outcome(&task.key, &OutcomeRecord::Missed(missed));
    }
}
