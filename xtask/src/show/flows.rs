//! Overlap, flows and broadcasts: tables of the planner, and flows and broadcasts in the simulator.

use super::report::{Aim, Report};
use super::{ShowArgs, simulator};
use crate::{repo, test};
use anyhow::Result;

/// time.4: the tables, and flows of 1,000 steps under random crashes.
pub(super) fn tables_and_seeds(args: &ShowArgs, report: &mut Report) -> Result<()> {
    for (name, filter) in [
        (
            "flows",
            &[
                "--test",
                "flows",
                "--test",
                "flows_answers",
                "--test",
                "flows_large",
            ][..],
        ),
        ("broadcasts", &["--test", "broadcast"]),
        ("overlap", &["--tests"]),
    ] {
        tables(name, filter, report)?;
    }
    let (large, any, broadcasts) = if args.debug {
        (2, 20, 20)
    } else {
        (100, 1_000, 500)
    };
    for (name, of, seeds) in [
        ("flows of 1,000 steps", &["--flows", "1000"][..], large),
        ("flows of any shape", &["--flows", "0"], any),
        ("broadcasts", &["--broadcasts"], broadcasts),
        (
            "flows of broadcasts",
            &["--flows", "0", "--broadcasts"],
            broadcasts / 5,
        ),
    ] {
        let count = seeds.to_string();
        let flags = [&["--seeds", count.as_str()][..], of].concat();
        let verdict = simulator::simulate(args, &flags)?;
        let figure = |what: &str| format!("{name}: {what}");
        report.figure(
            figure("seeds"),
            verdict.seeds as f64,
            "",
            Aim::Is(f64::from(seeds)),
        );
        report.figure(figure("commands"), verdict.commands as f64, "", Aim::Told);
        report.figure(figure("calls"), verdict.calls as f64, "", Aim::Told);
        let none = [
            ("not called, or not ended, that should", verdict.lost),
            ("called too early, or that should not", verdict.early),
            ("doubled", verdict.doubled),
            ("false answers", verdict.false_answers),
            ("undrained", verdict.undrained),
            ("seeds that failed", verdict.failed),
        ];
        for (what, count) in none {
            report.figure(figure(what), count as f64, "", Aim::Is(0.0));
        }
    }
    planted_bugs(args, report)
}

/// A simulator that finds nothing proves nothing.
fn planted_bugs(args: &ShowArgs, report: &mut Report) -> Result<()> {
    for (bug, of) in [
        ("false-branch", &["--flows", "150"][..]),
        ("early-step", &["--flows", "150"]),
        ("lost-follow", &["--flows", "150"]),
        ("short-broadcast", &["--broadcasts"]),
    ] {
        let flags = [&["--seeds", "20", "--planted-bug", bug][..], of].concat();
        let found = simulator::simulate(args, &flags)?.failed;
        report.figure(
            format!("of 20 seeds, {bug} is found in"),
            found as f64,
            "",
            Aim::AtLeast(1.0),
        );
    }
    Ok(())
}

/// Runs the planner's tests of that name and counts the lines of their tables.
fn tables(name: &str, which: &[&str], report: &mut Report) -> Result<()> {
    let mut cargo = repo::cargo();
    cargo.args(["test", "-p", "planner"]).args(which);
    cargo.args(["--", "--nocapture"]);
    if name == "overlap" {
        cargo.arg(name);
    }
    let mut tally = test::Tally::default();
    let mut lines = 0.0;
    let result = test::stream(&mut cargo, |line| {
        tally.add(line);
        lines += lines_of(line).unwrap_or(0.0);
    });
    report.figure(
        format!("{name}: lines of tables"),
        lines,
        "",
        Aim::AtLeast(1.0),
    );
    report.figure(
        format!("{name}: tests passed"),
        tally.passed as f64,
        "",
        Aim::AtLeast(1.0),
    );
    report.figure(
        format!("{name}: tests failed"),
        tally.failed as f64,
        "",
        Aim::Is(0.0),
    );
    result
}

/// The number in a line `table of 12 lines: name`.
fn lines_of(line: &str) -> Option<f64> {
    let rest = line.split("table of ").nth(1)?;
    rest.split(' ').next()?.parse().ok()
}
