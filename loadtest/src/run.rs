//! A run from beginning to end.

use std::io::Write as _;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use indicatif::{ProgressBar, ProgressStyle};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

use crate::cancels;
use crate::clock;
use crate::commands::{Chooser, Trials};
use crate::door::Door;
use crate::flags::{Settings, Via};
use crate::harm::{Done, Harm};
use crate::kafka::Intake;
use crate::lag::Watching;
use crate::raw;
use crate::receiver::{Bound, Shared};
use crate::register::{self, Fate, Progress, Way};
use crate::report::{Lateness, Report};
use crate::tally::{Doubled, Step, Tally};
use crate::task::Naming;
use crate::watch::{self, Watch};

/// From the start to the first arrival: connections are opened in it.
const HEAD_START_US: i64 = 200_000;
/// How long a second call is waited for once everything came.
const LINGER: Duration = Duration::from_secs(2);
const LOOK: Duration = Duration::from_millis(100);
/// Ids of lost tasks that are told.
const LOST_TOLD: usize = 20;
/// A call that began longer than this before a harm had been committed by then, microseconds.
const UNCOMMITTED_US: i64 = 5_000_000;

/// The parts of a run that are watched.
struct Run {
    settings: Settings,
    shared: Arc<Shared>,
    progress: Arc<Progress>,
    trials: Arc<Trials>,
    watch: Watch,
    lag: Option<Watching>,
    begun_us: i64,
}

type Harming = JoinHandle<Result<Done>>;

/// A doubled call in the file of them.
#[derive(serde::Serialize)]
struct Line<'a> {
    task: String,
    #[serde(flatten)]
    doubled: &'a Doubled,
}

/// Registers, receives, judges, tells.
///
/// # Errors
/// What kept it from running; what it found is in the report.
pub(crate) fn run(settings: Settings) -> Result<Report> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .context("start a runtime")?;
    let report = runtime.block_on(measure(settings.clone()));
    // Connections to a door that is gone must not hold up the end.
    runtime.shutdown_timeout(Duration::from_secs(1));
    let report = report?;
    if let Some(path) = &settings.json {
        report.write(path)?;
    }
    print!("{}", report.summary());
    Ok(report)
}

async fn measure(settings: Settings) -> Result<Report> {
    let bound = Bound::new()?;
    let begun_us = (clock::now_us() + HEAD_START_US) / 1_000 * 1_000;
    let naming = Naming {
        tenant: settings.tenant.clone(),
        run: Naming::run_of(begun_us, std::process::id()),
        url: format!("http://{}/", bound.address),
        pad: "x".repeat(settings.payload),
    };
    let shared = Arc::new(Shared::new(naming, Tally::new(begun_us)));
    bound.serve(settings.receivers, &shared)?;
    let (door, way) = connect(&settings, &shared).await?;
    let (follow, followed) = mpsc::unbounded_channel();
    let progress = Arc::new(Progress::default());
    let fate = Fate::new(Arc::clone(&shared), Arc::clone(&progress), follow);
    let chooser = Chooser::new(&settings);
    let trials = Arc::new(Trials::default());
    if let (Some(door), true) = (door, settings.commands > 0) {
        let (trials, shared) = (Arc::clone(&trials), Arc::clone(&shared));
        tokio::spawn(trials.run(chooser.clone(), door, shared, followed));
    }
    let registering = {
        // `way` stays here until the end: what it sent is still under way when all was offered.
        let (settings, way) = (settings.clone(), way.clone());
        tokio::spawn(async move {
            let end_us = begun_us + settings.expected_ms().cast_signed() * 1_000;
            let own = register::all(&settings, begun_us, &chooser, &way, &fate);
            if settings.cancels > 0.0 {
                let doomed = cancels::run(&settings, begun_us, end_us, &way, &fate);
                tokio::join!(own, doomed);
            } else {
                own.await;
            }
        })
    };
    let harming = start_harm(&settings, begun_us)?;
    let mut run = Run {
        watch: Watch::new(&settings.pids),
        lag: settings
            .lag
            .then(|| Watching::start(&settings))
            .transpose()?,
        settings,
        shared,
        progress,
        trials,
        begun_us,
    };
    let end_us = run.watch(&registering).await;
    if registering.is_finished() {
        registering.await.context("registering broke off")?;
    }
    drop(way);
    let mut report = run.report(end_us);
    if let Some(lag) = run.lag.take() {
        let last_ack = run.progress.last_us.load(Ordering::Relaxed);
        report.lag = lag.stop(begun_us, last_ack);
    }
    report.harms = harm_done(harming).await?;
    report.doubled_at_harm = run.doubled_at(&report.harms);
    if run.settings.raw {
        report.raw_http_per_s = Some(raw::rate(bound.address, &run.shared.naming).await?);
    }
    run.write_doubles()?;
    run.write_timeline()?;
    Ok(report)
}

/// The door, if there is one, and the way registrations go.
async fn connect(settings: &Settings, shared: &Arc<Shared>) -> Result<(Option<Door>, Way)> {
    let door = settings
        .door
        .as_ref()
        .map(|url| Door::new(url, settings.connections, settings.bulk));
    if let Some(door) = &door {
        door.ensure_ready().await?;
    }
    let way = match (settings.via, &door) {
        (Via::Http, Some(door)) => Way::Http(Box::new(door.clone())),
        _ => Way::Kafka(Intake::new(settings, shared)?),
    };
    Ok((door, way))
}

fn start_harm(settings: &Settings, begun_us: i64) -> Result<Vec<Harming>> {
    let start = |harm: &Harm| {
        let pid = harm.pid(&settings.pids)?;
        Ok(tokio::spawn(harm.clone().run(begun_us, pid)))
    };
    settings.harm.iter().map(start).collect()
}

async fn harm_done(harming: Vec<Harming>) -> Result<Vec<Done>> {
    let mut all = Vec::with_capacity(harming.len());
    for harm in harming {
        // What was stopped must go on again.
        all.push(harm.await??);
    }
    Ok(all)
}

impl Run {
    /// Returns when everything came, or nothing more does; epoch microseconds.
    async fn watch(&mut self, registering: &JoinHandle<()>) -> i64 {
        let bar = self.bar();
        let mut whole_since: Option<Instant> = None;
        let mut told = false;
        loop {
            tokio::time::sleep(LOOK).await;
            self.watch.look();
            self.show(&bar);
            let now_us = clock::now_us();
            let registered =
                registering.is_finished() && self.progress.open.load(Ordering::Acquire) == 0;
            if registered && !told {
                // Who drives a run waits for this line.
                println!("all registered");
                told = true;
            }
            let drained = self.lag.as_ref().is_none_or(Watching::is_drained);
            if registered && drained && self.is_whole(now_us) {
                let since = *whole_since.get_or_insert_with(Instant::now);
                if since.elapsed() >= LINGER {
                    break;
                }
                continue;
            }
            whole_since = None;
            if registered && self.is_silent(now_us) {
                break;
            }
        }
        bar.finish_and_clear();
        clock::now_us()
    }

    /// Nothing is missing, and nothing is promised any more.
    fn is_whole(&self, now_us: i64) -> bool {
        let counts = self.shared.tally().counts();
        counts.awaited_fired >= counts.awaited
            && self.trials.ended() >= counts.commanded
            && now_us / 1_000 > self.last_due()
            && !self.trials.is_waiting(&self.shared, now_us / 1_000)
    }

    /// What is missing had its time.
    fn is_silent(&self, now_us: i64) -> bool {
        let tally = self.shared.tally();
        let (last_call, commanded) = (tally.last_call_us(), tally.counts().commanded);
        drop(tally);
        let last_ack = self.progress.last_us.load(Ordering::Relaxed);
        let last = last_call.max(last_ack).max(self.last_due() * 1_000);
        let settle = i64::try_from(self.settings.settle.as_micros()).unwrap_or(i64::MAX);
        // A command is answered or given up in bounded time.
        self.trials.ended() >= commanded && now_us > last.saturating_add(settle)
    }

    /// Of everything that is awaited, epoch ms. What a command moved beyond the settle time is not.
    fn last_due(&self) -> i64 {
        let planned = self.shared.tally().due_span().map_or(0, |(_, last)| last);
        let bound = planned.max(clock::now_us() / 1_000) + 60_000;
        let moved = self.trials.last_due_before(bound).unwrap_or(0);
        planned.max(moved)
    }

    fn bar(&self) -> ProgressBar {
        // Draws on standard error, and only where that is a terminal.
        let bar = ProgressBar::new(self.settings.expected_tasks());
        if let Ok(style) = ProgressStyle::with_template("{bar:30} {msg}") {
            bar.set_style(style);
        }
        bar
    }

    fn show(&self, bar: &ProgressBar) {
        let counts = self.shared.tally().counts();
        bar.set_position(counts.fired);
        bar.set_message(format!(
            "registered {}, fired {}, early {}, doubled {}, refused {}",
            counts.accepted, counts.fired, counts.early, counts.doubled, counts.refused
        ));
    }

    fn report(&self, end_us: i64) -> Report {
        let verdict = self.trials.judge(&self.shared, end_us);
        let tally = self.shared.tally();
        let counts = tally.counts();
        let missing: Vec<u32> = tally.missing().collect();
        let last_ack = self.progress.last_us.load(Ordering::Relaxed);
        let first_due = tally.due_span().map(|(first, _)| first * 1_000);
        let (fired_span, drain_span) = match (tally.span_us(), first_due) {
            (Some((first, last)), Some(due)) => (last - due, last - first),
            _ => (0, 0),
        };
        let mut report = Report {
            profile: self.settings.profile.name(),
            via: self.settings.via.name(),
            seed: self.settings.seed,
            begun_ms: self.begun_us / 1_000,
            offered: counts.planned,
            registered: counts.accepted,
            refused: counts.refused,
            fired: counts.fired,
            lost: missing.len() as u64,
            early: counts.early,
            doubled: counts.doubled,
            retried: counts.retried,
            wrong_due: counts.wrong_due,
            cancelled: counts.cancelled,
            called_cancelled: counts.called_cancelled,
            on_time: tally
                .timeline()
                .steps()
                .map(|step| u64::from(step.on_time))
                .sum(),
            rate_per_s: per_second(counts.awaited_fired, fired_span),
            drain_per_s: per_second(counts.awaited_fired, drain_span),
            register_rate_per_s: per_second(counts.accepted, last_ack - self.begun_us),
            register_repeated: self.progress.repeated.load(Ordering::Relaxed),
            behind_ms_max: self.progress.behind_us.load(Ordering::Relaxed) as f64 / 1e3,
            lateness_ms: Lateness::of(tally.lateness_us()),
            first_call_ms: tally
                .span_us()
                .zip(first_due)
                .map(|((first, _), due)| (first - due) as f64 / 1e3),
            rss_mib: self.watch.most().clone(),
            cpu_s: self.watch.processor_s(),
            own_cpu_s: watch::own_processor_s(),
            lost_ids: missing
                .iter()
                .take(LOST_TOLD)
                .map(|number| self.shared.naming.id(*number))
                .collect(),
            seconds: (end_us - self.begun_us) as f64 / 1e6,
            ..Report::default()
        };
        report.set_verdict(verdict);
        report
    }

    /// Doubled calls that lie across a harm.
    fn doubled_at(&self, harms: &[Done]) -> u64 {
        let tally = self.shared.tally();
        let explained = |doubled: &&Doubled| {
            harms.iter().any(|harm| {
                let at_us = harm.at * 1_000;
                (at_us - UNCOMMITTED_US..=at_us).contains(&doubled.first_us)
                    && doubled.again_us > at_us
            })
        };
        tally.doubles().iter().filter(explained).count() as u64
    }

    fn write_timeline(&self) -> Result<()> {
        let Some(path) = &self.settings.timeline else {
            return Ok(());
        };
        let steps: Vec<Step> = self.shared.tally().timeline().steps().collect();
        let text = serde_json::to_string(&steps)?;
        std::fs::write(path, text + "\n").with_context(|| format!("write `{}`", path.display()))
    }

    fn write_doubles(&self) -> Result<()> {
        let Some(path) = &self.settings.doubles else {
            return Ok(());
        };
        let written = || -> std::io::Result<()> {
            let mut file = std::io::BufWriter::new(std::fs::File::create(path)?);
            for doubled in self.shared.tally().doubles() {
                let line = Line {
                    task: self.shared.naming.id(doubled.number),
                    doubled,
                };
                serde_json::to_writer(&mut file, &line)?;
                file.write_all(b"\n")?;
            }
            file.flush()
        };
        written().with_context(|| format!("write `{}`", path.display()))
    }
}

fn per_second(count: u64, span_us: i64) -> f64 {
    if span_us > 0 {
        count as f64 * 1e6 / span_us as f64
    } else {
        0.0
    }
}
