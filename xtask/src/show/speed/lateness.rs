//! speed.3 and speed.5: how late calls come.

use super::stand::Stand;
use super::sustained::{self, RATE};
use crate::show::ShowArgs;
use crate::show::load::Seen;
use crate::show::report::{self, Aim, Report};
use anyhow::{Context, Result};

/// Delays tried for the smallest that is kept, ms.
const LADDER: [u64; 9] = [10, 20, 30, 50, 75, 100, 150, 200, 300];
/// On time is at most so late at p99, ms.
const ON_TIME: f64 = 10.0;

pub(super) fn steady(args: &ShowArgs, report: &mut Report) -> Result<()> {
    let stand = Stand::up(args, "lateness")?;
    let seconds = stand.seconds(60);
    let seen = stand.load(
        "lateness",
        &format!("steady --rate 1000 --for {seconds}s --ahead 2s..60s"),
    )?;
    seen.report_exact(report, "1,000/s");
    tell(&seen, report, "1,000/s", [1.0, 5.0, 50.0]);
    seen.report_costs(report, "1,000/s");

    let rate = half(args, report);
    let of = "half of speed.1";
    report.figure(format!("{of}: offered"), rate, "/s", Aim::Told);
    let seen = stand.load("lateness-half", &sustained::flags(rate, seconds, " --raw"))?;
    seen.report_exact(report, of);
    seen.report_lateness(report, of, Aim::AtMost(50.0));
    let raw = seen.raw_http_per_s.unwrap_or(f64::NAN);
    report.figure("raw HTTP of the same run", raw, "/s", Aim::Told);
    Ok(())
}

/// Half of `--rate`, or of what speed.1 found in this checkout, or of its floor.
fn half(args: &ShowArgs, report: &mut Report) -> f64 {
    let earlier = report::earlier("speed.1");
    let found = earlier.get(RATE).map(|figure| figure.value);
    let whole = args.rate.or(found).filter(|rate| *rate > 0.0);
    if whole.is_none() {
        report.note(
            "speed.1 was not run in full here and no --rate is given: half of 6,000/s is taken",
        );
    }
    whole.unwrap_or(6_000.0) / 2.0
}

/// p50, p99 and p99.9 held to their aims, ms.
pub(super) fn tell(seen: &Seen, report: &mut Report, of: &str, aims: [f64; 3]) {
    let late = &seen.lateness_ms;
    let names = ["p50", "p99", "p99.9"];
    for ((name, value), aim) in names.iter().zip([late.p50, late.p99, late.p999]).zip(aims) {
        report.figure(
            format!("{of}: lateness {name}"),
            value,
            "ms",
            Aim::AtMost(aim),
        );
    }
    report.figure(format!("{of}: lateness max"), late.max, "ms", Aim::Told);
}

pub(super) fn short(args: &ShowArgs, report: &mut Report) -> Result<()> {
    let stand = Stand::up(args, "short")?;
    let seconds = stand.seconds(60);
    let flags = format!("short --rate 2000 --for {seconds}s");
    let seen = stand.load("short-alone", &format!("{flags} --raw"))?;
    seen.report_exact(report, "alone");
    seen.report_lateness(report, "alone", Aim::AtMost(50.0));
    let raw = seen.raw_http_per_s.unwrap_or(f64::NAN);
    report.figure("raw HTTP of the same run", raw, "/s", Aim::Told);

    let far = format!("far --rate 2000 --for {}s", seconds + 5);
    let (far, seen) = std::thread::scope(|scope| {
        let far = scope.spawn(|| stand.load("short-far", &far));
        let seen = stand.load("short-beside", &flags);
        let far = far.join().ok().context("the far load failed");
        anyhow::Ok((far??, seen?))
    })?;
    report.figure(
        "far tasks registered beside",
        far.registered as f64,
        "",
        Aim::AtLeast(seen.registered as f64 * 0.9),
    );
    seen.report_exact(report, "beside far ones");
    seen.report_lateness(report, "beside far ones", Aim::AtMost(50.0));
    smallest(&stand, report)
}

/// The smallest delay whose tasks are on time at p99.
fn smallest(stand: &Stand, report: &mut Report) -> Result<()> {
    let mut found = None;
    for delay in LADDER {
        let flags = format!("steady --rate 500 --for 8s --ahead {delay}ms");
        let seen = stand.load("smallest", &flags)?;
        let p99 = seen.lateness_ms.p99;
        report.note(format!("due {delay} ms ahead: p99 {p99:.1} ms late"));
        if p99 <= ON_TIME {
            found = Some(delay);
            break;
        }
    }
    let found = found.map_or(f64::NAN, |delay| delay as f64);
    report.figure(
        "smallest delay with p99 within 10 ms",
        found,
        "ms",
        Aim::Told,
    );
    Ok(())
}
