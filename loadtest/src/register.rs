//! Registers the plan in open loop: each arrival goes out at its time, whatever became of the others.

use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::sync::{Arc, MutexGuard};

use bytes::Bytes;
use tokio::sync::mpsc::UnboundedSender;

use crate::arrivals::{Arrival, Arrivals};
use crate::clock;
use crate::commands::Chooser;
use crate::door::Door;
use crate::flags::Settings;
use crate::kafka::Intake;
use crate::receiver::Shared;
use crate::tally::Tally;
use crate::task::{Naming, When};

/// A registration that was not acknowledged for so long is given up, microseconds. Until then it is
/// repeated, as a client does: the same id and content is the same task.
pub(crate) const GIVE_UP_US: i64 = 60_000_000;

/// One registration on its way.
#[derive(Clone, Debug)]
pub(crate) struct Ready {
    pub(crate) number: u32,
    pub(crate) body: Bytes,
    pub(crate) errand: Errand,
}

/// What is asked of a task.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Errand {
    Register,
    /// Likewise; a command follows once it is acknowledged.
    RegisterForCommand,
    Cancel,
}

/// Where registrations go.
#[derive(Clone)]
pub(crate) enum Way {
    Kafka(Intake),
    Http(Box<Door>),
}

/// What is known of registrations under way, and what they cost.
#[derive(Default)]
pub(crate) struct Progress {
    /// Offered and neither acknowledged nor given up.
    pub(crate) open: AtomicU64,
    /// Sent again after no or a bad answer.
    pub(crate) repeated: AtomicU64,
    /// How far behind the plan a registration left at worst, microseconds.
    pub(crate) behind_us: AtomicI64,
    /// Of the last acknowledgement, epoch microseconds.
    pub(crate) last_us: AtomicI64,
}

/// Tells what became of registrations.
#[derive(Clone)]
pub(crate) struct Fate {
    shared: Arc<Shared>,
    pub(crate) progress: Arc<Progress>,
    /// Acknowledged tasks that a command follows.
    follow: UnboundedSender<u32>,
}

impl Fate {
    pub(crate) fn new(
        shared: Arc<Shared>,
        progress: Arc<Progress>,
        follow: UnboundedSender<u32>,
    ) -> Self {
        Self {
            shared,
            progress,
            follow,
        }
    }

    pub(crate) fn tally(&self) -> MutexGuard<'_, Tally> {
        self.shared.tally()
    }

    pub(crate) fn naming(&self) -> &Naming {
        &self.shared.naming
    }

    /// It is durable.
    pub(crate) fn accepted(&self, ready: &Ready) {
        match ready.errand {
            Errand::Register => self.tally().accepted(ready.number),
            Errand::RegisterForCommand => {
                self.tally().accepted(ready.number);
                // Nobody listens once the run is over.
                let _ = self.follow.send(ready.number);
            }
            Errand::Cancel => self.tally().cancelled(),
        }
        self.over();
    }

    /// It is given up, for the reason said once.
    pub(crate) fn refused(&self, ready: &Ready, why: &str) {
        let mut tally = self.shared.tally();
        tally.refused(ready.number);
        let first = tally.counts().refused == 1;
        drop(tally);
        if first {
            eprintln!("warning: task {} was not registered: {why}", ready.number);
        }
        self.over();
    }

    pub(crate) fn repeats(&self) {
        self.progress.repeated.fetch_add(1, Ordering::Relaxed);
    }

    fn over(&self) {
        self.progress
            .last_us
            .fetch_max(clock::now_us(), Ordering::Relaxed);
        self.progress.open.fetch_sub(1, Ordering::Release);
    }
}

/// Registers everything that `settings` plan, from `begun_us` on; returns when all was offered.
pub(crate) async fn all(
    settings: &Settings,
    begun_us: i64,
    chooser: &Chooser,
    way: &Way,
    fate: &Fate,
) {
    let batch = match way {
        Way::Kafka(_) => 1,
        Way::Http(_) => settings.batch,
    };
    let mut waiting: Vec<Ready> = Vec::with_capacity(batch);
    for arrival in Arrivals::new(settings) {
        let at_us = begun_us + arrival.at_us.cast_signed();
        if at_us > clock::now_us() {
            if !settings.fill {
                way.offer_all(&mut waiting, fate).await;
            }
            clock::sleep_until_us(at_us).await;
        }
        waiting.push(ready(begun_us, &arrival, chooser, fate));
        let behind = clock::now_us() - at_us;
        fate.progress.behind_us.fetch_max(behind, Ordering::Relaxed);
        if waiting.len() >= batch {
            way.offer_all(&mut waiting, fate).await;
        }
    }
    way.offer_all(&mut waiting, fate).await;
}

fn ready(begun_us: i64, arrival: &Arrival, chooser: &Chooser, fate: &Fate) -> Ready {
    let due = begun_us / 1_000 + arrival.due_ms.cast_signed();
    let mut tally = fate.shared.tally();
    let next = tally.counts().planned;
    let chosen = chooser.choose(next);
    let number = tally.plan(due, arrival.awaited, chosen.is_some());
    drop(tally);
    let when = match chosen {
        // Only an `after` can be touched.
        Some(command) if command.needs_after() => {
            When::After(arrival.due_ms - arrival.at_us / 1_000)
        }
        _ => When::At(due),
    };
    Ready {
        number,
        body: fate.shared.naming.registration(number, when),
        errand: if chosen.is_some() {
            Errand::RegisterForCommand
        } else {
            Errand::Register
        },
    }
}

impl Way {
    /// Offers them one by one.
    pub(crate) async fn offer_each(&self, all: Vec<Ready>, fate: &Fate) {
        for ready in all {
            self.offer_all(&mut vec![ready], fate).await;
        }
    }

    async fn offer_all(&self, waiting: &mut Vec<Ready>, fate: &Fate) {
        if waiting.is_empty() {
            return;
        }
        let count = waiting.len() as u64;
        fate.progress.open.fetch_add(count, Ordering::Relaxed);
        match self {
            Self::Kafka(intake) => {
                for ready in waiting.drain(..) {
                    intake.offer(ready, fate).await;
                }
            }
            Self::Http(door) => door.offer(std::mem::take(waiting), fate).await,
        }
    }
}
