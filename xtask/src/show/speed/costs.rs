//! speed.2: where the microseconds of one task go.

use super::perf;
use super::stand::{self, Stand};
use super::sustained::{self, RATE};
use crate::repo;
use crate::show::ShowArgs;
use crate::show::report::{self, Aim, Figure, Report};
use anyhow::{Context, Result};
use serde_json::Value;
use std::collections::BTreeMap;
use std::thread::sleep;
use std::time::Duration;

/// What was measured before the work on speed: figures as `show speed.2` writes them.
const BEFORE: &str = "docs/performance/before.json";
/// How long processes are sampled, in the middle of the run.
const SAMPLED: u64 = 15;

pub(super) fn table(args: &ShowArgs, report: &mut Report) -> Result<()> {
    let stand = Stand::up(args, "costs")?;
    stand::report_raw_log(&stand.raw_log(args)?, report);
    let earlier = report::earlier("speed.1");
    let found = earlier.get(RATE).map(|figure| figure.value);
    let rate = args
        .rate
        .or(found)
        .filter(|rate| *rate > 0.0)
        .unwrap_or(5_000.0);
    let seconds = stand.seconds(60).max(2 * SAMPLED);
    let flags = sustained::flags(rate, seconds, " --raw");
    let watched = stand.pipe.watched();
    let (seen, profile) = std::thread::scope(|scope| {
        let seen = scope.spawn(|| stand.load("costs", &flags));
        sleep(Duration::from_secs((seconds - SAMPLED) / 2));
        let profile = perf::sample(&watched, SAMPLED);
        let seen = seen.join().ok().context("the load failed")??;
        anyhow::Ok((seen, profile))
    })?;
    report.figure("offered", rate, "/s", Aim::Told);
    seen.report_exact(report, "profiled");
    seen.report_costs(report, "profiled");
    match profile {
        Ok(profile) => parts(&profile, &seen.cpu_s, seen.registered, report),
        Err(error) => report.note(format!(
            "no profile by perf, costs are by process only: {error:#}"
        )),
    }
    criterion(report)?;
    compare(report)
}

/// A process's time of a task, shared out by its samples.
fn parts(profile: &perf::Profile, cpu_s: &BTreeMap<String, f64>, tasks: u64, report: &mut Report) {
    for (role, parts) in profile {
        let whole: u64 = parts.values().sum();
        let each = cpu_s.get(role).copied().unwrap_or(0.0) * 1e6 / tasks.max(1) as f64;
        for (part, samples) in parts {
            let us = each * *samples as f64 / whole.max(1) as f64;
            report.figure(format!("{role}: {part}"), us, "us/task", Aim::Told);
        }
    }
}

/// Medians of `cargo bench`, where it was run.
fn criterion(report: &mut Report) -> Result<()> {
    let dir = repo::target_dir().join("criterion");
    let Ok(groups) = std::fs::read_dir(&dir) else {
        report.note("no criterion figures: `cargo bench` was not run");
        return Ok(());
    };
    let mut found: BTreeMap<String, f64> = BTreeMap::new();
    for group in groups {
        let group = group?.path();
        let Ok(inner) = std::fs::read_dir(&group) else {
            continue;
        };
        let paths = inner.flatten().map(|entry| entry.path());
        for path in paths.chain([group.clone()]) {
            let estimates = path.join("new/estimates.json");
            let Ok(bytes) = std::fs::read(&estimates) else {
                continue;
            };
            let estimates: Value = serde_json::from_slice(&bytes)?;
            let name = path.strip_prefix(&dir)?.display().to_string();
            if let Some(ns) = estimates["median"]["point_estimate"].as_f64() {
                found.insert(name, ns / 1e3);
            }
        }
    }
    for (name, us) in found {
        report.figure(format!("criterion: {name}"), us, "us", Aim::Told);
    }
    Ok(())
}

/// Against what was kept from before the work.
fn compare(report: &mut Report) -> Result<()> {
    let path = repo::root().join(BEFORE);
    let Ok(bytes) = std::fs::read(&path) else {
        report.note(format!("nothing to compare with: {BEFORE} is not there"));
        return Ok(());
    };
    let before: Value = serde_json::from_slice(&bytes)?;
    let before: Vec<Figure> = serde_json::from_value(before["figures"].clone())?;
    for figure in before.iter().filter(|figure| figure.unit == "us/task") {
        if let Some(now) = report.value(&figure.name) {
            let name = format!("before -> now, {}", figure.name);
            report.note(format!("{name}: {:.1} -> {now:.1} us", figure.value));
        }
    }
    Ok(())
}
