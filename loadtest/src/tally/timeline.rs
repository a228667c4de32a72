//! Lateness along the run, by the time at which tasks were due.

use serde::Serialize;

/// A task called within this of its due time was on time, microseconds.
const ON_TIME_US: i64 = 50_000;
/// What one step of the timeline covers, ms of due time.
const STEP_MS: i64 = 100;
/// Half a day: what is due later is not the business of a run.
const STEPS: usize = 432_000;

/// Steps from the start of the run.
#[derive(Clone, Debug, Default)]
pub(crate) struct Timeline(Vec<Step>);

/// First calls of tasks that were due in one tenth of a second.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub(crate) struct Step {
    /// Of due times, ms from the start of the run.
    pub(crate) at_ms: i64,
    pub(crate) fired: u32,
    /// Of these, at most 50 ms late.
    pub(crate) on_time: u32,
    pub(crate) mean_ms: f64,
    pub(crate) worst_ms: f64,
}

impl Timeline {
    /// Notes a first call: due `due_ms` behind the start, and so late.
    pub(crate) fn note(&mut self, due_ms: i64, late_us: i64) {
        let Ok(index) = usize::try_from(due_ms.div_euclid(STEP_MS)) else {
            return;
        };
        if index >= STEPS {
            return;
        }
        if index >= self.0.len() {
            self.0.resize(index + 1, Step::default());
        }
        let step = &mut self.0[index];
        step.fired += 1;
        step.on_time += u32::from(late_us <= ON_TIME_US);
        let late_ms = late_us as f64 / 1e3;
        step.mean_ms += (late_ms - step.mean_ms) / f64::from(step.fired);
        step.worst_ms = step.worst_ms.max(late_ms);
    }

    /// The steps in which anything fired.
    pub(crate) fn steps(&self) -> impl Iterator<Item = Step> {
        let all = (0..).zip(&self.0).map(|(index, step): (i64, &Step)| Step {
            at_ms: index * STEP_MS,
            ..*step
        });
        all.filter(|step| step.fired > 0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn calls_are_put_where_they_were_due() {
        let mut timeline = Timeline::default();
        for (due_ms, late_us) in [(0, 1_000), (99, 3_000), (250, 60_000), (-5, 0)] {
            timeline.note(due_ms, late_us);
        }
        timeline.note(i64::MAX, 0);
        let step = |at_ms, fired, on_time, mean_ms, worst_ms| Step {
            at_ms,
            fired,
            on_time,
            mean_ms,
            worst_ms,
        };
        let all: Vec<Step> = timeline.steps().collect();
        assert_eq!(all, [step(0, 2, 2, 2.0, 3.0), step(200, 1, 0, 60.0, 60.0)]);
    }
}
