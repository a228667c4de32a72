//! The one binary: reads the command line and the configuration, starts what they ask for, waits,
//! drains.

mod admin;
mod broker;
mod busy;
mod cli;
mod config;
mod cron;
mod desk;
mod echo;
mod internal;
mod owners;
mod roles;
mod stages;
mod stop;
mod sweep;
mod telemetry;
mod topics;
mod workers;

use std::net::SocketAddr;
use std::path::Path;
use std::process::ExitCode;

use clap::Parser;

use crate::cli::{Cli, Command, ConfigCommand, Cron, RoleName, Topics};
use crate::config::{Config, LogKind};

/// Memory goes from the log's threads to the worker's and back, record by record.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// A wrong configuration, as sysexits.h has it.
const EX_CONFIG: u8 = 78;

fn main() -> ExitCode {
    let cli = Cli::parse();
    match run(cli.command) {
        Ok(()) => ExitCode::SUCCESS,
        Err(Failure::Config(problems)) => {
            for problem in &problems {
                eprintln!("config: {problem}");
            }
            eprintln!(
                "{} problem(s); every option is in `tidewheel config default`",
                problems.len()
            );
            ExitCode::from(EX_CONFIG)
        }
        Err(Failure::Other(error)) => {
            eprintln!("tidewheel: {error:#}");
            ExitCode::FAILURE
        }
    }
}

enum Failure {
    Config(Vec<String>),
    Other(anyhow::Error),
}

impl From<anyhow::Error> for Failure {
    fn from(error: anyhow::Error) -> Self {
        Self::Other(error)
    }
}

fn run(command: Command) -> Result<(), Failure> {
    match command {
        Command::Dev(dev) => {
            let mut config = load(dev.config.as_deref())?;
            config.log.kind = LogKind::Embedded;
            config.http.listen = dev.http.to_string();
            config.planner.data = dev.data.join("planner");
            if config.archive.url.is_empty() {
                config.archive.url = format!("sqlite://{}", dev.data.join("archive.db").display());
            }
            config.embedded.data = dev.data;
            config.dispatcher.allow_loopback = true;
            config.ingest.allow_anonymous_loopback = dev.http.ip().is_loopback();
            check_door(&config)?;
            telemetry::start_logs(&config.telemetry)?;
            Ok(runtime()?.block_on(roles::serve(config, RoleName::ALL.to_vec()))?)
        }
        Command::Server(server) => {
            let config = load(server.config.as_deref())?;
            if config.log.kind == LogKind::Embedded && server.role.len() < RoleName::ALL.len() {
                return Err(Failure::Config(vec![
                    "`log.kind` is embedded: that log is for one process with all roles; name all \
                     of them or use kafka"
                        .to_owned(),
                ]));
            }
            if server.role.contains(&RoleName::Ingest) {
                check_door(&config)?;
            }
            telemetry::start_logs(&config.telemetry)?;
            Ok(runtime()?.block_on(roles::serve(config, server.role))?)
        }
        Command::Topics(command) => {
            let (Topics::Plan(file) | Topics::Apply(file) | Topics::Check(file)) = &command;
            let config = load(file.config.as_deref())?;
            Ok(topics::run(&command, &config)?)
        }
        Command::Config(ConfigCommand::Check(file)) => {
            load(file.config.as_deref())?;
            println!("ok");
            Ok(())
        }
        Command::Config(ConfigCommand::Default) => {
            print!("{}", config::DEFAULT);
            Ok(())
        }
        Command::Cron(Cron::Explain(asked)) => Ok(cron::explain(&asked)?),
        Command::Echo(echo) => Ok(runtime()?.block_on(echo::serve(echo.listen))?),
    }
}

fn load(file: Option<&Path>) -> Result<Config, Failure> {
    Config::load(file, std::env::vars()).map_err(Failure::Config)
}

/// Whether the door may open where it is to listen: before anything else has begun.
fn check_door(config: &Config) -> Result<(), Failure> {
    let listen: SocketAddr =
        config.http.listen.parse().map_err(|_| {
            Failure::Config(vec!["`http.listen` is no address and port".to_owned()])
        })?;
    let problems = config.ingest.validate(listen);
    if problems.is_empty() {
        return Ok(());
    }
    let named = |problem| format!("section `ingest`: {problem}");
    Err(Failure::Config(problems.into_iter().map(named).collect()))
}

fn runtime() -> anyhow::Result<tokio::runtime::Runtime> {
    Ok(tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()?)
}
