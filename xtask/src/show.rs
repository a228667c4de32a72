//! What the project claims of itself, each claim a command: `cargo xtask show pipe.5`.
//!
//! A claim is a function that fills a [`Report`] with figures. The report is printed as a table,
//! every figure beside its aim, and written to `target/show/<name>.json` with the commit, the date
//! and the machine. A figure that misses its aim makes the command fail. `docs/proof.md` lists
//! the claims with what each takes.

mod brokers;
mod calendars;
mod cancel;
mod clients;
mod far;
mod flows;
mod garbage;
mod input;
mod kill;
pub(crate) mod load;
mod outage;
mod pending;
mod readme;
mod recurring;
pub(crate) mod report;
mod simulator;
pub(crate) mod speed;
mod steady;
mod tasks;
mod timetable;
pub(crate) mod timing;

use crate::{repo, sys};
use anyhow::{Context, Result, bail};
use clap::Args;
use report::Report;
use std::path::PathBuf;
use std::time::Instant;

#[derive(Args, Debug, Clone)]
pub(crate) struct ShowArgs {
    /// `list`, `all`, or a claim such as `pipe.5`
    pub name: String,
    /// Use the unoptimised build: for work on the claims themselves, never for their figures
    #[arg(long)]
    pub debug: bool,
    /// Take `tidewheel` and `tidewheel-load` from this directory instead of building them
    #[arg(long)]
    pub programs: Option<PathBuf>,
    /// Shorter and smaller runs: for work on the claims themselves; speed claims only
    #[arg(long)]
    pub quick: bool,
    /// Tasks a second, in place of looking for the most: speed.1, speed.2, speed.3, speed.10
    #[arg(long)]
    pub rate: Option<f64>,
    /// How many tasks are pending, such as 1000000,10000000: speed.7, speed.8
    #[arg(long, value_delimiter = ',')]
    pub pending: Vec<u64>,
}

/// One claim.
struct Claim {
    name: &'static str,
    text: &'static str,
    show: fn(&ShowArgs, &mut Report) -> Result<()>,
}

static CLAIMS: [Claim; 21] = [
    Claim {
        name: "pipe.1",
        text: "the README's commands do what it says: a first task fires, and all tests run",
        show: readme::as_written,
    },
    Claim {
        name: "pipe.2",
        text: "tasks of Kafka's own console producer and of Python's client are fired and cancelled",
        show: input::real_input,
    },
    Claim {
        name: "pipe.3",
        text: "the log's conformance suite holds on memory, embedded and Kafka",
        show: simulator::conformance,
    },
    Claim {
        name: "pipe.4",
        text: "2,000 simulator seeds with all faults lose, hasten, double and misreport nothing",
        show: simulator::seeds,
    },
    Claim {
        name: "pipe.5",
        text: "1,000 tasks/s for a minute, on Kafka and embedded: exact, p99 at most 20 ms late",
        show: timing::steady,
    },
    Claim {
        name: "pipe.6",
        text: "100,000 tasks due at one millisecond: exact, drained beside the raw rate of HTTP",
        show: timing::herd,
    },
    Claim {
        name: "pipe.7",
        text: "killed under load, each role and the whole: nothing lost, early, or doubled without need",
        show: kill::survives,
    },
    Claim {
        name: "pipe.8",
        text: "10,000 commands at every place a task can be: what is answered is what happens",
        show: cancel::truthful,
    },
    Claim {
        name: "pipe.9",
        text: "due in 40 days and in 100 years: accepted, listed, cancelled, fired on a virtual clock",
        show: far::ahead,
    },
    Claim {
        name: "pipe.10",
        text: "with the archive stopped nothing fires later; afterwards its rows equal the outcomes",
        show: timing::without_archive,
    },
    Claim {
        name: "pipe.11",
        text: "10,000 malformed records and a million bulk registrations harm nobody else",
        show: garbage::harmless,
    },
    Claim {
        name: "pipe.12",
        text: "2,000,000 pending tasks take no more memory than 1,000,000; a killed planner comes back",
        show: pending::flat,
    },
    Claim {
        name: "pipe.13",
        text: "a release build from nothing takes minutes, not a coffee break",
        show: simulator::build,
    },
    Claim {
        name: "pipe.14",
        text: "three brokers, each killed under load and started again: nothing lost, early, or doubled",
        show: brokers::outlived,
    },
    Claim {
        name: "time.1",
        text: "a million random cron expressions, every clock change of 20 zones: as a walk finds them",
        show: timetable::expressions,
    },
    Claim {
        name: "time.2",
        text: "500,000 recurring tasks for ten minutes, the planner killed: none missing, doubled, early",
        show: recurring::half_a_million,
    },
    Claim {
        name: "time.3",
        text: "down for an hour and for a day: every misfire policy exact, late firings at their pace",
        show: outage::hour_and_day,
    },
    Claim {
        name: "time.4",
        text: "overlap, flows and broadcasts as their tables say; flows of 1,000 steps survive every crash",
        show: flows::tables_and_seeds,
    },
    Claim {
        name: "time.5",
        text: "a changed calendar plans anew: closed is not called, opened is, planted or not",
        show: calendars::changed,
    },
    Claim {
        name: "time.6",
        text: "a fixed rate drifts by nothing over a million occurrences",
        show: timetable::drift,
    },
    Claim {
        name: "time.7",
        text: "two seconds without a planner delay no occurrence",
        show: recurring::short_absence,
    },
];

pub(crate) fn run(args: &ShowArgs) -> Result<()> {
    match args.name.as_str() {
        "list" => {
            for claim in claims() {
                println!("{:8} {}", claim.name, claim.text);
            }
            Ok(())
        }
        "all" => {
            let missed: Vec<&str> = claims()
                .filter(|claim| {
                    show(claim, args)
                        .inspect_err(|e| eprintln!("error: {e:#}"))
                        .is_err()
                })
                .map(|claim| claim.name)
                .collect();
            if !missed.is_empty() {
                bail!("missed: {}", missed.join(", "));
            }
            Ok(())
        }
        name => {
            let claim = claims().find(|claim| claim.name == name);
            show(
                claim.with_context(|| format!("no claim `{name}`; see `show list`"))?,
                args,
            )
        }
    }
}

fn claims() -> impl Iterator<Item = &'static Claim> {
    CLAIMS.iter().chain(&speed::CLAIMS)
}

fn show(claim: &Claim, args: &ShowArgs) -> Result<()> {
    println!("{}: {}", claim.name, claim.text);
    let begun = Instant::now();
    let mut report = Report::default();
    let result = (claim.show)(args, &mut report);
    // What was measured before an error is worth keeping too.
    let path = report.write(claim.name, claim.text, args, begun.elapsed(), &result)?;
    report.print();
    println!(
        "{:.1} min, written to {}",
        begun.elapsed().as_secs_f64() / 60.0,
        path.display()
    );
    result.with_context(|| format!("show {}", claim.name))?;
    if let Some(missed) = report.missed() {
        bail!("{}: `{missed}` misses its aim", claim.name);
    }
    Ok(())
}

/// A program of the workspace, built now.
fn program(args: &ShowArgs, package: &str, name: &str) -> Result<PathBuf> {
    if let Some(dir) = &args.programs {
        return Ok(std::path::absolute(dir.join(name))?);
    }
    let mut cargo = repo::cargo();
    cargo.args(["build", "--quiet", "-p", package, "--bin", name]);
    if !args.debug {
        cargo.arg("--release");
    }
    sys::run(&mut cargo)?;
    let profile = if args.debug { "debug" } else { "release" };
    Ok(repo::target_dir().join(profile).join(name))
}
