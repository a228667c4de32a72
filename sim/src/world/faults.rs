//! How faults befall workers.

use std::sync::PoisonError;

use rand::Rng;
use schemas::{Role, Shard};

use super::{Being, Happening, World};
use crate::history::Disturbed;
use crate::kinds::Told;
use crate::plan::Fault;

/// A worker that leaves is given so long to give everything up, as by the shell.
const DRAIN_MS: u64 = 10_000;
/// That there is no time left is said so often.
const BUSY_SAID_MS: u64 = 100;

impl World {
    pub(super) fn befall(&mut self, fault: Fault) {
        self.trace.line(format_args!("fault {fault:?}"));
        match fault {
            Fault::Kill {
                role,
                number,
                down_ms,
                wiped,
            } => {
                if let Some(worker) = self.find(role, number) {
                    self.kill(worker, down_ms, wiped);
                }
            }
            Fault::Stall {
                role,
                number,
                for_ms,
            } => {
                if let Some(worker) = self.find(role, number) {
                    self.stall(worker, for_ms);
                }
            }
            Fault::Replace {
                role,
                number,
                for_ms,
            } => {
                if let Some(worker) = self.find(role, number) {
                    self.replace(worker, for_ms);
                }
            }
            Fault::Leave {
                role,
                number,
                down_ms,
            } => {
                let worker = self.find(role, number);
                if let Some(worker) = worker.filter(|n| self.workers[*n].actor.is_up()) {
                    let until = self.clock.elapsed() + DRAIN_MS;
                    self.workers[worker].leaving = Some((until, down_ms));
                    self.workers[worker].wake_at = 0;
                    self.workers[worker].actor.drain();
                    self.disturb(worker);
                    self.schedule(until, Happening::Wake);
                }
            }
            Fault::Gone { role, down_ms } => self.kill_all(Some(role), down_ms),
            Fault::Release { down_ms } => {
                for being in &mut self.workers {
                    being.actor.release();
                }
                self.kill_all(Some(Role::Planner), down_ms);
            }
            Fault::AllGone { down_ms } => self.kill_all(None, down_ms),
            Fault::ArchiveAway { for_ms } => {
                self.table.away_until = self.clock.elapsed() + for_ms;
            }
            Fault::Compact => {
                let tombstones = self.rng.random_bool(0.5);
                self.broker.compact(schemas::Topic::Index, tombstones);
            }
        }
    }

    /// Tells planners and archives, as long as that lasts, that there is no time left.
    pub(super) fn say_busy(&mut self, until: u64) {
        let shards: Vec<Shard> = self.plan.shards.all().collect();
        for being in &mut self.workers {
            let role = being.actor.role();
            if being.actor.is_up() && matches!(role, Role::Planner | Role::Archive) {
                for shard in &shards {
                    being.actor.tell(*shard, Told::Busy);
                }
                being.wake_at = 0;
            }
        }
        let again = self.clock.elapsed() + BUSY_SAID_MS;
        if again < until {
            self.schedule(again, Happening::Busy(until));
        }
    }

    /// Everyone at work in `role`, or in any, dies.
    fn kill_all(&mut self, role: Option<Role>, down_ms: u64) {
        for worker in 0..self.workers.len() {
            let being = &self.workers[worker];
            let is_meant = role.is_none_or(|role| being.actor.role() == role);
            if being.alive && !being.replaced && is_meant {
                let more = self.rng.random_range(0..500);
                self.kill(worker, down_ms + more, None);
            }
        }
    }

    /// The `number`-th worker of `role` that is at work.
    fn find(&self, role: Role, number: usize) -> Option<usize> {
        self.workers
            .iter()
            .enumerate()
            .filter(|(_, it)| it.actor.role() == role && !it.replaced)
            .nth(number)
            .filter(|(_, it)| it.alive && it.leaving.is_none() && it.stalled_until == 0)
            .map(|(n, _)| n)
    }

    fn disturb(&mut self, worker: usize) {
        let at = self.clock.elapsed();
        self.history.disturbed.push(Disturbed { at, worker });
    }

    pub(super) fn start(&mut self, worker: usize) {
        let being = &mut self.workers[worker];
        being.alive = true;
        being.leaving = None;
        being.stalled_until = 0;
        being.join_at = self.clock.elapsed();
        being.actor.start();
        let (role, name) = (being.actor.role(), being.actor.name());
        self.trace
            .line(format_args!("{name} starts as {}", role.name()));
    }

    fn kill(&mut self, worker: usize, down_ms: u64, wiped: Option<Shard>) {
        self.disturb(worker);
        let being = &mut self.workers[worker];
        being.actor.kill(wiped);
        being.alive = false;
        let at = self.clock.elapsed() + down_ms;
        self.schedule(at, Happening::Start(worker));
    }

    fn stall(&mut self, worker: usize, for_ms: u64) {
        self.disturb(worker);
        let until = self.clock.elapsed() + for_ms;
        self.workers[worker].stalled_until = until;
        self.schedule(until, Happening::Wake);
    }

    /// Stalls it, and starts another under its name.
    fn replace(&mut self, worker: usize, for_ms: u64) {
        self.stall(worker, for_ms);
        let being = &mut self.workers[worker];
        being.replaced = true;
        let (role, name) = (being.actor.role(), being.actor.name().to_owned());
        let twin = self.add_worker(role, &name);
        let at = self.clock.elapsed() + for_ms / 2;
        self.schedule(at, Happening::Start(twin));
    }

    /// It has given everything up.
    pub(super) fn leave(&mut self, worker: usize) {
        let down_ms = self.workers[worker]
            .leaving
            .take()
            .map_or(0, |(_, down_ms)| down_ms);
        self.trace
            .line(format_args!("{} leaves", self.workers[worker].actor.name()));
        self.kill(worker, down_ms, None);
    }

    /// Commits that fail rebuild a worker's cores without a word. Dispatchers' remember what they
    /// called.
    pub(super) fn note_doubts(&mut self, now: u64) {
        let doubts =
            std::mem::take(&mut *self.doubts.lock().unwrap_or_else(PoisonError::into_inner));
        let forgetful = |(role, _): &(Role, String)| *role != Role::Dispatcher;
        for (role, name) in doubts.into_iter().filter(forgetful) {
            let of = |being: &Being| being.actor.role() == role && being.actor.name() == name;
            for (worker, _) in self
                .workers
                .iter()
                .enumerate()
                .filter(|(_, being)| of(being))
            {
                // Drawn at the beginning; told seconds later at most.
                for at in [now, now + 10_000] {
                    self.history.disturbed.push(Disturbed { at, worker });
                }
            }
        }
    }
}
