//! Which stages run here: started in flow order, drained in flow order.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use axum::Router;
use ingest::Door;
use metrics_exporter_prometheus::PrometheusHandle;
use pipeline::clock::SystemClock;
use pipeline::worker::{Phase, Status};
use pipeline::{Clock, Inbox};
use planner::run::Desk;
use schemas::{Role, Topic};
use tokio::net::TcpListener;
use tokio::runtime::Handle;

use crate::admin::{self, Admin};
use crate::broker::{self, TopicsSeen};
use crate::cli::RoleName;
use crate::config::Config;
use crate::desk::{Local, Planners};
use crate::internal::{self, Remote};
use crate::owners::{self, Table};
use crate::stop::{Stop, stop_on_signals};
use crate::telemetry;
use crate::workers::{Ground, Worker};
use crate::{busy, stages, sweep};

/// How soon a stage that ended on its own is noticed.
const WATCH: Duration = Duration::from_millis(500);
/// Metrics that nobody scrapes are folded so often.
const UPKEEP: Duration = Duration::from_secs(5);

/// Runs the roles until SIGTERM or SIGINT, or until one of them cannot go on.
pub(crate) async fn serve(config: Config, roles: Vec<RoleName>) -> anyhow::Result<()> {
    // First of all: a process that is asked to end while it starts ends in order as well.
    let stop = Stop::new();
    stop_on_signals(stop.clone())?;
    let metrics = telemetry::start_metrics()?;
    let (broker, topics) = broker::open(&config)?;
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    let ground = Ground {
        broker,
        member: member(&config)?,
        clock,
    };
    let mut process = Process {
        config,
        ground,
        roles,
        topics,
        workers: Vec::new(),
        planner: None,
        busy: busy::Hearers::default(),
    };
    // Nothing is started before every address is bound: a taken port is said at once.
    let http = bind("http.listen", &process.config.http.listen).await?;
    process.start_stages()?;
    let ended = match process.serve_http(http, metrics, stop.clone()).await {
        Ok(()) => process.wait(stop.clone()).await,
        refused => refused,
    };
    stop.stop();
    let drained = tokio::task::spawn_blocking(move || process.drain()).await?;
    with_reason(ended, drained)
}

/// How the process ended: a stage that stopped on its own says why only when it is drained.
fn with_reason(ended: anyhow::Result<()>, drained: anyhow::Result<()>) -> anyhow::Result<()> {
    match (ended, drained) {
        (Err(end), Err(reason)) => Err(reason.context(end)),
        (ended, drained) => ended.and(drained),
    }
}

struct Process {
    config: Config,
    ground: Ground,
    roles: Vec<RoleName>,
    topics: TopicsSeen,
    workers: Vec<Worker>,
    planner: Option<Local>,
    /// Those who give way when the machine has no time left.
    busy: busy::Hearers,
}

impl Process {
    fn has(&self, role: RoleName) -> bool {
        self.roles.contains(&role)
    }

    fn start_stages(&mut self) -> anyhow::Result<()> {
        if self.has(RoleName::Planner) {
            self.start_planner()?;
        }
        if self.has(RoleName::Trigger) {
            let factory = trigger::run::factory(stages::trigger(&self.config));
            let worker = Worker::start(
                &self.ground,
                Role::Trigger,
                factory,
                Inbox::new(),
                |_, _| {},
            )?;
            self.workers.push(worker);
        }
        if self.has(RoleName::Dispatcher) {
            self.start_dispatcher()?;
        }
        if self.has(RoleName::Archive) && !self.config.archive.url.is_empty() {
            self.start_archive()?;
        }
        tokio::spawn(std::mem::take(&mut self.busy).watch());
        let bound_ms = self.config.worker.clock_bound.0;
        Worker::watch_clock(&self.ground, bound_ms, &self.workers)
    }

    fn start_planner(&mut self) -> anyhow::Result<()> {
        let config = stages::planner(&self.config)?;
        let inbox = Inbox::new();
        let desk = Desk::new(inbox.clone());
        let shards = self.ground.broker.shards();
        self.busy
            .add(&inbox, shards, || planner::event::Input::Busy);
        let data = &self.config.planner.data;
        let factory = planner::run::factory(config, data)
            .with_context(|| format!("cannot use `{}` (`planner.data`)", data.display()))?;
        let sink = desk.clone();
        let worker = Worker::start(
            &self.ground,
            Role::Planner,
            factory,
            inbox,
            move |_, effect| {
                sink.run(effect);
            },
        )?;
        self.planner = Some(Local {
            desk,
            status: Arc::clone(&worker.status),
        });
        self.workers.push(worker);
        Ok(())
    }

    fn start_dispatcher(&mut self) -> anyhow::Result<()> {
        let config = stages::dispatcher(&self.config);
        let inbox = Inbox::new();
        let caller = dispatcher::run::Caller::new(&config, &self.ground.clock, &inbox)?;
        let factory = dispatcher::DispatcherFactory::new(config, dispatcher::run::seed());
        let worker = Worker::start(
            &self.ground,
            Role::Dispatcher,
            factory,
            inbox,
            move |shard, effect| {
                caller.run(shard, effect);
            },
        )?;
        self.workers.push(worker);
        Ok(())
    }

    fn start_archive(&mut self) -> anyhow::Result<()> {
        let from = &self.config.archive;
        let config = stages::archive(&self.config);
        let inbox = Inbox::new();
        let writer = archive::run::Writer::new(&from.url, inbox.clone(), &Handle::current());
        let shards = self.ground.broker.shards();
        self.busy.add(&inbox, shards, || archive::Input::Busy);
        let clock = Arc::clone(&self.ground.clock);
        tokio::spawn(writer.clone().maintain(clock, from.retention_days));
        let factory = archive::ArchiveFactory::new(config);
        let worker = Worker::start(
            &self.ground,
            Role::Archive,
            factory,
            inbox,
            move |shard, effect| {
                writer.run(shard, effect);
            },
        )?;
        self.workers.push(worker);
        Ok(())
    }

    /// The door and what the process says about itself, and where planners answer other processes.
    async fn serve_http(
        &self,
        http: TcpListener,
        metrics: PrometheusHandle,
        stop: Stop,
    ) -> anyhow::Result<()> {
        let upkeep = metrics.clone();
        tokio::spawn(async move {
            loop {
                tokio::time::sleep(UPKEEP).await;
                upkeep.run_upkeep();
            }
        });
        let stages: Vec<(Role, Arc<Status>)> = self
            .workers
            .iter()
            .map(|worker| (worker.role, Arc::clone(&worker.status)))
            .collect();
        let mut router = admin::router(Admin {
            stages: Arc::new(stages),
            topics: self.topics.clone(),
            metrics,
        });
        if self.has(RoleName::Ingest) {
            router = router.merge(self.door(http.local_addr()?)?);
        }
        tracing::info!(address = %http.local_addr()?, "listening");
        let config = self.config.ingest.clone();
        let heard = stop.clone();
        tokio::spawn(async move {
            ingest::serve(http, router, &config, heard.stopped()).await;
        });
        if let Some(local) = &self.planner {
            self.serve_planner(local, stop).await?;
        }
        tokio::spawn(sweep::sweep(
            self.ground.clone(),
            self.sweeps(),
            self.archives(),
            self.keep_ms(),
        ));
        Ok(())
    }

    fn door(&self, listen: SocketAddr) -> anyhow::Result<Router> {
        let table = Table::default();
        table
            .follow(&self.ground)
            .context("cannot start reading owners")?;
        let planners = Planners {
            local: self.planner.clone(),
            table,
            remote: Remote::new(&self.config.internal.token),
            shards: self.ground.broker.shards(),
        };
        let door = Door::new(
            self.config.ingest.clone(),
            listen,
            self.ground.broker.shards(),
            self.ground.broker.producer()?,
            Arc::new(planners),
        )?;
        Ok(ingest::router(door))
    }

    async fn serve_planner(&self, local: &Local, stop: Stop) -> anyhow::Result<()> {
        let config = &self.config.internal;
        let listener = bind("internal.listen", &config.listen).await?;
        let address = match config.advertise.as_str() {
            "" => listener.local_addr()?.to_string(),
            advertised => advertised.to_owned(),
        };
        let router = internal::router(local.desk.clone(), &config.token);
        let limits = self.config.ingest.clone();
        tokio::spawn(async move {
            ingest::serve(listener, router, &limits, stop.stopped()).await;
        });
        tokio::spawn(owners::say(
            Arc::clone(&local.status),
            self.ground.broker.producer()?,
            Arc::clone(&self.ground.clock),
            address,
            self.ground.member.clone(),
        ));
        Ok(())
    }

    /// The topics this process looks after: those whose first reader runs here.
    fn sweeps(&self) -> Vec<Topic> {
        let here: Vec<Role> = self.workers.iter().map(|worker| worker.role).collect();
        let intakes = (0..self.config.planner.intakes.len())
            .filter_map(|n| u16::try_from(n).ok())
            .map(Topic::Intake);
        Topic::all()
            .chain(intakes)
            .filter(|topic| {
                topic
                    .readers()
                    .first()
                    .is_some_and(|role| here.contains(role))
            })
            .collect()
    }

    fn archives(&self) -> bool {
        !self.config.archive.url.is_empty()
    }

    fn keep_ms(&self) -> u64 {
        self.config.log.keep_window.0
    }

    /// Until it is told to stop, or until a stage ended on its own.
    async fn wait(&self, stop: Stop) -> anyhow::Result<()> {
        let watch = async {
            loop {
                tokio::time::sleep(WATCH).await;
                let gone = self
                    .workers
                    .iter()
                    .find(|worker| worker.status.phase() == Phase::Stopped)
                    .map(|worker| worker.role.name());
                if let Some(role) = gone {
                    return role;
                }
            }
        };
        tokio::select! {
            () = stop.stopped() => {}
            problem = broker::missing(self.topics.clone()) => anyhow::bail!(problem),
            role = watch => anyhow::bail!("the {role} stopped on its own"),
        }
        Ok(())
    }

    /// In flow order, so that what one stage still emits the next still takes.
    fn drain(self) -> anyhow::Result<()> {
        let mut failed = None;
        for worker in self.workers {
            if let Err(error) = worker.stop() {
                failed.get_or_insert(error);
            }
        }
        failed.map_or(Ok(()), Err)
    }
}

async fn bind(option: &str, address: &str) -> anyhow::Result<TcpListener> {
    TcpListener::bind(address)
        .await
        .with_context(|| format!("cannot listen on `{address}` (`{option}`)"))
}

/// Stable across restarts: configured, or the host's name.
fn member(config: &Config) -> anyhow::Result<String> {
    if !config.worker.member.is_empty() {
        return Ok(config.worker.member.clone());
    }
    let name = std::fs::read_to_string("/proc/sys/kernel/hostname")
        .context("cannot read the host's name; set `worker.member`")?;
    Ok(name.trim().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stage_that_stopped_on_its_own_says_why() {
        let no = |text: &'static str| Err(anyhow::anyhow!(text));
        let cases: [(anyhow::Result<()>, anyhow::Result<()>, Option<&str>); 4] = [
            (no("stopped"), no("no topic"), Some("stopped: no topic")),
            (no("port taken"), Ok(()), Some("port taken")),
            (Ok(()), no("panicked"), Some("panicked")),
            (Ok(()), Ok(()), None),
        ];
        for (ended, drained, said) in cases {
            let error = with_reason(ended, drained).err();
            assert_eq!(error.map(|error| format!("{error:#}")).as_deref(), said);
        }
    }
}
