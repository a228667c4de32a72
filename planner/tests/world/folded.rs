//! Records of many legs that ended well.

use schemas::OutcomeRecord;
use schemas::outcome::{Completed, End};

/// As a dispatcher writes them: those that ended well in one record, before the others.
pub(super) fn folded(outcomes: Vec<OutcomeRecord>) -> Vec<OutcomeRecord> {
    let (mut well, mut others) = (Vec::new(), Vec::new());
    for outcome in outcomes {
        match outcome {
            OutcomeRecord::Ended(it) if it.end == End::Success && it.part.is_none() => {
                well.push(it)
            }
            other => others.push(other),
        }
    }
    if !well.is_empty() {
        others.insert(0, OutcomeRecord::Completed(Completed::new(well)));
    }
    others
}
