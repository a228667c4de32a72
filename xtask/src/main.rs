//! The project's own tooling: `cargo xtask <command>`.
//!
//! Reads the repository it stands in; writes only below `target/`. Services (a real Kafka from the
//! jars of Maven Central, a real MariaDB) live in `target/services` of the repository, whatever
//! `CARGO_TARGET_DIR` says, so that every shell and every test run of this checkout finds the same
//! ones. They are started detached and outlive the command; `down` ends exactly the process ids
//! that `up` wrote down, after looking that they still are what was started.
//!
//! Start reading at [`services`] for `kafka` and `mysql`, at [`tidy`] for the rules of the house.

mod bench;
mod harness;
mod repo;
mod services;
mod show;
mod sys;
mod test;
mod tidy;
mod verify;

use anyhow::Result;
use clap::{Parser, Subcommand};
use std::process::ExitCode;

#[derive(Parser)]
#[command(name = "cargo xtask", about = "The project's own tooling", version)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// May I push? Format, tidy, cores alone, lints, all tests, simulator seeds
    Verify(test::TestArgs),
    /// The rules of the house that no compiler checks
    Tidy,
    /// Every test, with Kafka and MariaDB brought up for it; ends with `N passed, N failed, N skipped`
    Test(test::TestArgs),
    /// Prove what the project claims of itself: figures beside their aims
    Show(show::ShowArgs),
    /// Measure every part alone and the whole beside the limits of this machine
    Bench(bench::BenchArgs),
    /// A real Apache Kafka on this machine
    #[command(subcommand)]
    Kafka(services::kafka::KafkaCommand),
    /// A real MariaDB on this machine
    #[command(subcommand)]
    Mysql(services::mysql::MysqlCommand),
}

fn main() -> ExitCode {
    match run(Cli::parse()) {
        Ok(code) => code,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(cli: Cli) -> Result<ExitCode> {
    match cli.command {
        Command::Verify(args) => verify::run(&args),
        Command::Tidy => tidy::run(),
        // Its last line is for machines; nothing may be printed behind it.
        Command::Test(args) => return Ok(ExitCode::from(u8::from(!test::run(&args)))),
        Command::Show(args) => show::run(&args),
        Command::Bench(args) => bench::run(&args),
        Command::Kafka(command) => services::kafka::run(command),
        Command::Mysql(command) => services::mysql::run(command),
    }?;
    Ok(ExitCode::SUCCESS)
}
