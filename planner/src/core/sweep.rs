//! Work on many tasks: so many a turn, along their names, its place kept in the table.
//!
//! A sweep has a number, given when it was accepted, and touches only tasks with a lower version: what
//! was registered or changed later is not its business. What it changes gets that number as version,
//! so that a sweep behind it sees those tasks as accepted before it. They are worked off one behind the
//! other, in the order they came.
//!
//! A sweep of a user is a command like any other to each of its tasks, and is told each answer like
//! anybody who waits: by a name that only this planner gives. What the trigger or the dispatcher have
//! to decide is counted once they did (T4).

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;
use schemas::index::{
    Phase, SweepCount, SweepRow, SweepWork, TaskRow, decode_definition, named, parse_name,
};
use schemas::registration::{Sweep, SweepOp};
use schemas::{Command, CommandAnswer, Millis, RequestId};

use super::PlannerCore;
use super::admit::Asked;
use super::command::version_of;
use super::index::Task;
use super::overlay::after;
use crate::config::PlannerConfig;
use crate::metrics;
use crate::store::Store;

/// Keys looked at in one step.
const STEP: usize = 256;
/// To do something to a task costs as much as looking at so many.
const COST: usize = 8;
/// Rows held at most: they are in memory too. Those that are over go first.
const MOST_HELD: usize = 1_000;

/// All sweeps of a shard that are under way or remembered.
#[derive(Clone, Debug, Default)]
pub(super) struct Sweeping {
    rows: BTreeMap<u64, SweepRow>,
    /// Those that are not in the table as they are here.
    dirty: BTreeSet<u64>,
    /// Those that are not over.
    open: BTreeSet<u64>,
}

impl Sweeping {
    /// Takes a row as the table has it.
    pub(super) fn load(&mut self, number: u64, row: SweepRow) {
        if !row.is_over() {
            self.open.insert(number);
        }
        self.rows.insert(number, row);
    }

    /// The one to work at.
    fn first(&self) -> Option<u64> {
        let mut open = self.open.iter();
        open.find(|number| {
            self.rows
                .get(number)
                .is_some_and(|it| it.ended_at.is_none())
        })
        .copied()
    }

    pub(super) fn has_work(&self) -> bool {
        self.first().is_some()
    }

    /// When the oldest may be forgotten.
    pub(super) fn wake_at(&self, config: &PlannerConfig) -> Option<Millis> {
        let (number, row) = self.rows.first_key_value()?;
        let ended = row.ended_at.filter(|_| !self.open.contains(number))?;
        Some(ended.plus(config.sweep_kept_ms))
    }

    /// Changes a row, and keeps in mind that it did.
    fn change(&mut self, number: u64, by: impl FnOnce(&mut SweepRow)) {
        let Some(row) = self.rows.get_mut(&number) else {
            return;
        };
        by(row);
        self.dirty.insert(number);
        if row.is_over() {
            self.open.remove(&number);
        }
    }

    fn insert(&mut self, number: u64, row: SweepRow) {
        self.load(number, row);
        self.dirty.insert(number);
    }

    /// Whether another may begin; the number of one to be forgotten for it.
    fn room(&self) -> Result<Option<u64>, usize> {
        if self.rows.len() < MOST_HELD {
            return Ok(None);
        }
        let over = self.rows.keys().find(|number| !self.open.contains(number));
        over.copied().map(Some).ok_or(MOST_HELD)
    }

    fn forget(&mut self, number: u64) {
        self.rows.remove(&number);
        self.dirty.insert(number);
    }

    pub(super) fn is_clean(&self) -> bool {
        self.dirty.is_empty()
    }
}

impl<S: Store> PlannerCore<S> {
    /// Takes a command on many tasks in; why not, if that cannot be.
    pub(super) fn admit_sweep(
        &mut self,
        id: RequestId,
        appended: Millis,
        sweep: Sweep,
    ) -> Result<(), String> {
        let Sweep { tenant, tag, op } = sweep;
        self.begin_sweep(id, SweepWork::Command { op, tag }, Some(tenant), appended)
    }

    /// Begins work on all tasks there are, of one tenant or of all; why not, if that cannot be.
    pub(super) fn begin_sweep(
        &mut self,
        id: RequestId,
        work: SweepWork,
        tenant: Option<schemas::TenantId>,
        appended: Millis,
    ) -> Result<(), String> {
        match self.sweeping.room() {
            Ok(None) => {}
            Ok(Some(oldest)) => self.sweeping.forget(oldest),
            Err(most) => {
                let shard = self.shard.0;
                return Err(format!(
                    "shard {shard} has {most} commands on many tasks under way; ask again later"
                ));
            }
        }
        let number = self.table.next_version();
        let row = begun(id, work, tenant, (appended, self.now));
        self.sweeping.insert(number, row);
        ::metrics::counter!(metrics::SWEEPS).increment(1);
        Ok(())
    }

    /// Begins to compare all tasks by other time zone data; what was begun for earlier ones is over. It
    /// always finds room.
    pub(super) fn begin_zones(&mut self, before: String, now: String) {
        let (at, number) = (self.now, self.table.next_version());
        for number in self.sweeping.open.clone() {
            self.sweeping.change(number, |row| {
                if matches!(row.work, SweepWork::Zones { .. }) {
                    row.ended_at.get_or_insert(at);
                }
            });
        }
        let (id, work) = (
            RequestId::of_sweep(number),
            SweepWork::Zones { before, now },
        );
        self.sweeping
            .insert(number, begun(id, work, None, (at, at)));
    }

    /// One more task was compared; by which data.
    pub(super) fn zones_compared(&mut self, number: u64, differs: bool) -> Option<SweepWork> {
        self.sweeping.change(number, |row| {
            let count = &mut row.count;
            count.matched += 1;
            count.changed += u64::from(differs);
            count.unchanged += u64::from(!differs);
        });
        self.sweeping.rows.get(&number).map(|row| row.work.clone())
    }

    /// Goes on, within the budget of one turn.
    pub(super) fn sweep(&mut self) {
        let mut left = self.config.turn_swept;
        while let Some(number) = self.sweeping.first() {
            if !self.sweep_on(number, &mut left) {
                break;
            }
        }
        let wake = self.sweeping.wake_at(&self.config);
        if wake.is_some_and(|at| at <= self.now)
            && let Some((oldest, _)) = self.sweeping.rows.first_key_value()
        {
            let oldest = *oldest;
            self.sweeping.forget(oldest);
        }
    }

    /// Goes on with one; whether it came to its end.
    fn sweep_on(&mut self, number: u64, left: &mut usize) -> bool {
        let Some(row) = self.sweeping.rows.get(&number) else {
            return true;
        };
        let (mut from, to) = range_of(row);
        loop {
            let scan = self.table.scan(&from, &to, STEP);
            for key in scan.keys {
                if *left == 0 || self.outbox.bytes >= self.config.turn_bytes {
                    return false;
                }
                *left -= 1;
                let name = key.get(1..).and_then(parse_name);
                self.sweeping.change(number, |row| {
                    row.count.looked += 1;
                    row.after = name.clone().or_else(|| row.after.take());
                });
                let Some(task) = name.and_then(|name| self.table.load(&name)) else {
                    continue;
                };
                if self.sweep_one(number, task) {
                    *left = left.saturating_sub(COST);
                }
            }
            match scan.next {
                Some(next) => from = next,
                None => break,
            }
        }
        let now = self.now;
        self.sweeping.change(number, |row| row.ended_at = Some(now));
        if let Some(row) = self.sweeping.rows.get(&number)
            && let SweepWork::Zones { before, now } = &row.work
        {
            let (shard, compared, moved) = (self.shard.0, row.count.matched, row.count.changed);
            tracing::info!(
                shard,
                before,
                now,
                compared,
                moved,
                "recurring tasks were compared by other time zone data"
            );
        }
        true
    }

    /// Does to one task what the sweep is for; whether it is for this one.
    fn sweep_one(&mut self, number: u64, task: Task) -> bool {
        if !is_swept(&task.row, number) {
            return false;
        }
        let Some(row) = self.sweeping.rows.get(&number) else {
            return false;
        };
        let (work, appended) = (row.work.clone(), row.appended);
        match work {
            SweepWork::Zones { .. } => return self.compare_zones(number, task),
            SweepWork::Command { op, tag } => {
                if tag.is_some_and(|tag| !self.has_tag(&task, &tag)) {
                    return false;
                }
                self.sweeping.change(number, |row| {
                    row.count.matched += 1;
                    row.count.undecided += 1;
                });
                let request = Some(RequestId::of_sweep(number));
                let asked = Asked {
                    task: task.key.clone(),
                    if_version: None,
                    appended,
                    request,
                    forwarded: false,
                    number: Some(number),
                };
                let command = match op {
                    SweepOp::Pause => Command::Pause,
                    SweepOp::Resume => Command::Resume,
                    SweepOp::Cancel => Command::Cancel,
                };
                let verdict = self.live(&asked, task, command);
                if let Some(answer) = verdict {
                    self.answer(request, answer);
                }
            }
        }
        true
    }

    /// Whether a task has a tag, as it is wished to be.
    fn has_tag(&mut self, task: &Task, tag: &str) -> bool {
        let wish = task.row.wish.as_deref();
        let wished = wish.and_then(|wish| {
            let successor = wish.successor.as_ref().map(|it| &it.definition);
            successor.or_else(|| wish.plan.as_ref().map(|it| &it.definition))
        });
        let definition = match wished {
            Some(bytes) => self.table.understood(decode_definition(bytes)),
            None => self.definition_of(task),
        };
        definition.is_some_and(|definition| definition.tags.iter().any(|it| it == tag))
    }

    /// One of a sweep's tasks is decided.
    pub(super) fn sweep_told(&mut self, number: u64, answer: &CommandAnswer) {
        let now = self.now;
        self.sweeping.change(number, |row| {
            let count = &mut row.count;
            count.undecided = count.undecided.saturating_sub(1);
            let to = match answer {
                CommandAnswer::Created { .. } | CommandAnswer::Changed { .. } => &mut count.changed,
                CommandAnswer::Unchanged { .. } => &mut count.unchanged,
                CommandAnswer::Cancelled => &mut count.cancelled,
                CommandAnswer::TooLate => &mut count.too_late,
                CommandAnswer::Conflict { .. }
                | CommandAnswer::Unknown
                | CommandAnswer::Calendar { .. }
                | CommandAnswer::Refused { .. } => &mut count.refused,
            };
            *to += 1;
            if row.is_over() {
                // It is remembered from here on: whoever asks shall see what it came to.
                row.ended_at = Some(now);
            }
        });
    }

    /// What changed goes into the table, with the turn being cut.
    pub(super) fn keep_sweeps(&mut self) {
        for number in std::mem::take(&mut self.sweeping.dirty) {
            match self.sweeping.rows.get(&number) {
                Some(row) => self.table.set_sweep(number, row),
                None => self.table.drop_sweep(number),
            }
        }
    }
}

fn begun(
    id: RequestId,
    work: SweepWork,
    tenant: Option<schemas::TenantId>,
    (appended, begun_at): (Millis, Millis),
) -> SweepRow {
    SweepRow {
        id,
        work,
        tenant,
        appended,
        begun_at,
        after: None,
        ended_at: None,
        count: SweepCount::default(),
    }
}

/// Whether a task is live and was accepted before the sweep of that number.
fn is_swept(row: &TaskRow, number: u64) -> bool {
    !matches!(row.phase, Phase::Ended { .. }) && version_of(row) < number
}

/// The names that are still to be looked at.
fn range_of(row: &SweepRow) -> (Bytes, Bytes) {
    let bound = |end: u8| match &row.tenant {
        Some(tenant) => Bytes::from([b"t", tenant.as_str().as_bytes(), &[end]].concat()),
        None => Bytes::copy_from_slice(&[b't' + end]),
    };
    let from = row.after.as_ref().map(|name| after(&named(b't', name)));
    (from.unwrap_or_else(|| bound(0)), bound(1))
}
