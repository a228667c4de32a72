//! The table that a bench ends with.

use super::BenchArgs;
use crate::repo;
use crate::show::report::{self, Machine};
use anyhow::{Context, Result};
use serde::Serialize;
use std::collections::BTreeMap;
use std::path::PathBuf;

pub(super) const RAW_HTTP: &str = "raw HTTP";
pub(super) const TURNS_10_000: &str = "raw log: in turns of 10000";

pub(super) fn raw_turns(records: u64) -> String {
    format!("raw log: in turns of {records}")
}

/// Everything measured, in order.
#[derive(Debug, Default)]
pub(super) struct Table(Vec<Row>);

/// One part.
#[derive(Debug, Clone, Serialize)]
pub(super) struct Row {
    name: String,
    /// Records of a raw log, tasks or calls of anything else.
    per_s: f64,
    /// Of the limit, %.
    share: Option<f64>,
    limit: Option<String>,
    /// Records written in turns, a task.
    pub(super) written: Option<f64>,
    /// Processor time of each process, microseconds.
    us: BTreeMap<String, f64>,
    /// Of a load: nothing lost, early, doubled.
    pub(super) exact: Option<bool>,
}

impl Row {
    pub(super) fn new(name: &str, per_s: f64) -> Self {
        Self {
            name: name.to_owned(),
            per_s,
            share: None,
            limit: None,
            written: None,
            us: BTreeMap::new(),
            exact: None,
        }
    }

    pub(super) fn cost(&mut self, process: &str, us: f64) {
        *self.us.entry(process.to_owned()).or_default() += us;
    }

    pub(super) fn share(&mut self, of: Option<f64>, limit: &str) {
        self.share = of.map(|of| 100.0 * self.per_s / of);
        self.limit = of.map(|_| limit.to_owned());
    }
}

impl Table {
    pub(super) fn add(&mut self, row: Row) {
        println!("{}", row.line());
        self.0.push(row);
    }

    pub(super) fn rate(&self, name: &str) -> Option<f64> {
        let found = self.0.iter().find(|row| row.name == name);
        found.map(|row| row.per_s)
    }

    pub(super) fn markdown(&self) -> String {
        let mut text =
            "| part | per second | share of limit | core-us each: together | by process |\n\
                        |---|---:|---|---:|---|\n"
                .to_owned();
        for row in &self.0 {
            text.push_str(&row.line());
            text.push('\n');
        }
        text
    }

    /// Writes `target/bench/bench.json` and `bench.md`; the latter's path.
    pub(super) fn write(&self, args: &BenchArgs) -> Result<PathBuf> {
        #[derive(Serialize)]
        struct Written<'a> {
            commit: String,
            dirty: bool,
            build: &'a str,
            scale: &'a str,
            machine: Machine,
            rows: &'a [Row],
        }
        let written = Written {
            commit: repo::commit(),
            dirty: repo::is_dirty(),
            build: if args.debug { "debug" } else { "release" },
            scale: if args.quick { "quick" } else { "full" },
            machine: report::machine(),
            rows: &self.0,
        };
        let dir = repo::dir(repo::root().join("target/bench"))?;
        let (json, markdown) = (dir.join("bench.json"), dir.join("bench.md"));
        std::fs::write(&json, serde_json::to_vec_pretty(&written)?)
            .with_context(|| format!("write `{}`", json.display()))?;
        std::fs::write(&markdown, self.markdown())
            .with_context(|| format!("write `{}`", markdown.display()))?;
        Ok(markdown)
    }
}

impl Row {
    fn line(&self) -> String {
        let share = match (self.share, &self.limit) {
            (Some(share), Some(limit)) => format!("{share:.0} % of {limit}"),
            _ => String::new(),
        };
        let together: f64 = self.us.values().sum();
        let by = self
            .us
            .iter()
            .map(|(process, us)| format!("{process} {us:.1}"));
        let mut by = by.collect::<Vec<_>>().join(", ");
        if let Some(written) = self.written {
            by.push_str(&format!("; {written:.2} records written in turns"));
        }
        if self.exact == Some(false) {
            by.push_str("; NOT EXACT");
        }
        let (name, rate) = (&self.name, self.per_s);
        format!("| {name} | {rate:.0} | {share} | {together:.1} | {by} |")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_tells_its_share_and_what_each_process_cost() {
        let mut table = Table::default();
        table.add(Row::new(RAW_HTTP, 50_000.0));
        let mut row = Row::new("dispatcher alone", 10_000.0);
        row.share(table.rate(RAW_HTTP), RAW_HTTP);
        row.cost("dispatcher", 60.0);
        row.cost("kafka", 5.5);
        table.add(row);
        let line = table.markdown().lines().last().expect("rows").to_owned();
        let expected =
            "| dispatcher alone | 10000 | 20 % of raw HTTP | 65.5 | dispatcher 60.0, kafka 5.5 |";
        assert_eq!(line, expected);
        assert_eq!(table.rate("absent"), None);
    }
}
