//! Sharded broadcasts: a firing that is many calls, and has ended once all of them have.
//!
//! The firing as a whole keeps the row it would have as one call: the task's own, or, of a recurring
//! task, one of its firings. It is never planted. When its time is near, each shard becomes a
//! **share**: a row of its own that goes the way of any firing and comes back here by its outcome. They
//! are made a bounded step a turn, in the order by which recurring tasks are looked at, so that a
//! herd of broadcasts costs no more at once than a herd of tasks. The definition, and with it the payload,
//! stands once: a share reads that of its whole.
//!
//! `wish.rs`: what is wished of a whole whose shares are planted.

mod wish;

pub(super) use wish::Taking;

use schemas::index::{Ending, Firing, PastFiring, Phase, Shares, TaskRow, Wish};
use schemas::outcome::{Again, UnplantedEnd};
use schemas::{Definition, FireId, FiringPart, Millis, TaskKey};

use super::PlannerCore;
use super::index::Task;
use super::outcome::MOST_FIRINGS;
use super::plant::expiry_of;
use super::series::LATE_MS;
use crate::metrics;
use crate::store::Store;

/// What a firing by that definition begins with, if it is many calls.
pub(super) fn shares_of(definition: &Definition) -> Option<Box<Shares>> {
    definition.broadcast.map(|n| Box::new(Shares::new(n)))
}

impl<S: Store> PlannerCore<S> {
    /// Saves a whole that waits: its shares are made as soon as they could be planted.
    pub(super) fn settle_whole(&mut self, mut whole: Task) {
        let look_at = whole.row.firing.leg_due.minus(self.config.horizon_ms);
        if let Some(shares) = &mut whole.row.shares {
            shares.look_at = look_at;
        }
        self.save_whole(whole);
    }

    fn save_whole(&mut self, whole: Task) {
        let shares = whole.row.shares.as_ref();
        if let (Phase::Waiting, Some(shares)) = (whole.row.phase, shares) {
            self.looking.note(&whole.key, whole.part, shares.look_at);
            if shares.look_at <= self.now {
                self.looking.hurry();
            }
        }
        self.table.save(whole);
    }

    /// Saves a whole where it belongs: among those to be looked at if there is something to do.
    fn rest_whole(&mut self, mut whole: Task) {
        let undecided = whole.row.revoking();
        let now = self.now;
        let Some(shares) = &mut whole.row.shares else {
            return;
        };
        let makes = !undecided && shares.made < shares.tally.shards;
        let works = makes || shares.taking.is_some();
        if works && whole.row.phase != Phase::Waiting {
            shares.look_at = now;
        }
        whole.row.phase = if works { Phase::Waiting } else { Phase::Busy };
        self.save_whole(whole);
    }

    /// The time of a whole has come: its shares are made, or looked through by its wish.
    pub(super) fn tend(&mut self, whole: Task, left: &mut usize) {
        let taking = whole.row.shares.as_ref().and_then(|shares| shares.taking);
        match taking {
            Some(at) => self.take_shares(whole, at, left),
            None => self.make_shares(whole, left),
        }
    }

    fn make_shares(&mut self, mut whole: Task, left: &mut usize) {
        let Some(definition) = self.definition_of(&whole) else {
            return;
        };
        let expires = expiry_of(&whole, &definition);
        let due = whole.row.firing.leg_due;
        let scheduled = whole.part.is_some_and(|part| part.manual == 0);
        let late = scheduled && due.plus(LATE_MS) < self.now;
        let Some(shares) = &whole.row.shares else {
            return;
        };
        let expired = |at: Millis| expires.is_some_and(|expires| expires < at);
        if shares.made == 0 && expired(self.now.max(due)) {
            return self.expire(whole);
        }
        loop {
            let Some(shares) = &mut whole.row.shares else {
                return;
            };
            let shard = shares.made;
            if shard >= shares.tally.shards {
                break;
            }
            if *left == 0 || self.outbox.bytes >= self.config.turn_bytes {
                return self.save_whole(whole);
            }
            *left -= 1;
            shares.made += 1;
            let at = if late { self.pacer.next(self.now) } else { due };
            if expired(self.now.max(at)) {
                shares.tally.count(Ending::Expired);
                shares.ended_at = self.now;
                let share = share(&whole, shard, at);
                self.unplanted(&share, UnplantedEnd::Expired, None);
                continue;
            }
            shares.live += 1;
            ::metrics::counter!(metrics::SHARES).increment(1);
            let share = share(&whole, shard, at);
            self.settle(share, Some(&definition));
        }
        self.go_on_whole(whole);
    }

    /// The whole that a share belongs to.
    fn whole_of(&mut self, key: &TaskKey, part: Option<FiringPart>) -> Option<Task> {
        let whole = part.and_then(|part| self.table.whole_of(key, part));
        let whole = whole.filter(|whole| whole.row.shares.is_some());
        pipeline::invariant::check(pipeline::invariant::Invariant::T1, whole.is_some(), || {
            format!("`{key}` has a live share and no firing that it belongs to")
        });
        whole
    }

    /// A share is over.
    pub(super) fn share_ended(
        &mut self,
        mut share: Task,
        how: Ending,
        began: bool,
        ended_at: Millis,
    ) {
        let Some(mut whole) = self.whole_of(&share.key, share.part) else {
            return;
        };
        let undecided = share.row.wish.take().is_some_and(|wish| !wish.told);
        remember(&mut whole, &share, how);
        if let Some(shares) = &mut whole.row.shares {
            shares.tally.count(how);
            shares.live = shares.live.saturating_sub(1);
            shares.began |= began || share.row.firing.attempt > 1;
            shares.ended_at = shares.ended_at.max(ended_at);
            if undecided {
                shares.deciding = shares.deciding.saturating_sub(1);
            }
        }
        self.table.erase(share);
        self.go_on_whole(whole);
    }

    /// A leg of a share ended to be planted again, but it was to be taken back.
    pub(super) fn share_again(&mut self, share: Task, wish: &Wish, why: Again) {
        let called = why == Again::Retry || share.row.firing.attempt > 1;
        let (key, part) = (share.key.clone(), share.part);
        if !wish.cancel {
            if !called {
                return self.share_taken(share);
            }
            self.settle(share, None);
            return self.share_decided(&key, part);
        }
        self.unplanted(&share, UnplantedEnd::Cancelled, None);
        if wish.told || called {
            let undecided = !wish.told;
            let mut share = share;
            share.row.wish = undecided.then(|| Box::new(wish.clone()));
            return self.share_ended(share, Ending::Cancelled, true, self.now);
        }
        self.share_taken(share);
    }

    /// The call of a share that was to be taken back began: it goes on.
    pub(super) fn share_decided(&mut self, key: &TaskKey, part: Option<FiringPart>) {
        let Some(mut whole) = self.whole_of(key, part) else {
            return;
        };
        if let Some(shares) = &mut whole.row.shares {
            shares.deciding = shares.deciding.saturating_sub(1);
            shares.began = true;
        }
        self.go_on_whole(whole);
    }

    /// A share was taken back. For a move it is kept: if a call of another one began, it goes on.
    pub(super) fn share_taken(&mut self, mut share: Task) {
        let Some(mut whole) = self.whole_of(&share.key, share.part) else {
            return;
        };
        let cancel = whole.row.wish.as_ref().is_some_and(|wish| wish.cancel);
        if let Some(shares) = &mut whole.row.shares {
            shares.deciding = shares.deciding.saturating_sub(1);
        }
        if cancel {
            self.close_share(&mut whole, share);
        } else {
            share.row.phase = Phase::Paused;
            self.table.save(share);
        }
        self.go_on_whole(whole);
    }

    /// What a whole does next, once something of it has changed.
    fn go_on_whole(&mut self, mut whole: Task) {
        let undecided = whole.row.revoking();
        let told = whole.row.wish.is_some() && !undecided;
        let Some(shares) = &whole.row.shares else {
            return;
        };
        if undecided {
            if shares.taking.is_none() && shares.deciding == 0 {
                self.carry_out_on_whole(whole);
            } else {
                self.rest_whole(whole);
            }
            return;
        }
        if told && shares.taking.is_none() {
            self.give_up_the_rest(&mut whole);
        }
        if whole.row.shares.as_ref().is_some_and(|it| it.are_over()) {
            self.joined(whole);
        } else {
            self.rest_whole(whole);
        }
    }

    /// All have ended, and so has the whole.
    fn joined(&mut self, mut whole: Task) {
        let Some(shares) = &whole.row.shares else {
            return;
        };
        let (how, began) = (shares.tally.together(), shares.began);
        let ended_at = shares.ended_at;
        if whole.part.is_some() {
            return self.firing_ended(whole, how, began, ended_at);
        }
        self.end(&mut whole, how, began);
        self.table.save(whole);
    }
}

/// The row of a share that is not in the table yet.
fn share(whole: &Task, shard: u32, leg_due: Millis) -> Task {
    let firing = &whole.row.firing;
    let of = whole
        .part
        .unwrap_or_else(|| FiringPart::occurrence(firing.occurrence));
    let part = of.of_shard(shard);
    let row = TaskRow {
        version: whole.row.version,
        content: [0; 16],
        registered_at: whole.row.registered_at,
        priority: whole.row.priority,
        phase: Phase::Waiting,
        firing: Firing {
            fire_id: FireId::new(&whole.key, part.named(firing.version)),
            version: firing.version,
            occurrence: firing.occurrence,
            leg: 1,
            attempt: 1,
            due: firing.due,
            leg_due,
        },
        wish: None,
        past: Vec::new(),
        apart: false,
        step: None,
        series: None,
        shares: None,
    };
    Task::firing(whole.key.clone(), part, row, None)
}

/// Adds a share that ended to the last ones of its whole; those that did not end well are kept longer.
fn remember(whole: &mut Task, share: &Task, how: Ending) {
    let told = share.row.past.last().cloned();
    let mut past = told.unwrap_or(PastFiring {
        fire_id: share.row.firing.fire_id,
        due: share.row.firing.due,
        occurrence: share.row.firing.occurrence,
        ended: None,
        attempts: Vec::new(),
        phases: None,
        shard: None,
        shares: None,
    });
    past.ended = Some(how);
    past.shard = share.part.and_then(FiringPart::shard);
    let all = &mut whole.row.past;
    all.push(past);
    if all.len() > MOST_FIRINGS {
        let well = |past: &PastFiring| past.ended == Some(Ending::Completed);
        all.remove(all.iter().position(well).unwrap_or(0));
    }
}
