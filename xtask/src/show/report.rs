//! Figures, their aims, and the table and file that keep them.

use super::ShowArgs;
use crate::{repo, sys};
use anyhow::{Context, Result};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

/// What a figure must be.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Aim {
    Is(f64),
    AtMost(f64),
    AtLeast(f64),
    /// Printed to be compared, held to nothing.
    Told,
}

impl Aim {
    fn holds(self, value: f64) -> bool {
        match self {
            Self::Is(aim) => value == aim,
            Self::AtMost(aim) => value <= aim,
            Self::AtLeast(aim) => value >= aim,
            Self::Told => true,
        }
    }
}

impl fmt::Display for Aim {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Is(aim) => write!(f, "= {}", number(*aim)),
            Self::AtMost(aim) => write!(f, "<= {}", number(*aim)),
            Self::AtLeast(aim) => write!(f, ">= {}", number(*aim)),
            Self::Told => write!(f, "-"),
        }
    }
}

/// One measured thing.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Figure {
    pub name: String,
    pub value: f64,
    pub unit: String,
    /// As it is printed: `<= 20`.
    pub aim: String,
    pub pass: bool,
}

/// Everything that one claim measured.
#[derive(Debug, Default)]
pub(crate) struct Report {
    figures: Vec<Figure>,
    notes: Vec<String>,
}

#[derive(Serialize)]
struct Written<'a> {
    name: &'a str,
    claim: &'a str,
    commit: String,
    /// Whether the checkout differed from that commit.
    dirty: bool,
    date: String,
    machine: Machine,
    /// `release`, or `debug` when the figures prove nothing about speed.
    build: &'a str,
    /// `full`, or `quick` when runs were shorter than the claim asks for.
    scale: &'a str,
    /// Where the programs were taken from, if not built here.
    programs: Option<String>,
    minutes: f64,
    pass: bool,
    error: Option<String>,
    figures: &'a [Figure],
    notes: &'a [String],
}

/// The machine that was measured on.
#[derive(Debug, Serialize)]
pub(crate) struct Machine {
    cores: usize,
    memory_mib: u64,
    cpu: String,
    /// One, five and fifteen minutes, at the end of the run: what else the machine had to do.
    load: String,
}

impl Report {
    pub(crate) fn figure(&mut self, name: impl Into<String>, value: f64, unit: &str, aim: Aim) {
        let (name, pass) = (name.into(), aim.holds(value));
        let unit = unit.to_owned();
        self.figures.push(Figure {
            name,
            value,
            unit,
            aim: aim.to_string(),
            pass,
        });
    }

    /// A fact that is no number: a list of cases, a hash.
    pub(crate) fn note(&mut self, note: impl Into<String>) {
        self.notes.push(note.into());
    }

    /// A figure by its name.
    pub(crate) fn value(&self, name: &str) -> Option<f64> {
        let found = self.figures.iter().find(|figure| figure.name == name);
        found.map(|figure| figure.value)
    }

    /// The first figure that misses its aim.
    pub(crate) fn missed(&self) -> Option<&str> {
        self.figures
            .iter()
            .find(|figure| !figure.pass)
            .map(|figure| figure.name.as_str())
    }

    pub(crate) fn print(&self) {
        print!("{}", self.table());
    }

    fn table(&self) -> String {
        let mut text = String::new();
        for note in &self.notes {
            text.push_str(&format!("  {note}\n"));
        }
        let width = self.figures.iter().map(|f| f.name.len()).max().unwrap_or(0);
        for figure in &self.figures {
            let verdict = match (figure.pass, figure.aim.as_str()) {
                (true, "-") => "",
                (true, _) => "ok",
                (false, _) => "MISS",
            };
            let (name, value) = (&figure.name, number(figure.value));
            let (unit, aim) = (&figure.unit, &figure.aim);
            let line = format!("  {name:width$}  {value:>12} {unit:8} {aim:>12}  {verdict}");
            text.push_str(line.trim_end());
            text.push('\n');
        }
        text
    }

    /// Writes `target/show/<name>.json` and returns its path.
    pub(crate) fn write(
        &self,
        name: &str,
        claim: &str,
        args: &ShowArgs,
        took: Duration,
        result: &Result<()>,
    ) -> Result<PathBuf> {
        let path =
            repo::dir(repo::root().join("target").join("show"))?.join(format!("{name}.json"));
        let written = Written {
            name,
            claim,
            commit: repo::commit(),
            dirty: repo::is_dirty(),
            date: sys::capture(Command::new("date").args(["-u", "+%Y-%m-%dT%H:%M:%SZ"]))?,
            machine: machine(),
            build: if args.debug { "debug" } else { "release" },
            scale: if args.quick { "quick" } else { "full" },
            programs: args.programs.as_ref().map(|dir| dir.display().to_string()),
            minutes: took.as_secs_f64() / 60.0,
            pass: result.is_ok() && self.missed().is_none(),
            error: result.as_ref().err().map(|error| format!("{error:#}")),
            figures: &self.figures,
            notes: &self.notes,
        };
        std::fs::write(&path, serde_json::to_vec_pretty(&written)?)
            .with_context(|| format!("write `{}`", path.display()))?;
        Ok(path)
    }
}

/// What an earlier run of a claim found in this checkout, by the names of its figures; none where it
/// was not run, or not in full.
pub(crate) fn earlier(name: &str) -> BTreeMap<String, Figure> {
    #[derive(Deserialize)]
    struct Earlier {
        scale: String,
        figures: Vec<Figure>,
    }
    let path = repo::root().join(format!("target/show/{name}.json"));
    let read = std::fs::read(path).ok();
    let earlier = read.and_then(|bytes| serde_json::from_slice::<Earlier>(&bytes).ok());
    let figures = earlier
        .filter(|earlier| earlier.scale == "full")
        .map_or_else(Vec::new, |earlier| earlier.figures);
    let named = figures
        .into_iter()
        .map(|figure| (figure.name.clone(), figure));
    named.collect()
}

/// This machine, and how busy it is.
pub(crate) fn machine() -> Machine {
    let of = |file: &str, key: &str| {
        let text = std::fs::read_to_string(file).unwrap_or_default();
        let line = text
            .lines()
            .find(|line| line.starts_with(key))
            .unwrap_or_default();
        line.split_once(':')
            .map(|(_, value)| value.trim().to_owned())
            .unwrap_or_default()
    };
    let memory = of("/proc/meminfo", "MemTotal");
    let kib: u64 = memory
        .split(' ')
        .next()
        .and_then(|kib| kib.parse().ok())
        .unwrap_or(0);
    Machine {
        cores: std::thread::available_parallelism().map_or(0, usize::from),
        memory_mib: kib / 1024,
        cpu: of("/proc/cpuinfo", "model name"),
        load: std::fs::read_to_string("/proc/loadavg")
            .unwrap_or_default()
            .trim()
            .to_owned(),
    }
}

/// Whole numbers with separators, others with as many decimals as tell something.
fn number(value: f64) -> String {
    if value.fract() != 0.0 {
        return if value.abs() < 10.0 {
            format!("{value:.2}")
        } else {
            format!("{value:.1}")
        };
    }
    let digits = format!("{:.0}", value.abs());
    let mut text = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index) % 3 == 0 {
            text.push(',');
        }
        text.push(digit);
    }
    if value < 0.0 {
        format!("-{text}")
    } else {
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_table_has_each_figure_beside_its_aim() {
        let mut report = Report::default();
        report.figure("lost", 0.0, "", Aim::Is(0.0));
        report.figure("lateness p99", 20.25, "ms", Aim::AtMost(20.0));
        report.figure("drained", 1_234_567.0, "/s", Aim::Told);
        let table = report.table();
        let words: Vec<Vec<&str>> = table
            .lines()
            .map(|line| line.split_whitespace().collect())
            .collect();
        assert_eq!(words[0], ["lost", "0", "=", "0", "ok"]);
        assert_eq!(
            words[1],
            ["lateness", "p99", "20.2", "ms", "<=", "20", "MISS"]
        );
        assert_eq!(words[2], ["drained", "1,234,567", "/s", "-"]);
        assert_eq!(report.missed(), Some("lateness p99"));
    }

    #[test]
    fn a_value_that_is_not_a_number_misses_every_aim() {
        for aim in [Aim::Is(0.0), Aim::AtMost(1.0), Aim::AtLeast(0.0)] {
            assert!(!aim.holds(f64::NAN));
        }
    }
}
