//! What a speed claim measures on: all roles as processes of their own over a real Kafka, with the
//! archive in a real MariaDB, and the limits of the same machine in the same run.

use super::QUICK;
use crate::harness::Deployment;
use crate::repo;
use crate::services::Services;
use crate::show::ShowArgs;
use crate::show::load::{Lag, Seen};
use crate::show::report::{Aim, Report};
use crate::show::timing::{self, Programs, pids, words};
use crate::sys;
use anyhow::{Context, Result};
use serde_json::Value;
use std::path::Path;
use std::process::Command;

/// Partitions of every topic: one worker a role on two cores needs no more, and brokers take the time of
/// a partition for every turn that touches it. Together they hold as much as the usual 8 do.
const SHARDS: &str = "4";
/// Records stay readable for so long only: what is measured must fit the disk for hours. Nobody is killed
/// by whom a begun call would be doubled, but for the planner and the trigger: no journal of calls.
const OPTIONS: [(&str, &str); 5] = [
    ("TIDEWHEEL__LOG__KEEP_WINDOW", "1m"),
    ("TIDEWHEEL__LOG__SHARDS", SHARDS),
    ("TIDEWHEEL__PLANNER__SLOT_BYTES", "67108864"),
    // As many in all as 8 shards of the usual bound have open.
    ("TIDEWHEEL__DISPATCHER__MAX_OPEN_CALLS", "3000"),
    ("TIDEWHEEL__DISPATCHER__JOURNAL", ""),
];

pub(crate) struct Stand {
    pub programs: Programs,
    pub pipe: Deployment,
    /// Ends after the deployment that stands on it.
    _services: Services,
    quick: bool,
}

impl Stand {
    /// Brings everything up and warms it: the first run of a fresh deployment is slower than any later.
    pub(crate) fn up(args: &ShowArgs, name: &str) -> Result<Self> {
        let mut stand = Self::cold(args, name)?;
        stand.pipe.start_all()?;
        stand.load("warm-up", "steady --rate 1000 --for 10s --ahead 1s..5s")?;
        Ok(stand)
    }

    /// Topics and database, and no role started.
    pub(crate) fn cold(args: &ShowArgs, name: &str) -> Result<Self> {
        let programs = Programs::build(args)?;
        let services = Services::up(false)?;
        let pipe = Deployment::prepare_with(&programs.tidewheel, &services, name, &OPTIONS)?;
        Ok(Self {
            programs,
            pipe,
            _services: services,
            quick: args.quick,
        })
    }

    /// Seconds of a run that takes so many in full.
    pub(crate) fn seconds(&self, full: u64) -> u64 {
        seconds(self.quick, full)
    }

    /// Tasks of a run that takes so many in full.
    pub(crate) fn tasks(&self, full: u64) -> u64 {
        if self.quick { full / QUICK } else { full }
    }

    /// Puts a load on it through Kafka and watches every process and the lag of every role.
    pub(crate) fn load(&self, name: &str, flags: &str) -> Result<Seen> {
        let flags = format!("{flags} --lag");
        timing::kafka_load(&self.programs.load, name, &self.pipe, &words(&flags))
    }

    /// Likewise through the door.
    pub(crate) fn load_by_http(&mut self, name: &str, flags: &str) -> Result<Seen> {
        let door = self.pipe.door()?;
        let mut args = words(&format!("{flags} --via http --target http://{door} --pids"));
        args.push(pids(&self.pipe.watched()));
        crate::show::load::run(&self.programs.load, name, &args)
    }

    /// What the log does at best now, on topics that nobody reads.
    pub(crate) fn raw_log(&self, args: &ShowArgs) -> Result<Value> {
        let scratch = Self::cold(args, "raw")?;
        let broker = self.pipe.watched();
        let kafka = broker.iter().filter(|(role, _)| role == "kafka");
        let kafka: Vec<(String, u32)> = kafka.cloned().collect();
        let flags = format!(
            "raw-log --via kafka --target {} --prefix {} --shards {SHARDS} --tasks {} --pids {}",
            scratch.pipe.bootstrap(),
            scratch.pipe.prefix,
            self.tasks(500_000),
            pids(&kafka)
        );
        raw(&self.programs.load, "raw-log", &flags)
    }
}

pub(crate) fn seconds(quick: bool, full: u64) -> u64 {
    if quick { (full / QUICK).max(10) } else { full }
}

/// Runs the load program for a limit of the machine; what it wrote.
pub(crate) fn raw(program: &Path, name: &str, flags: &str) -> Result<Value> {
    let json = repo::dir(repo::root().join("target/show"))?.join(format!("{name}.json"));
    let mut command = Command::new(program);
    command.args(words(flags)).arg("--json").arg(&json);
    sys::run(&mut command)?;
    let read = || anyhow::Ok(serde_json::from_slice(&std::fs::read(&json)?)?);
    read().with_context(|| format!("read `{}`", json.display()))
}

/// The limits of the log, as figures.
pub(crate) fn report_raw_log(raw: &Value, report: &mut Report) {
    let mut put = |name: &str, part: &Value| {
        let rate = part["per_s"].as_f64().unwrap_or(f64::NAN);
        report.figure(format!("raw log: {name}"), rate, "/s", Aim::Told);
        let own = part["own_us"].as_f64().unwrap_or(f64::NAN);
        let broker = part["watched_us"]["kafka"].as_f64().unwrap_or(0.0);
        report.figure(
            format!("raw log: {name}, client and broker"),
            own + broker,
            "us",
            Aim::Told,
        );
    };
    put("produce", &raw["produce"]);
    put("consume", &raw["consume"]);
    for turns in raw["turns"].as_array().into_iter().flatten() {
        put(&format!("in turns of {}", turns["records"]), turns);
    }
}

impl Seen {
    /// Processor time of a task by process, microseconds, and together.
    pub(crate) fn report_costs(&self, report: &mut Report, of: &str) {
        let tasks = self.registered.max(1) as f64;
        let mut put = |name: String, seconds: f64| {
            report.figure(name, seconds * 1e6 / tasks, "us/task", Aim::Told);
        };
        for (role, seconds) in &self.cpu_s {
            put(format!("{of}: processor, {role}"), *seconds);
        }
        for (part, seconds) in &self.own_cpu_s {
            put(format!("{of}: processor, load's {part}"), *seconds);
        }
        let all = self.cpu_s.values().chain(self.own_cpu_s.values());
        let all: f64 = all.sum();
        put(format!("{of}: processor, all"), all);
        let cores = std::thread::available_parallelism().map_or(1, usize::from) as f64;
        let busy = 100.0 * all / (self.seconds.max(1e-9) * cores);
        report.figure(
            format!("{of}: processors busy with it"),
            busy,
            "%",
            Aim::Told,
        );
    }

    /// What each role had still to read; all of it must be read at the end.
    pub(crate) fn report_lag(&self, report: &mut Report, of: &str) {
        for (role, lag) in &self.lag {
            let put = |report: &mut Report, what: &str, value: f64, aim| {
                report.figure(
                    format!("{of}: lag of {role}, {what}"),
                    value,
                    "records",
                    aim,
                );
            };
            put(report, "at most", lag.max as f64, Aim::Told);
            put(report, "second quarter", lag.early_mean, Aim::Told);
            put(report, "last quarter", lag.late_mean, Aim::Told);
            put(report, "at the end", lag.end as f64, Aim::Is(0.0));
        }
    }

    /// Why the pipe did not keep up with `rate` tasks a second; none where it did.
    pub(crate) fn fell_behind(&self, rate: f64) -> Option<String> {
        if self.behind_ms_max > 1_000.0 {
            let ms = self.behind_ms_max;
            return Some(format!("the load program was {ms:.0} ms behind its plan"));
        }
        if self.lost + self.early + self.refused > 0 {
            return Some(format!(
                "{} lost, {} early, {} refused",
                self.lost, self.early, self.refused
            ));
        }
        let seconds = self.registered as f64 / rate;
        let grown = |(role, lag): &(&String, &Lag)| {
            lag.late_mean - lag.early_mean > Lag::may_grow(role, rate, seconds)
        };
        if let Some((role, lag)) = self.lag.iter().find(grown) {
            let (early, late) = (lag.early_mean, lag.late_mean);
            return Some(format!(
                "the lag of {role} grew from {early:.0} to {late:.0}"
            ));
        }
        let (early, late) = self.lateness_by_quarter();
        if late > (1.5 * early).max(500.0) {
            return Some(format!(
                "mean lateness grew from {early:.0} to {late:.0} ms"
            ));
        }
        None
    }

    /// Mean lateness in the second and in the last quarter of due times, ms.
    fn lateness_by_quarter(&self) -> (f64, f64) {
        let span = self.timeline.last().map_or(0, |step| step.at_ms) + 1;
        let mean = |quarter: i64| {
            let within = self
                .timeline
                .iter()
                .filter(|step| step.at_ms * 4 / span == quarter);
            let (sum, count) = within.fold((0.0, 0.0), |(sum, count), step| {
                let fired = f64::from(step.fired);
                (sum + step.mean_ms * fired, count + fired)
            });
            if count > 0.0 { sum / count } else { 0.0 }
        };
        (mean(1), mean(3))
    }
}

/// What a role has still to read goes up and down with its turns and with the looks at it by so many
/// seconds' worth; the archive's with its batches.
const TURNS_S: f64 = 1.0;
const BATCHES_S: f64 = 2.5;
/// Of what came in meanwhile; who leaves more than that unread does not keep up.
const UNREAD: f64 = 0.05;

impl Lag {
    /// By how much it may grow between the two looks of a run of so many seconds, which lie half of
    /// the run apart, for `role` to have kept up with `rate` a second.
    pub(crate) fn may_grow(role: &str, rate: f64, seconds: f64) -> f64 {
        let waves = if role == "archive" {
            BATCHES_S
        } else {
            TURNS_S
        };
        (rate * seconds / 2.0 * UNREAD).max(rate * waves)
    }
}

/// Of several runs; a figure that was not taken is above all others.
pub(super) fn middle(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(f64::NAN)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::show::load::Step;

    fn seen() -> Seen {
        let json = r#"{"registered": 100, "fired": 100, "lost": 0, "early": 0, "doubled": 0,
            "refused": 0, "wrong_due": 0, "behind_ms_max": 1.0, "raw_http_per_s": null}"#;
        serde_json::from_str(json).expect("parses")
    }

    fn step(at_ms: i64, mean_ms: f64) -> Step {
        Step {
            at_ms,
            fired: 10,
            on_time: 10,
            mean_ms,
        }
    }

    #[test]
    fn a_growing_lag_or_lateness_is_no_sustained_rate() {
        assert_eq!(seen().fell_behind(1_000.0), None);
        let lag = |early_mean, late_mean| Lag {
            early_mean,
            late_mean,
            ..Lag::default()
        };
        // 100 tasks at 10 a second: 50 came between the two means, 10 are a second's worth.
        for (role, early_mean, late_mean, grows) in [
            ("planner", 20.0, 29.0, false),
            ("planner", 20.0, 31.0, true),
            ("archive", 20.0, 31.0, false),
            ("archive", 20.0, 46.0, true),
            ("archive", 90.0, 10.0, false),
        ] {
            let mut growing = seen();
            growing
                .lag
                .insert(role.to_owned(), lag(early_mean, late_mean));
            let told = growing.fell_behind(10.0);
            assert_eq!(told.is_some(), grows, "{role} {late_mean}");
        }
        let mut late = seen();
        late.timeline = (0..40).map(|n| step(n * 100, n as f64 * 50.0)).collect();
        assert!(late.fell_behind(1_000.0).is_some());
        late.timeline = (0..40).map(|n| step(n * 100, 40.0)).collect();
        assert_eq!(late.fell_behind(1_000.0), None);
        late.lost = 1;
        assert!(late.fell_behind(1_000.0).is_some());
    }

    #[test]
    fn the_middle_is_between_the_others() {
        assert_eq!(middle(vec![3.0, 9.0, 1.0]), 3.0);
        assert!(middle(Vec::new()).is_nan());
        // A figure that was not taken is no low one.
        assert!(middle(vec![f64::NAN, 1.0, f64::NAN]).is_nan());
    }
}
