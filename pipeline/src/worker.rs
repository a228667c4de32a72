//! A driver on a thread of its own: joins, turns, joins anew when its connection is lost, stays out while held, drains.

use std::sync::atomic::{AtomicBool, AtomicU8, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use schemas::{Role, Shard};

use crate::clock::Clock;
use crate::driver::Driver;
use crate::error::LogError;
use crate::inbox::Inbox;
use crate::log::Broker;
use crate::stage::{Factory, Stage};

/// Longest wait in one round of the loop; also how soon a stop is noticed.
const ROUND: Duration = Duration::from_millis(100);
/// Wait before joining again after a connection was lost, doubled up to the maximum.
const REJOIN: Duration = Duration::from_millis(100);
const REJOIN_MAX: Duration = Duration::from_secs(5);
/// A connection that lasted so long was a good one, ms.
const LASTED_MS: u64 = 10_000;
/// A drain that takes longer than this is given up; a successor goes on from the last commit.
const DRAIN_ROUNDS: u32 = 100;

/// What a worker is at, for /ready and /state.
#[derive(Debug, Default)]
pub struct Status {
    stop: AtomicBool,
    phase: AtomicU8,
    shards: Mutex<Owned>,
    held: Mutex<Option<String>>,
    failed: Mutex<Option<LogError>>,
}

/// The shards of one worker.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Owned {
    /// Those whose core is at work.
    pub open: Vec<Shard>,
    /// How many are owned in all, those still being opened included.
    pub count: usize,
    /// Those whose core stands still, and why.
    pub still: Vec<(Shard, String)>,
    /// Whether the group has said which they are; that there are none is an answer too.
    pub settled: bool,
}

/// A worker's place in life.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    /// Not connected.
    Joining,
    /// Turning.
    Running,
    /// Told to stay out of its group; see [`Status::hold`].
    Held,
    /// Gone.
    Stopped,
}

impl Status {
    /// Asks the worker to drain and end.
    pub fn stop(&self) {
        self.stop.store(true, Ordering::Release);
    }

    /// Asks the worker to give its shards up in order, and to own none until [`Status::go_on`].
    /// `why` is for people.
    pub fn hold(&self, why: String) {
        *self.held.lock().unwrap_or_else(PoisonError::into_inner) = Some(why);
    }

    /// Lets the worker join its group again.
    pub fn go_on(&self) {
        *self.failed.lock().unwrap_or_else(PoisonError::into_inner) = None;
        *self.held.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }

    /// Ends a worker that is held for what only a person can mend: [`run`] gives `why` back.
    pub fn fail(&self, why: LogError) {
        *self.failed.lock().unwrap_or_else(PoisonError::into_inner) = Some(why);
    }

    fn failed(&self) -> Option<LogError> {
        self.failed
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    /// Why it is to own nothing, if it is.
    #[must_use]
    pub fn held(&self) -> Option<String> {
        self.held
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    /// Where it is.
    #[must_use]
    pub fn phase(&self) -> Phase {
        match self.phase.load(Ordering::Acquire) {
            0 => Phase::Joining,
            1 => Phase::Running,
            2 => Phase::Held,
            _ => Phase::Stopped,
        }
    }

    /// What it owns.
    #[must_use]
    pub fn owned(&self) -> Owned {
        self.shards
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    /// Whether it is connected, was told what it owns, and all of that is at work.
    #[must_use]
    pub fn is_ready(&self) -> bool {
        let owned = self.owned();
        self.phase() == Phase::Running
            && self.held().is_none()
            && owned.settled
            && owned.open.len() == owned.count
    }

    fn set_owned(&self, owned: Owned) {
        *self.shards.lock().unwrap_or_else(PoisonError::into_inner) = owned;
    }

    fn set(&self, phase: Phase) {
        let number = match phase {
            Phase::Joining => 0,
            Phase::Running => 1,
            Phase::Held => 2,
            Phase::Stopped => 3,
        };
        self.phase.store(number, Ordering::Release);
    }

    fn stopping(&self) -> bool {
        self.stop.load(Ordering::Acquire)
    }

    fn leaving(&self) -> bool {
        self.stopping() || self.held().is_some()
    }
}

/// Runs one worker until [`Status::stop`]; blocks, so give it a thread.
///
/// # Errors
/// [`LogError::Config`] when a person must act; everything else is retried for ever.
#[expect(
    clippy::too_many_arguments,
    reason = "each is one thing a worker needs; called once a role"
)]
pub fn run<F: Factory>(
    broker: &dyn Broker,
    role: Role,
    member: &str,
    mut factory: F,
    clock: &Arc<dyn Clock>,
    inbox: &Inbox<<F::Stage as Stage>::Input>,
    status: &Status,
    mut sink: impl FnMut(Shard, <F::Stage as Stage>::Effect),
) -> Result<(), LogError> {
    let _stopped = StoppedAtEnd(status);
    let mut wait = REJOIN;
    while !status.stopping() {
        if status.held().is_some() {
            if let Some(error) = status.failed() {
                return Err(error);
            }
            status.set(Phase::Held);
            std::thread::sleep(ROUND);
            continue;
        }
        status.set(Phase::Joining);
        let log = match broker.join(role, member) {
            Ok(log) => log,
            Err(error @ LogError::Config(_)) => return Err(error),
            Err(error) => {
                tracing::warn!(role = role.name(), member, %error, "cannot join; trying again");
                std::thread::sleep(wait);
                wait = (wait * 2).min(REJOIN_MAX);
                continue;
            }
        };
        let joined = clock.now().mono;
        let mut driver = Driver::new(
            role,
            broker.shards(),
            log,
            factory,
            Arc::clone(clock),
            inbox.clone(),
        );
        status.set(Phase::Running);
        let left = turn_until_leaving(&mut driver, status, &mut sink);
        status.set_owned(Owned::default());
        factory = driver.into_factory();
        // Only a connection that did not last is a reason to wait longer for the next.
        if left.is_ok() || clock.now().mono.saturating_sub(joined) >= LASTED_MS {
            wait = REJOIN;
        }
        if let Err(error) = left {
            tracing::warn!(role = role.name(), member, %error, "connection lost; joining anew");
            std::thread::sleep(wait);
            wait = (wait * 2).min(REJOIN_MAX);
        }
    }
    Ok(())
}

/// A worker that panics is as gone as one that was told to stop.
struct StoppedAtEnd<'a>(&'a Status);

impl Drop for StoppedAtEnd<'_> {
    fn drop(&mut self) {
        self.0.set(Phase::Stopped);
    }
}

fn owned<F: Factory>(driver: &Driver<F>) -> Owned {
    let still = driver.still_shards();
    Owned {
        open: driver.open_shards().collect(),
        count: driver.owned_shards(),
        still: still.map(|(shard, why)| (shard, why.to_owned())).collect(),
        settled: driver.is_settled(),
    }
}

fn turn_until_leaving<F: Factory>(
    driver: &mut Driver<F>,
    status: &Status,
    sink: &mut impl FnMut(Shard, <F::Stage as Stage>::Effect),
) -> Result<(), LogError> {
    let mut known = (0, 0, 0, false);
    while !status.leaving() {
        driver.turn(ROUND, sink)?;
        let now = (
            driver.open_shards().count(),
            driver.owned_shards(),
            driver.still_shards().count(),
            driver.is_settled(),
        );
        // Shards only move all at once, so the counts tell.
        if now != known {
            known = now;
            status.set_owned(owned(driver));
            driver.count_still();
        }
    }
    for _ in 0..DRAIN_ROUNDS {
        // Again and again: a rebalance of the others may hand it shards meanwhile.
        driver.drain();
        if driver.owns_nothing() {
            break;
        }
        driver.turn(ROUND, sink)?;
    }
    Ok(())
}
