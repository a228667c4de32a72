//! What is wished of a recurring task, and how it comes true.
//!
//! The wish stands in the task's row. Every live firing that may still be taken back gets a revoke;
//! while one of them is undecided the task plans nothing. Once all are decided the wish is carried
//! out: `cancelled` is said only if no call can begin any more.

use bytes::Bytes;
use schemas::bucket::Purpose;
use schemas::index::{Asker, Ending, Older, Phase, Plan, Wish, decode_definition};
use schemas::outcome::{MissedWhy, UnplantedEnd};
use schemas::{CommandAnswer, Definition, Millis};

use super::ended::Closed;
use super::{Timer, buffered, come, is_serial, names_of, park_if_closed, scheduled_live};
use crate::core::PlannerCore;
use crate::core::index::Task;
use crate::core::revoke::nothing;
use crate::core::shares::Taking;
use crate::store::Store;

impl<S: Store> PlannerCore<S> {
    /// Takes back what is live and not begun. A cancel stops what failed before as well; a move lets it
    /// go on. `manual`: manual runs too. `behind`: only what is due behind that.
    pub(super) fn take_back(
        &mut self,
        task: &mut Task,
        purpose: Purpose,
        manual: bool,
        behind: Option<Millis>,
    ) {
        let cancel = purpose == Purpose::Cancel;
        for part in self.table.firings(&task.key) {
            let Some(mut firing) = self.table.load_part(&task.key, Some(part)) else {
                continue;
            };
            let stays = behind.is_some_and(|behind| firing.row.firing.due <= behind);
            let retried = firing.row.firing.attempt > 1 && !cancel;
            if stays || retried || (part.manual > 0 && !manual) {
                continue;
            }
            if firing.row.shares.as_ref().is_some_and(|it| it.made > 0) {
                match self.take_back_whole(firing, cancel) {
                    Taking::Known => {}
                    Taking::Began => set_began(task),
                    Taking::Deciding => {
                        if let Some(series) = &mut task.row.series {
                            series.deciding += 1;
                        }
                    }
                }
                continue;
            }
            match (firing.row.phase, firing.row.wish.as_deref_mut()) {
                (Phase::Planted { began: true, .. }, _) => {
                    if cancel {
                        let told = Wish {
                            cancel,
                            told: true,
                            ..nothing()
                        };
                        firing.row.wish = Some(Box::new(told));
                        self.table.save(firing);
                        set_began(task);
                    }
                }
                (Phase::Planted { .. }, Some(wish)) => {
                    if cancel && !wish.cancel {
                        wish.cancel = true;
                        self.table.save(firing);
                    }
                }
                (Phase::Planted { .. }, None) => {
                    let wish = Wish {
                        cancel,
                        ..nothing()
                    };
                    self.wish(firing, Box::new(wish), true, purpose);
                    if let Some(series) = &mut task.row.series {
                        series.deciding += 1;
                    }
                }
                _ => {
                    self.unplanted(&firing, UnplantedEnd::Cancelled, None);
                    self.close(task, firing, Closed::Taken);
                }
            }
        }
    }

    /// Every revoke is decided: the wish comes true.
    pub(super) fn carry_out(&mut self, mut task: Task) {
        let began = began_of(&mut task);
        let Some(wish) = task.row.wish.take() else {
            return self.settle_series(task, None);
        };
        if wish.cancel {
            return self.carry_out_cancel(task, *wish, began);
        }
        let pause = wish.pause;
        if let Some(plan) = wish.plan {
            self.follow_series_plan(&mut task, plan);
        }
        task.row.phase = if pause { Phase::Paused } else { Phase::Waiting };
        // What could not be taken back may have moved what was foreseen.
        let next = task.row.series.as_ref().filter(|series| !series.over);
        let next = next.map(|_| (task.row.version, task.row.firing.due));
        for Asker {
            request,
            version,
            due,
        } in wish.askers
        {
            let due = next
                .filter(|(planned, _)| *planned == version)
                .map_or(due, |(_, due)| due);
            self.answer(Some(request), CommandAnswer::Changed { version, due });
        }
        self.settle_series(task, None);
    }

    fn carry_out_cancel(&mut self, mut task: Task, wish: Wish, began: bool) {
        self.drop_undecided(&mut task);
        self.backfilling.stop(&task.key, self.now);
        let Some(series) = &mut task.row.series else {
            return;
        };
        let had_next = !std::mem::replace(&mut series.over, true);
        let live = series.live;
        if had_next && live == 0 {
            self.unplanted(&task, UnplantedEnd::Cancelled, None);
        }
        if live == 0 {
            self.end(&mut task, Ending::Cancelled, began);
        } else {
            task.row.phase = Phase::Busy;
            task.row.wish = Some(Box::new(Wish {
                cancel: true,
                told: true,
                ..nothing()
            }));
        }
        let answer = if began {
            CommandAnswer::TooLate
        } else {
            CommandAnswer::Cancelled
        };
        self.decide(task, wish, &answer);
    }

    /// Gives a recurring task its new plan: what is due behind the command changes, no occurrence
    /// before that.
    fn follow_series_plan(&mut self, task: &mut Task, plan: Plan) {
        let definition = self.table.understood(decode_definition(&plan.definition));
        let Some(definition) = definition else {
            return;
        };
        // Of the version there is: a calendar changed.
        let same = plan.version == task.row.version;
        if plan.content != task.row.content {
            self.redefine(task, &definition, plan.definition, plan.version);
            task.row.content = plan.content;
        }
        task.row.version = plan.version;
        task.row.registered_at = plan.registered_at;
        task.row.priority = plan.priority;
        self.drop_lapse(task);
        if !same {
            drop_buffers(task);
        }
        let Some(series) = &mut task.row.series else {
            return;
        };
        series.parked = None;
        if !plan.keep {
            series.since = plan.registered_at;
        }
        series.runs = series.tally.ended + u64::from(scheduled_live(series));
        let since = series.since;
        let settled = self.settled(task);
        if let Some(series) = &mut task.row.series {
            series.last_due = settled;
        }
        self.plan_anew(task, &definition, since, (plan.leg_due, plan.keep));
    }

    /// The latest due time of an occurrence that is not taken back: of one that is over, or of a firing
    /// that goes on. A clock that is ahead of this one may have called what is not due here.
    fn settled(&mut self, task: &Task) -> Option<Millis> {
        let over = task.row.series.as_ref().and_then(|series| series.settled);
        let parts = self.table.firings(&task.key);
        let scheduled = parts.into_iter().filter(|part| part.manual == 0);
        let live = scheduled.filter_map(|part| {
            let firing = self.table.load_part(&task.key, Some(part))?;
            Some(firing.row.firing.due)
        });
        live.max().max(over)
    }

    /// What was about to be fired is not any more.
    fn drop_undecided(&mut self, task: &mut Task) {
        drop_buffers(task);
        self.drop_lapse(task);
    }

    /// Misfires are looked through anew.
    fn drop_lapse(&mut self, task: &mut Task) {
        let series = task.row.series.as_mut();
        let lapse = series.and_then(|series| series.lapse.take());
        if let Some(span) = lapse.and_then(|lapse| lapse.left_out) {
            self.tell_missed(task, span, MissedWhy::Late);
        }
    }

    /// The first occurrence behind the command is the next one. `at`: when that was, and whether the
    /// schedule stays.
    fn plan_anew(
        &mut self,
        task: &mut Task,
        definition: &Definition,
        since: Millis,
        at: (Millis, bool),
    ) {
        let timer = self.timer_of(&task.key, definition, since);
        let occurrence = task.row.firing.occurrence;
        let Some(series) = &mut task.row.series else {
            return;
        };
        let settled = series.last_due;
        let Some(timer) = timer else {
            return;
        };
        let spent = series.runs + buffered(series) >= timer.most_runs();
        let next = next_anew(&timer, since, settled, at).filter(|_| !spent);
        series.over = next.is_none();
        match next {
            Some(next) => come(task, occurrence, next),
            None => {
                let behind = settled.map_or(at.0, |settled| settled.max(at.0));
                park_if_closed(task, &timer, behind);
            }
        }
    }

    /// Another definition; the one before lives on as long as a firing uses it.
    fn redefine(&mut self, task: &mut Task, definition: &Definition, bytes: Bytes, version: u64) {
        if let Some(series) = &mut task.row.series {
            let older: u32 = series.older.iter().map(|older| older.live).sum();
            let live = series.live - older;
            if live > 0 {
                series.older.push(Older {
                    version: series.defined,
                    live,
                });
            }
            series.defined = version;
            series.serial = is_serial(definition);
            series.calendars = names_of(definition);
        }
        task.define(bytes);
    }
}

/// What waits for a firing to end is not fired any more.
fn drop_buffers(task: &mut Task) {
    if let Some(series) = &mut task.row.series {
        series.tally.taken += buffered(series);
        series.buffers.clear();
    }
}

/// The occurrence that is to come once a command has been carried out that was given at `at`: due
/// behind that, and behind all that is settled. A fixed delay that stays goes on counting from the end
/// of the firing before.
pub(super) fn next_anew(
    timer: &Timer,
    since: Millis,
    settled: Option<Millis>,
    (at, keep): (Millis, bool),
) -> Option<Millis> {
    if keep && timer.follows() {
        return timer.first(settled.unwrap_or(since));
    }
    timer.first(settled.map_or(at, |settled| settled.max(at)))
}

fn began_of(task: &mut Task) -> bool {
    let series = task.row.series.as_mut();
    series.is_some_and(|series| std::mem::take(&mut series.began))
}

pub(super) fn set_began(task: &mut Task) {
    if let Some(series) = &mut task.row.series {
        series.began = true;
    }
}
