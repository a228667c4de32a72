//! speed.4: many tasks due at one millisecond.

use super::quiet;
use super::stand::{self, Stand};
use crate::show::ShowArgs;
use crate::show::load::Seen;
use crate::show::report::{Aim, Report};
use crate::show::timing::settled_rows;
use anyhow::{Context, Result};

/// Tasks, and how fast they are registered beforehand.
pub(super) const HERDS: [(u64, u64); 2] = [(100_000, 10_000), (1_000_000, 15_000)];
/// Herds of a size, of which the middle one counts: the raw rate of this machine differs by up to a
/// quarter from one minute to the next, and a drain is over in seconds.
const ROUNDS: usize = 3;
/// Not judged, and a row in the archive for each.
const REHEARSAL: &str = "herd --tasks 30000 --rate 10000 --ahead 10s";
/// Of the raw HTTP rate.
const SHARE: f64 = 60.0;
const FIRST_CALL_MS: f64 = 5.0;

/// How fast one herd was called, beside what HTTP alone can do in the same run.
#[derive(Clone, Copy, Debug)]
struct Drain {
    per_s: f64,
    raw_per_s: f64,
    first_call_ms: f64,
}

impl Drain {
    fn share(&self) -> f64 {
        100.0 * self.per_s / self.raw_per_s
    }
}

pub(super) fn drained(args: &ShowArgs, report: &mut Report) -> Result<()> {
    let stand = Stand::up(args, "herd")?;
    // A broker compiles its code for large turns in the first herd that it sees.
    stand.load("warm-up", REHEARSAL)?;
    let mut fired = 0;
    for (tasks, rate) in HERDS {
        let tasks = stand.tasks(tasks);
        fired += middle_of(report, tasks, rate, &|flags| stand.load("herd", flags))?;
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

/// So many herds of a size, each on a machine that has come to rest, of which the middle one is judged;
/// returns how many tasks were called in all.
pub(super) fn middle_of(
    report: &mut Report,
    tasks: u64,
    rate: u64,
    load: &dyn Fn(&str) -> Result<Seen>,
) -> Result<u64> {
    let flags = format!("{} --raw", flags(tasks, rate));
    let mut drains = Vec::new();
    let mut fired = 0;
    for round in 1..=ROUNDS {
        quiet::rest()?;
        let seen = load(&flags)?;
        let of = format!("herd of {tasks}, run {round}");
        drains.push(tell(&seen, report, &of)?);
        fired += seen.fired;
    }
    judge(drains, report, &format!("herd of {tasks}"));
    Ok(fired)
}

/// Planned well before it is due: what is measured is the herd, not its registration.
pub(super) fn flags(tasks: u64, rate: u64) -> String {
    format!("herd --tasks {tasks} --rate {rate} --ahead 45s")
}

/// Every herd is exact; how fast it was called is told.
fn tell(seen: &Seen, report: &mut Report, of: &str) -> Result<Drain> {
    seen.report_exact(report, of);
    seen.report_lateness(report, of, Aim::Told);
    let raw = seen.raw_http_per_s;
    let drain = Drain {
        per_s: seen.drain_per_s,
        raw_per_s: raw.context("the load run tells no raw HTTP rate")?,
        first_call_ms: seen.first_call_ms.unwrap_or(f64::NAN),
    };
    let mut put = |what: &str, value: f64, unit: &str| {
        report.figure(format!("{of}: {what}"), value, unit, Aim::Told);
    };
    put("first call, alone", drain.first_call_ms, "ms");
    put("drained, alone", drain.per_s, "/s");
    put("share of raw HTTP, alone", drain.share(), "%");
    seen.report_costs(report, of);
    Ok(drain)
}

/// Begun on time, and called at the share of raw HTTP: the middle one, figure by figure.
fn judge(mut drains: Vec<Drain>, report: &mut Report, of: &str) {
    let first = stand::middle(drains.iter().map(|drain| drain.first_call_ms).collect());
    drains.sort_by(|one, other| one.share().total_cmp(&other.share()));
    let Some(middle) = drains.get(drains.len() / 2) else {
        return;
    };
    let mut put = |what: &str, value: f64, unit: &str, aim: Aim| {
        report.figure(format!("{of}: {what}"), value, unit, aim);
    };
    put("first call", first, "ms", Aim::AtMost(FIRST_CALL_MS));
    put("drained", middle.per_s, "/s", Aim::Told);
    put(
        "raw HTTP of the same run",
        middle.raw_per_s,
        "/s",
        Aim::Told,
    );
    put(
        "share of raw HTTP",
        middle.share(),
        "%",
        Aim::AtLeast(SHARE),
    );
}

#[cfg(test)]
mod tests {
    use super::*;

    fn drain(per_s: f64, raw_per_s: f64, first_call_ms: f64) -> Drain {
        Drain {
            per_s,
            raw_per_s,
            first_call_ms,
        }
    }

    #[test]
    fn the_middle_counts_figure_by_figure() {
        let judged = |drains| {
            let mut report = Report::default();
            judge(drains, &mut report, "herd");
            let of = |what: &str| report.value(&format!("herd: {what}"));
            (of("share of raw HTTP"), of("first call"))
        };
        let one = drain(30.0, 100.0, 4.0);
        let (slow, fast) = (drain(70.0, 100.0, 1.0), drain(80.0, 100.0, 2.0));
        assert_eq!(judged(vec![fast, one, slow]), (Some(70.0), Some(2.0)));
        assert_eq!(judged(vec![one]), (Some(30.0), Some(4.0)));
        // Herds that were not called are no early ones.
        let uncalled = drain(70.0, 100.0, f64::NAN);
        let (_, first) = judged(vec![one, uncalled, uncalled]);
        assert!(first.is_some_and(f64::is_nan));
    }
}
