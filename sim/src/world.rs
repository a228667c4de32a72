//! The world: virtual time, workers, endpoints, a database, and what goes wrong.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use pipeline::memory::{MemoryBroker, MemoryConfig, Told as Tells};
use pipeline::{Broker, Clock, Outgoing, Producer, TopicPartition};
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use schemas::{RequestId, Role, Shard, Topic};

use crate::alarm::Alarm;
use crate::clock::WorldClock;
use crate::fates::Fates;
use crate::history::{Disturbed, History, Sent};
use crate::kinds::Told;
use crate::plan::sweep::tagged;
use crate::plan::{Fault, Plan};
use crate::table::Table;
use crate::trace::Trace;
use being::Being;

mod asked;
mod being;
mod calendars;
mod ends;
mod faults;
mod many;
mod skip;
mod sweep;

/// Rounds of the workers within one ms at most: beyond, somebody spins.
const MOST_ROUNDS: usize = 2_000;
/// A run that is not over so long behind its last due time never will be.
const PATIENCE_MS: u64 = 3_600_000;

/// One run.
pub struct World {
    pub(crate) plan: Arc<Plan>,
    pub(crate) clock: Arc<WorldClock>,
    pub(crate) broker: MemoryBroker,
    producer: Arc<dyn Producer>,
    workers: Vec<Being>,
    agenda: BTreeMap<(u64, u64), Happening>,
    numbers: u64,
    rng: ChaCha8Rng,
    pub(crate) trace: Trace,
    pub(crate) history: History,
    pub(crate) table: Table,
    doubts: Arc<Mutex<Vec<(Role, String)>>>,
    tail: ends::Tail,
    sweeper: sweep::Sweeper,
    /// Rounds of workers, in all.
    pub(crate) rounds: u64,
    /// When it was last looked whether all is over.
    looked_at: u64,
}

/// What the world has on its agenda.
#[derive(Debug)]
enum Happening {
    Send(usize),
    Sweep(usize),
    Calendar(usize),
    Fault(Fault),
    /// Machines have no time left until then.
    Busy(u64),
    Start(usize),
    Begin(Box<asked::Beginning>),
    Tell {
        worker: usize,
        life: u32,
        shard: Shard,
        told: Told,
    },
    Write(asked::Writing),
    Wake,
}

impl World {
    /// The world of a plan, about to begin.
    ///
    /// # Errors
    /// When the log in memory refuses a connection.
    pub fn new(plan: Arc<Plan>, print: bool) -> Result<Self, pipeline::LogError> {
        let clock = WorldClock::new(plan.base);
        let trace = Trace::new(Arc::clone(&clock), print);
        let config = MemoryConfig {
            shards: plan.shards,
            ..MemoryConfig::default()
        };
        let broker = MemoryBroker::new(config, Arc::clone(&clock) as Arc<dyn Clock>);
        let doubts = Arc::new(Mutex::new(Vec::new()));
        let mut fates = Fates::new(plan.mood.clone(), plan.seed);
        let seen = Arc::clone(&doubts);
        broker.set_fates(Box::new(move |role, member, touched| {
            let fate = fates.draw(role, member, touched);
            if fate.abort || matches!(fate.told, Tells::Doubt(_)) {
                let mut seen = seen.lock().unwrap_or_else(PoisonError::into_inner);
                seen.push((role, member.to_owned()));
            }
            fate
        }));
        let observer = trace.clone();
        broker.observe(Box::new(move |of, record| observer.record(of, record)));
        let tail = ends::Tail::new(&broker)?;
        let sweeper = sweep::Sweeper::new(&broker, plan.keep_ms)?;
        let mut world = Self {
            producer: broker.producer()?,
            rng: ChaCha8Rng::seed_from_u64(plan.seed ^ 0x0a0a),
            plan,
            clock,
            broker,
            workers: Vec::new(),
            agenda: BTreeMap::new(),
            numbers: 0,
            trace,
            history: History::default(),
            table: Table::default(),
            doubts,
            tail,
            sweeper,
            rounds: 0,
            looked_at: 0,
        };
        world.people();
        Ok(world)
    }

    /// Fills the agenda and makes the workers.
    fn people(&mut self) {
        let plan = Arc::clone(&self.plan);
        for shard in plan.shards.all() {
            for topic in [Topic::Registrations, Topic::RegistrationsBulk] {
                let skew = self.rng.random_range(-plan.skew_ms..=plan.skew_ms);
                self.broker
                    .set_skew(TopicPartition::new(topic, shard), skew);
            }
        }
        for (role, count) in Role::ALL.into_iter().zip(plan.workers) {
            for number in 0..count {
                let worker = self.add_worker(role, &format!("{}-{number}", role.name()));
                let at = self.rng.random_range(0..50);
                self.schedule(at, Happening::Start(worker));
            }
        }
        for (n, (at, _)) in plan.sendings.iter().enumerate() {
            self.schedule(*at, Happening::Send(n));
        }
        for (n, (at, _)) in plan.sweeps.iter().enumerate() {
            self.schedule(*at, Happening::Sweep(n));
        }
        for (n, (at, _)) in plan.calendar_sendings.iter().enumerate() {
            self.schedule(*at, Happening::Calendar(n));
        }
        for (at, fault) in &plan.faults {
            self.schedule(*at, Happening::Fault(fault.clone()));
        }
        for (at, for_ms) in &plan.busy {
            self.schedule(*at, Happening::Busy(at + for_ms));
        }
    }

    fn schedule(&mut self, at: u64, happening: Happening) {
        self.numbers += 1;
        self.agenda
            .insert((at.max(self.clock.elapsed()), self.numbers), happening);
    }

    /// Lives through the plan until nothing is left to do.
    pub fn run(&mut self) {
        loop {
            self.happen();
            self.broker.tick();
            self.work();
            self.sweep();
            self.history.alarms.extend(Alarm::take());
            if !self.history.alarms.is_empty() || self.is_over() {
                return;
            }
            let next = self.next();
            self.clock.advance_to(next);
        }
    }

    /// Everything on the agenda that is due.
    fn happen(&mut self) {
        let now = self.clock.elapsed();
        while let Some(entry) = self.agenda.first_entry().filter(|it| it.key().0 <= now) {
            match entry.remove() {
                Happening::Send(n) => self.send(n),
                Happening::Sweep(n) => self.send_sweep(n),
                Happening::Calendar(n) => self.send_calendar(n),
                Happening::Fault(fault) => self.befall(fault),
                Happening::Busy(until) => self.say_busy(until),
                Happening::Start(worker) => self.start(worker),
                Happening::Begin(beginning) => self.begin(*beginning),
                Happening::Tell {
                    worker,
                    life,
                    shard,
                    told,
                } => {
                    if let Some(being) = self.workers.get_mut(worker)
                        && being.actor.life() == life
                    {
                        being.actor.tell(shard, told);
                        being.wake_at = 0;
                    }
                }
                Happening::Write(writing) => self.write(writing),
                Happening::Wake => {}
            }
        }
    }

    /// Sends the `n`-th command of the plan.
    fn send(&mut self, n: usize) {
        let plan = Arc::clone(&self.plan);
        let Some((_, sending)) = plan.sendings.get(n) else {
            return;
        };
        let Some(task) = plan.tasks.get(sending.task) else {
            return;
        };
        let topic = task.topic();
        let shard = task
            .astray
            .map_or_else(|| task.key.shard(plan.shards), Shard);
        let request = RequestId(n as u128 + 1);
        let to = TopicPartition::new(topic, shard);
        let mut value = sending.op.json(task, plan.bug);
        if !plan.sweeps.is_empty() {
            value = tagged(&value, &sending.op, &task.key);
        }
        let record = Outgoing {
            to,
            key: Some(Bytes::from(task.key.routing_key())),
            value: Some(Bytes::from(value)),
            headers: vec![(
                schemas::answer::REQUEST_HEADER.to_owned(),
                Bytes::from(request.to_string()),
            )],
        };
        let skew = self.broker.skew(to);
        let appended = schemas::Millis(self.clock.now().wall.0 + skew);
        let (name, key) = (sending.op.name(), &task.key);
        self.trace
            .line(format_args!("send {} {name} of {key} to {to}", request.0));
        self.producer.send(record, Box::new(|_| {}));
        let at = self.clock.elapsed();
        self.history.sent.push(Sent {
            task: sending.task,
            sending: n,
            request,
            at,
            appended,
        });
    }

    /// Lets every worker that has something to do do it.
    fn work(&mut self) {
        let now = self.clock.elapsed();
        let mut asked = Vec::new();
        for _ in 0..MOST_ROUNDS {
            let mut worked = false;
            for n in 0..self.workers.len() {
                if !self.has_work(n, now) {
                    continue;
                }
                worked = true;
                self.turn(n, &mut asked);
                for (shard, it) in asked.drain(..) {
                    self.take_asked(n, shard, it);
                }
            }
            if !worked {
                return;
            }
        }
        let busy: Vec<_> = (0..self.workers.len())
            .filter(|n| self.has_work(*n, now))
            .map(|n| self.workers[n].actor.name().to_owned())
            .collect();
        self.history
            .alarms
            .push(format!("{busy:?} never come to rest at {now}"));
    }

    /// One round of a worker.
    fn turn(&mut self, n: usize, asked: &mut Vec<(Shard, crate::kinds::Asked)>) {
        self.rounds += 1;
        let now = self.clock.elapsed();
        let Some(being) = self.workers.get_mut(n) else {
            return;
        };
        if !being.actor.is_up() {
            being.wake_at = now;
            if let Err(error) = being.actor.join(&self.broker) {
                being.join_at = now + 20;
                self.trace
                    .note(format_args!("{} cannot join: {error}", being.actor.name()));
            }
            return;
        }
        if let Err(error) = being.actor.turn(asked) {
            being.join_at = now + 100;
            let name = being.actor.name();
            self.trace
                .note(format_args!("{name} lost its connection: {error}"));
            // Its process goes on, and a dispatcher's knows what it called.
            let knows = !being.replaced && being.actor.role() == Role::Dispatcher;
            let list = if knows {
                &mut self.history.cut_off
            } else {
                &mut self.history.disturbed
            };
            list.push(Disturbed { at: now, worker: n });
            if being.replaced {
                being.alive = false;
            }
        }
        if let Some(why) = being.actor.stands_still() {
            let alarm = format!("{}: {why}", being.actor.name());
            self.history.alarms.push(alarm);
        }
        being.wake_at = now.saturating_add(being.actor.idle_ms());
        let drained = being.actor.owns_nothing() || !being.actor.is_up();
        if being
            .leaving
            .is_some_and(|(until, _)| drained || until <= now)
        {
            self.leave(n);
        }
        self.note_doubts(now);
    }
}

impl std::fmt::Debug for World {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("World")
            .field("elapsed", &self.clock.elapsed())
            .field("workers", &self.workers.len())
            .finish_non_exhaustive()
    }
}
