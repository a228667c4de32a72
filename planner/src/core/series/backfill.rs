//! A past range of a recurring task is fired belatedly: each occurrence that the schedule has there.
//!
//! A backfill stands in a row of its own: how far it came, and how many of its firings are live. They
//! are manual runs in all but two things: each carries the due time that it would have had, and what
//! there are of them is released at a pace, a window at a time. Where the task's firings must not
//! overlap, one is under way at a time. While the task is paused nothing more is released; a cancel of
//! the task ends it.

use std::collections::{BTreeMap, BTreeSet};

use schemas::index::{BackfillRow, Phase};
use schemas::registration::Backfill;
use schemas::{CommandAnswer, FiringPart, Millis, TaskKey};

use crate::config::PlannerConfig;
use crate::core::PlannerCore;
use crate::core::admit::Asked;
use crate::core::answer::{conflict, refused};
use crate::core::index::Task;
use crate::metrics;
use crate::store::Store;

/// Firings of one backfill that are live at most.
const WINDOW: u32 = 100;
/// Backfills of a shard, those remembered included: they are in memory too.
const MOST_HELD: usize = 1_000;

type Key = (TaskKey, u64);

/// All backfills of a shard that are under way or remembered.
#[derive(Clone, Debug, Default)]
pub(in crate::core) struct Backfilling {
    rows: BTreeMap<Key, BackfillRow>,
    /// Those that are not in the table as they are here.
    dirty: BTreeSet<Key>,
    /// Those that may release firings now.
    ready: BTreeSet<Key>,
}

impl Backfilling {
    /// Takes a row as the table has it.
    pub(in crate::core) fn load(&mut self, task: TaskKey, number: u64, row: BackfillRow) {
        if row.next.is_some() {
            self.ready.insert((task.clone(), number));
        }
        self.rows.insert((task, number), row);
    }

    pub(in crate::core) fn has_work(&self) -> bool {
        !self.ready.is_empty()
    }

    pub(in crate::core) fn is_clean(&self) -> bool {
        self.dirty.is_empty()
    }

    /// When the oldest may be forgotten.
    pub(in crate::core) fn wake_at(&self, config: &PlannerConfig) -> Option<Millis> {
        let ended = self.rows.values().filter_map(|row| row.ended_at).min();
        Some(ended?.plus(config.dedup_window_ms))
    }

    fn of<'a>(&'a self, task: &TaskKey) -> impl Iterator<Item = (&'a Key, &'a BackfillRow)> {
        let range = (task.clone(), 0)..=(task.clone(), u64::MAX);
        self.rows.range(range)
    }

    /// Whether a task has one that is not over.
    pub(super) fn is_open(&self, task: &TaskKey) -> bool {
        self.of(task).any(|(_, row)| row.ended_at.is_none())
    }

    /// Something of the task changed: what it may release now is looked at again.
    pub(super) fn note(&mut self, task: &TaskKey) {
        let may = |row: &BackfillRow| row.next.is_some() && row.live < row.window;
        let ready: Vec<Key> = self
            .of(task)
            .filter(|(_, row)| may(row))
            .map(|(key, _)| key.clone())
            .collect();
        self.ready.extend(ready);
    }

    fn change(&mut self, key: &Key, now: Millis, by: impl FnOnce(&mut BackfillRow)) {
        let Some(row) = self.rows.get_mut(key) else {
            return;
        };
        by(row);
        if row.next.is_none() && row.live == 0 && row.ended_at.is_none() {
            row.ended_at = Some(now);
        }
        self.dirty.insert(key.clone());
    }

    /// One of its firings is over.
    pub(super) fn closed(&mut self, task: &TaskKey, part: FiringPart, now: Millis) {
        if let Some(number) = part.backfill() {
            self.change(&(task.clone(), number), now, |row| {
                row.live = row.live.saturating_sub(1);
            });
        }
    }

    /// Nothing more of the task's is released.
    pub(super) fn stop(&mut self, task: &TaskKey, now: Millis) {
        let open: Vec<Key> = self.of(task).map(|(key, _)| key.clone()).collect();
        for key in open {
            self.change(&key, now, stop);
        }
    }

    /// Drops those that are to be remembered no longer.
    fn forget(&mut self, before: Millis) {
        let over = |row: &BackfillRow| row.ended_at.is_some_and(|at| at <= before);
        let old = self.rows.iter().filter(|(_, row)| over(row));
        let old: Vec<Key> = old.map(|(key, _)| key.clone()).collect();
        for key in old {
            self.rows.remove(&key);
            self.dirty.insert(key);
        }
    }
}

fn stop(row: &mut BackfillRow) {
    row.stopped |= row.next.take().is_some();
}

impl<S: Store> PlannerCore<S> {
    /// Begins one, or stops one that is under way.
    pub(super) fn backfill_series(
        &mut self,
        asked: &Asked,
        mut task: Task,
        backfill: Backfill,
    ) -> CommandAnswer {
        let version = task.row.version;
        let changed = |due| CommandAnswer::Changed { version, due };
        let Backfill { from, to, .. } = backfill;
        let same = |row: &BackfillRow| row.from == from && row.to == to && !row.stopped;
        let known = self.backfilling.of(&task.key).find(|(_, row)| same(row));
        let known = known.map(|(key, row)| (key.clone(), row.ended_at.is_some()));
        match known {
            Some((key, false)) if backfill.stop => {
                let now = self.now;
                self.backfilling.change(&key, now, stop);
                self.settle_series(task, None);
                return changed(from);
            }
            Some(_) if !backfill.stop => return CommandAnswer::Unchanged { version, due: from },
            _ if backfill.stop => return refused("stop", "no such backfill is under way"),
            _ => {}
        }
        if task.row.wish.as_ref().is_some_and(|wish| wish.cancel) {
            return conflict(version, "the task is being cancelled");
        }
        let first = match self.first_of(asked, &task, &backfill) {
            Ok(first) => first,
            Err(answer) => return answer,
        };
        let Some(series) = &mut task.row.series else {
            return refused("op", "the task fires once");
        };
        series.manual += 1;
        let row = BackfillRow {
            from,
            to,
            next: Some(first),
            released: 0,
            live: 0,
            window: WINDOW,
            stopped: false,
            begun_at: self.now,
            ended_at: None,
        };
        let key = (task.key.clone(), series.manual);
        self.backfilling.rows.insert(key.clone(), row);
        self.backfilling.dirty.insert(key);
        ::metrics::counter!(metrics::BACKFILLS).increment(1);
        self.save_series(task);
        changed(first)
    }

    /// The first occurrence of the range, or why it cannot be backfilled.
    fn first_of(
        &mut self,
        asked: &Asked,
        task: &Task,
        backfill: &Backfill,
    ) -> Result<Millis, CommandAnswer> {
        let Backfill { from, to, max, .. } = *backfill;
        if to > asked.appended {
            let problem = "must be past; what is still to come fires by itself";
            return Err(refused("to", problem));
        }
        if self.backfilling.rows.len() >= MOST_HELD {
            let problem = "too many backfills are under way or just over; ask again later";
            return Err(refused("", problem));
        }
        let definition = self.definition_of(task);
        let since = task.row.series.as_ref().map_or(self.now, |it| it.since);
        let timer = definition.and_then(|definition| self.timer_of(&task.key, &definition, since));
        let Some(timer) = timer else {
            return Err(refused("", "the task cannot be read"));
        };
        if timer.follows() {
            let problem = "with `after_each` nothing was due that did not fire";
            return Err(refused("op", problem));
        }
        let within = |due: &Millis| *due < to;
        let Some(first) = timer.first(from.minus(1)).filter(within) else {
            return Err(refused(
                "from",
                "the schedule has no occurrence in this range",
            ));
        };
        let most = usize::try_from(max).unwrap_or(usize::MAX);
        let all = std::iter::successors(Some(first), |due| timer.next(*due).filter(within));
        if all.take(most.saturating_add(1)).count() > most {
            let problem = format!(
                "the range has more than {max} occurrences; narrow it, or allow more by `max`"
            );
            return Err(refused("max", &problem));
        }
        Ok(first)
    }

    /// Releases what may be, within the budget of one turn.
    pub(in crate::core) fn backfill(&mut self) {
        let mut left = self.config.turn_placements;
        while let Some(key) = self.backfilling.ready.pop_first() {
            if left == 0 || self.outbox.bytes >= self.config.turn_bytes {
                self.backfilling.ready.insert(key);
                break;
            }
            self.release_backfill(&key, &mut left);
        }
        let wake = self.backfilling.wake_at(&self.config);
        if wake.is_some_and(|at| at <= self.now) {
            let before = self.now.minus(self.config.dedup_window_ms);
            self.backfilling.forget(before);
        }
    }

    /// Releases firings of one, as many as its window and `left` allow.
    fn release_backfill(&mut self, key: &Key, left: &mut usize) {
        let now = self.now;
        let task = self.table.load(&key.0);
        let Some(mut task) = task.filter(|task| !matches!(task.row.phase, Phase::Ended { .. }))
        else {
            return self.backfilling.change(key, now, stop);
        };
        // It is looked at again when the task is saved.
        let wished = task
            .row
            .wish
            .as_ref()
            .is_some_and(|wish| wish.cancel || wish.pause);
        if wished || task.row.phase == Phase::Paused {
            return;
        }
        let Some(definition) = self.definition_of(&task) else {
            return;
        };
        let Some(course) = self.course_of(&task, &definition) else {
            return self.backfilling.change(key, now, stop);
        };
        let window = if course.is_serial() { 1 } else { WINDOW };
        self.backfilling.change(key, now, |row| row.window = window);
        while let Some(row) = self.backfilling.rows.get(key) {
            let Some(due) = row.next.filter(|_| row.live < window && *left > 0) else {
                break;
            };
            *left -= 1;
            let (nth, to) = (row.released + 1, row.to);
            let part = FiringPart::of_backfill(nth, key.1);
            let next = course.timer.next(due).filter(|next| *next < to);
            self.backfilling.change(key, now, |row| {
                row.released = nth;
                row.live += 1;
                row.next = next;
            });
            self.spawn(&mut task, &definition, part, due, None);
        }
        self.save_series(task);
    }

    /// What changed goes into the table, with the turn being cut.
    pub(in crate::core) fn keep_backfills(&mut self) {
        for (task, number) in std::mem::take(&mut self.backfilling.dirty) {
            let key = (task, number);
            let row = self.backfilling.rows.get(&key);
            self.table.set_backfill(&key.0, number, row);
        }
    }
}
