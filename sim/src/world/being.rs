//! Workers: what runs a role, and what the world does to it.

use std::sync::Arc;

use rand::Rng;
use schemas::Role;

use super::{World, asked};
use crate::actor::{Actor, Worker};
use crate::clock::SkewedClock;
use crate::kinds::{Archive, Dispatcher, Planner, Trigger};
use crate::planted::Bug;

/// A worker, and what the world does to it.
pub(super) struct Being {
    pub(super) actor: Box<dyn Actor>,
    /// It exists; a dead one is started again by the agenda.
    pub(super) alive: bool,
    /// It stands still until then.
    pub(super) stalled_until: u64,
    /// Not to join before.
    pub(super) join_at: u64,
    /// It waits until then, unless something comes.
    pub(super) wake_at: u64,
    /// It gives everything up, until then at most, and leaves for so long.
    pub(super) leaving: Option<(u64, u64)>,
    /// Another took its name: it does not come back.
    pub(super) replaced: bool,
}

impl World {
    /// Makes a worker, to be started; tells its number.
    pub(super) fn add_worker(&mut self, role: Role, name: &str) -> usize {
        let skew = self.plan.skew_ms;
        let mut off = self.rng.random_range(-skew..=skew);
        let bug = self.plan.bug;
        if role == Role::Dispatcher && bug == Some(Bug::FastClock) {
            off += asked::FAST_MS;
        }
        let booted = self.rng.random_range(0..1_000_000);
        let clock = SkewedClock::new(Arc::clone(&self.clock), off, booted);
        let seed = self.rng.random();
        let actor: Box<dyn Actor> = match role {
            Role::Planner => Box::new(Worker::<Planner>::new(name, seed, clock, bug)),
            Role::Trigger => Box::new(Worker::<Trigger>::new(name, seed, clock, bug)),
            Role::Dispatcher => Box::new(Worker::<Dispatcher>::new(name, seed, clock, bug)),
            Role::Archive => Box::new(Worker::<Archive>::new(name, seed, clock, bug)),
        };
        debug_assert_eq!(actor.role(), role);
        self.workers.push(Being {
            actor,
            alive: false,
            stalled_until: 0,
            join_at: 0,
            wake_at: 0,
            leaving: None,
            replaced: false,
        });
        self.workers.len() - 1
    }

    pub(super) fn has_work(&self, n: usize, now: u64) -> bool {
        let Some(being) = self.workers.get(n) else {
            return false;
        };
        if !being.alive || being.stalled_until > now {
            return false;
        }
        if !being.actor.is_up() {
            return !being.replaced && being.join_at <= now;
        }
        being.wake_at <= now || self.broker.has_news(being.actor.role(), being.actor.name())
    }
}
