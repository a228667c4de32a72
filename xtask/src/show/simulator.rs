//! Claims that need no running server: the conformance suite, the simulator, the build.

use super::report::{Aim, Report};
use super::{ShowArgs, program};
use crate::services::{Services, remove_dir};
use crate::{repo, sys, test};
use anyhow::{Context, Result};
use serde::Deserialize;
use std::process::Command;
use std::time::Instant;

/// The last line that the simulator prints.
#[derive(Debug, Deserialize)]
pub(super) struct Verdict {
    pub(super) seeds: u64,
    pub(super) failed: u64,
    pub(super) lost: u64,
    pub(super) early: u64,
    pub(super) doubled: u64,
    pub(super) false_answers: u64,
    pub(super) undrained: u64,
    pub(super) commands: u64,
    pub(super) calls: u64,
    trace_hash: serde_json::Value,
}

/// pipe.3: the same cases on every log, the list printed.
pub(super) fn conformance(_: &ShowArgs, report: &mut Report) -> Result<()> {
    let services = Services::up(false)?;
    let mut cargo = repo::cargo();
    cargo.args(["test", "-p", "pipeline", "--features", "embedded,kafka"]);
    cargo.args(["--test", "conformance", "--", "--nocapture"]);
    services.tell(&mut cargo);
    let mut tally = test::Tally::default();
    let mut cases = Vec::new();
    let result = test::stream(&mut cargo, |line| {
        tally.add(line);
        cases.extend(case(line));
    });
    cases.sort();
    let of_log = |log: &str| cases.iter().filter(|case| case.starts_with(log)).count() as f64;
    let most = of_log("memory").max(1.0);
    for log in ["memory", "embedded", "kafka"] {
        report.figure(
            format!("cases held by {log}"),
            of_log(log),
            "",
            Aim::Is(most),
        );
    }
    for case in cases {
        report.note(case);
    }
    report.figure("failed", tally.failed as f64, "", Aim::Is(0.0));
    report.figure("skipped", tally.skipped as f64, "", Aim::Is(0.0));
    result
}

/// The name in a line `test name ... ok`.
fn case(line: &str) -> Option<String> {
    line.strip_prefix("test ")
        .and_then(|rest| rest.strip_suffix(" ... ok"))
        .map(str::to_owned)
}

/// pipe.4: 2,000 seeds, and one seed a hundred times.
pub(super) fn seeds(args: &ShowArgs, report: &mut Report) -> Result<()> {
    let seeds = if args.debug { 20 } else { 2_000 };
    let verdict = simulate(args, &["--seeds", &seeds.to_string()])?;
    report.figure("seeds", verdict.seeds as f64, "", Aim::Is(f64::from(seeds)));
    report.figure("lost", verdict.lost as f64, "", Aim::Is(0.0));
    report.figure("early", verdict.early as f64, "", Aim::Is(0.0));
    report.figure(
        "doubled (fire_id, leg)",
        verdict.doubled as f64,
        "",
        Aim::Is(0.0),
    );
    report.figure(
        "false answers",
        verdict.false_answers as f64,
        "",
        Aim::Is(0.0),
    );
    report.figure("undrained", verdict.undrained as f64, "", Aim::Is(0.0));
    report.figure("seeds that failed", verdict.failed as f64, "", Aim::Is(0.0));
    // The simulator holds the traces of reruns against each other and fails when two differ.
    let again = simulate(args, &["--seed", "7", "--reruns", "100"])?;
    let name = "seed 7, 100 times: traces that differ";
    report.figure(name, again.failed as f64, "", Aim::Is(0.0));
    report.note(format!("trace hash of seed 7: {}", again.trace_hash));
    Ok(())
}

pub(super) fn simulate(args: &ShowArgs, flags: &[&str]) -> Result<Verdict> {
    let mut sim = Command::new(program(args, "sim", "sim")?);
    let mut last = String::new();
    let result = test::stream(sim.args(flags), |line| {
        if line.starts_with('{') {
            line.clone_into(&mut last);
        }
    });
    match serde_json::from_str(&last) {
        // A verdict with misses says more than the exit code that goes with it.
        Ok(verdict) => Ok(verdict),
        Err(error) => {
            result?;
            Err(error).with_context(|| format!("the simulator's last line `{last}`"))
        }
    }
}

/// pipe.13: a release build into an empty target directory.
pub(super) fn build(_: &ShowArgs, report: &mut Report) -> Result<()> {
    let target = repo::root().join("target").join("show").join("clean-build");
    remove_dir(&target)?;
    sys::run(repo::cargo().args(["fetch", "--locked"]))?;
    let begun = Instant::now();
    let mut cargo = repo::cargo();
    cargo
        .args(["build", "--release", "--locked"])
        .env("CARGO_TARGET_DIR", &target);
    let built = sys::run(&mut cargo);
    let minutes = begun.elapsed().as_secs_f64() / 60.0;
    remove_dir(&target)?;
    built?;
    let cores = std::thread::available_parallelism().map_or(0, usize::from);
    report.figure(
        "release build from nothing",
        minutes,
        "min",
        Aim::AtMost(8.0),
    );
    report.figure("cores", cores as f64, "", Aim::Told);
    Ok(())
}
