//! The one loop: waits on the log, feeds the cores, cuts turns, commits them.
//!
//! One driver is one worker of one role: it owns some shards, one core each, and one transaction at a
//! time. The commit runs beside the loop; while it does, cores go on and gather the next turn. When a
//! commit fails, or may have, everything since the last one is dropped: cores are state machines over
//! the log and are rebuilt from it.

mod ownership;
mod pace;
mod turning;

use std::sync::Arc;
use std::time::Duration;

use schemas::{Role, Shard, Shards};

use crate::assignment::{Assignment, Leaving};
use crate::clock::{Clock, Now};
use crate::error::LogError;
use crate::inbox::Inbox;
use crate::log::{Log, LogEvent};
use crate::metrics;
use crate::record::TopicPartition;
use crate::stage::{Ask, Factory, Stage};
use ownership::leave;
use pace::Pacing;

/// Ownership is proved, and positions that only moved are committed, at least this often.
const HEARTBEAT_MS: u64 = 1_000;
/// Wait before asking again for what was not available.
const RETRY_MS: u64 = 10;

type Input<F> = <<F as Factory>::Stage as Stage>::Input;
type Effect<F> = <<F as Factory>::Stage as Stage>::Effect;

/// Takes the effects of one worker's cores.
pub type Sink<'a, E> = dyn FnMut(Shard, E) + 'a;

/// One worker of one role.
pub struct Driver<F: Factory> {
    role: Role,
    shards: Shards,
    log: Box<dyn Log>,
    factory: F,
    clock: Arc<dyn Clock>,
    inbox: Inbox<Input<F>>,
    owned: Assignment<F::Stage>,
    flight: Option<Flight<Effect<F>>>,
    last_full_turn: u64,
    pacing: Pacing,
    /// Whether the group's last word was an assignment.
    settled: bool,
    events: Vec<LogEvent>,
}

/// The transaction on its way.
struct Flight<E> {
    after: Vec<(Shard, E)>,
    cut_at: u64,
    /// The cores it was cut from are gone: its result is nobody's, but until it comes no other may
    /// begin.
    orphaned: bool,
}

impl<F: Factory> Driver<F> {
    /// A worker over `log`, not yet owning anything.
    pub fn new(
        role: Role,
        shards: Shards,
        log: Box<dyn Log>,
        factory: F,
        clock: Arc<dyn Clock>,
        inbox: Inbox<Input<F>>,
    ) -> Self {
        inbox.connect(log.waker());
        let pacing = Pacing::new(factory.pace());
        Self {
            role,
            shards,
            log,
            factory,
            clock,
            inbox,
            owned: Assignment::new(),
            flight: None,
            last_full_turn: 0,
            pacing,
            settled: false,
            events: Vec::new(),
        }
    }

    /// One round of the loop; waits at most `wait`.
    ///
    /// # Errors
    /// [`LogError::Fatal`] or [`LogError::Config`]: this connection is of no more use; take the
    /// factory back by [`Driver::into_factory`] and join anew.
    pub fn turn(&mut self, wait: Duration, sink: &mut Sink<'_, Effect<F>>) -> Result<(), LogError> {
        let result = self.try_turn(wait, sink);
        match result {
            Err(LogError::Aborted(_) | LogError::Retry(_)) => {
                self.rebuild();
                Ok(())
            }
            other => other,
        }
    }

    /// How long nothing need be done, unless the log or the inbox wakes this worker: for a simulator
    /// that advances time itself.
    #[must_use]
    pub fn idle_for(&self) -> Duration {
        let now = self.clock.now();
        let mut ms = HEARTBEAT_MS;
        // While a commit is on its way its end wakes the worker: no turn can be cut before.
        let heartbeat = HEARTBEAT_MS.saturating_sub(now.mono.saturating_sub(self.last_full_turn));
        for (_, owned) in self.owned.iter() {
            let Some(core) = &owned.core else {
                ms = ms.min(owned.open_at.saturating_sub(now.mono));
                continue;
            };
            if let Some(at) = core.poll_timeout() {
                ms = ms.min(at.since(now.wall));
            }
            if self.flight.is_none() && !matches!(owned.leaving, Some(Leaving::LastTurn(_))) {
                ms = ms.min(heartbeat);
                let drained = match owned.leaving {
                    Some(Leaving::Draining(until)) => core.is_idle() || until <= now.mono,
                    _ => false,
                };
                if drained {
                    ms = 0;
                } else if core.wants_turn(now) {
                    ms = ms.min(self.pacing.left(now.mono));
                }
            }
        }
        if self.inbox.is_empty() {
            Duration::from_millis(ms)
        } else {
            Duration::ZERO
        }
    }

    /// Gives every shard up in order, as on a planned hand-over; keep calling [`Driver::turn`] until
    /// [`Driver::owns_nothing`].
    pub fn drain(&mut self) {
        let now = self.clock.now();
        for (_, owned) in self.owned.iter_mut() {
            leave(owned, now);
        }
    }

    /// Drops the connection and every core.
    #[must_use]
    pub fn into_factory(mut self) -> F {
        self.close_all();
        self.factory
    }

    fn try_turn(&mut self, wait: Duration, sink: &mut Sink<'_, Effect<F>>) -> Result<(), LogError> {
        let wait = wait.min(self.idle_for());
        let mut events = std::mem::take(&mut self.events);
        let owned = &self.owned;
        let mut appetite = |from: TopicPartition| {
            owned
                .core(from.shard)
                .map_or(0, |core| core.appetite(from.topic))
        };
        self.log.poll(wait, &mut appetite, &mut events)?;
        let mut failed = None;
        for event in events.drain(..) {
            let now = self.clock.now();
            if let Err(error) = self.handle_event(event, now, sink) {
                failed = Some(error);
            }
            // What is due does not wait for all that came.
            self.handle_timeouts(sink);
        }
        self.events = events;
        if let Some(error) = failed {
            return Err(error);
        }
        let now = self.clock.now();
        self.open_shards_now(now)?;
        for (shard, input) in self.inbox.take() {
            match self.owned.core_mut(shard) {
                Some(core) => core.handle_input(input, now),
                None => self.factory.handle_input(shard, input),
            }
        }
        self.handle_timeouts(sink);
        self.answer_asks()?;
        self.tell_ends(now)?;
        self.run_effects(sink);
        self.commit_turn(now)?;
        self.release_drained(now);
        Ok(())
    }

    fn handle_timeouts(&mut self, sink: &mut Sink<'_, Effect<F>>) {
        let now = self.clock.now();
        for (shard, core) in self.owned.cores_mut() {
            if core.poll_timeout().is_some_and(|at| at <= now.wall) {
                core.handle_timeout(now);
                // What was waited for does not wait for what the other cores have to do.
                while let Some(effect) = core.poll_effect() {
                    sink(shard, effect);
                }
            }
        }
    }

    fn handle_event(
        &mut self,
        event: LogEvent,
        now: Now,
        sink: &mut Sink<'_, Effect<F>>,
    ) -> Result<(), LogError> {
        match event {
            LogEvent::Assigned(shards) => {
                tracing::info!(role = self.role.name(), ?shards, "shards assigned");
                self.handle_assigned(&shards);
            }
            LogEvent::Revoked { shards, lost } => {
                tracing::info!(role = self.role.name(), ?shards, lost, "shards revoked");
                self.settled = false;
                for shard in shards {
                    self.handle_revoked(shard, lost, now);
                }
            }
            LogEvent::Batch {
                from,
                records,
                position,
            } => {
                if let Some(core) = self.owned.core_mut(from.shard) {
                    core.handle_batch(from.topic, records, position, now);
                }
            }
            LogEvent::Committed { proven_at } => self.handle_committed(proven_at, now, sink),
            LogEvent::Failed(error) => {
                if self.flight.take().is_some_and(|flight| flight.orphaned) {
                    return Ok(());
                }
                tracing::warn!(role = self.role.name(), %error, "turn failed");
                return Err(error);
            }
        }
        Ok(())
    }

    fn handle_committed(&mut self, proven_at: u64, now: Now, sink: &mut Sink<'_, Effect<F>>) {
        let Some(flight) = self.flight.take().filter(|flight| !flight.orphaned) else {
            return;
        };
        let role = self.role.name();
        ::metrics::counter!(metrics::TURNS, "role" => role).increment(1);
        ::metrics::histogram!(metrics::TURN_SECONDS, "role" => role)
            .record(Duration::from_millis(now.mono.saturating_sub(flight.cut_at)).as_secs_f64());
        for (_, owned) in self.owned.iter_mut() {
            if std::mem::take(&mut owned.in_flight)
                && let Some(core) = &mut owned.core
            {
                core.handle_committed(proven_at, now);
            }
        }
        for (shard, effect) in flight.after {
            sink(shard, effect);
        }
        let left: Vec<Shard> = self
            .owned
            .iter()
            .filter(|(_, owned)| matches!(owned.leaving, Some(Leaving::LastTurn(_))))
            .map(|(shard, _)| shard)
            .collect();
        for shard in left {
            self.give_up(shard);
        }
    }

    fn answer_asks(&mut self) -> Result<(), LogError> {
        let mut reopened = Vec::new();
        for (shard, owned) in self.owned.iter_mut() {
            let Some(core) = &mut owned.core else {
                continue;
            };
            while let Some(ask) = core.poll_ask() {
                match ask {
                    Ask::Read(topic, offset) => {
                        self.log.read(TopicPartition::new(topic, shard), offset)?;
                        owned.reads.insert(topic);
                    }
                    Ask::Stop(topic) => {
                        self.log.stop(TopicPartition::new(topic, shard))?;
                        owned.reads.remove(&topic);
                    }
                    Ask::End(topic) => {
                        owned.ends.insert(topic);
                    }
                    Ask::SendOutside(record) => self.log.send_outside(record)?,
                    Ask::Reopen => reopened.push(shard),
                }
            }
        }
        for shard in reopened {
            self.reopen(shard);
        }
        Ok(())
    }

    /// Where the partitions end that cores asked about; what is not told now is asked again.
    fn tell_ends(&mut self, now: Now) -> Result<(), LogError> {
        for (shard, owned) in self.owned.iter_mut() {
            let Some(core) = &mut owned.core else {
                continue;
            };
            while let Some(topic) = owned.ends.first().copied() {
                match self.log.ends(&[TopicPartition::new(topic, shard)]) {
                    Ok(ends) => {
                        owned.ends.remove(&topic);
                        if let Some((_, end)) = ends.first() {
                            core.handle_end(topic, *end, now);
                        }
                    }
                    Err(LogError::Retry(_)) => break,
                    Err(error) => return Err(error),
                }
            }
        }
        Ok(())
    }

    fn run_effects(&mut self, sink: &mut Sink<'_, Effect<F>>) {
        for (shard, core) in self.owned.cores_mut() {
            while let Some(effect) = core.poll_effect() {
                sink(shard, effect);
            }
        }
    }
}

impl<F: Factory> std::fmt::Debug for Driver<F> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Driver")
            .field("role", &self.role)
            .field("shards", &self.owned.len())
            .finish_non_exhaustive()
    }
}
