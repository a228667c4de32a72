//! The result, as text and as JSON.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use anyhow::{Context, Result};
use hdrhistogram::Histogram;
use serde::Serialize;

use crate::args::{Args, Plan};
use crate::ledger::Verdict;

/// What a run measured beside its ledger.
#[derive(Debug)]
pub(crate) struct Measured {
    /// How long tasks were registered, s.
    pub(crate) registering_s: f64,
    /// How far registering fell behind its schedule, ms.
    pub(crate) lag: Histogram<u64>,
    /// Commands that were not answered.
    pub(crate) unanswered: u64,
    /// Plain calls a second.
    pub(crate) raw_http_per_s: Option<f64>,
    /// By role, MiB.
    pub(crate) rss_mib: BTreeMap<String, f64>,
    /// When the herd was due, epoch ms.
    pub(crate) herd_due: Option<i64>,
}

/// What is written as JSON.
#[derive(Debug, Serialize)]
pub(crate) struct Report {
    profile: String,
    via: String,
    seed: u64,
    /// Tasks taken in.
    registered: u64,
    /// Tasks of these that were called.
    fired: u64,
    lost: u64,
    early: u64,
    doubled: u64,
    /// Registrations taken in a second.
    rate_per_s: f64,
    /// Tasks called a second: of a herd, from its due time to its last call.
    drain_per_s: f64,
    lateness_ms: Quantiles,
    rss_mib: BTreeMap<String, f64>,
    /// Registrations that were not taken in, and ones of which nobody knows.
    refused: u64,
    unclear: u64,
    /// Tasks due too far ahead to be waited for, and not called.
    pending: u64,
    /// Calls with another due time than was asked for.
    wrong_due: u64,
    /// Calls of tasks that are none of this run's.
    strangers: u64,
    /// How far registering fell behind its schedule. Lateness counts from the due times that the
    /// schedule gave, whatever this is.
    schedule_lag_ms: Quantiles,
    commands: u64,
    commands_unanswered: u64,
    false_answers: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    raw_http_per_s: Option<f64>,
}

#[derive(Debug, Serialize)]
struct Quantiles {
    p50: f64,
    p99: f64,
    p999: f64,
    max: f64,
}

impl Report {
    pub(crate) fn new(args: &Args, plan: &Plan, verdict: &Verdict, measured: Measured) -> Self {
        let span_ms = match (measured.herd_due, verdict.first_call, verdict.last_call) {
            (Some(due), _, Some(last)) => last - due,
            (None, Some(first), Some(last)) => last - first,
            _ => 0,
        };
        Self {
            profile: format!("{:?}", plan.profile).to_lowercase(),
            via: format!("{:?}", args.via).to_lowercase(),
            seed: plan.seed,
            registered: verdict.registered,
            fired: verdict.fired,
            lost: verdict.lost,
            early: verdict.early,
            doubled: count(verdict.doubles.len()),
            rate_per_s: round(verdict.registered as f64 / measured.registering_s.max(0.001)),
            drain_per_s: round(verdict.fired as f64 * 1_000.0 / span_ms.max(1) as f64),
            lateness_ms: Quantiles::of(&verdict.lateness),
            rss_mib: measured
                .rss_mib
                .into_iter()
                .map(|(role, mib)| (role, round(mib)))
                .collect(),
            refused: verdict.refused,
            unclear: verdict.unclear,
            pending: verdict.pending,
            wrong_due: verdict.wrong_due,
            strangers: verdict.strangers,
            schedule_lag_ms: Quantiles::of(&measured.lag),
            commands: verdict.commands,
            commands_unanswered: measured.unanswered,
            false_answers: verdict.false_answers,
            raw_http_per_s: measured.raw_http_per_s.map(round),
        }
    }

    /// Whether everything was as promised.
    pub(crate) fn is_clean(&self) -> bool {
        self.lost == 0
            && self.early == 0
            && self.doubled == 0
            && self.false_answers == 0
            && self.wrong_due == 0
            && self.registered > 0
    }

    /// For people.
    pub(crate) fn text(&self) -> String {
        let mut out = String::new();
        let mut line = |name: &str, value: String| {
            // A string takes all.
            let _ = writeln!(out, "{name:<14} {value}");
        };
        line(
            "profile",
            format!("{} via {}, seed {}", self.profile, self.via, self.seed),
        );
        line(
            "registered",
            format!(
                "{} at {}/s; refused {}, unclear {}; behind schedule p99 {} ms, max {} ms",
                self.registered,
                self.rate_per_s,
                self.refused,
                self.unclear,
                self.schedule_lag_ms.p99,
                self.schedule_lag_ms.max
            ),
        );
        line(
            "fired",
            format!(
                "{} at {}/s; pending {}",
                self.fired, self.drain_per_s, self.pending
            ),
        );
        line("lost", self.lost.to_string());
        line("early", self.early.to_string());
        line("doubled", self.doubled.to_string());
        line("wrong due", self.wrong_due.to_string());
        let Quantiles {
            p50,
            p99,
            p999,
            max,
        } = self.lateness_ms;
        line(
            "lateness",
            format!("p50 {p50} ms, p99 {p99} ms, p99.9 {p999} ms, max {max} ms"),
        );
        if self.commands > 0 {
            line(
                "commands",
                format!(
                    "{}; unanswered {}; false answers {}",
                    self.commands, self.commands_unanswered, self.false_answers
                ),
            );
        }
        if let Some(raw) = self.raw_http_per_s {
            line("raw http", format!("{raw}/s, by the same receiver"));
        }
        for (role, mib) in &self.rss_mib {
            line("memory", format!("{role} {mib} MiB at most"));
        }
        out
    }
}

impl Quantiles {
    #[expect(clippy::cast_precision_loss, reason = "milliseconds of a run")]
    fn of(histogram: &Histogram<u64>) -> Self {
        let at = |quantile| histogram.value_at_quantile(quantile) as f64;
        Self {
            p50: at(0.5),
            p99: at(0.99),
            p999: at(0.999),
            max: histogram.max() as f64,
        }
    }
}

/// Writes each double as a line: fire id, attempt, due, both arrivals, epoch ms.
pub(crate) fn write_doubles(path: &std::path::Path, verdict: &Verdict) -> Result<()> {
    let mut text = String::new();
    for double in &verdict.doubles {
        let (first, again) = (double.first, double.again);
        writeln!(
            text,
            "{:032x} {} {} {} {}",
            first.fire_id, first.attempt, first.due, first.arrived, again.arrived
        )
        .context("format a line")?;
    }
    std::fs::write(path, text).with_context(|| format!("write `{}`", path.display()))
}

fn count(length: usize) -> u64 {
    u64::try_from(length).unwrap_or(u64::MAX)
}

fn round(value: f64) -> f64 {
    (value * 10.0).round() / 10.0
}
