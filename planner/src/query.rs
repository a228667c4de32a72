//! A row as people see it.

use schemas::answer::{FiringView, ListQuery, WaitView};
use schemas::index::{Ending, NeedState, Phase, StepRow, TaskRow};
use schemas::registration::{needs_json, schedule_json};
use schemas::{Definition, TaskKey, TaskState, TaskView, Topic};

/// Where a task stands, in users' words.
pub(crate) fn state_of(row: &TaskRow) -> TaskState {
    let failed = row.firing.attempt > 1;
    match row.phase {
        Phase::Planted { began: true, .. } => TaskState::Running,
        Phase::Waiting | Phase::Planted { .. } if failed => TaskState::Failed,
        Phase::Waiting => TaskState::Pending,
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
    let due = row.firing.leg_due;
    query.state.is_none_or(|state| state == state_of(row))
        && query.due_from.is_none_or(|from| from <= due)
        && query.due_to.is_none_or(|to| due < to)
        && query
            .tag
            .as_ref()
            .is_none_or(|tag| definition.tags.contains(tag))
}

/// All there is to show of a task.
pub(crate) fn view(key: &TaskKey, row: &TaskRow, definition: &Definition) -> TaskView {
    let state = state_of(row);
    let mut firings: Vec<FiringView> = row
        .past
        .iter()
        .map(|past| FiringView {
            fire_id: past.fire_id,
            due: past.due,
            occurrence: past.occurrence,
            state: past.ended.map_or(TaskState::Failed, ended),
            attempts: past.attempts.clone(),
            phases: past.phases,
        })
        .collect();
    match firings.last_mut() {
        Some(last) if last.fire_id == row.firing.fire_id => last.state = state,
        _ => firings.push(FiringView {
            fire_id: row.firing.fire_id,
            due: row.firing.due,
            occurrence: row.firing.occurrence,
            state,
            attempts: Vec::new(),
            phases: None,
        }),
    }
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
        state,
        due: row.firing.leg_due,
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
