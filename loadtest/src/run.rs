//! A run from its first registration to its last call.

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result};
use hdrhistogram::Histogram;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use pipeline::Clock;
use pipeline::clock::SystemClock;
use tokio::time::Instant;

use crate::args::{Args, Plan, Profile, Via};
use crate::arrivals::{Arrivals, Due};
use crate::callback::Receiver;
use crate::commands;
use crate::ledger::{Ledger, Registered, Verdict};
use crate::memory::Memory;
use crate::post::{ByHttp, Door};
use crate::produce::{self, ByKafka};
use crate::raw;
use crate::report::{Measured, Report};
use crate::task::Tasks;

/// A registration that is not decided after this is unclear.
const DECIDED_WITHIN: Duration = Duration::from_secs(60);
/// Calls that come twice come soon after each other: the run stays open so long.
const QUIET: Duration = Duration::from_secs(3);
const LOOK_EVERY: Duration = Duration::from_millis(250);
/// A task that was moved is due within this.
const MOVED: Duration = Duration::from_secs(20);

/// How tasks are registered.
enum Way {
    Kafka(ByKafka),
    Http(Arc<ByHttp>),
}

/// Runs `args`; what was seen and what follows from it.
pub(crate) async fn run(args: &Args) -> Result<(Report, Verdict)> {
    let plan = args.plan()?;
    let ledger = Ledger::new();
    let began_at = SystemClock.now().wall.0;
    let run = format!("l{began_at:x}");
    let receiver = Receiver::new(format!("{}/{run}-", args.tenant), ledger.clone());
    let receiver = receiver.listen(args.listen).await?;
    let memory = Memory::watch(args.pids.clone());
    let mut tasks = Tasks {
        tenant: args.tenant.clone(),
        run,
        receiver,
        payload: args.payload,
        start: began_at,
    };
    let way = Way::new(args, &mut tasks, &ledger)?;
    let start = Instant::now();
    let commands = start_commands(args, &plan, &tasks, &ledger);
    let bar = bar(&plan);
    let lag = register(&plan, &way, &tasks, &ledger, start, &bar).await;
    let registering_s = start.elapsed().as_secs_f64();
    let unanswered = match commands {
        Some(running) => args.commands - running.await.context("commands")?,
        None => 0,
    };
    let last_due = settle(args, &plan, &tasks, &ledger, &bar).await;
    bar.finish_and_clear();
    let verdict = ledger.verdict();
    let raw_http_per_s = if args.raw {
        let task = format!("{}/{}", tasks.tenant, tasks.id(0));
        Some(raw::measure(receiver, &task, args.payload).await?)
    } else {
        None
    };
    let measured = Measured {
        registering_s,
        lag,
        unanswered,
        raw_http_per_s,
        rss_mib: memory.peaks(),
        herd_due: (plan.profile == Profile::Herd).then_some(last_due),
    };
    Ok((Report::new(args, &plan, &verdict, measured), verdict))
}

impl Way {
    /// Connects; the schedule of `tasks` begins behind that.
    fn new(args: &Args, tasks: &mut Tasks, ledger: &Ledger) -> Result<Self> {
        let kafka = match args.via {
            Via::Kafka => Some(produce::connect(args)?),
            Via::Http => None,
        };
        tasks.start = SystemClock.now().wall.0;
        let (tasks, ledger) = (tasks.clone(), ledger.clone());
        Ok(match kafka {
            Some(kafka) => Self::Kafka(ByKafka::new(args, kafka, tasks, ledger)),
            None => Self::Http(Arc::new(ByHttp::new(args, tasks, ledger))),
        })
    }

    async fn send(&self, number: u32, arrival: &crate::arrivals::Arrival) {
        match self {
            Self::Kafka(way) => way.send(number, arrival).await,
            Self::Http(way) => way.send(number, arrival).await,
        }
    }

    async fn flush(&self) {
        match self {
            Self::Kafka(_) => {}
            Self::Http(way) => way.flush().await,
        }
    }
}

/// Registers every arrival at its time, or as soon behind it as it can; returns how far behind.
async fn register(
    plan: &Plan,
    way: &Way,
    tasks: &Tasks,
    ledger: &Ledger,
    start: Instant,
    bar: &ProgressBar,
) -> Histogram<u64> {
    #[expect(clippy::expect_used, reason = "the bounds are constants")]
    let mut lag = Histogram::new_with_max(3_600_000, 3).expect("an hour with three digits");
    for arrival in Arrivals::new(plan.clone()) {
        let at = start + Duration::from_micros(arrival.at_us);
        let now = Instant::now();
        // Timers tick in ms: what is nearer than that goes out at once with its neighbours.
        if at > now + Duration::from_millis(1) {
            tokio::time::sleep_until(at).await;
        }
        let behind = Instant::now().saturating_duration_since(at);
        lag.saturating_record(u64::try_from(behind.as_millis()).unwrap_or(u64::MAX));
        let (due, expected) = tasks.due(&arrival);
        let number = ledger.begin(due, expected, SystemClock.now().wall.0);
        way.send(number, &arrival).await;
        if number % 1_024 == 0 {
            show(bar, ledger);
        }
    }
    way.flush().await;
    lag
}

/// Waits until all that is expected was called, or long enough; returns the last due time.
async fn settle(
    args: &Args,
    plan: &Plan,
    tasks: &Tasks,
    ledger: &Ledger,
    bar: &ProgressBar,
) -> i64 {
    let undecided_until = Instant::now() + DECIDED_WITHIN;
    while ledger.progress().decided < u64::from(ledger.begun()) && Instant::now() < undecided_until
    {
        tokio::time::sleep(LOOK_EVERY).await;
        show(bar, ledger);
    }
    for number in 0..ledger.begun() {
        ledger.registered(number, Registered::Unclear);
    }
    let waited_for = Arrivals::new(plan.clone()).filter_map(|arrival| match tasks.due(&arrival) {
        (Some(due), true) => Some(due),
        _ => match arrival.due {
            Due::After(ms) => {
                let after = Duration::from_micros(arrival.at_us) + Duration::from_millis(ms);
                let after = i64::try_from(after.as_millis()).unwrap_or(0);
                Some(tasks.start + after)
            }
            Due::At(_) => None,
        },
    });
    let last_due = waited_for.max().unwrap_or(tasks.start);
    let moved = if args.commands > 0 {
        MOVED
    } else {
        Duration::ZERO
    };
    let now = SystemClock.now().wall.0;
    let rest_ms = u64::try_from(last_due - now).unwrap_or(0) + args.settle_ms;
    let until = Instant::now() + Duration::from_millis(rest_ms) + moved;
    let at_least = Instant::now() + moved;
    let mut quiet_since = Instant::now();
    let mut calls = ledger.progress().last_call;
    while Instant::now() < until {
        tokio::time::sleep(LOOK_EVERY).await;
        show(bar, ledger);
        let progress = ledger.progress_in_full();
        if progress.outstanding > 0 || progress.last_call != calls {
            calls = progress.last_call;
            quiet_since = Instant::now();
        } else if quiet_since.elapsed() >= QUIET && Instant::now() >= at_least {
            break;
        }
    }
    last_due
}

fn start_commands(
    args: &Args,
    plan: &Plan,
    tasks: &Tasks,
    ledger: &Ledger,
) -> Option<tokio::task::JoinHandle<u64>> {
    if args.commands == 0 {
        return None;
    }
    let door = Door::new(&args.door_url()?, args);
    let span = Duration::from_secs_f64(plan.tasks as f64 / plan.rate);
    let (tasks, ledger) = (tasks.clone(), ledger.clone());
    let running = commands::run(args.commands, span, plan.seed, door, tasks, ledger);
    Some(tokio::spawn(running))
}

fn bar(plan: &Plan) -> ProgressBar {
    // Not drawn where stderr is no terminal.
    let bar = ProgressBar::with_draw_target(Some(plan.tasks), ProgressDrawTarget::stderr());
    match ProgressStyle::with_template("{bar:30} {pos}/{len} registered, {msg} fired, {elapsed}") {
        Ok(style) => bar.with_style(style),
        Err(_) => bar,
    }
}

fn show(bar: &ProgressBar, ledger: &Ledger) {
    let progress = ledger.progress();
    bar.set_position(progress.accepted);
    bar.set_message(progress.fired.to_string());
}
