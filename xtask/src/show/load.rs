//! `tidewheel-load` as a witness: what it was asked, what it says it saw.

use super::report::{Aim, Report};
use crate::{repo, sys};
use anyhow::{Context, Result};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use std::collections::BTreeMap;
use std::path::Path;
use std::process::Command;

/// What claims need of the JSON that `tidewheel-load` writes.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct Seen {
    pub registered: u64,
    pub fired: u64,
    pub lost: u64,
    pub early: u64,
    pub doubled: u64,
    #[serde(default)]
    pub rate_per_s: f64,
    #[serde(default)]
    pub drain_per_s: f64,
    #[serde(default)]
    pub lateness_ms: Lateness,
    #[serde(default)]
    pub rss_mib: BTreeMap<String, f64>,
    /// Registrations that were refused, or not acknowledged in time.
    pub refused: u64,
    /// Calls with another due time than asked for.
    pub wrong_due: u64,
    /// How far the load program was behind its own plan at worst.
    pub behind_ms_max: f64,
    pub raw_http_per_s: Option<f64>,
    /// When the run began, epoch ms.
    #[serde(default)]
    pub begun_ms: i64,
    #[serde(default)]
    pub register_rate_per_s: f64,
    /// First call behind the first due time.
    #[serde(default)]
    pub first_call_ms: Option<f64>,
    #[serde(default)]
    pub cancelled: u64,
    #[serde(default)]
    pub called_cancelled: u64,
    /// Processor time of watched processes, and of the load program by its parts, seconds.
    #[serde(default)]
    pub cpu_s: BTreeMap<String, f64>,
    #[serde(default)]
    pub own_cpu_s: BTreeMap<String, f64>,
    #[serde(default)]
    pub lag: BTreeMap<String, Lag>,
    #[serde(default)]
    pub seconds: f64,
    /// Lateness along the run.
    #[serde(skip)]
    pub timeline: Vec<Step>,
}

/// What one role had still to read, records.
#[derive(Debug, Clone, Copy, Default, Deserialize)]
pub(crate) struct Lag {
    pub max: i64,
    /// In the second and in the last quarter of the time of registering.
    pub early_mean: f64,
    pub late_mean: f64,
    pub end: i64,
}

/// Calls of tasks that were due in one tenth of a second.
#[derive(Debug, Clone, Copy, Deserialize)]
pub(crate) struct Step {
    /// Of due times, ms behind the start.
    pub at_ms: i64,
    pub fired: u32,
    /// At most 50 ms late.
    pub on_time: u32,
    pub mean_ms: f64,
}

#[derive(Debug, Clone, Default, Deserialize)]
pub(crate) struct Lateness {
    #[serde(default)]
    pub p50: f64,
    #[serde(default)]
    pub p99: f64,
    #[serde(default)]
    pub p999: f64,
    #[serde(default)]
    pub max: f64,
}

/// Runs `program ARGS --json FILE` and reads what it saw; a run that lost something still tells.
pub(crate) fn run(program: &Path, name: &str, args: &[String]) -> Result<Seen> {
    let dir = repo::dir(repo::root().join("target/show"))?;
    let json = dir.join(format!("load-{name}.json"));
    let timeline = dir.join(format!("timeline-{name}.json"));
    for old in [&json, &timeline] {
        if old.exists() {
            std::fs::remove_file(old)?;
        }
    }
    let mut command = Command::new(program);
    command
        .current_dir(repo::root())
        .args(args)
        .arg("--json")
        .arg(&json)
        .arg("--timeline")
        .arg(&timeline);
    // A run that found something wrong ends with an error, and has written what it saw.
    if let Err(error) = sys::run(&mut command)
        && !json.exists()
    {
        return Err(error);
    }
    let mut seen: Seen = read(&json)?;
    seen.timeline = read(&timeline)?;
    Ok(seen)
}

fn read<T: DeserializeOwned>(path: &Path) -> Result<T> {
    let read = || anyhow::Ok(serde_json::from_slice(&std::fs::read(path)?)?);
    read().with_context(|| format!("read `{}`", path.display()))
}

impl Seen {
    /// Nothing lost, nothing early, nothing twice: what every load run is held to.
    pub(crate) fn report_exact(&self, report: &mut Report, of: &str) {
        report.figure(
            format!("{of}: registered"),
            self.registered as f64,
            "",
            Aim::AtLeast(1.0),
        );
        report.figure(format!("{of}: fired"), self.fired as f64, "", Aim::Told);
        report.figure(format!("{of}: fired at"), self.rate_per_s, "/s", Aim::Told);
        for (role, mib) in &self.rss_mib {
            report.figure(format!("{of}: memory of {role}"), *mib, "MiB", Aim::Told);
        }
        report.figure(
            format!("{of}: refused"),
            self.refused as f64,
            "",
            Aim::Is(0.0),
        );
        let wrong = self.wrong_due as f64;
        report.figure(
            format!("{of}: called at another time"),
            wrong,
            "",
            Aim::Is(0.0),
        );
        report.figure(
            format!("{of}: load behind its plan"),
            self.behind_ms_max,
            "ms",
            Aim::Told,
        );
        report.figure(format!("{of}: lost"), self.lost as f64, "", Aim::Is(0.0));
        report.figure(format!("{of}: early"), self.early as f64, "", Aim::Is(0.0));
        report.figure(
            format!("{of}: doubled"),
            self.doubled as f64,
            "",
            Aim::Is(0.0),
        );
    }

    /// How late its calls came; p99 is held to `aim`.
    pub(crate) fn report_lateness(&self, report: &mut Report, of: &str, aim: Aim) {
        let late = &self.lateness_ms;
        report.figure(format!("{of}: lateness p50"), late.p50, "ms", Aim::Told);
        report.figure(format!("{of}: lateness p99"), late.p99, "ms", aim);
        report.figure(format!("{of}: lateness p99.9"), late.p999, "ms", Aim::Told);
        report.figure(format!("{of}: lateness max"), late.max, "ms", Aim::Told);
    }
}
