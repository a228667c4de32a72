//! pipe.9: due in 40 days and in 100 years.

use super::report::{Aim, Report};
use super::tasks;
use super::{ShowArgs, program};
use crate::harness::receiver::now;
use crate::harness::{Dev, http};
use crate::sys;
use anyhow::{Context, Result};
use serde_json::{Value, json};
use std::net::SocketAddr;
use std::process::Command;

const DAY: i64 = 86_400_000;
/// Days ahead, and how a person says it.
const FAR: [(i64, &str); 2] = [(40, "40 days"), (36_525, "100 years")];
const TASKS: usize = 20;
const TENANT: &str = "far";
const SEEDS: &str = "20";
/// As the simulator's plan of far tasks has them.
const FIRED_A_SEED: f64 = 40.0;

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

/// Seeds of a world without faults whose clock is driven to both times.
fn on_a_virtual_clock(args: &ShowArgs, report: &mut Report) -> Result<()> {
    let sim = program(args, "sim", "sim")?;
    let mut command = Command::new(&sim);
    let told = sys::capture(command.args(["--far", "--seeds", SEEDS]))?;
    let last = told.lines().last().unwrap_or_default();
    let told: Value = serde_json::from_str(last).with_context(|| format!("`{last}`"))?;
    let of = |name: &str| {
        let number = told[name].as_f64();
        number.with_context(|| format!("the simulator tells no `{name}`"))
    };
    let years = of("elapsed_ms")? / DAY as f64 / 365.25;
    report.figure("driven ahead", years, "years", Aim::AtLeast(100.0));
    let calls = of("seeds")? * FIRED_A_SEED;
    report.figure("fired on a virtual clock", of("calls")?, "", Aim::Is(calls));
    for name in ["lost", "early", "doubled", "false_answers", "undrained"] {
        report.figure(name, of(name)?, "", Aim::Is(0.0));
    }
    report.figure("latest call", of("latest_ms")?, "ms", Aim::Is(0.0));
    Ok(())
}
