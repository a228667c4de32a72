//! Every test of the project, with what it needs: `cargo xtask test`.
//!
//! Brings up Kafka and MariaDB unless they run, tells the tests where they are, runs the whole
//! workspace, then the simulator, and takes down what it brought up. The last line it prints is
//! `N passed, N failed, N skipped`.

use crate::services::Services;
use crate::{repo, sys};
use anyhow::{Context, Result, bail};
use clap::Args;
use std::fmt;
use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};

#[derive(Args, Debug, Clone)]
pub(crate) struct TestArgs {
    /// How many seeds the simulator runs
    #[arg(long, default_value_t = 200)]
    pub seeds: u32,
    /// Leave Kafka and MariaDB running
    #[arg(long)]
    pub keep: bool,
}

/// How many tests ended how.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Tally {
    pub passed: u64,
    pub failed: u64,
    pub skipped: u64,
}

impl fmt::Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} passed, {} failed, {} skipped",
            self.passed, self.failed, self.skipped
        )
    }
}

/// Runs everything, prints the tally last, and says whether all passed.
pub(crate) fn run(args: &TestArgs) -> bool {
    let mut tally = Tally::default();
    let result = all(args, &mut tally);
    if let Err(error) = &result {
        eprintln!("error: {error:#}");
        tally.failed = tally.failed.max(1);
    }
    println!("{tally}");
    tally.failed == 0
}

/// Tests first, then the simulator's seeds even if tests failed; the first error.
fn all(args: &TestArgs, tally: &mut Tally) -> Result<()> {
    // The C and C++ that rdkafka, sqlite and the TLS library are made of.
    sys::install(&["make", "cc", "c++"], &["build-essential"])?;
    let services = Services::up(args.keep)?;
    let tested = tests(&services, tally);
    let secured = secured(&services, tally);
    drop(services);
    let simulated = simulator(args.seeds, &[], tally);
    let recurring = simulator(args.seeds, &["--recurring"], tally);
    tested.and(secured).and(simulated).and(recurring)
}

/// All tests of the workspace, those that want a broker or a database included.
fn tests(services: &Services, tally: &mut Tally) -> Result<()> {
    let mut cargo = repo::cargo();
    cargo.args(["test", "--workspace", "--no-fail-fast"]);
    counted(cargo, services, tally)
}

/// TLS and SASL to Kafka: a build of its own, because nothing else of the project needs OpenSSL.
fn secured(services: &Services, tally: &mut Tally) -> Result<()> {
    let ready = || sys::capture(Command::new("pkg-config").args(["--exists", "openssl"]));
    if ready().is_err() {
        sys::install_packages(&["libssl-dev", "pkg-config"])?;
    }
    let mut cargo = repo::cargo();
    cargo.args(["test", "-p", "pipeline", "--features", "kafka-ssl"]);
    cargo.args(["--test", "secure"]);
    counted(cargo, services, tally)
}

/// Runs tests by cargo and counts them.
fn counted(mut cargo: Command, services: &Services, tally: &mut Tally) -> Result<()> {
    services.tell(&mut cargo);
    let failed_before = tally.failed;
    let result = stream(&mut cargo, |line| tally.add(line));
    if result.is_err() && tally.failed == failed_before {
        // It did not build, or a test process ended without a word.
        tally.failed += 1;
    }
    result
}

/// The simulator's seeds count as one test.
fn simulator(seeds: u32, beside: &[&str], tally: &mut Tally) -> Result<()> {
    let mut cargo = repo::cargo();
    cargo.args([
        "run",
        "--release",
        "-p",
        "sim",
        "--",
        "--seeds",
        &seeds.to_string(),
    ]);
    cargo.args(beside);
    let result = sys::run(&mut cargo);
    match result {
        Ok(()) => tally.passed += 1,
        Err(_) => tally.failed += 1,
    }
    result.context("simulator")
}

impl Tally {
    /// Takes a line of libtest: `test result: ok. 3 passed; 0 failed; 1 ignored; …`.
    pub(crate) fn add(&mut self, line: &str) {
        let Some((_, counts)) = line
            .strip_prefix("test result: ")
            .and_then(|verdict| verdict.split_once(". "))
        else {
            return;
        };
        for count in counts.split("; ") {
            let Some((number, kind)) = count.split_once(' ') else {
                continue;
            };
            let Ok(number) = number.parse::<u64>() else {
                continue;
            };
            match kind {
                "passed" => self.passed += number,
                "failed" => self.failed += number,
                "ignored" => self.skipped += number,
                _ => {}
            }
        }
    }
}

/// Runs a command, prints each line of its stdout as it comes and shows it to `each`.
pub(crate) fn stream(command: &mut Command, mut each: impl FnMut(&str)) -> Result<()> {
    let line = sys::line(command);
    let start = || format!("start {line}");
    let mut child = command.stdout(Stdio::piped()).spawn().with_context(start)?;
    let stdout = child.stdout.take().context("stdout is piped")?;
    for text in BufReader::new(stdout).split(b'\n') {
        let text = text?;
        let text = String::from_utf8_lossy(&text);
        println!("{text}");
        each(&text);
    }
    let status = child.wait()?;
    if !status.success() {
        bail!("{line} ended with {status}");
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_are_summed_over_test_binaries() {
        let mut tally = Tally::default();
        for line in [
            "test result: ok. 3 passed; 0 failed; 1 ignored; 0 measured; 0 filtered out; finished in 0s",
            "test some::name ... ok",
            "test result: FAILED. 4 passed; 2 failed; 0 ignored; 0 measured; 5 filtered out",
        ] {
            tally.add(line);
        }
        assert_eq!(
            tally,
            Tally {
                passed: 7,
                failed: 2,
                skipped: 1
            }
        );
        assert_eq!(tally.to_string(), "7 passed, 2 failed, 1 skipped");
    }
}
