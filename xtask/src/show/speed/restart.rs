//! speed.8: how long a killed role keeps fires from being on time.

use super::pending;
use super::stand::Stand;
use crate::harness::http;
use crate::harness::receiver::now;
use crate::services::remove_dir;
use crate::show::ShowArgs;
use crate::show::load::Seen;
use crate::show::report::{Aim, Report};
use crate::show::timing::{through_kafka, words};
use crate::sys;
use anyhow::{Context, Result};
use std::thread::sleep;
use std::time::Duration;

const PENDING: u64 = 10_000_000;
const LOADED: u64 = 1_000_000;
/// At which those are registered, /s.
const HERD_RATE: u64 = 15_000;
const WITH_STORE_S: f64 = 5.0;
const WITHOUT_STORE_S: f64 = 120.0;
const TRIGGER_S: f64 = 3.0;
/// A table of ten million rows is read for longer than a role usually takes to be ready.
const READY: Duration = Duration::from_secs(240);
/// Load before the kill: connections are warm by then.
const BEFORE: Duration = Duration::from_secs(10);

pub(super) fn soon(args: &ShowArgs, report: &mut Report) -> Result<()> {
    let mut stand = Stand::up(args, "restart")?;
    let pending = match args.pending.last() {
        Some(told) => *told,
        None => stand.tasks(PENDING),
    };
    pending::grow(&stand, pending)?;
    report.figure("tasks pending", pending as f64, "", Aim::Told);
    // Tasks that are registered and due within the outage show it: nothing of them is planted before.
    let short = |seconds: u64| format!("short --rate 200 --for {seconds}s");
    let with = killed(&mut stand, "planner-1", &short(40), BEFORE, |_| Ok(()))?;
    tell(report, "planner with its store", &with, WITH_STORE_S);
    let wait = if args.quick { 60 } else { 300 };
    let without = killed(&mut stand, "planner-1", &short(wait), BEFORE, |stand| {
        remove_dir(&stand.pipe.store("planner-1"))
    })?;
    tell(
        report,
        "planner without its store",
        &without,
        WITHOUT_STORE_S,
    );

    let tasks = stand.tasks(LOADED);
    loaded_trigger(&mut stand, tasks, report)
}

/// A herd is loaded and not due for half a minute, and beside it some are due every moment.
fn loaded_trigger(stand: &mut Stand, tasks: u64, report: &mut Report) -> Result<()> {
    let program = stand.programs.load.clone();
    let flags = format!("herd --tasks {tasks} --rate {HERD_RATE} --ahead 45s");
    let args = through_kafka(&stand.pipe, &words(&flags));
    std::thread::scope(|scope| {
        let herd = scope.spawn(move || crate::show::load::run(&program, "restart-herd", &args));
        let most = await_loaded(stand, tasks)?;
        let short = "short --rate 200 --for 25s";
        let with = killed(stand, "trigger-1", short, BEFORE, |_| Ok(()))?;
        report.figure(
            "tasks loaded by the trigger",
            most,
            "",
            Aim::AtLeast(tasks as f64 * 0.9),
        );
        tell(report, "trigger", &with, TRIGGER_S);
        let herd = herd.join().ok().context("the load failed")??;
        let of = format!("herd of {tasks}, loaded twice");
        herd.report_exact(report, &of);
        herd.report_lateness(report, &of, Aim::Told);
        Ok(())
    })
}

/// Waits until the trigger has loaded so many, but not into the time in which they are due; how many it has.
fn await_loaded(stand: &mut Stand, tasks: u64) -> Result<f64> {
    let limit = Duration::from_secs(tasks / HERD_RATE + 10);
    let mut most = Ok(0.0);
    sys::wait_until(limit, || {
        most = loaded(stand);
        !matches!(&most, Ok(most) if *most < tasks as f64)
    });
    most
}

/// What was seen of a load in whose middle a role was killed and at once started again.
struct Killed {
    seen: Seen,
    /// Epoch ms.
    at: i64,
}

fn killed(
    stand: &mut Stand,
    worker: &str,
    flags: &str,
    before: Duration,
    harm: impl FnOnce(&mut Stand) -> Result<()>,
) -> Result<Killed> {
    let load = stand.programs.load.clone();
    let args = through_kafka(&stand.pipe, &words(flags));
    std::thread::scope(|scope| {
        let seen = scope.spawn(move || crate::show::load::run(&load, "restart", &args));
        sleep(before);
        // Looked at or removed while the role still lives: an unlinked store does it no good either.
        harm(stand)?;
        let at = now();
        stand.pipe.restart(worker)?;
        stand.pipe.worker(worker)?.wait_ready_for(READY)?;
        let seen = seen.join().ok().context("the load failed")??;
        Ok(Killed { seen, at })
    })
}

/// Placements in the trigger's wheels by its own metrics.
fn loaded(stand: &mut Stand) -> Result<f64> {
    let door = stand.pipe.worker("trigger-1")?.http;
    let answer = http::request(door, "GET", "/metrics", None)?;
    Ok(http::metric(&answer.body, "tidewheel_trigger_loaded"))
}

fn tell(report: &mut Report, of: &str, killed: &Killed, aim: f64) {
    let (first, all) = on_time_again(&killed.seen, killed.at);
    report.figure(
        format!("{of}: first fire on time after"),
        first,
        "s",
        Aim::AtMost(aim),
    );
    report.figure(format!("{of}: all on time after"), all, "s", Aim::Told);
    killed.seen.report_exact(report, of);
}

/// Seconds from a kill to the due time of the first task on time behind the first late one, and to
/// the last late one; 0 where none was late.
fn on_time_again(seen: &Seen, at: i64) -> (f64, f64) {
    let kill = at - seen.begun_ms;
    let behind = || seen.timeline.iter().filter(move |step| step.at_ms >= kill);
    let Some(late) = behind().find(|step| step.on_time == 0) else {
        return (0.0, 0.0);
    };
    let since = |ms: i64| (ms - kill) as f64 / 1e3;
    let first = behind().find(|step| step.at_ms > late.at_ms && step.on_time > 0);
    let last = behind().rfind(|step| step.on_time < step.fired);
    (
        first.map_or(f64::NAN, |step| since(step.at_ms)),
        last.map_or(0.0, |step| since(step.at_ms)),
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::show::load::Step;

    #[test]
    fn an_outage_lasts_from_the_kill_to_the_next_fire_on_time() {
        let json = r#"{"registered": 1, "fired": 1, "lost": 0, "early": 0, "doubled": 0,
            "refused": 0, "wrong_due": 0, "behind_ms_max": 1.0, "raw_http_per_s": null,
            "begun_ms": 1000}"#;
        let mut seen: Seen = serde_json::from_str(json).expect("parses");
        let step = |at_ms, on_time| Step {
            at_ms,
            fired: 5,
            on_time,
            mean_ms: 1.0,
        };
        seen.timeline = vec![
            step(0, 5),
            step(500, 5),
            step(600, 0),
            step(2_000, 3),
            step(2_100, 5),
        ];
        // Killed 400 ms behind the start: those of 500 had been fired before.
        assert_eq!(on_time_again(&seen, 1_400), (1.6, 1.6));
        assert_eq!(on_time_again(&seen, 3_050), (0.0, 0.0));
        seen.timeline.truncate(3);
        assert!(on_time_again(&seen, 1_400).0.is_nan());
    }
}
