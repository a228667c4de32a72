//! speed.1: the most that the whole pipe keeps up with.

use super::stand::{self, Stand};
use crate::show::ShowArgs;
use crate::show::load::Seen;
use crate::show::report::{Aim, Report};
use crate::show::timing::settled_rows;
use anyhow::{Result, bail};

/// Tasks a second: the aim of the project, and what is not done below.
const AIM: f64 = 16_700.0;
const FLOOR: f64 = 6_000.0;
/// The ramp: where it begins, and by how much each step is above the last.
const FIRST: f64 = 6_000.0;
const STEP: f64 = 1.2;
const STEPS: u32 = 7;
/// The whole run is tried at the last good step, then at so much of it, and again: down to two thirds, as a step of
/// half a minute is often good where two minutes are not.
const BACK: f64 = 0.9;
const TRIES: u32 = 5;

/// The figure that other claims look at.
pub(crate) const RATE: &str = "whole pipe, sustained";

pub(crate) fn most(args: &ShowArgs, report: &mut Report) -> Result<()> {
    let stand = Stand::up(args, "sustained")?;
    stand::report_raw_log(&stand.raw_log(args)?, report);
    let load = |name: &str, rate: f64, seconds: u64, raw: bool| {
        let raw = if raw { " --raw" } else { "" };
        stand.load(name, &flags(rate, seconds, raw))
    };
    let found = find(args, report, &load)?;
    if !found.kept {
        tell_costs(report, &found.seen);
        report.figure(RATE, 0.0, "/s", Aim::AtLeast(FLOOR));
        bail!("no rate was sustained; try one with --rate")
    }
    tell(report, &stand, found.rate, &found.seen)
}

/// The last whole run, whether it was kept up with, and the rate of it.
pub(crate) struct Found {
    pub rate: f64,
    pub kept: bool,
    pub seen: Seen,
}

/// How a load of so many seconds at a rate is put on, and seen; the last is whether it asks for raw HTTP.
type Load<'a> = dyn Fn(&str, f64, u64, bool) -> Result<Seen> + 'a;

/// The rate of `--rate`, or the highest that a ramp finds and a whole run then confirms.
pub(crate) fn find(args: &ShowArgs, report: &mut Report, load: &Load<'_>) -> Result<Found> {
    let mut rate = match args.rate {
        Some(rate) => rate,
        None => ramp(report, stand::seconds(args.quick, 60) / 2, load)?,
    };
    let tries = if args.rate.is_some() { 1 } else { TRIES };
    let mut attempt = 1;
    loop {
        let seen = load("sustained", rate, stand::seconds(args.quick, 120), true)?;
        let why = seen.fell_behind(rate);
        let kept = why.is_none();
        if let Some(why) = why {
            report.note(format!("{rate:.0}/s was not sustained: {why}"));
        }
        if kept || attempt == tries {
            return Ok(Found { rate, kept, seen });
        }
        attempt += 1;
        rate *= BACK;
    }
}

/// Tasks that are due shortly after they are registered: every stage works at the same rate.
pub(crate) fn flags(rate: f64, seconds: u64, raw: &str) -> String {
    format!("steady --rate {rate:.0} --for {seconds}s --ahead 1s..10s{raw}")
}

/// The highest step of a ramp that was kept up with. A step takes so long that what is left unread by it
/// is more than the waves that turns and batches make.
pub(crate) fn ramp(report: &mut Report, seconds: u64, load: &Load<'_>) -> Result<f64> {
    let mut good = FIRST / 2.0;
    for step in 0..STEPS {
        let rate = FIRST * STEP.powi(step.cast_signed());
        let seen = load("ramp", rate, seconds.max(8), false)?;
        match seen.fell_behind(rate) {
            None => good = rate,
            Some(why) => {
                report.note(format!("ramp: {rate:.0}/s is too much: {why}"));
                break;
            }
        }
        let busy = seen.lateness_ms.p99;
        report.note(format!(
            "ramp: {rate:.0}/s is kept up with, p99 {busy:.0} ms late"
        ));
    }
    Ok(good)
}

fn tell(report: &mut Report, stand: &Stand, rate: f64, seen: &Seen) -> Result<()> {
    report.figure(RATE, rate, "/s", Aim::AtLeast(FLOOR));
    report.figure("of the aim of 16,700/s", 100.0 * rate / AIM, "%", Aim::Told);
    seen.report_exact(report, "whole pipe");
    seen.report_lateness(report, "whole pipe", Aim::Told);
    seen.report_lag(report, "whole pipe");
    tell_costs(report, seen);
    if let Some(raw) = seen.raw_http_per_s {
        report.figure("raw HTTP of the same run", raw, "/s", Aim::Told);
        report.figure("share of raw HTTP", 100.0 * rate / raw, "%", Aim::Told);
    }
    let rows = settled_rows(&stand.pipe, seen.fired)?;
    report.figure(
        "rows in the archive",
        rows as f64,
        "",
        Aim::AtLeast(seen.fired as f64),
    );
    Ok(())
}

fn tell_costs(report: &mut Report, seen: &Seen) {
    seen.report_costs(report, "whole pipe");
}
