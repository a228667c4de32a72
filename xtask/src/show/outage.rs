//! time.3: down for an hour and for a day, on a virtual clock.

use super::report::{Aim, Report};
use super::{ShowArgs, simulator};
use crate::{repo, test};
use anyhow::Result;

/// The planner's tables of outages, and recurring tasks in the simulator, some of whose runs lose an hour
/// or a day.
pub(super) fn hour_and_day(args: &ShowArgs, report: &mut Report) -> Result<()> {
    let mut cargo = repo::cargo();
    cargo.args(["test", "-p", "planner", "--test", "outage"]);
    cargo.args(["--", "--nocapture"]);
    let mut tally = test::Tally::default();
    let mut lines = Vec::new();
    let result = test::stream(&mut cargo, |line| {
        tally.add(line);
        lines.extend(line.split("table line: ").nth(1).map(str::to_owned));
    });
    let count = lines.len() as f64;
    report.figure("outages, each exact", count, "", Aim::AtLeast(66.0));
    report.figure("of them wrong", tally.failed as f64, "", Aim::Is(0.0));
    for line in lines {
        report.note(line);
    }
    result?;
    let seeds = if args.debug { 20 } else { 500 };
    let flags = ["--seeds", &seeds.to_string(), "--recurring"];
    let verdict = simulator::simulate(args, &flags)?;
    let figures = [
        ("seeds", verdict.seeds, Aim::Is(f64::from(seeds))),
        ("seeds that failed", verdict.failed, Aim::Is(0.0)),
        (
            "occurrences without a fate, or a wrong one",
            verdict.lost,
            Aim::Is(0.0),
        ),
        ("doubled, or not asked for", verdict.doubled, Aim::Is(0.0)),
        ("early", verdict.early, Aim::Is(0.0)),
        ("calls", verdict.calls, Aim::Told),
    ];
    for (what, value, aim) in figures {
        report.figure(format!("simulator: {what}"), value as f64, "", aim);
    }
    Ok(())
}
