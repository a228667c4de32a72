//! What is wished of a broadcast whose shares are made, and how it comes true.
//!
//! The wish stands in the row of the whole, as that of any firing. Its shares are looked through, a bounded step a
//! turn: what waits is taken back at once, what is planted gets a revoke. Once all are decided, either
//! none of their calls began and the wish comes true as for one call, or one did: then it came too
//! late. A cancel leaves out what had not begun; a move lets it go on, by its next leg.

use schemas::bucket::Purpose;
use schemas::index::{Ending, Phase, Shares, Wish};
use schemas::outcome::UnplantedEnd;
use schemas::{CommandAnswer, FiringPart};

use super::remember;
use crate::core::PlannerCore;
use crate::core::index::Task;
use crate::core::revoke::nothing;
use crate::store::Store;

impl<S: Store> PlannerCore<S> {
    /// Saves a whole whose wish is new, or has become a cancel: its shares are looked through.
    pub(in crate::core) fn start_taking(&mut self, mut whole: Task) {
        if let Some(shares) = &mut whole.row.shares {
            shares.taking = Some(0);
            shares.look_at = self.now;
        }
        whole.row.phase = Phase::Waiting;
        self.save_whole(whole);
    }

    /// Saves a whole whose wish was added to.
    pub(in crate::core) fn go_on_taking(&mut self, whole: Task) {
        self.rest_whole(whole);
    }

    /// Looks at shares from that one on, whether they can be taken back.
    pub(super) fn take_shares(&mut self, mut whole: Task, from: u32, left: &mut usize) {
        let Some(cancel) = whole.row.wish.as_ref().map(|wish| wish.cancel) else {
            return self.rest_of_taking(whole);
        };
        let made = whole.row.shares.as_ref().map_or(0, |shares| shares.made);
        for shard in from..made {
            if *left == 0 || self.outbox.bytes >= self.config.turn_bytes {
                if let Some(shares) = &mut whole.row.shares {
                    shares.taking = Some(shard);
                }
                return self.save_whole(whole);
            }
            *left -= 1;
            self.take_share(&mut whole, shard, cancel);
            // One that began decides a move.
            if !cancel && whole.row.shares.as_ref().is_some_and(|it| it.began) {
                break;
            }
        }
        self.rest_of_taking(whole);
    }

    fn rest_of_taking(&mut self, mut whole: Task) {
        if let Some(shares) = &mut whole.row.shares {
            shares.taking = None;
        }
        self.go_on_whole(whole);
    }

    fn take_share(&mut self, whole: &mut Task, shard: u32, cancel: bool) {
        let part = part_of(whole, shard);
        let Some(mut share) = self.table.load_part(&whole.key, Some(part)) else {
            return;
        };
        let Some(shares) = &mut whole.row.shares else {
            return;
        };
        let called = share.row.firing.attempt > 1;
        shares.began |= called;
        match (share.row.phase, share.row.wish.as_deref_mut()) {
            (Phase::Planted { began: true, .. }, _) => {
                shares.began = true;
                if cancel {
                    share.row.wish = Some(Box::new(told()));
                    self.table.save(share);
                }
            }
            (Phase::Planted { .. }, Some(wish)) => {
                if cancel && !wish.cancel {
                    wish.cancel = true;
                    self.table.save(share);
                }
            }
            _ if called && !cancel => {}
            (Phase::Planted { .. }, None) => {
                shares.deciding += 1;
                let purpose = if cancel {
                    Purpose::Cancel
                } else {
                    Purpose::Move
                };
                let wish = Wish {
                    cancel,
                    ..nothing()
                };
                self.wish(share, Box::new(wish), true, purpose);
            }
            // A move took it back; nothing of it is planted.
            (Phase::Paused, _) if cancel => self.close_share(whole, share),
            (Phase::Paused, _) => {}
            _ if cancel => {
                self.unplanted(&share, UnplantedEnd::Cancelled, None);
                self.close_share(whole, share);
            }
            _ => {
                share.row.phase = Phase::Paused;
                self.table.save(share);
            }
        }
    }

    /// Takes the row of a cancelled share away.
    pub(super) fn close_share(&mut self, whole: &mut Task, share: Task) {
        remember(whole, &share, Ending::Cancelled);
        if let Some(shares) = &mut whole.row.shares {
            shares.tally.count(Ending::Cancelled);
            shares.live = shares.live.saturating_sub(1);
            shares.ended_at = shares.ended_at.max(self.now);
        }
        self.table.erase(share);
    }

    /// Shares that are not made yet never will be.
    pub(super) fn give_up_the_rest(&mut self, whole: &mut Task) {
        let Some(shares) = &mut whole.row.shares else {
            return;
        };
        let rest = shares.tally.shards - shares.made;
        if rest == 0 {
            return;
        }
        shares.made = shares.tally.shards;
        shares.tally.cancelled += rest;
        shares.ended_at = shares.ended_at.max(self.now);
        self.unplanted(whole, UnplantedEnd::Cancelled, None);
    }

    /// Every share was looked at, and every revoke is decided.
    pub(super) fn carry_out_on_whole(&mut self, mut whole: Task) {
        let cancel = whole.row.wish.as_ref().is_some_and(|wish| wish.cancel);
        let began = whole.row.shares.as_ref().is_some_and(|it| it.began);
        if began && !cancel {
            return self.move_came_too_late(whole);
        }
        if cancel {
            self.give_up_the_rest(&mut whole);
        }
        if began {
            return self.cancel_came_too_late(whole);
        }
        self.drop_held(&mut whole);
        if whole.part.is_some() {
            return self.firing_taken(whole);
        }
        let Some(mut wish) = whole.row.wish.take() else {
            return self.rest_whole(whole);
        };
        if !cancel {
            // None of these names is used again.
            if let Some(plan) = &mut wish.plan {
                plan.keep = false;
            }
            let shards = whole.row.shares.as_ref().map_or(0, |it| it.tally.shards);
            whole.row.shares = Some(Box::new(Shares::new(shards)));
            whole.row.past.retain(|past| past.shard.is_none());
        }
        self.execute(whole, *wish);
    }

    fn cancel_came_too_late(&mut self, mut whole: Task) {
        let over = whole.row.shares.as_ref().filter(|it| it.are_over());
        let over = over.map(|it| (it.tally.together(), it.ended_at));
        if whole.part.is_some() {
            if let Some((how, ended_at)) = over {
                return self.firing_ended(whole, how, true, ended_at);
            }
            let key = whole.key.clone();
            whole.row.wish = Some(Box::new(told()));
            self.rest_whole(whole);
            return self.firing_decided(&key, true);
        }
        let Some(wish) = whole.row.wish.take() else {
            return self.rest_whole(whole);
        };
        match over {
            Some((how, _)) => self.end(&mut whole, how, true),
            None => {
                whole.row.wish = Some(Box::new(told()));
                whole.row.phase = Phase::Busy;
            }
        }
        self.decide(whole, *wish, &CommandAnswer::TooLate);
    }

    /// What was taken back goes on.
    fn move_came_too_late(&mut self, mut whole: Task) {
        let held = self.held_shares(&whole);
        let key = whole.key.clone();
        let over = whole.row.shares.as_ref().filter(|it| it.are_over());
        let over = over.map(|it| (it.tally.together(), it.ended_at));
        let recurs = whole.part.is_some();
        match (over, recurs) {
            (Some((how, ended_at)), true) => {
                return self.firing_ended(whole, how, true, ended_at);
            }
            (Some((how, _)), false) => {
                let wish = whole.row.wish.take();
                self.end(&mut whole, how, true);
                if let Some(wish) = wish {
                    self.decide(whole, *wish, &CommandAnswer::TooLate);
                }
                return;
            }
            (None, _) => {}
        }
        let wish = whole.row.wish.take();
        self.rest_whole(whole);
        // Saved first: a share that is too late by now ends at once, and looks for its whole.
        for part in held {
            let Some(mut share) = self.table.load_part(&key, Some(part)) else {
                continue;
            };
            share.row.phase = Phase::Waiting;
            self.settle(share, None);
        }
        if recurs {
            return self.firing_decided(&key, true);
        }
        for asker in wish.into_iter().flat_map(|wish| wish.askers) {
            self.answer(Some(asker.request), CommandAnswer::TooLate);
        }
    }

    /// The shares that a move took back.
    fn held_shares(&mut self, whole: &Task) -> Vec<FiringPart> {
        let made = whole.row.shares.as_ref().map_or(0, |shares| shares.made);
        let parts = (0..made).map(|shard| part_of(whole, shard));
        let mut held = Vec::new();
        for part in parts {
            let share = self.table.load_part(&whole.key, Some(part));
            if share.is_some_and(|share| share.row.phase == Phase::Paused) {
                held.push(part);
            }
        }
        held
    }

    fn drop_held(&mut self, whole: &mut Task) {
        for part in self.held_shares(whole) {
            if let Some(share) = self.table.load_part(&whole.key, Some(part)) {
                self.close_share(whole, share);
            }
        }
    }

    /// As [`PlannerCore::take_back`], for one firing of a recurring task whose shares are made. Whether
    /// its decision is waited for.
    pub(in crate::core) fn take_back_whole(&mut self, mut whole: Task, cancel: bool) -> Taking {
        let began = whole.row.shares.as_ref().is_some_and(|it| it.began);
        match whole.row.wish.as_deref_mut() {
            Some(wish) => {
                if cancel && !wish.cancel {
                    wish.cancel = true;
                    self.start_taking(whole);
                }
                Taking::Known
            }
            None if began && !cancel => Taking::Known,
            None if began => {
                whole.row.wish = Some(Box::new(told()));
                self.start_taking(whole);
                Taking::Began
            }
            None => {
                whole.row.wish = Some(Box::new(Wish {
                    cancel,
                    ..nothing()
                }));
                self.start_taking(whole);
                Taking::Deciding
            }
        }
    }
}

/// How a firing of a recurring task meets being taken back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::core) enum Taking {
    /// It goes on, or that was asked already.
    Known,
    /// A call of it began, and no further one will.
    Began,
    /// That is decided later.
    Deciding,
}

fn part_of(whole: &Task, shard: u32) -> FiringPart {
    let own = FiringPart::occurrence(whole.row.firing.occurrence);
    whole.part.unwrap_or(own).of_shard(shard)
}

/// What remains of a cancel that came too late: no further leg.
fn told() -> Wish {
    Wish {
        cancel: true,
        told: true,
        ..nothing()
    }
}
