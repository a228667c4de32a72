//! A row as people see it.

use schemas::answer::{FiringView, ListQuery, OccurrencesView, WaitView};
use schemas::index::{Ending, NeedState, Phase, Series, StepRow, TaskRow};
use schemas::registration::{needs_json, schedule_json};
use schemas::{Definition, TaskKey, TaskState, TaskView, Topic};

use crate::core::series::buffered;

/// Where a task stands, in users' words.
pub(crate) fn state_of(row: &TaskRow) -> TaskState {
    let live = row.series.as_ref().is_some_and(|series| series.live > 0);
    let failed = row.firing.attempt > 1;
    match row.phase {
        Phase::Planted { began: true, .. } => TaskState::Running,
        Phase::Waiting | Phase::Planted { .. } if failed => TaskState::Failed,
        Phase::Waiting if live => TaskState::Scheduled,
        Phase::Busy if live => TaskState::Running,
        Phase::Waiting | Phase::Busy => TaskState::Pending,
        Phase::Planted { .. } => TaskState::Scheduled,
        Phase::Held => TaskState::Held,
        Phase::Paused => TaskState::Paused,
        Phase::Ended { how, .. } => ended(how),
    }
}

fn ended(how: Ending) -> TaskState {
    match how {
        Ending::Completed => TaskState::Completed,
        Ending::Dead => TaskState::Dead,
        Ending::Cancelled => TaskState::Cancelled,
        Ending::Expired => TaskState::Expired,
        Ending::NotTaken => TaskState::Skipped,
    }
}

/// Whether a task is on a list.
pub(crate) fn matches(query: &ListQuery, row: &TaskRow, definition: &Definition) -> bool {
    let due = row.firing.due;
    query.state.is_none_or(|state| state == state_of(row))
        && query.due_from.is_none_or(|from| from <= due)
        && query.due_to.is_none_or(|to| due < to)
        && query
            .tag
            .as_ref()
            .is_none_or(|tag| definition.tags.contains(tag))
}

/// All there is to show of a task. `live`: the rows of its firings, where it recurs.
pub(crate) fn view(
    key: &TaskKey,
    row: &TaskRow,
    live: &[TaskRow],
    definition: &Definition,
) -> TaskView {
    let firings = match &row.series {
        Some(_) => past(row).chain(live.iter().map(current)).collect(),
        None => firings(row),
    };
    let slot = match row.phase {
        Phase::Planted { instance, .. } => Some(Topic::Bucket(instance.slot()).name()),
        _ => None,
    };
    let call = serde_json::json!({
        "url": definition.call.url,
        "method": definition.call.method,
    });
    TaskView {
        tenant: key.tenant.clone(),
        id: key.id.clone(),
        version: row.version,
        state: state_of(row),
        due: row.firing.due,
        retry_at: (state_of(row) == TaskState::Failed).then_some(row.firing.leg_due),
        slot,
        schedule: schedule_json(&definition.schedule),
        call,
        tags: definition.tags.clone(),
        priority: definition.priority,
        flow: definition.needs.as_ref().map(needs_json),
        waits_for: waits_for(row),
        reason: match row.step.as_deref() {
            Some(StepRow::Refused(because)) => Some(because.clone()),
            _ => None,
        },
        firings,
        occurrences: row.series.as_deref().map(|series| occurrences(row, series)),
    }
}

fn past(row: &TaskRow) -> impl Iterator<Item = FiringView> {
    row.past.iter().map(|past| FiringView {
        fire_id: past.fire_id,
        due: past.due,
        occurrence: past.occurrence,
        state: past.ended.map_or(TaskState::Failed, ended),
        attempts: past.attempts.clone(),
        phases: past.phases,
    })
}

/// Those that are past and the one that is next, under way, or was last.
fn firings(row: &TaskRow) -> Vec<FiringView> {
    let mut firings: Vec<FiringView> = past(row).collect();
    match firings.last_mut() {
        Some(last) if last.fire_id == row.firing.fire_id => last.state = state_of(row),
        _ => firings.push(bare(row)),
    }
    firings
}

/// A live firing of a recurring task.
fn current(row: &TaskRow) -> FiringView {
    let mut view = past(row).next().unwrap_or_else(|| bare(row));
    view.state = state_of(row);
    view
}

fn bare(row: &TaskRow) -> FiringView {
    FiringView {
        fire_id: row.firing.fire_id,
        due: row.firing.due,
        occurrence: row.firing.occurrence,
        state: state_of(row),
        attempts: Vec::new(),
        phases: None,
    }
}

fn occurrences(row: &TaskRow, series: &Series) -> OccurrencesView {
    let known = row.phase != Phase::Busy && !series.over;
    OccurrencesView {
        next: known.then_some(row.firing.occurrence),
        ended: series.tally.ended,
        skipped: series.tally.skipped,
        missed: series.tally.missed,
        taken: series.tally.taken,
        buffered: buffered(series),
        live: series.live,
    }
}

/// The needs of a held step that are not met; where the needed steps stand is not known here.
fn waits_for(row: &TaskRow) -> Vec<WaitView> {
    let needs = row.held().map_or(&[][..], |held| &held.needs);
    let left = needs.iter().filter(|need| need.state != NeedState::Met);
    left.map(|need| WaitView {
        step: need.step.clone(),
        state: None,
        unmet: need.state == NeedState::Unmet,
    })
    .collect()
}
