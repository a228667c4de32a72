//! The command line, and everything wrong with it at once.

use std::net::{SocketAddr, ToSocketAddrs};
use std::path::PathBuf;

use anyhow::{Result, bail};
use clap::{Parser, ValueEnum};

/// Registers tasks at a rate, receives their calls, and tells how late, lost or doubled they were.
///
/// Exits with 0 only if nothing was lost, early or doubled.
#[derive(Clone, Debug, Parser)]
#[command(name = "tidewheel-load", version)]
pub(crate) struct Args {
    /// How tasks come and when they are due.
    pub(crate) profile: Profile,
    /// How they are registered.
    #[arg(long, value_enum, default_value_t = Via::Http)]
    pub(crate) via: Via,
    /// URL of the door, or `host:port` of brokers; loopback only. Default: 127.0.0.1 with port 7800,
    /// or 9092.
    #[arg(long)]
    pub(crate) target: Option<String>,
    /// Tasks registered a second, on average.
    #[arg(long)]
    pub(crate) rate: Option<f64>,
    /// How long tasks are registered, as in `60s`.
    #[arg(long = "for", value_parser = duration)]
    pub(crate) span_ms: Option<u64>,
    /// How many tasks, in place of how long.
    #[arg(long)]
    pub(crate) tasks: Option<u64>,
    /// How far ahead tasks are due, as in `2s..60s`.
    #[arg(long, value_parser = ahead)]
    pub(crate) ahead: Option<(u64, u64)>,
    /// Same seed, same tasks.
    #[arg(long, default_value_t = 1)]
    pub(crate) seed: u64,
    /// Bytes of each task's payload.
    #[arg(long, default_value_t = 64)]
    pub(crate) payload: usize,
    /// Whose tasks they are.
    #[arg(long, default_value = "load")]
    pub(crate) tenant: String,
    /// Register through the lane of bulk imports.
    #[arg(long)]
    pub(crate) bulk: bool,
    /// Prefix of the topics (Kafka).
    #[arg(long, default_value = "tidewheel.")]
    pub(crate) prefix: String,
    /// Partitions of every topic (Kafka).
    #[arg(long, default_value_t = 8)]
    pub(crate) shards: u16,
    /// Tasks in one request (HTTP); more than one makes arrays.
    #[arg(long, default_value_t = 1)]
    pub(crate) batch: usize,
    /// Requests in flight at once (HTTP).
    #[arg(long, default_value_t = 256)]
    pub(crate) in_flight: usize,
    /// API key (HTTP).
    #[arg(long, env = "TIDEWHEEL_API_KEY", hide_env_values = true)]
    pub(crate) api_key: Option<String>,
    /// Where calls are received; loopback only.
    #[arg(long, default_value = "127.0.0.1:0")]
    pub(crate) listen: SocketAddr,
    /// How long after the last due time calls are waited for.
    #[arg(long = "settle", value_parser = duration, default_value = "30s")]
    pub(crate) settle_ms: u64,
    /// Commands (cancel, reschedule, touch, run) on random tasks while the load runs, each answer
    /// held against what was received. The door is at `--door`.
    #[arg(long, default_value_t = 0)]
    pub(crate) commands: u64,
    /// URL of the door for `--commands` where the load goes by Kafka.
    #[arg(long)]
    pub(crate) door: Option<String>,
    /// Measure, afterwards, how many plain HTTP calls a second the receiver takes.
    #[arg(long, alias = "raw-http")]
    pub(crate) raw: bool,
    /// Processes whose memory is watched: `role=pid,…`.
    #[arg(long, value_delimiter = ',', value_parser = pid)]
    pub(crate) pids: Vec<(String, u32)>,
    /// Where the result goes as JSON.
    #[arg(long)]
    pub(crate) json: Option<PathBuf>,
    /// Where each doubled call goes as a line: fire id, attempt, due, arrivals.
    #[arg(long)]
    pub(crate) doubles: Option<PathBuf>,
}

/// How tasks come and when they are due.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Profile {
    /// At an even rate, due evenly ahead.
    Steady,
    /// All due at one millisecond.
    Herd,
    /// Half of them in one second of every ten.
    Burst,
    /// Due in 40 days to 100 years: none is to be called during the run.
    Far,
    /// Some of each, of all priorities, some to a slow endpoint, some overdue.
    Mixed,
    /// Due within a second of being registered.
    Short,
}

/// How tasks are registered.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Via {
    /// As records.
    Kafka,
    /// By requests.
    Http,
}

/// A run, with every default filled in.
#[derive(Clone, Debug)]
pub(crate) struct Plan {
    pub(crate) profile: Profile,
    pub(crate) rate: f64,
    pub(crate) tasks: u64,
    pub(crate) ahead: (u64, u64),
    pub(crate) seed: u64,
}

impl Args {
    /// Fills in the profile's defaults.
    pub(crate) fn plan(&self) -> Result<Plan> {
        let (rate, span_ms, ahead) = match self.profile {
            Profile::Steady | Profile::Burst | Profile::Mixed => (1_000.0, 60_000, (2_000, 60_000)),
            Profile::Herd => (5_000.0, 20_000, (20_000, 20_000)),
            Profile::Far => (1_000.0, 10_000, (40 * DAY_MS, 36_525 * DAY_MS)),
            Profile::Short => (500.0, 30_000, (0, 1_000)),
        };
        let rate = self.rate.unwrap_or(rate);
        if !rate.is_finite() || rate <= 0.0 {
            bail!("--rate {rate} is not a rate");
        }
        let span_ms = self.span_ms.unwrap_or(span_ms);
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "a count of tasks"
        )]
        let by_span = (rate * span_ms as f64 / 1_000.0).round() as u64;
        let tasks = self.tasks.unwrap_or(by_span);
        if tasks == 0 || tasks > u64::from(u32::MAX) {
            bail!("{tasks} tasks are none or too many");
        }
        if self.batch == 0 || self.batch > 1_000 || self.in_flight == 0 {
            bail!("--batch is 1 to 1000, --in-flight at least 1");
        }
        if self.commands > 0 && self.door_url().is_none() {
            bail!("--commands need --door");
        }
        self.ensure_loopback()?;
        Ok(Plan {
            profile: self.profile,
            rate,
            tasks,
            ahead: self.ahead.unwrap_or(ahead),
            seed: self.seed,
        })
    }

    /// Where tasks are registered.
    pub(crate) fn target(&self) -> String {
        let default = match self.via {
            Via::Kafka => "127.0.0.1:9092",
            Via::Http => "http://127.0.0.1:7800",
        };
        self.target.clone().unwrap_or_else(|| default.to_owned())
    }

    /// Where commands go.
    pub(crate) fn door_url(&self) -> Option<String> {
        match self.via {
            Via::Http => Some(self.target()),
            Via::Kafka => self.door.clone(),
        }
    }

    /// A load must not leave the machine, whatever is typed.
    fn ensure_loopback(&self) -> Result<()> {
        if !self.listen.ip().is_loopback() {
            bail!("--listen {} is not on the loopback interface", self.listen);
        }
        let doors = self.door.iter().cloned();
        for target in doors.chain([self.target()]) {
            for one in target.split(',') {
                let place = one.trim().trim_start_matches("http://");
                let place = place.trim_end_matches('/');
                let addresses: Vec<SocketAddr> = match place.to_socket_addrs() {
                    Ok(addresses) => addresses.collect(),
                    Err(error) => bail!("`{one}` is not a host and port: {error}"),
                };
                if addresses.is_empty() || !addresses.iter().all(|it| it.ip().is_loopback()) {
                    bail!("`{one}` is not on the loopback interface");
                }
            }
        }
        Ok(())
    }
}

const DAY_MS: u64 = 86_400_000;

fn duration(text: &str) -> Result<u64, String> {
    schemas::duration::parse(text).map_err(|error| error.to_string())
}

fn ahead(text: &str) -> Result<(u64, u64), String> {
    let (from, to) = text
        .split_once("..")
        .ok_or_else(|| format!("`{text}` is not a range such as `2s..60s`"))?;
    let (from, to) = (duration(from)?, duration(to)?);
    if from > to {
        return Err(format!("`{text}` ends before it begins"));
    }
    Ok((from, to))
}

fn pid(text: &str) -> Result<(String, u32), String> {
    let wrong = || format!("`{text}` is not role=pid");
    let (role, pid) = text.split_once('=').ok_or_else(wrong)?;
    let pid = pid.parse().map_err(|_| wrong())?;
    Ok((role.to_owned(), pid))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plan(line: &str) -> Result<Plan> {
        let words = ["tidewheel-load"].into_iter().chain(line.split(' '));
        Args::try_parse_from(words)?.plan()
    }

    #[test]
    fn a_command_line_becomes_a_plan() {
        let cases = [
            (
                "steady --rate 1000 --for 60s --ahead 2s..60s",
                60_000,
                (2_000, 60_000),
            ),
            ("herd --tasks 100000 --raw", 100_000, (20_000, 20_000)),
            ("short --for 2s --rate 0.5", 1, (0, 1_000)),
            (
                "steady --via kafka --target localhost:9092,127.0.0.1:9093",
                60_000,
                (2_000, 60_000),
            ),
        ];
        for (line, tasks, ahead) in cases {
            let plan = plan(line).expect(line);
            assert_eq!((plan.tasks, plan.ahead), (tasks, ahead), "{line}");
        }
    }

    #[test]
    fn what_makes_no_sense_or_leaves_the_machine_is_refused() {
        let cases = [
            "steady --rate 0",
            "steady --rate nan",
            "steady --tasks 0",
            "steady --ahead 5s..2s",
            "steady --ahead 5s",
            "steady --for 5",
            "steady --pids planner",
            "steady --target http://192.0.2.1:80",
            "steady --via kafka --target 127.0.0.1:9092,192.0.2.1:9092",
            "steady --listen 0.0.0.0:0",
            "steady --via kafka --commands 5",
            "steady --batch 0",
        ];
        for line in cases {
            assert!(plan(line).is_err(), "{line}");
        }
    }
}
