//! What each part can do alone, and the whole, beside the limits of the same machine in the same run:
//! `cargo xtask bench`.
//!
//! Stages alone: tasks are registered with no role running; then one role after the other works off, at
//! full speed, what the one before left in the log. So each has the brokers to itself, and nobody waits
//! for a due time. The result is a table, `target/bench/bench.md` and `bench.json`.

mod cascade;
mod table;

use crate::show::ShowArgs;
use crate::show::speed::stand::{self, Stand};
use crate::show::speed::sustained;
use anyhow::Result;
use clap::{Args, ValueEnum};
use std::path::PathBuf;
use table::{Row, Table};

#[derive(Args, Debug, Clone)]
pub(crate) struct BenchArgs {
    /// What to measure; everything unless told otherwise. A stage needs the stages before it
    #[arg(value_enum)]
    pub parts: Vec<Part>,
    /// Fewer tasks and shorter runs
    #[arg(long)]
    pub quick: bool,
    /// Tasks that go through the stages
    #[arg(long, default_value_t = 300_000)]
    pub tasks: u64,
    /// Tasks a second for the whole pipe, in place of looking for the most
    #[arg(long)]
    pub rate: Option<f64>,
    /// Use the unoptimised build: its figures prove nothing
    #[arg(long)]
    pub debug: bool,
    /// Take `tidewheel` and `tidewheel-load` from this directory instead of building them
    #[arg(long)]
    pub programs: Option<PathBuf>,
}

/// What can be measured, in the order in which it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, ValueEnum)]
pub(crate) enum Part {
    /// The log written, read, and written in turns, by our own client
    RawLog,
    /// A plain HTTP client and the load program's receiver
    RawHttp,
    /// Registrations to placements
    Planner,
    /// Placements to fires
    Trigger,
    /// Fires to calls and outcomes
    Dispatcher,
    /// Outcomes to rows
    Archive,
    /// All of it at once
    Pipe,
}

impl BenchArgs {
    fn wants(&self, part: Part) -> bool {
        self.parts.is_empty() || self.parts.contains(&part)
    }

    fn as_show(&self) -> ShowArgs {
        ShowArgs {
            name: "bench".to_owned(),
            debug: self.debug,
            programs: self.programs.clone(),
            quick: self.quick,
            rate: self.rate,
            pending: Vec::new(),
        }
    }
}

pub(crate) fn run(args: &BenchArgs) -> Result<()> {
    let mut table = Table::default();
    // What was measured before an error is worth keeping too.
    let result = measure(args, &mut table);
    let path = table.write(args)?;
    print!("{}", table.markdown());
    println!("written to {}", path.display());
    result
}

fn measure(args: &BenchArgs, table: &mut Table) -> Result<()> {
    let show = args.as_show();
    let stand = Stand::cold(&show, "bench")?;
    // Shares are of these, so they are measured whatever was asked for.
    raw_log(&stand, &show, table)?;
    raw_http(&stand, table)?;
    let stages = [
        Part::Planner,
        Part::Trigger,
        Part::Dispatcher,
        Part::Archive,
    ];
    if let Some(last) = stages.iter().rev().find(|part| args.wants(**part)) {
        let tasks = stand.tasks(args.tasks);
        let mut stand = stand;
        cascade::run(&mut stand, tasks, *last, table)?;
    }
    if args.wants(Part::Pipe) {
        pipe(args, table)?;
    }
    Ok(())
}

fn raw_log(stand: &Stand, show: &ShowArgs, table: &mut Table) -> Result<()> {
    let raw = stand.raw_log(show)?;
    let part = |name: &str, value: &serde_json::Value| {
        let mut row = Row::new(name, value["per_s"].as_f64().unwrap_or(f64::NAN));
        row.cost("load", value["own_us"].as_f64().unwrap_or(f64::NAN));
        for (role, us) in value["watched_us"].as_object().into_iter().flatten() {
            row.cost(role, us.as_f64().unwrap_or(f64::NAN));
        }
        row
    };
    table.add(part("raw log: produce", &raw["produce"]));
    table.add(part("raw log: consume", &raw["consume"]));
    for turns in raw["turns"].as_array().into_iter().flatten() {
        let name = table::raw_turns(turns["records"].as_u64().unwrap_or(0));
        table.add(part(&name, turns));
    }
    Ok(())
}

fn raw_http(stand: &Stand, table: &mut Table) -> Result<()> {
    let raw = stand::raw(&stand.programs.load, "raw-http", "raw-http")?;
    let rate = raw["raw_http_per_s"].as_f64().unwrap_or(f64::NAN);
    let mut row = Row::new(table::RAW_HTTP, rate);
    let own = raw["own_cpu_s"].as_object().into_iter().flatten();
    let own: f64 = own.filter_map(|(_, seconds)| seconds.as_f64()).sum();
    let seconds = raw["seconds"].as_f64().unwrap_or(f64::NAN);
    row.cost("load", own * 1e6 / (rate * seconds));
    table.add(row);
    Ok(())
}

/// The most that a short ramp finds, and what a task costs there.
fn pipe(args: &BenchArgs, table: &mut Table) -> Result<()> {
    let stand = Stand::up(&args.as_show(), "bench-pipe")?;
    let mut notes = crate::show::report::Report::default();
    let load = |name: &str, rate: f64, seconds: u64, raw: bool| {
        let raw = if raw { " --raw" } else { "" };
        stand.load(name, &sustained::flags(rate, seconds, raw))
    };
    let rate = match args.rate {
        Some(rate) => rate,
        None => sustained::ramp(&mut notes, stand.seconds(60) / 2, &load)?,
    };
    let seen = load("bench-pipe", rate, stand.seconds(60), false)?;
    let kept = seen.fell_behind(rate).is_none();
    let name = if kept {
        "whole pipe"
    } else {
        "whole pipe (not kept up with)"
    };
    let mut row = Row::new(name, rate);
    row.share(table.rate(table::RAW_HTTP), table::RAW_HTTP);
    let tasks = seen.registered.max(1) as f64;
    for (role, seconds) in &seen.cpu_s {
        row.cost(role, seconds * 1e6 / tasks);
    }
    let own: f64 = seen.own_cpu_s.values().sum();
    row.cost("load", own * 1e6 / tasks);
    row.exact = Some(seen.lost + seen.early + seen.doubled == 0);
    table.add(row);
    Ok(())
}
