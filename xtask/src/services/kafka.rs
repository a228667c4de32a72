//! A real Apache Kafka without a container: jars from Maven Central, KRaft, one or three brokers.
//!
//! Broker settings stand in [`settings`], with their reasons.

mod jars;
pub(crate) mod secure;
mod settings;
mod wire;

use crate::services::{self, Process, Running};
use crate::{repo, sys};
use anyhow::{Context, Result, bail};
use clap::{Args, Subcommand};
use settings::Layout;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

/// The port of the first broker unless told otherwise.
pub(crate) const DEFAULT_PORT: u16 = 19092;
const DEFAULT_VERSION: &str = "4.2.0";
const START_LIMIT: Duration = Duration::from_secs(90);

#[derive(Subcommand)]
pub(crate) enum KafkaCommand {
    /// Start it, or say where it already runs; prints `bootstrap 127.0.0.1:PORT`, and where it
    /// speaks TLS and wants a password
    Up(UpArgs),
    /// End it
    Down(DownArgs),
    /// What runs, where, with which process ids
    Status,
    /// Console producer of the jars, stdin to records: ARGS as for kafka-console-producer.sh
    ConsoleProducer(ToolArgs),
    /// Console consumer of the jars: ARGS as for kafka-console-consumer.sh
    ConsoleConsumer(ToolArgs),
    /// Any class of the jars, for instance org.apache.kafka.tools.TopicCommand
    Tool {
        class: String,
        #[command(flatten)]
        args: ToolArgs,
    },
}

#[derive(Args, Debug, Clone)]
pub(crate) struct UpArgs {
    /// Brokers: 1, or 3 with replication factor 3
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u16).range(1..=3))]
    pub brokers: u16,
    /// Kafka's version; `4.2` and `3.9` stand for the release the project is tested with
    #[arg(long, default_value = DEFAULT_VERSION)]
    pub version: String,
    /// Where to keep data instead of target/services (never removed by `down --wipe`)
    #[arg(long)]
    pub data: Option<PathBuf>,
    /// Port of the first broker; the others take the next ones, controllers those above +10,
    /// listeners with TLS those above +20
    #[arg(long, default_value_t = DEFAULT_PORT)]
    pub port: u16,
}

#[derive(Args, Debug, Clone)]
pub(crate) struct DownArgs {
    #[arg(long, default_value_t = DEFAULT_PORT)]
    pub port: u16,
    /// Remove its data too, so that the next `up` is empty
    #[arg(long)]
    pub wipe: bool,
}

#[derive(Args, Debug, Clone)]
pub(crate) struct ToolArgs {
    /// Which version's jars
    #[arg(long, default_value = DEFAULT_VERSION)]
    pub jars: String,
    /// Handed to the class as they are
    #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
    pub args: Vec<String>,
}

impl ToolArgs {
    /// Arguments for a class of the default version's jars.
    pub(crate) fn of(args: &[&str]) -> Self {
        let args = args.iter().map(|arg| (*arg).to_owned()).collect();
        Self {
            jars: DEFAULT_VERSION.to_owned(),
            args,
        }
    }
}

impl Default for UpArgs {
    fn default() -> Self {
        let version = DEFAULT_VERSION.to_owned();
        Self {
            brokers: 1,
            version,
            data: None,
            port: DEFAULT_PORT,
        }
    }
}

pub(crate) fn run(command: KafkaCommand) -> Result<()> {
    match command {
        KafkaCommand::Up(args) => {
            let (running, _) = up(&args)?;
            println!("bootstrap {}", running.address);
            println!(
                "sasl_ssl {} mechanism PLAIN user {} password {} ca {}",
                running.secure,
                secure::USER,
                secure::PASSWORD,
                secure::authority(&running.data).display()
            );
            Ok(())
        }
        KafkaCommand::Down(args) => down(args.port, args.wipe),
        KafkaCommand::Status => services::print_status("kafka"),
        KafkaCommand::ConsoleProducer(args) => {
            tool("org.apache.kafka.tools.ConsoleProducer", &args)
        }
        KafkaCommand::ConsoleConsumer(args) => {
            tool("org.apache.kafka.tools.consumer.ConsoleConsumer", &args)
        }
        KafkaCommand::Tool { class, args } => tool(&class, &args),
    }
}

/// Brings Kafka up, or finds it up; says whether this call started it.
pub(crate) fn up(args: &UpArgs) -> Result<(Running, bool)> {
    let _lock = services::lock()?;
    let version = release(&args.version);
    if let Some(running) = Running::load("kafka", args.port)? {
        if running.is_alive() && wire::brokers(&running.address).is_ok() {
            check_same(&running, &version, args)?;
            return Ok((running, false));
        }
        running.stop(false)?;
    }
    if !services::is_free(args.port) {
        bail!(
            "port {} is taken by something that `kafka up` did not start",
            args.port
        );
    }
    let libs = jars::ensure(&version)?;
    let owned = args.data.is_none();
    let data = match &args.data {
        Some(dir) => std::path::absolute(dir)?,
        None => repo::services_dir()?
            .join("data")
            .join(format!("kafka-{}", args.port)),
    };
    let layout = Layout {
        brokers: args.brokers,
        port: args.port,
        data: repo::dir(data)?,
    };
    let running = start(&version, &libs, &layout, owned)?;
    Ok((running, true))
}

fn check_same(running: &Running, version: &str, args: &UpArgs) -> Result<()> {
    let brokers = running.processes.len();
    if running.version != version || brokers != usize::from(args.brokers) {
        let (port, has) = (args.port, &running.version);
        bail!("port {port} already has {brokers} broker(s) of version {has}; take it down first");
    }
    Ok(())
}

fn start(version: &str, libs: &Path, layout: &Layout, owned: bool) -> Result<Running> {
    layout.check_unchanged(version)?;
    secure::ensure(&layout.data)?;
    let mut running = Running {
        kind: "kafka".to_owned(),
        port: layout.port,
        address: layout.bootstrap(),
        version: version.to_owned(),
        processes: Vec::new(),
        secure: layout.secure_address(1),
        data: layout.data.clone(),
        owned,
    };
    let logging = layout.write_logging(version)?;
    let id = layout.cluster_id()?;
    for node in layout.nodes() {
        let properties = layout.write_properties(node)?;
        let mut format = java(libs, &logging, "256m");
        format.args([
            "kafka.tools.StorageTool",
            "format",
            "--ignore-formatted",
            "-t",
            &id,
            "-c",
        ]);
        sys::capture(format.arg(&properties)).context("format kafka's storage")?;
        let process = start_broker(libs, &logging, layout, node)?;
        running.processes.push(process);
        running.save()?;
    }
    wait_ready(&running, layout)?;
    Ok(running)
}

/// Starts one broker over storage that is formatted.
fn start_broker(libs: &Path, logging: &str, layout: &Layout, node: u16) -> Result<Process> {
    let properties = layout.write_properties(node)?;
    let heap = if layout.brokers == 1 { "1g" } else { "512m" };
    let mut server = java(libs, logging, heap);
    server.arg("kafka.Kafka").arg(&properties);
    let log = layout.data.join(format!("broker-{node}.log"));
    Ok(Process {
        pid: sys::start_detached(&server, &log)?,
        mark: properties.display().to_string(),
        port: layout.broker_port(node),
        log,
    })
}

/// kill -9 of one broker of a cluster that is up; waits until it is gone.
pub(crate) fn kill_broker(running: &Running, node: u16) -> Result<()> {
    let process = running.processes.get(usize::from(node) - 1);
    let process = process.with_context(|| format!("no broker {node}"))?;
    sys::signal_if_alive(process.pid, &process.mark, "KILL")?;
    let gone = || !sys::alive(process.pid, &process.mark);
    if !sys::wait_until(Duration::from_secs(10), gone) {
        bail!("broker {node} does not end");
    }
    Ok(())
}

/// Starts a broker that was killed, over its data, and waits until it knows all the others.
pub(crate) fn start_again(running: &mut Running, node: u16) -> Result<()> {
    let libs = jars::ensure(&running.version)?;
    let layout = Layout {
        brokers: u16::try_from(running.processes.len())?,
        port: running.port,
        data: running.data.clone(),
    };
    let logging = layout.write_logging(&running.version)?;
    let process = start_broker(&libs, &logging, &layout, node)?;
    running.processes[usize::from(node) - 1] = process;
    running.save()?;
    wait_ready(running, &layout)
}

/// Waits until every broker answers and knows all the others.
fn wait_ready(running: &Running, layout: &Layout) -> Result<()> {
    let all = usize::from(layout.brokers);
    let ready = sys::wait_until(START_LIMIT, || {
        let mut addresses = layout.nodes().map(|node| layout.broker_address(node));
        let up = |address: String| wire::brokers(&address).is_ok_and(|known| known == all);
        !running.is_alive() || addresses.all(up)
    });
    if ready && running.is_alive() {
        return Ok(());
    }
    let logs: Vec<String> = running
        .processes
        .iter()
        .map(|process| {
            format!(
                "{}:\n{}",
                process.log.display(),
                services::tail(&process.log, 20)
            )
        })
        .collect();
    running.stop(false)?;
    bail!(
        "kafka does not answer on {}; {}",
        running.address,
        logs.join("\n")
    )
}

/// Ends Kafka on this port; when it is down already, says so.
pub(crate) fn down(port: u16, wipe: bool) -> Result<()> {
    let _lock = services::lock()?;
    match Running::load("kafka", port)? {
        Some(running) => {
            running.stop(wipe)?;
            println!("kafka on port {port} is down");
        }
        None => println!("kafka on port {port} was not up"),
    }
    Ok(())
}

/// Runs a class of the jars with our own stdin and stdout.
pub(crate) fn tool(class: &str, args: &ToolArgs) -> Result<()> {
    sys::run(&mut tool_command(class, args)?)
}

/// A class of the jars as a command, to be run with whatever stdin the caller wants.
pub(crate) fn tool_command(class: &str, args: &ToolArgs) -> Result<Command> {
    let version = release(&args.jars);
    let libs = jars::ensure(&version)?;
    let dir = repo::dir(repo::services_dir()?.join(format!("kafka-{version}")))?;
    let logging = settings::write_logging(&version, &dir)?;
    let mut command = java(&libs, &logging, "256m");
    command.arg(class).args(&args.args);
    Ok(command)
}

fn java(libs: &Path, logging: &str, heap: &str) -> Command {
    let mut command = Command::new("java");
    command
        .arg(format!("-Xmx{heap}"))
        .arg(logging)
        .arg("-cp")
        .arg(libs.join("*"));
    command
}

/// Short names of the releases that the project is tested with.
fn release(version: &str) -> String {
    match version {
        "4.2" => "4.2.0",
        "3.9" => "3.9.1",
        full => full,
    }
    .to_owned()
}
