//! What is told: the JSON file, the summary, the verdict.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::Path;

use anyhow::{Context, Result};
use hdrhistogram::Histogram;
use serde::Serialize;

use crate::commands::Verdict;
use crate::harm::Done;
use crate::lag::Lag;

/// Everything a run found out. Times end in their unit.
#[derive(Clone, Debug, Default, Serialize)]
pub(crate) struct Report {
    pub(crate) profile: &'static str,
    pub(crate) via: &'static str,
    pub(crate) seed: u64,
    /// When the run began, epoch ms; its timeline counts from here.
    pub(crate) begun_ms: i64,
    /// Tasks that the plan offered.
    pub(crate) offered: u64,
    /// Tasks that the log or the door acknowledged.
    pub(crate) registered: u64,
    /// Tasks given up: refused, or not acknowledged in time.
    pub(crate) refused: u64,
    /// Tasks that were called.
    pub(crate) fired: u64,
    pub(crate) lost: u64,
    pub(crate) early: u64,
    pub(crate) doubled: u64,
    /// Of these, calls that a harm lies before whose first call came shortly before it.
    pub(crate) doubled_at_harm: u64,
    /// Further attempts of a firing.
    pub(crate) retried: u64,
    /// Calls with another due time than asked for.
    pub(crate) wrong_due: u64,
    /// Cancels acknowledged of tasks that are registered to be cancelled, and calls of such tasks.
    pub(crate) cancelled: u64,
    pub(crate) called_cancelled: u64,
    /// First calls at most 50 ms late.
    pub(crate) on_time: u64,
    /// Awaited tasks, those with a command aside, fired from the first due time to the last call.
    pub(crate) rate_per_s: f64,
    /// The same, from the first call to the last.
    pub(crate) drain_per_s: f64,
    /// Acknowledged from the first to the last acknowledgement.
    pub(crate) register_rate_per_s: f64,
    /// Registrations repeated after no or a bad answer.
    pub(crate) register_repeated: u64,
    /// How far this program was behind its plan at worst.
    pub(crate) behind_ms_max: f64,
    pub(crate) lateness_ms: Lateness,
    /// First call behind the first due time.
    pub(crate) first_call_ms: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) raw_http_per_s: Option<f64>,
    /// Most resident memory by role.
    pub(crate) rss_mib: BTreeMap<String, f64>,
    /// Processor time of watched processes over the run, by role, and of this one by its parts.
    pub(crate) cpu_s: BTreeMap<String, f64>,
    pub(crate) own_cpu_s: BTreeMap<String, f64>,
    /// By role, if watched: records that it had still to read.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub(crate) lag: BTreeMap<&'static str, Lag>,
    pub(crate) harms: Vec<Done>,
    pub(crate) commands: u64,
    pub(crate) unanswered: u64,
    pub(crate) false_answers: u64,
    /// By command, by answer.
    pub(crate) answers: BTreeMap<String, BTreeMap<String, u64>>,
    /// By way to lie.
    pub(crate) false_by: BTreeMap<String, u64>,
    /// Ids of some that were lost.
    pub(crate) lost_ids: Vec<String>,
    /// Answers found false, the first few.
    pub(crate) false_examples: Vec<String>,
    /// How long the run took.
    pub(crate) seconds: f64,
}

/// Of first calls, milliseconds.
#[derive(Clone, Copy, Debug, Default, Serialize)]
pub(crate) struct Lateness {
    pub(crate) mean: f64,
    pub(crate) p50: f64,
    pub(crate) p90: f64,
    pub(crate) p99: f64,
    pub(crate) p999: f64,
    pub(crate) max: f64,
}

impl Lateness {
    /// Of a histogram in microseconds.
    pub(crate) fn of(histogram: &Histogram<u64>) -> Self {
        let at = |quantile| histogram.value_at_quantile(quantile) as f64 / 1_000.0;
        Self {
            mean: histogram.mean() / 1_000.0,
            p50: at(0.5),
            p90: at(0.9),
            p99: at(0.99),
            p999: at(0.999),
            max: histogram.max() as f64 / 1_000.0,
        }
    }
}

impl Report {
    /// Whether everything was as promised, and anything was seen at all.
    pub(crate) fn is_exact(&self) -> bool {
        let wrong = self.lost
            + self.early
            + self.doubled
            + self.wrong_due
            + self.false_answers
            + self.called_cancelled;
        let answered = self.commands == 0 || self.unanswered < self.commands;
        wrong == 0 && self.registered > 0 && answered
    }

    /// Takes over what was found about commands.
    pub(crate) fn set_verdict(&mut self, verdict: Verdict) {
        self.commands = verdict.commands;
        self.unanswered = verdict.unanswered;
        self.false_answers = verdict.false_answers;
        self.answers = verdict.answers;
        self.false_by = verdict.ways;
        self.false_examples = verdict.examples;
    }

    /// Writes the JSON file.
    ///
    /// # Errors
    /// Where it cannot be written.
    pub(crate) fn write(&self, path: &Path) -> Result<()> {
        let text = serde_json::to_string_pretty(self)?;
        std::fs::write(path, text + "\n").with_context(|| format!("write `{}`", path.display()))
    }

    /// For people.
    pub(crate) fn summary(&self) -> String {
        let mut out = Lines::default();
        out.put(
            "load",
            format!("{} by {}, seed {}", self.profile, self.via, self.seed),
        );
        self.put_registered(&mut out);
        out.put(
            "fired",
            format!("{} at {:.0}/s", self.fired, self.rate_per_s),
        );
        out.put("drained", format!("{:.0}/s", self.drain_per_s));
        if let Some(raw) = self.raw_http_per_s {
            out.put("raw HTTP", format!("{raw:.0}/s"));
        }
        let late = &self.lateness_ms;
        let quantiles = format!(
            "p50 {:.1}  p90 {:.1}  p99 {:.1}  p99.9 {:.1}  max {:.1}",
            late.p50, late.p90, late.p99, late.p999, late.max
        );
        out.put("lateness, ms", quantiles);
        self.put_commands(&mut out);
        self.put_costs(&mut out);
        let verdict = format!("{} {} {}", self.lost, self.early, self.doubled);
        out.put("lost early doubled", verdict);
        for done in &self.harms {
            out.put(
                "harm",
                format!("{} {} at {}", done.what, done.role, done.at),
            );
        }
        if !self.harms.is_empty() {
            out.put("doubled at a harm", self.doubled_at_harm.to_string());
        }
        if self.retried + self.wrong_due > 0 {
            let (retried, wrong) = (self.retried, self.wrong_due);
            out.put(
                "also",
                format!("{retried} retried, {wrong} with another due time"),
            );
        }
        out.0
    }

    fn put_registered(&self, out: &mut Lines) {
        let registered = format!(
            "{} of {} at {:.0}/s, {} refused, {} repeated",
            self.registered,
            self.offered,
            self.register_rate_per_s,
            self.refused,
            self.register_repeated
        );
        out.put("registered", registered);
        out.put(
            "behind the plan",
            format!("{:.1} ms at worst", self.behind_ms_max),
        );
    }

    fn put_costs(&self, out: &mut Lines) {
        for (role, mib) in &self.rss_mib {
            out.put(
                &format!("memory of {role}"),
                format!("{mib:.0} MiB at most"),
            );
        }
        let tasks = self.registered.max(1) as f64;
        let own = self
            .own_cpu_s
            .iter()
            .map(|(part, s)| (format!("load: {part}"), s));
        let watched = self.cpu_s.iter().map(|(role, s)| (role.clone(), s));
        for (of, seconds) in watched.chain(own) {
            let each = seconds * 1e6 / tasks;
            out.put(&format!("processor, {of}"), format!("{each:.1} us a task"));
        }
        for (role, lag) in &self.lag {
            let told = format!(
                "{} at most, {:.0} early, {:.0} late, {} at the end",
                lag.max, lag.early_mean, lag.late_mean, lag.end
            );
            out.put(&format!("lag of {role}"), told);
        }
    }

    fn put_commands(&self, out: &mut Lines) {
        if self.commands == 0 {
            return;
        }
        let all = format!(
            "{}, {} unanswered, {} answered falsely",
            self.commands, self.unanswered, self.false_answers
        );
        out.put("commands", all);
        for (command, answers) in &self.answers {
            let told = answers
                .iter()
                .map(|(answer, count)| format!("{answer} {count}"));
            let told: Vec<String> = told.collect();
            out.put(&format!("  {command}"), told.join(", "));
        }
        for example in &self.false_examples {
            out.put("  false", example.clone());
        }
    }
}

/// Names and values, in two columns.
#[derive(Default)]
struct Lines(String);

impl Lines {
    fn put(&mut self, name: &str, value: String) {
        // Writing to a string cannot fail.
        let _ = writeln!(self.0, "{name:<22} {value}");
    }
}
