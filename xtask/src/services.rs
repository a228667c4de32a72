//! Services for tests, for CI and for the README: up, down, status.
//!
//! A running service is a JSON file `target/services/<kind>-<port>.json` with its process ids.
//! One lock file keeps two `up` at once from starting two.

pub(crate) mod kafka;
pub(crate) mod mysql;
pub(crate) mod python;

use crate::{repo, sys};
use anyhow::{Context, Result};
use serde::{Deserialize, Serialize};
use std::fs::File;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

/// A service that was started: what `down` needs to end it and `status` to describe it.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Running {
    /// `kafka` or `mysql`.
    pub kind: String,
    /// The first (or only) port.
    pub port: u16,
    /// What a client is given: a bootstrap list or a URL.
    pub address: String,
    pub version: String,
    pub processes: Vec<Process>,
    /// Where a Kafka speaks TLS and wants a password; empty where nothing does.
    #[serde(default)]
    pub secure: String,
    /// Everything the service keeps.
    pub data: PathBuf,
    /// Whether `data` is ours to remove.
    pub owned: bool,
}

/// One process of a service.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Process {
    pub pid: u32,
    /// Part of the command line that tells this process from any other with a reused id.
    pub mark: String,
    pub port: u16,
    pub log: PathBuf,
}

impl Running {
    /// What was written down for this kind and port, alive or not.
    pub(crate) fn load(kind: &str, port: u16) -> Result<Option<Self>> {
        let path = state_file(kind, port)?;
        match std::fs::read(&path) {
            Ok(bytes) => {
                let running = serde_json::from_slice(&bytes)
                    .with_context(|| format!("read `{}`", path.display()))?;
                Ok(Some(running))
            }
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error).with_context(|| format!("read `{}`", path.display())),
        }
    }

    /// Every service of this kind that was written down, by port.
    pub(crate) fn all(kind: &str) -> Result<Vec<Self>> {
        let mut ports: Vec<u16> = Vec::new();
        for entry in std::fs::read_dir(repo::services_dir()?)? {
            let name = entry?.file_name().to_string_lossy().into_owned();
            let port = name
                .strip_prefix(&format!("{kind}-"))
                .and_then(|n| n.strip_suffix(".json"));
            ports.extend(port.and_then(|port| port.parse::<u16>().ok()));
        }
        ports.sort_unstable();
        ports
            .into_iter()
            .filter_map(|port| Self::load(kind, port).transpose())
            .collect()
    }

    pub(crate) fn save(&self) -> Result<()> {
        let path = state_file(&self.kind, self.port)?;
        std::fs::write(&path, serde_json::to_vec_pretty(self)?)
            .with_context(|| format!("write `{}`", path.display()))
    }

    /// Whether every process of it lives.
    pub(crate) fn is_alive(&self) -> bool {
        self.processes
            .iter()
            .all(|process| sys::alive(process.pid, &process.mark))
    }

    /// Ends its processes and forgets it; with `wipe`, removes its data if that is ours.
    pub(crate) fn stop(&self, wipe: bool) -> Result<()> {
        for process in &self.processes {
            sys::signal_if_alive(process.pid, &process.mark, "TERM")?;
        }
        for process in &self.processes {
            sys::end(process.pid, &process.mark, Duration::from_secs(30))?;
        }
        std::fs::remove_file(state_file(&self.kind, self.port)?)
            .with_context(|| format!("forget {} on port {}", self.kind, self.port))?;
        if wipe && self.owned {
            remove_dir(&self.data)?;
        }
        Ok(())
    }
}

/// Kafka and MariaDB for the time of a run; those that this run started end with it.
pub(crate) struct Services {
    pub kafka: Running,
    pub mysql: Running,
    _started: Started,
}

/// So far from one broker's port that of a cluster's first one is.
const BESIDE: u16 = 50;

impl Services {
    /// Finds them up or brings them up, on other ports when the usual ones are taken.
    pub(crate) fn up(keep: bool) -> Result<Self> {
        Self::up_brokers(keep, 1)
    }

    /// Likewise, with that many brokers; more than one stand beside the usual one.
    pub(crate) fn up_brokers(keep: bool, brokers: u16) -> Result<Self> {
        let mut started = Started(Vec::new());
        let mut wished = wished_port("KAFKA", kafka::DEFAULT_PORT)?;
        if brokers > 1 {
            wished += BESIDE;
        }
        let args = kafka::UpArgs {
            port: usable_port("kafka", wished)?,
            brokers,
            ..kafka::UpArgs::default()
        };
        let (kafka, new) = kafka::up(&args).context("bring up kafka")?;
        if new && !keep {
            started.0.push(kafka.clone());
        }
        let port = usable_port("mysql", wished_port("MYSQL", mysql::DEFAULT_PORT)?)?;
        let (mysql, new) = mysql::up(port).context("bring up mariadb")?;
        if new && !keep {
            started.0.push(mysql.clone());
        }
        Ok(Self {
            kafka,
            mysql,
            _started: started,
        })
    }

    /// Tells tests where the services are.
    pub(crate) fn tell(&self, command: &mut Command) {
        command.env("TIDEWHEEL_TEST_KAFKA", &self.kafka.address);
        command.env("TIDEWHEEL_TEST_MYSQL", &self.mysql.address);
        let authority = kafka::secure::authority(&self.kafka.data);
        command.env("TIDEWHEEL_TEST_KAFKA_SASL_SSL", &self.kafka.secure);
        command.env("TIDEWHEEL_TEST_KAFKA_CA", authority);
        // A test that cannot find its service must not pass for that.
        command.env("CI", "true");
    }
}

/// Ends what it holds when dropped, whatever happened in between.
struct Started(Vec<Running>);

impl Drop for Started {
    fn drop(&mut self) {
        for service in &self.0 {
            // As it is now: a broker that was killed and started again is another process.
            let now = Running::load(&service.kind, service.port);
            let stopped = now.and_then(|now| now.map_or(Ok(()), |it| it.stop(true)));
            if let Err(error) = stopped {
                eprintln!("error: {error:#}");
            }
        }
    }
}

/// `TIDEWHEEL_KAFKA_PORT` or `TIDEWHEEL_MYSQL_PORT`, so that two checkouts can work beside each other.
fn wished_port(kind: &str, usual: u16) -> Result<u16> {
    let name = format!("TIDEWHEEL_{kind}_PORT");
    match std::env::var(&name) {
        Ok(text) => text
            .parse()
            .with_context(|| format!("{name} is `{text}`, not a port")),
        Err(_) => Ok(usual),
    }
}

/// The usual port when our own service has it or nobody, else the next free one, 100 further on.
fn usable_port(kind: &str, usual: u16) -> Result<u16> {
    if Running::load(kind, usual)?.is_some_and(|running| running.is_alive()) {
        return Ok(usual);
    }
    (0..20)
        .map(|step| usual + step * 100)
        .find(|port| is_free(*port))
        .with_context(|| format!("find a free port for {kind}"))
}

/// Whether nobody listens on this port of the loopback interface.
pub(crate) fn is_free(port: u16) -> bool {
    TcpListener::bind(SocketAddr::from((Ipv4Addr::LOCALHOST, port))).is_ok()
}

fn state_file(kind: &str, port: u16) -> Result<PathBuf> {
    Ok(repo::services_dir()?.join(format!("{kind}-{port}.json")))
}

/// Held while services are started or ended; freed when dropped.
pub(crate) fn lock() -> Result<File> {
    let path = repo::services_dir()?.join("lock");
    let file = File::create(&path).with_context(|| format!("open `{}`", path.display()))?;
    file.lock()
        .with_context(|| format!("lock `{}`", path.display()))?;
    Ok(file)
}

/// Removes a directory; an absent one is no error.
pub(crate) fn remove_dir(path: &Path) -> Result<()> {
    match std::fs::remove_dir_all(path) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            Err(error).with_context(|| format!("remove `{}`", path.display()))
        }
        _ => Ok(()),
    }
}

/// The last lines of a log, for the error that says a service did not come up.
pub(crate) fn tail(log: &Path, lines: usize) -> String {
    let text = std::fs::read(log).unwrap_or_default();
    let text = String::from_utf8_lossy(&text);
    let all: Vec<&str> = text.lines().collect();
    all[all.len().saturating_sub(lines)..].join("\n")
}

/// Prints one line for each service of a kind; used by `status`.
pub(crate) fn print_status(kind: &str) -> Result<()> {
    let all = Running::all(kind)?;
    if all.is_empty() {
        println!("{kind} is down");
    }
    for running in all {
        let state = if running.is_alive() { "up" } else { "dead" };
        let pids: Vec<String> = running
            .processes
            .iter()
            .map(|p| p.pid.to_string())
            .collect();
        let (address, version, data) = (&running.address, &running.version, running.data.display());
        println!(
            "{state} {address} version {version} pid {} data {data}",
            pids.join(",")
        );
    }
    Ok(())
}
