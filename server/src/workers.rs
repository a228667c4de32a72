//! The threads that run the stages, and what the process says about them.

use std::sync::Arc;
use std::thread::JoinHandle;

use anyhow::Context;
use pipeline::heartbeat;
use pipeline::worker::Status;
use pipeline::{Broker, Clock, Factory, Inbox, LogError, Stage};
use schemas::{Role, Shard};

/// One running stage.
#[derive(Debug)]
pub(crate) struct Worker {
    /// Of which role.
    pub(crate) role: Role,
    /// What it is at.
    pub(crate) status: Arc<Status>,
    thread: JoinHandle<Result<(), LogError>>,
}

/// What every stage of a process is made with.
#[derive(Clone)]
pub(crate) struct Ground {
    /// Where records are.
    pub(crate) broker: Arc<dyn Broker>,
    /// This process in its groups.
    pub(crate) member: String,
    /// What time it is.
    pub(crate) clock: Arc<dyn Clock>,
}

impl Worker {
    /// Starts a stage on a thread of its own.
    pub(crate) fn start<F>(
        ground: &Ground,
        role: Role,
        factory: F,
        inbox: Inbox<<F::Stage as Stage>::Input>,
        sink: impl FnMut(Shard, <F::Stage as Stage>::Effect) + Send + 'static,
    ) -> anyhow::Result<Self>
    where
        F: Factory + Send + 'static,
        <F::Stage as Stage>::Input: Send + 'static,
    {
        let status = Arc::new(Status::default());
        if heartbeat::goes_by_the_clock(role) {
            status.hold(heartbeat::NOT_MEASURED.to_owned());
        }
        let shared = Arc::clone(&status);
        let Ground {
            broker,
            member,
            clock,
        } = ground.clone();
        let thread = std::thread::Builder::new()
            .name(role.name().to_owned())
            .spawn(move || {
                // What the trigger fires has a lead; a call has none.
                if role == Role::Dispatcher {
                    pipeline::prompt::be_prompt();
                }
                pipeline::worker::run(
                    broker.as_ref(),
                    role,
                    &member,
                    factory,
                    &clock,
                    &inbox,
                    &shared,
                    sink,
                )
            })
            .with_context(|| format!("cannot start the thread of the {}", role.name()))?;
        Ok(Self {
            role,
            status,
            thread,
        })
    }

    /// Measures the clock of this process against the brokers', on a thread of its own, until all of
    /// `workers` have stopped; those that go by the clock do not begin before it was measured.
    pub(crate) fn watch_clock(
        ground: &Ground,
        bound_ms: u64,
        workers: &[Self],
    ) -> anyhow::Result<()> {
        let statuses: Vec<(Role, Arc<Status>)> = workers
            .iter()
            .map(|worker| (worker.role, Arc::clone(&worker.status)))
            .collect();
        let ground = ground.clone();
        std::thread::Builder::new()
            .name("heartbeat".to_owned())
            .spawn(move || {
                let broker = ground.broker.as_ref();
                heartbeat::run(broker, &ground.clock, &ground.member, bound_ms, &statuses);
            })
            .context("cannot start the thread of the heartbeats")?;
        Ok(())
    }

    /// Tells it to drain, and waits until it has.
    pub(crate) fn stop(self) -> anyhow::Result<()> {
        self.status.stop();
        let role = self.role.name();
        match self.thread.join() {
            Ok(Ok(())) => Ok(()),
            Ok(Err(error)) => Err(error).with_context(|| format!("{role} stopped")),
            Err(_) => anyhow::bail!("{role} panicked; its last words are in the log"),
        }
    }
}
