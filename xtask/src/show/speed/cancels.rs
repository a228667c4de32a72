//! speed.9: cancels of planted tasks beside fires.

use super::stand::Stand;
use crate::show::ShowArgs;
use crate::show::report::{Aim, Report};
use anyhow::Result;

/// A second; 200,000 a minute.
const CANCELS: f64 = 3_334.0;
/// Lateness may be so much worse than without, %; a difference below the millisecond in which due
/// times are told is none.
const WORSE: f64 = 20.0;
const RESOLUTION_MS: f64 = 1.0;

pub(super) fn beside(args: &ShowArgs, report: &mut Report) -> Result<()> {
    let stand = Stand::up(args, "cancels")?;
    let seconds = stand.seconds(60);
    let flags = format!("steady --rate 3000 --for {seconds}s --ahead 2s..10s");
    let without = stand.load("cancels-without", &flags)?;
    without.report_exact(report, "without");
    without.report_lateness(report, "without", Aim::Told);
    let with = stand.load(
        "cancels-with",
        &format!("{flags} --cancels {CANCELS} --raw"),
    )?;
    with.report_exact(report, "with cancels");
    with.report_lateness(report, "with cancels", Aim::Told);
    let expected = CANCELS * seconds as f64;
    report.figure(
        "cancels acknowledged",
        with.cancelled as f64,
        "",
        Aim::AtLeast(expected * 0.99),
    );
    report.figure(
        "cancels a minute",
        with.cancelled as f64 * 60.0 / seconds as f64,
        "",
        Aim::Told,
    );
    report.figure(
        "calls of cancelled tasks",
        with.called_cancelled as f64,
        "",
        Aim::Is(0.0),
    );
    for (name, before, after) in [
        ("p50", without.lateness_ms.p50, with.lateness_ms.p50),
        ("p99", without.lateness_ms.p99, with.lateness_ms.p99),
    ] {
        report.figure(
            format!("lateness {name}, change"),
            worse(before, after),
            "%",
            Aim::AtMost(WORSE),
        );
    }
    let raw = with.raw_http_per_s.unwrap_or(f64::NAN);
    report.figure("raw HTTP of the same run", raw, "/s", Aim::Told);
    with.report_costs(report, "with cancels");
    Ok(())
}

/// By how much `after` is later than `before`, %.
fn worse(before: f64, after: f64) -> f64 {
    if (after - before).abs() < RESOLUTION_MS {
        return 0.0;
    }
    (after / before - 1.0) * 100.0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_difference_below_a_millisecond_is_none() {
        for (before, after, expected) in [(1.0, 1.9, 0.0), (10.0, 12.0, 20.0), (10.0, 5.0, -50.0)] {
            assert!(
                (worse(before, after) - expected).abs() < 1e-9,
                "{before} {after}"
            );
        }
    }
}
