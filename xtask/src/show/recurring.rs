//! time.2 and time.7: recurring tasks beside a model that counts seconds.

mod model;

use super::report::{Aim, Report};
use super::{ShowArgs, clients, program, steady, tasks};
use crate::harness::receiver::{Call, Receiver, now};
use crate::harness::{Deployment, Dev};
use crate::services::Services;
use anyhow::{Context, Result, ensure};
use model::Mix;
use serde_json::Value;
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::thread::sleep;
use std::time::Duration;

const TENANT: &str = "recurring";
/// Registered in one request.
const BATCH: u64 = 1_000;
/// Behind the end, for what is late.
const GRACE: Duration = Duration::from_secs(20);

/// How large a run is.
#[derive(Clone, Copy, Debug)]
struct Size {
    tasks: u64,
    /// From the beginning of registering to the first occurrence that counts, s.
    ahead_s: i64,
    /// How long occurrences count, s.
    lasts_s: i64,
}

/// time.2: half a million recurring tasks for ten minutes, on Kafka and embedded, the planner killed
/// in the middle.
pub(super) fn half_a_million(args: &ShowArgs, report: &mut Report) -> Result<()> {
    let tidewheel = program(args, "server", "tidewheel")?;
    let size = if args.debug {
        Size {
            tasks: 5_000,
            ahead_s: 30,
            lasts_s: 60,
        }
    } else {
        Size {
            tasks: 500_000,
            ahead_s: 150,
            lasts_s: 600,
        }
    };
    on_kafka(&tidewheel, size, report)?;
    on_dev(&tidewheel, size, report)
}

fn on_kafka(tidewheel: &Path, size: Size, report: &mut Report) -> Result<()> {
    let services = Services::up(false)?;
    let receiver = Receiver::start()?;
    let mut pipe = Deployment::prepare(tidewheel, &services, "recurring")?;
    pipe.start_all()?;
    let run = Run::begin("kafka", size, pipe.door()?, &receiver)?;
    clients::wait_lag_zero(&pipe, "registrations", Duration::from_secs(120))?;
    run.sleep_until(run.start + size.lasts_s * 500);
    pipe.restart("planner-1")?;
    let killed = now();
    run.sleep_until(run.end);
    let planner = pipe.worker("planner-1")?.rss_mib()?;
    report.figure("kafka: memory of the planner", planner, "MiB", Aim::Told);
    sleep(GRACE);
    run.judge(
        &receiver,
        &[killed],
        &[pipe.journal("dispatcher-1")],
        report,
    )
}

fn on_dev(tidewheel: &Path, size: Size, report: &mut Report) -> Result<()> {
    let receiver = Receiver::start()?;
    let mut dev = Dev::start(tidewheel, "recurring-dev")?;
    let run = Run::begin("dev", size, dev.worker.http, &receiver)?;
    run.sleep_until(run.start + size.lasts_s * 500);
    dev.kill_and_restart()?;
    let killed = now();
    run.sleep_until(run.end);
    report.figure("dev: memory", dev.worker.rss_mib()?, "MiB", Aim::Told);
    sleep(GRACE);
    run.judge(&receiver, &[killed], &[dev.journal()], report)
}

/// time.7: the planner is away for two seconds; what was due then is not late.
pub(super) fn short_absence(args: &ShowArgs, report: &mut Report) -> Result<()> {
    const AWAY: Duration = Duration::from_secs(2);
    /// Lateness that a quiet pipe shows too, ms.
    const USUAL_MS: f64 = 50.0;
    let tidewheel = program(args, "server", "tidewheel")?;
    let services = Services::up(false)?;
    let receiver = Receiver::start()?;
    let mut pipe = Deployment::prepare(&tidewheel, &services, "absence")?;
    pipe.start_all()?;
    let size = Size {
        tasks: 1_000,
        ahead_s: 20,
        lasts_s: 60,
    };
    let run = Run::begin("planner away", size, pipe.door()?, &receiver)?;
    run.sleep_until(run.start + size.lasts_s * 500);
    pipe.worker("planner-1")?.kill()?;
    let gone = now();
    sleep(AWAY);
    pipe.restart("planner-1")?;
    pipe.worker("planner-1")?.wait_ready()?;
    let back = now();
    run.sleep_until(run.end);
    sleep(GRACE);
    let away = gone..=back;
    let calls = receiver.calls();
    let while_away = calls.iter().filter(|call| away.contains(&call.due));
    let late = while_away.clone().map(|call| call.at - call.due).max();
    report.figure(
        "away for",
        (back - gone) as f64,
        "ms",
        Aim::AtLeast(2_000.0),
    );
    report.figure(
        "occurrences due while it was away",
        while_away.count() as f64,
        "",
        Aim::AtLeast(1.0),
    );
    let late = late.context("nothing was due while the planner was away")?;
    report.figure("latest of them", late as f64, "ms", Aim::AtMost(USUAL_MS));
    run.judge(&receiver, &[], &[pipe.journal("dispatcher-1")], report)
}

/// Recurring tasks that were registered, and when their occurrences count.
struct Run {
    name: &'static str,
    mix: Mix,
    /// Epoch ms, half a second behind a full one: no occurrence lies on either bound.
    start: i64,
    end: i64,
}

impl Run {
    fn begin(
        name: &'static str,
        size: Size,
        door: SocketAddr,
        receiver: &Receiver,
    ) -> Result<Self> {
        let start = (now() / 1_000 + size.ahead_s) * 1_000 + 500;
        let run = Self {
            name,
            mix: Mix::new(size.tasks),
            start,
            end: start + size.lasts_s * 1_000,
        };
        let url = receiver.url("recurring");
        for first in (0..size.tasks).step_by(BATCH as usize) {
            let batch = first..size.tasks.min(first + BATCH);
            let batch: Vec<Value> = batch
                .map(|n| {
                    let schedule = run.mix.schedule(n, start);
                    tasks::register(TENANT, &format!("r-{n}"), schedule, &url)
                })
                .collect();
            tasks::register_all(door, &batch)?;
        }
        ensure!(
            now() < start,
            "{} tasks were not registered before their start",
            size.tasks
        );
        Ok(run)
    }

    fn sleep_until(&self, at: i64) {
        sleep(Duration::from_millis(
            u64::try_from(at - now()).unwrap_or(0),
        ));
    }

    /// Every occurrence of the model was called, at its time, once, and nothing else was.
    fn judge(
        &self,
        receiver: &Receiver,
        kills: &[i64],
        journals: &[PathBuf],
        report: &mut Report,
    ) -> Result<()> {
        let calls = receiver.calls();
        let calls: Vec<&Call> = calls
            .iter()
            .filter(|call| (self.start..self.end).contains(&call.due))
            .collect();
        let mut wanted = BTreeMap::new();
        self.mix.occurrences(self.start, self.end, |task, due| {
            wanted.insert((task, due), false);
        });
        let mut strays = 0u64;
        for call in &calls {
            let number = call.task.rsplit_once("/r-").map(|(_, number)| number);
            let number = number.and_then(|number| number.parse().ok());
            let number: u64 = number.with_context(|| format!("call of `{}`", call.task))?;
            match wanted.get_mut(&(number, call.due)) {
                Some(seen) => *seen = true,
                None => strays += 1,
            }
        }
        let missing = wanted.values().filter(|seen| !**seen).count();
        let early = calls.iter().filter(|call| call.at < call.due).count();
        let unexplained = steady::unexplained(&calls, kills, journals)?;
        let figures = [
            ("tasks", self.mix.tasks as f64, Aim::AtLeast(1.0)),
            ("occurrences", wanted.len() as f64, Aim::AtLeast(1.0)),
            ("missing", missing as f64, Aim::Is(0.0)),
            ("at another time", strays as f64, Aim::Is(0.0)),
            ("early", early as f64, Aim::Is(0.0)),
            (
                "called twice, but not begun and uncommitted at a kill",
                unexplained as f64,
                Aim::Is(0.0),
            ),
        ];
        for (what, value, aim) in figures {
            report.figure(format!("{}: {what}", self.name), value, "", aim);
        }
        let seconds = (self.end - self.start) as f64 / 1_000.0;
        let rate = calls.len() as f64 / seconds;
        report.figure(format!("{}: fired", self.name), rate, "/s", Aim::Told);
        let mut late: Vec<i64> = calls.iter().map(|call| call.at - call.due).collect();
        late.sort_unstable();
        for (what, part) in [("p50", 0.5), ("p99", 0.99), ("p99.9", 0.999), ("max", 1.0)] {
            let last = late.len().saturating_sub(1) as f64;
            let Some(value) = late.get((last * part) as usize) else {
                continue;
            };
            let name = format!("{}: lateness {what}", self.name);
            report.figure(name, *value as f64, "ms", Aim::Told);
        }
        Ok(())
    }
}
