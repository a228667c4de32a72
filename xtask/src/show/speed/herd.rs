//! speed.4: many tasks due at one millisecond.

use super::stand::{self, Stand};
use crate::show::ShowArgs;
use crate::show::load::Seen;
use crate::show::report::{Aim, Report};
use crate::show::timing::settled_rows;
use anyhow::{Context, Result};

/// Tasks, and how fast they are registered beforehand.
const HERDS: [(u64, u64); 2] = [(100_000, 10_000), (1_000_000, 15_000)];
/// Not judged, and a row in the archive for each.
const REHEARSAL: &str = "herd --tasks 30000 --rate 10000 --ahead 10s";
/// Of the raw HTTP rate.
const SHARE: f64 = 60.0;
const FIRST_CALL_MS: f64 = 5.0;

pub(super) fn drained(args: &ShowArgs, report: &mut Report) -> Result<()> {
    let stand = Stand::up(args, "herd")?;
    // A broker compiles its code for large turns in the first herd that it sees.
    stand.load("warm-up", REHEARSAL)?;
    stand::rest();
    let mut fired = 0;
    for (tasks, rate) in HERDS {
        let tasks = stand.tasks(tasks);
        // Planned well before it is due: what is measured is the herd, not its registration.
        let flags = format!("herd --tasks {tasks} --rate {rate} --ahead 45s --raw");
        let seen = stand.load("herd", &flags)?;
        tell(&seen, report, tasks)?;
        fired += seen.fired;
        stand::rest();
    }
    let rows = settled_rows(&stand.pipe, fired)?;
    report.figure(
        "rows in the archive",
        rows as f64,
        "",
        Aim::AtLeast(fired as f64),
    );
    Ok(())
}

/// Exact, at least at its share of raw HTTP, and begun on time.
pub(super) fn tell(seen: &Seen, report: &mut Report, tasks: u64) -> Result<()> {
    let of = format!("herd of {tasks}");
    seen.report_exact(report, &of);
    seen.report_lateness(report, &of, Aim::Told);
    let raw = seen
        .raw_http_per_s
        .context("the load run tells no raw HTTP rate")?;
    let first = seen.first_call_ms.unwrap_or(f64::NAN);
    let share = 100.0 * seen.drain_per_s / raw;
    report.figure(
        format!("{of}: first call"),
        first,
        "ms",
        Aim::AtMost(FIRST_CALL_MS),
    );
    report.figure(format!("{of}: drained"), seen.drain_per_s, "/s", Aim::Told);
    report.figure(
        format!("{of}: raw HTTP of the same run"),
        raw,
        "/s",
        Aim::Told,
    );
    report.figure(
        format!("{of}: share of raw HTTP"),
        share,
        "%",
        Aim::AtLeast(SHARE),
    );
    seen.report_costs(report, &of);
    Ok(())
}
