//! The flags, as typed and as used.

mod profile;

use std::net::IpAddr;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use clap::Parser;

use crate::arrivals::Extent;
use crate::harm::Harm;

pub(crate) use self::profile::{Profile, Via};

/// How late is Tidewheel, under load? Exits 0 only if nothing was lost, early or doubled.
#[derive(Debug, Parser)]
#[command(name = "tidewheel-load", version)]
pub(crate) struct Flags {
    /// What kind of load.
    profile: Profile,
    /// The way registrations go.
    #[arg(long, default_value = "http")]
    via: Via,
    /// Registrations a second.
    #[arg(long)]
    rate: Option<f64>,
    /// How long tasks are registered, such as 60s.
    #[arg(long = "for", value_parser = duration, conflicts_with = "tasks")]
    span: Option<u64>,
    /// How many tasks are registered, instead of --for.
    #[arg(long)]
    tasks: Option<u64>,
    /// How far ahead tasks are due, such as 2s..60s; a herd takes the first.
    #[arg(long)]
    ahead: Option<Span>,
    /// URL of the door, host:port of brokers (loopback only), or a directory.
    #[arg(long)]
    target: Option<String>,
    /// URL of the door for --commands, where registrations go by Kafka.
    #[arg(long)]
    door: Option<String>,
    /// In front of every topic name.
    #[arg(long, default_value = "tidewheel.")]
    prefix: String,
    /// Partitions of every topic.
    #[arg(long, default_value_t = 8)]
    shards: u16,
    /// The same seed makes the same plan.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Where the figures go.
    #[arg(long)]
    json: Option<PathBuf>,
    /// Processes whose memory is watched: role=pid, comma between.
    #[arg(long, value_delimiter = ',')]
    pids: Vec<Pid>,
    /// Harm to a process of --pids: kill:role@10s, or stop:role@10s+8s; comma between.
    #[arg(long, value_delimiter = ',')]
    harm: Vec<Harm>,
    /// Where doubled calls are listed, one JSON object a line.
    #[arg(long)]
    doubles: Option<PathBuf>,
    /// Measure a plain HTTP client at full speed against the same receiver, too.
    #[arg(long, visible_alias = "raw-http")]
    raw: bool,
    /// So many random commands while the load runs: cancel, reschedule, touch, run.
    #[arg(long, default_value_t = 0)]
    commands: u64,
    /// Register through the bulk lane.
    #[arg(long)]
    bulk: bool,
    /// So many further tasks a second, due 40 s ahead, each cancelled 10 s after it was registered.
    #[arg(long, default_value_t = 0.0)]
    cancels: f64,
    /// Watch how far each role is behind in the log; with --via kafka.
    #[arg(long)]
    lag: bool,
    /// Where lateness along the run goes, a JSON array.
    #[arg(long)]
    timeline: Option<PathBuf>,
    /// Tasks in one HTTP request; above 1 they go as arrays, as full as their arrival times allow.
    #[arg(long)]
    batch: Option<usize>,
    /// Arrays wait until they are full.
    #[arg(long)]
    fill: bool,
    /// HTTP requests at once.
    #[arg(long, default_value_t = 64)]
    connections: usize,
    /// Silence behind the last due time after which what has not come is lost.
    #[arg(long, value_parser = duration, default_value = "60s")]
    settle: u64,
    /// Time between the waves of `burst`.
    #[arg(long, value_parser = duration, default_value = "5s")]
    wave: u64,
    /// Threads that receive calls.
    #[arg(long, default_value_t = 1)]
    receivers: usize,
    /// Whose tasks they are.
    #[arg(long, default_value = "load")]
    tenant: String,
    /// Bytes of padding in each payload.
    #[arg(long, default_value_t = 0)]
    payload: usize,
}

/// A range of durations, ms, both ends included.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Span {
    pub(crate) min: u64,
    pub(crate) max: u64,
}

/// A process to watch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Pid {
    pub(crate) role: String,
    pub(crate) pid: u32,
}

/// The flags, with what the profile adds and everything checked.
#[derive(Clone, Debug)]
pub(crate) struct Settings {
    pub(crate) profile: Profile,
    pub(crate) via: Via,
    pub(crate) rate: f64,
    pub(crate) extent: Extent,
    pub(crate) ahead: Span,
    pub(crate) target: String,
    /// Where commands go; where registrations go, if they go by HTTP.
    pub(crate) door: Option<String>,
    pub(crate) prefix: String,
    pub(crate) shards: u16,
    pub(crate) seed: u64,
    pub(crate) json: Option<PathBuf>,
    pub(crate) pids: Vec<Pid>,
    pub(crate) harm: Vec<Harm>,
    pub(crate) doubles: Option<PathBuf>,
    pub(crate) raw: bool,
    pub(crate) commands: u64,
    pub(crate) cancels: f64,
    pub(crate) lag: bool,
    pub(crate) timeline: Option<PathBuf>,
    pub(crate) bulk: bool,
    pub(crate) batch: usize,
    pub(crate) fill: bool,
    pub(crate) connections: usize,
    pub(crate) settle: Duration,
    pub(crate) wave_ms: u64,
    pub(crate) receivers: usize,
    pub(crate) tenant: String,
    pub(crate) payload: usize,
}

impl Settings {
    /// Checks the flags and fills in what the profile knows.
    ///
    /// # Errors
    /// What cannot be, or must not: any target but this machine.
    pub(crate) fn from_flags(flags: Flags) -> Result<Self> {
        let has_door = flags.via == Via::Http || flags.door.is_some();
        Self::fit_together(&flags, has_door)?;
        let usual = flags.profile.usual();
        let extent = match (flags.tasks, flags.span) {
            (Some(tasks), _) => Extent::Tasks(tasks),
            (None, Some(ms)) => Extent::Millis(ms),
            (None, None) => usual.extent,
        };
        let rate = flags.rate.unwrap_or(usual.rate);
        if !(rate > 0.0 && rate <= 1e6) {
            bail!("--rate is {rate}: it must be above 0 and at most 1,000,000");
        }
        let target = flags
            .target
            .unwrap_or_else(|| flags.via.target().to_owned());
        let target = target.trim_end_matches('/').to_owned();
        let door = match flags.via {
            Via::Http => Some(target.clone()),
            Via::Kafka | Via::Embedded => {
                flags.door.map(|door| door.trim_end_matches('/').to_owned())
            }
        };
        if flags.via != Via::Embedded {
            for address in target.split(',').chain(door.as_deref()) {
                ensure_loopback(address)?;
            }
        } else if flags.profile != Profile::RawLog {
            bail!("--via embedded is for raw-log only: a directory has one owner");
        }
        for harm in &flags.harm {
            harm.pid(&flags.pids)?;
        }
        Ok(Self {
            profile: flags.profile,
            via: flags.via,
            rate,
            extent,
            ahead: flags.ahead.unwrap_or(usual.ahead),
            target,
            door,
            prefix: flags.prefix,
            shards: flags.shards,
            seed: flags.seed,
            json: flags.json,
            pids: flags.pids,
            harm: flags.harm,
            doubles: flags.doubles,
            raw: flags.raw,
            commands: flags.commands,
            cancels: flags.cancels,
            lag: flags.lag,
            timeline: flags.timeline,
            bulk: flags.bulk,
            batch: flags.batch.unwrap_or(usual.batch).clamp(1, 1_000),
            fill: flags.fill,
            connections: flags.connections.max(1),
            settle: Duration::from_millis(flags.settle),
            wave_ms: flags.wave,
            receivers: flags.receivers.clamp(1, 64),
            tenant: flags.tenant,
            payload: flags.payload,
        })
    }

    /// How long registering takes by the plan, ms.
    pub(crate) fn expected_ms(&self) -> u64 {
        match self.extent {
            Extent::Tasks(tasks) => (tasks as f64 * 1_000.0 / self.rate).ceil() as u64,
            Extent::Millis(ms) => ms,
        }
    }

    /// How many tasks that makes, give or take the root of it.
    pub(crate) fn expected_tasks(&self) -> u64 {
        match self.extent {
            Extent::Tasks(tasks) => tasks,
            Extent::Millis(ms) => (ms as f64 / 1_000.0 * self.rate) as u64,
        }
    }

    /// Refuses flags that ask for what cannot be together.
    fn fit_together(flags: &Flags, has_door: bool) -> Result<()> {
        if flags.commands > 0 && !has_door {
            bail!("--commands needs --door: they go by HTTP");
        }
        if flags.commands > 0 && flags.bulk {
            bail!("--commands cannot follow --bulk: order holds within one lane only");
        }
        if !(0.0..=1e6).contains(&flags.cancels) {
            bail!("--cancels is {}: at most 1,000,000 a second", flags.cancels);
        }
        if flags.cancels > 0.0 && flags.bulk {
            bail!("--cancels cannot follow --bulk: order holds within one lane only");
        }
        if flags.lag && flags.via != Via::Kafka {
            bail!("--lag needs --via kafka: it asks the brokers");
        }
        Ok(())
    }

    /// Those of a command line, for tests.
    #[cfg(test)]
    pub(crate) fn for_test(words: &[&str]) -> Self {
        let words = ["tidewheel-load"].iter().chain(words);
        let flags = Flags::try_parse_from(words).expect("good flags");
        Self::from_flags(flags).expect("good settings")
    }
}

impl std::str::FromStr for Span {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (min, max) = match text.split_once("..") {
            Some((min, max)) => (duration(min)?, duration(max)?),
            None => (duration(text)?, duration(text)?),
        };
        if min > max {
            return Err(format!("`{text}` ends before it begins"));
        }
        Ok(Self { min, max })
    }
}

impl std::str::FromStr for Pid {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let pair = text.split_once('=');
        pair.and_then(|(role, pid)| {
            Some(Self {
                role: role.to_owned(),
                pid: pid.parse().ok()?,
            })
        })
        .ok_or_else(|| format!("`{text}` is not role=pid"))
    }
}

fn duration(text: &str) -> Result<u64, String> {
    schemas::duration::parse(text).map_err(|error| error.to_string())
}

/// A load is only ever put on this machine.
fn ensure_loopback(address: &str) -> Result<()> {
    let authority = match address.split_once("://") {
        None => address,
        Some(("http", rest)) => rest,
        Some(_) => bail!("`{address}` is not http"),
    };
    let (host, port) = authority
        .rsplit_once(':')
        .with_context(|| format!("`{address}` has no port"))?;
    if port.parse::<u16>().is_err() {
        bail!("`{address}` has no port");
    }
    let host = host.trim_start_matches('[').trim_end_matches(']');
    let local = host == "localhost" || host.parse::<IpAddr>().is_ok_and(|ip| ip.is_loopback());
    if !local {
        bail!("`{address}` is not this machine: loads go to loopback addresses only");
    }
    Ok(())
}

#[cfg(test)]
mod tests;
