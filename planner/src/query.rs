//! A row as people see it.

use schemas::answer::{BackfillView, FiringView, ListQuery, OccurrencesView, SharesView, WaitView};
use schemas::index::{BackfillRow, Ending, NeedState, Parked, Phase, Series, StepRow, TaskRow};
use schemas::registration::{needs_json, schedule_json};
use schemas::{Definition, FiringPart, TaskKey, TaskState, TaskView, Topic};

use crate::core::series::buffered;

/// Where a task stands, in users' words.
pub(crate) fn state_of(row: &TaskRow) -> TaskState {
    let live = row.series.as_ref().is_some_and(|series| series.live > 0);
    let failed = row.firing.attempt > 1;
    if let (Some(shares), Phase::Waiting | Phase::Busy) = (&row.shares, row.phase) {
        return match shares.made {
            _ if shares.began => TaskState::Running,
            0 => TaskState::Pending,
            _ => TaskState::Scheduled,
        };
    }
    match row.phase {
        Phase::Planted { began: true, .. } => TaskState::Running,
        Phase::Waiting | Phase::Planted { .. } if failed => TaskState::Failed,
        Phase::Waiting if live => TaskState::Scheduled,
        Phase::Busy if live => TaskState::Running,
        Phase::Waiting | Phase::Busy => TaskState::Pending,
        Phase::Planted { .. } => TaskState::Scheduled,
        Phase::Held => TaskState::Held,
        Phase::Paused => TaskState::Paused,
        Phase::Parked => TaskState::Parked,
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

/// All there is to show of a task. `live`: the rows of its firings, where it recurs, or of its shares.
pub(crate) fn view(
    key: &TaskKey,
    row: &TaskRow,
    live: &[(FiringPart, TaskRow)],
    definition: &Definition,
) -> TaskView {
    let made = row.shares.as_ref().is_some_and(|shares| shares.made > 0);
    let firings = if made || row.series.is_some() {
        let live = live.iter().map(|(part, row)| current(*part, row));
        past(row).chain(live).collect()
    } else {
        firings(row)
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
            _ => row.series.as_deref().and_then(parked),
        },
        moved: None,
        firings,
        backfills: Vec::new(),
        occurrences: row.series.as_deref().map(|series| occurrences(row, series)),
        broadcast: shares(row),
    }
}

fn parked(series: &Series) -> Option<String> {
    Some(match series.parked.as_ref()? {
        Parked::Unknown(name) => {
            format!("calendar `{name}` is not known; the task goes on once it is registered")
        }
        Parked::Closed => {
            "its calendars close every occurrence of the next eight years; it goes on \
            once one of them changes"
                .to_owned()
        }
    })
}

fn past(row: &TaskRow) -> impl Iterator<Item = FiringView> {
    row.past.iter().map(|past| FiringView {
        fire_id: past.fire_id,
        due: past.due,
        occurrence: past.occurrence,
        state: past.ended.map_or(TaskState::Failed, ended),
        attempts: past.attempts.clone(),
        phases: past.phases,
        shard: past.shard,
        shares: past.shares.map(|tally| SharesView { tally, live: 0 }),
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

/// A live firing of a recurring task, or share of a broadcast.
fn current(part: FiringPart, row: &TaskRow) -> FiringView {
    let told = past(row).next().filter(|_| row.shares.is_none());
    let mut view = told.unwrap_or_else(|| bare(row));
    view.state = state_of(row);
    view.shard = part.shard();
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
        shard: None,
        shares: shares(row),
    }
}

fn shares(row: &TaskRow) -> Option<SharesView> {
    let shares = row.shares.as_ref()?;
    Some(SharesView {
        tally: shares.tally,
        live: shares.live,
    })
}

fn occurrences(row: &TaskRow, series: &Series) -> OccurrencesView {
    let known = !matches!(row.phase, Phase::Busy | Phase::Parked) && !series.over;
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

pub(crate) fn backfill_view(row: &BackfillRow) -> BackfillView {
    BackfillView {
        from: row.from,
        to: row.to,
        released: row.released,
        live: row.live,
        next: row.next,
        stopped: row.stopped,
        ended_at: row.ended_at,
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
