//! One worker: a driver that is driven, or stalled, or dead.

use std::sync::Arc;
use std::time::Duration;

use pipeline::memory::MemoryBroker;
use pipeline::{Broker, Clock, Driver, Inbox, LogError, Now, Stage};
use schemas::{Role, Shard};

use crate::clock::SkewedClock;
use crate::kinds::{Asked, InputOf, Kind, Told};
use crate::planted::{Bug, tamper};

/// One worker of any role, as the world sees it.
pub trait Actor {
    /// Its role.
    fn role(&self) -> Role;
    /// Its name in the group.
    fn name(&self) -> &str;
    /// Which process it is: raised by every crash.
    fn life(&self) -> u32;
    /// What its clocks show.
    fn now(&self) -> Now;
    /// Whether it is connected.
    fn is_up(&self) -> bool;
    /// Starts its process.
    fn start(&mut self);
    /// Connects.
    ///
    /// # Errors
    /// As [`Broker::join`].
    fn join(&mut self, broker: &MemoryBroker) -> Result<(), LogError>;
    /// One round of its loop, without waiting; what its cores asked for is added to `asked`.
    ///
    /// # Errors
    /// As [`Driver::turn`]: the connection was dropped, join anew.
    fn turn(&mut self, asked: &mut Vec<(Shard, Asked)>) -> Result<(), LogError>;
    /// How long nothing need be done, ms.
    fn idle_ms(&self) -> u64;
    /// How long until time matters to one of its cores, ms; heartbeats left out.
    fn core_idle_ms(&self) -> Option<u64>;
    /// Tells it something.
    fn tell(&self, shard: Shard, told: Told);
    /// Kills it: its connection and its cores vanish; `wiped` is a shard whose disk goes too.
    fn kill(&mut self, wiped: Option<Shard>);
    /// Its next process is of a release with other time zone data.
    fn release(&mut self);
    /// Starts to give everything up in order.
    fn drain(&mut self);
    /// Whether it is connected and owns nothing.
    fn owns_nothing(&self) -> bool;
    /// The shards whose cores are at work.
    fn open_shards(&self) -> Vec<Shard>;
    /// Why one of its cores stands still, if one does.
    fn stands_still(&self) -> Option<String>;
}

/// A worker of one role.
pub struct Worker<K: Kind> {
    name: String,
    seed: u64,
    life: u32,
    clock: Arc<SkewedClock>,
    inbox: Inbox<InputOf<K::Factory>>,
    driver: Option<Driver<K::Factory>>,
    factory: Option<K::Factory>,
    wiped: Option<Shard>,
    released: bool,
    bug: Option<Bug>,
}

impl<K: Kind> Worker<K> {
    /// A worker that is not started.
    #[must_use]
    pub fn new(name: &str, seed: u64, clock: Arc<SkewedClock>, bug: Option<Bug>) -> Self {
        Self {
            name: name.to_owned(),
            seed,
            life: 0,
            clock,
            inbox: Inbox::new(),
            driver: None,
            factory: None,
            wiped: None,
            released: false,
            bug,
        }
    }

    fn disconnect(&mut self) {
        if let Some(driver) = self.driver.take() {
            self.factory = Some(driver.into_factory());
        }
    }
}

impl<K: Kind> Actor for Worker<K> {
    fn role(&self) -> Role {
        K::ROLE
    }

    fn name(&self) -> &str {
        &self.name
    }

    fn life(&self) -> u32 {
        self.life
    }

    fn now(&self) -> Now {
        self.clock.now()
    }

    fn is_up(&self) -> bool {
        self.driver.is_some()
    }

    fn start(&mut self) {
        self.life += 1;
        let seed = self.seed ^ (u64::from(self.life) << 48);
        self.inbox = Inbox::new();
        let mut factory = match self.factory.take() {
            Some(left) => K::restart(left, seed, self.wiped.take(), self.bug),
            None => K::start(seed, self.bug),
        };
        if self.released {
            K::release(&mut factory, self.bug);
        }
        self.factory = Some(factory);
    }

    fn join(&mut self, broker: &MemoryBroker) -> Result<(), LogError> {
        let log = tamper(broker.join(K::ROLE, &self.name)?, K::ROLE, self.bug);
        let Some(factory) = self.factory.take() else {
            return Ok(());
        };
        let clock = Arc::clone(&self.clock);
        let inbox = self.inbox.clone();
        let driver = Driver::new(K::ROLE, broker.shards(), log, factory, clock, inbox);
        self.driver = Some(driver);
        Ok(())
    }

    fn turn(&mut self, asked: &mut Vec<(Shard, Asked)>) -> Result<(), LogError> {
        let Some(driver) = &mut self.driver else {
            return Ok(());
        };
        let mut sink = |shard, effect| {
            if let Some(it) = K::asked(effect) {
                asked.push((shard, it));
            }
        };
        let result = driver.turn(Duration::ZERO, &mut sink);
        if result.is_err() {
            self.disconnect();
        }
        result
    }

    fn idle_ms(&self) -> u64 {
        let idle = self.driver.as_ref().map(Driver::idle_for);
        idle.map_or(u64::MAX, |idle| {
            u64::try_from(idle.as_millis()).unwrap_or(u64::MAX)
        })
    }

    fn core_idle_ms(&self) -> Option<u64> {
        let driver = self.driver.as_ref()?;
        let now = self.now();
        let mut cores = driver.open_shards().filter_map(|shard| driver.core(shard));
        // What is gathered for a turn does not wait for a timeout.
        if cores.any(|core| core.wants_turn(now)) {
            return Some(0);
        }
        let timeouts = driver
            .open_shards()
            .filter_map(|shard| driver.core(shard)?.poll_timeout());
        timeouts.map(|at| at.since(now.wall)).min()
    }

    fn tell(&self, shard: Shard, told: Told) {
        if let Some(input) = K::told(told) {
            self.inbox.push(shard, input);
        }
    }

    fn kill(&mut self, wiped: Option<Shard>) {
        self.disconnect();
        self.wiped = wiped;
    }

    fn release(&mut self) {
        self.released = true;
    }

    fn drain(&mut self) {
        if let Some(driver) = &mut self.driver {
            driver.drain();
        }
    }

    fn owns_nothing(&self) -> bool {
        self.driver.as_ref().is_some_and(Driver::owns_nothing)
    }

    fn open_shards(&self) -> Vec<Shard> {
        self.driver
            .iter()
            .flat_map(|driver| driver.open_shards())
            .collect()
    }

    fn stands_still(&self) -> Option<String> {
        let (shard, why) = self.driver.as_ref()?.still_shards().next()?;
        Some(format!("shard {} stands still: {why}", shard.0))
    }
}
