//! speed.6: registration alone, of tasks that are due in days.

use super::quiet;
use super::stand::{self, Stand};
use crate::show::ShowArgs;
use crate::show::load::{Lag, Seen};
use crate::show::report::{Aim, Report};
use anyhow::Result;

/// How it goes, tasks a second, further flags.
type Way = (&'static str, f64, &'static str);
const BY_KAFKA: Way = ("by Kafka", 50_000.0, "");
pub(super) const BY_HTTP: [Way; 2] = [
    (
        "by arrays of 500",
        30_000.0,
        " --batch 500 --fill --connections 16",
    ),
    ("one by one", 8_000.0, " --batch 1 --connections 128"),
];

pub(super) fn alone(args: &ShowArgs, report: &mut Report) -> Result<()> {
    let mut stand = Stand::up(args, "register")?;
    stand::report_raw_log(&stand.raw_log(args)?, report);
    let seconds = stand.seconds(30);
    let flags = |(_, rate, further): Way| format!("far --rate {rate:.0} --for {seconds}s{further}");
    let seen = stand.load("register", &flags(BY_KAFKA))?;
    tell(&seen, report, BY_KAFKA.0, BY_KAFKA.1);
    for way in BY_HTTP {
        let (of, rate, _) = way;
        quiet::rest()?;
        let seen = stand.load_by_http("register", &flags(way))?;
        tell(&seen, report, of, rate);
    }
    Ok(())
}

/// Kept up with: acknowledged at the rate offered, and what the planner has still to read does not grow.
pub(super) fn tell(seen: &Seen, report: &mut Report, of: &str, rate: f64) {
    let kept = seen.register_rate_per_s;
    report.figure(
        format!("{of}: registered"),
        kept,
        "/s",
        Aim::AtLeast(rate * 0.98),
    );
    report.figure(
        format!("{of}: refused"),
        seen.refused as f64,
        "",
        Aim::Is(0.0),
    );
    report.figure(
        format!("{of}: load behind its plan"),
        seen.behind_ms_max,
        "ms",
        Aim::Told,
    );
    if let Some(lag) = seen.lag.get("planner") {
        let seconds = seen.registered as f64 / rate;
        let bound = lag.early_mean + Lag::may_grow("planner", rate, seconds);
        report.figure(
            format!("{of}: lag of planner, second quarter"),
            lag.early_mean,
            "records",
            Aim::Told,
        );
        report.figure(
            format!("{of}: lag of planner, last quarter"),
            lag.late_mean,
            "records",
            Aim::AtMost(bound),
        );
        report.figure(
            format!("{of}: lag of planner, at the end"),
            lag.end as f64,
            "records",
            Aim::Is(0.0),
        );
    }
    seen.report_costs(report, of);
}
