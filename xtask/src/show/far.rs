//! pipe.9: due in 40 days and in 100 years.

use super::report::{Aim, Report};
use super::tasks;
use super::{ShowArgs, program};
use crate::harness::receiver::now;
use crate::harness::{Dev, http};
use anyhow::{Context, Result};
use serde_json::json;
use std::net::SocketAddr;
use std::process::Command;

const DAY: i64 = 86_400_000;
/// Days ahead, and how a person says it.
const FAR: [(i64, &str); 2] = [(40, "40 days"), (36_525, "100 years")];
const TASKS: usize = 20;
const TENANT: &str = "far";
/// Seeds that are looked at until enough of them reached far ahead.
const MOST_SEEDS: u64 = 2_000;
const ENOUGH: u64 = 5;

/// Accepted, listed and cancelled on the real clock; fired on a virtual one.
pub(super) fn ahead(args: &ShowArgs, report: &mut Report) -> Result<()> {
    let tidewheel = program(args, "server", "tidewheel")?;
    let dev = Dev::start(&tidewheel, "far")?;
    for (days, words) in FAR {
        on_the_real_clock(dev.worker.http, days, words, report)?;
    }
    drop(dev);
    on_a_virtual_clock(args, report)
}

fn on_the_real_clock(door: SocketAddr, days: i64, words: &str, report: &mut Report) -> Result<()> {
    let due = now() + days * DAY;
    let ids: Vec<String> = (0..TASKS).map(|n| format!("in-{days}-{n}")).collect();
    let url = "http://127.0.0.1:1/never";
    for id in &ids {
        tasks::register_and_wait(door, &tasks::register(TENANT, id, json!({"at": due}), url))?;
    }
    let shown = ids.iter().filter(|id| {
        let path = format!("/v1/tasks/{TENANT}/{id}");
        let answer = http::request(door, "GET", &path, None).map(|answer| answer.json());
        answer.is_ok_and(|task| task["due"] == due && task["state"] == "pending")
    });
    let shown = shown.count();
    let path = format!(
        "/v1/tasks?tenant={TENANT}&due_from={}&due_to={}",
        due,
        due + 1
    );
    let listed = http::request(door, "GET", &path, None)?.body;
    let listed = ids
        .iter()
        .filter(|id| listed.contains(&format!("\"{id}\"")))
        .count();
    let cancelled = ids
        .iter()
        .filter(|id| tasks::cancel(door, TENANT, id).is_ok_and(|answer| answer == "cancelled"));
    let cancelled = cancelled.count();
    let all = Aim::Is(TASKS as f64);
    report.figure(
        format!("{words}: accepted and shown"),
        shown as f64,
        "",
        all,
    );
    report.figure(format!("{words}: listed"), listed as f64, "", all);
    report.figure(format!("{words}: cancelled"), cancelled as f64, "", all);
    Ok(())
}

/// Simulator seeds whose plan reaches so far: their clock is driven there, and nothing of them is
/// lost or early.
fn on_a_virtual_clock(args: &ShowArgs, report: &mut Report) -> Result<()> {
    let sim = program(args, "sim", "sim")?;
    let (mut reached, mut failed) = ([0u64; FAR.len()], 0u64);
    for seed in 0..MOST_SEEDS {
        if reached.iter().all(|count| *count >= ENOUGH) {
            break;
        }
        let output = Command::new(&sim)
            .args(["--seed", &seed.to_string()])
            .output();
        let output = output.with_context(|| format!("run {}", sim.display()))?;
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        let elapsed = elapsed_ms(&text).with_context(|| format!("seed {seed} tells no time"))?;
        for ((days, _), count) in FAR.iter().zip(&mut reached) {
            *count += u64::from(elapsed >= days * DAY);
        }
        if elapsed >= FAR[0].0 * DAY && !output.status.success() {
            failed += 1;
            report.note(format!("seed {seed} failed"));
        }
    }
    for ((_, words), count) in FAR.iter().zip(reached) {
        let name = format!("seeds driven {words} ahead");
        report.figure(name, count as f64, "", Aim::AtLeast(ENOUGH as f64));
    }
    report.figure(
        "of them lost, early, doubled or false",
        failed as f64,
        "",
        Aim::Is(0.0),
    );
    Ok(())
}

/// The virtual time that a seed took, as the simulator prints it: `elapsed_ms: 123`.
fn elapsed_ms(text: &str) -> Option<i64> {
    let (_, behind) = text.rsplit_once("elapsed_ms: ")?;
    behind
        .split(|c: char| !c.is_ascii_digit())
        .next()?
        .parse()
        .ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_time_of_a_seed_is_read() {
        let text = "seed 7: Size { commands: 9, calls: 4, elapsed_ms: 3456000123, rounds: 8 }\n{}";
        assert_eq!(elapsed_ms(text), Some(3_456_000_123));
        assert_eq!(elapsed_ms("seed 7"), None);
    }
}
