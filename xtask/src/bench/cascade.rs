//! One role after the other, each over what the one before it left in the log.

use super::Part;
use super::table::{self, Row, Table};
use crate::harness::{http, usage};
use crate::show::load;
use crate::show::speed::stand::Stand;
use crate::show::timing::words;
use anyhow::{Context, Result, bail};
use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::process::{Child, Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

/// A stage that makes no progress for so long has failed.
const STALLED: Duration = Duration::from_secs(60);
const LOOK: Duration = Duration::from_millis(100);
/// When tasks are due, ms behind their registration: by the time the trigger starts, all are.
const AHEAD: &str = "45s..60s";
const DUE: Duration = Duration::from_secs(62);

/// A role alone: the metric that counts tasks, and what bounds it at best.
struct Stage {
    part: Part,
    role: &'static str,
    metric: &'static str,
    /// The row whose rate is its limit.
    limit: &'static str,
}

const STAGES: [Stage; 4] = [
    Stage {
        part: Part::Planner,
        role: "planner",
        metric: "tidewheel_planner_placements_total",
        limit: table::TURNS_10_000,
    },
    Stage {
        part: Part::Trigger,
        role: "trigger",
        metric: "tidewheel_trigger_fires_total",
        limit: table::TURNS_10_000,
    },
    Stage {
        part: Part::Dispatcher,
        role: "dispatcher",
        metric: "tidewheel_legs_ended_total",
        limit: table::RAW_HTTP,
    },
    Stage {
        part: Part::Archive,
        role: "archive",
        metric: "tidewheel_archive_rows_total",
        limit: "raw log: consume",
    },
];

/// Sends `tasks` through the stages, up to `last`.
pub(super) fn run(stand: &mut Stand, tasks: u64, last: Part, table: &mut Table) -> Result<()> {
    let json = crate::repo::dir(crate::repo::root().join("target/show"))?.join("load-bench.json");
    let mut filling = Filling::start(stand, tasks, &json)?;
    let registered = Instant::now();
    for stage in STAGES.iter().filter(|stage| stage.part <= last) {
        if stage.part == Part::Trigger {
            sleep(DUE.saturating_sub(registered.elapsed()));
        }
        let row = alone(stand, stage, tasks, filling.child.id(), table)?;
        table.add(row);
    }
    if last < Part::Dispatcher {
        return Ok(());
    }
    filling.child.wait()?;
    let seen: load::Seen = serde_json::from_slice(&std::fs::read(&json)?)?;
    if seen.lost + seen.early + seen.doubled > 0 {
        let (lost, early, doubled) = (seen.lost, seen.early, seen.doubled);
        bail!("stages alone: {lost} lost, {early} early, {doubled} doubled");
    }
    Ok(())
}

/// The load program: registers everything at once, then waits for the calls.
struct Filling {
    child: Child,
}

impl Filling {
    /// Returns once everything is registered.
    fn start(stand: &Stand, tasks: u64, json: &std::path::Path) -> Result<Self> {
        let mut command = Command::new(&stand.programs.load);
        let flags = format!(
            "steady --tasks {tasks} --rate 100000 --ahead {AHEAD} --settle 20m --via kafka \
             --target {} --prefix {} --json",
            stand.pipe.bootstrap(),
            stand.pipe.prefix
        );
        command.args(words(&flags)).arg(json).stdout(Stdio::piped());
        let child = command.spawn().context("start the load program")?;
        let mut filling = Self { child };
        let stdout = filling.child.stdout.take().context("stdout is piped")?;
        let mut lines = BufReader::new(stdout).lines();
        for line in lines.by_ref() {
            if line?.starts_with("all registered") {
                // Its summary is not lost on a closed pipe.
                std::thread::spawn(move || lines.for_each(drop));
                return Ok(filling);
            }
        }
        bail!("the load program ended before everything was registered")
    }
}

impl Drop for Filling {
    fn drop(&mut self) {
        // Ended by itself, unless something failed before.
        if matches!(self.child.try_wait(), Ok(None)) {
            let _ = self.child.kill();
            let _ = self.child.wait();
        }
    }
}

/// Starts one role, times it from its first task to its last, and ends it.
fn alone(stand: &mut Stand, stage: &Stage, tasks: u64, load: u32, table: &Table) -> Result<Row> {
    let name = format!("{}-1", stage.role);
    stand.pipe.start(&name, stage.role)?;
    stand.pipe.wait_ready()?;
    let door = stand.pipe.worker(&name)?.http;
    let mut watched = stand.pipe.watched();
    watched.push(("load".to_owned(), load));
    let first = wait_for(door, stage, |done| done > 0.0)?;
    let (begun, before) = (Instant::now(), usage::all(&watched));
    let done = wait_for(door, stage, |done| done >= tasks as f64)? - first;
    let (seconds, after) = (begun.elapsed().as_secs_f64(), usage::all(&watched));
    let text = http::request(door, "GET", "/metrics", None)?.body;
    let written = http::metric(&text, "tidewheel_turn_records_sum") / tasks as f64;

    let mut row = Row::new(&format!("{} alone", stage.role), done / seconds);
    for (role, from) in &before {
        if let Some(to) = after.get(role) {
            row.cost(role, (to - from) * 1e6 / done);
        }
    }
    row.written = Some(written);
    // A limit of records is one of tasks by as many as a task needs.
    let each = if stage.limit == table::TURNS_10_000 {
        written
    } else {
        1.0
    };
    row.share(table.rate(stage.limit).map(|rate| rate / each), stage.limit);
    stand.pipe.end(&name)?;
    Ok(row)
}

/// The stage's count once it is as wanted.
fn wait_for(door: SocketAddr, stage: &Stage, enough: impl Fn(f64) -> bool) -> Result<f64> {
    let (mut last, mut moved) = (0.0, Instant::now());
    loop {
        let text = http::request(door, "GET", "/metrics", None)?.body;
        let done = http::metric(&text, stage.metric);
        if enough(done) {
            return Ok(done);
        }
        if done > last {
            (last, moved) = (done, Instant::now());
        }
        if moved.elapsed() > STALLED {
            bail!("the {} stands still at {done} tasks", stage.role);
        }
        sleep(LOOK);
    }
}
