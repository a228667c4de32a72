//! pipe.5, pipe.6, pipe.10: how late, how fast, and how little it matters that the archive is away.

use super::load::{self, Seen};
use super::report::{Aim, Report};
use super::{ShowArgs, program};
use crate::harness::{Deployment, Dev};
use crate::services::Services;
use crate::sys;
use anyhow::{Context, Result};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Both programs that a load run needs.
pub(crate) struct Programs {
    pub tidewheel: PathBuf,
    pub load: PathBuf,
}

impl Programs {
    pub(crate) fn build(args: &ShowArgs) -> Result<Self> {
        Ok(Self {
            tidewheel: program(args, "server", "tidewheel")?,
            load: program(args, "loadtest", "tidewheel-load")?,
        })
    }
}

/// pipe.5: 1,000 tasks a second for a minute, on Kafka and on the embedded log.
pub(crate) fn steady(args: &ShowArgs, report: &mut Report) -> Result<()> {
    let programs = Programs::build(args)?;
    let flags = words("steady --rate 1000 --for 60s --ahead 2s..60s");
    let seen = on_kafka(&programs, "steady-kafka", &flags)?;
    seen.report_exact(report, "kafka");
    seen.report_lateness(report, "kafka", Aim::AtMost(20.0));
    let seen = on_dev(&programs, "steady-embedded", &flags)?;
    seen.report_exact(report, "embedded");
    seen.report_lateness(report, "embedded", Aim::AtMost(20.0));
    Ok(())
}

/// pipe.6: 100,000 tasks due at one millisecond.
pub(crate) fn herd(args: &ShowArgs, report: &mut Report) -> Result<()> {
    let programs = Programs::build(args)?;
    let flags = words("herd --tasks 100000 --rate 10000 --ahead 40s --raw");
    let seen = on_kafka(&programs, "herd-kafka", &flags)?;
    seen.report_exact(report, "herd");
    seen.report_lateness(report, "herd", Aim::Told);
    report.figure(
        "herd: drain rate",
        seen.drain_per_s,
        "/s",
        Aim::AtLeast(1.0),
    );
    let raw = seen
        .raw_http_per_s
        .context("the load run tells no raw HTTP rate")?;
    report.figure("herd: raw HTTP rate of the same run", raw, "/s", Aim::Told);
    Ok(())
}

/// pipe.10: the same run with the archive and without, and the archive's rows afterwards.
pub(crate) fn without_archive(args: &ShowArgs, report: &mut Report) -> Result<()> {
    let programs = Programs::build(args)?;
    let services = Services::up(false)?;
    let flags = words("steady --rate 500 --for 60s --ahead 2s..20s");
    let mut pipe = Deployment::prepare(&programs.tidewheel, &services, "no-archive")?;
    pipe.start_all()?;
    // The first run of a fresh deployment is slower than any later one; it is not compared.
    let warm = kafka_load(
        &programs.load,
        "warm-up",
        &pipe,
        &words("steady --rate 500 --for 10s --ahead 1s..5s"),
    )?;
    let beside = kafka_load(&programs.load, "with-archive", &pipe, &flags)?;
    beside.report_exact(report, "with archive");
    beside.report_lateness(report, "with archive", Aim::Told);
    let rows_before = settled_rows(&pipe, warm.fired + beside.fired)?;

    pipe.worker("archive-1")?.kill()?;
    let seen = kafka_load(&programs.load, "without-archive", &pipe, &flags)?;
    seen.report_exact(report, "without");
    seen.report_lateness(report, "without", Aim::Told);
    let change = (seen.lateness_ms.p99 / beside.lateness_ms.p99 - 1.0) * 100.0;
    report.figure(
        "lateness p99, without against with",
        change,
        "%",
        Aim::AtMost(10.0),
    );

    pipe.restart("archive-1")?;
    let fired = warm.fired + beside.fired + seen.fired;
    let rows = settled_rows(&pipe, fired)?;
    report.figure(
        "rows before it went",
        rows_before as f64,
        "",
        Aim::Is((warm.fired + beside.fired) as f64),
    );
    report.figure("rows afterwards", rows as f64, "", Aim::Is(fired as f64));
    Ok(())
}

/// Rows of the archive, once there are as many as expected or no more come.
pub(crate) fn settled_rows(pipe: &Deployment, expected: u64) -> Result<u64> {
    let mut rows = Ok(0);
    sys::wait_until(Duration::from_secs(120), || {
        rows = pipe
            .query("SELECT COUNT(*) FROM firings")
            .and_then(|text| Ok(text.parse()?));
        rows.as_ref().map_or(true, |rows| *rows >= expected)
    });
    rows
}

fn on_kafka(programs: &Programs, name: &str, flags: &[String]) -> Result<Seen> {
    let services = Services::up(false)?;
    let mut pipe = Deployment::prepare(&programs.tidewheel, &services, name)?;
    pipe.start_all()?;
    kafka_load(&programs.load, name, &pipe, flags)
}

pub(crate) fn kafka_load(
    program: &Path,
    name: &str,
    pipe: &Deployment,
    flags: &[String],
) -> Result<Seen> {
    let mut args = through_kafka(pipe, flags);
    args.extend(["--pids".to_owned(), pids(&pipe.watched())]);
    load::run(program, name, &args)
}

/// `flags` of a load that registers through the topics of `pipe`.
pub(crate) fn through_kafka(pipe: &Deployment, flags: &[String]) -> Vec<String> {
    let mut args = flags.to_vec();
    args.extend(words("--via kafka --target"));
    args.push(pipe.bootstrap().to_owned());
    args.extend(["--prefix".to_owned(), pipe.prefix.clone()]);
    if let Some(shards) = pipe.shards() {
        args.extend(["--shards".to_owned(), shards.to_owned()]);
    }
    args
}

fn on_dev(programs: &Programs, name: &str, flags: &[String]) -> Result<Seen> {
    let dev = Dev::start(&programs.tidewheel, name)?;
    let mut args = flags.to_vec();
    args.extend(words("--via http --target"));
    args.push(format!("http://{}", dev.worker.http));
    args.extend(["--pids".to_owned(), pids(&dev.watched())]);
    load::run(&programs.load, name, &args)
}

/// Processes that the load program watches, as it takes them.
pub(crate) fn pids(watched: &[(String, u32)]) -> String {
    let each = watched.iter().map(|(role, pid)| format!("{role}={pid}"));
    each.collect::<Vec<_>>().join(",")
}

pub(crate) fn words(text: &str) -> Vec<String> {
    text.split(' ').map(str::to_owned).collect()
}
