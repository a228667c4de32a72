//! Harm done to the processes under load: killed, or stopped for a while, at a time of the run.

use std::process::Command;
use std::time::Duration;

use anyhow::{Result, bail};
use serde::Serialize;

use crate::clock;
use crate::flags::Pid;

/// Only these are ever signalled: a number may belong to something else by now.
const OURS: &str = "tidewheel";

/// One harm, as asked for: `kill:planner@10s`, `stop:trigger@10s+8s`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Harm {
    role: String,
    /// From the start of the run, ms.
    at_ms: u64,
    /// Stopped for so long, ms; `None` kills.
    stop_ms: Option<u64>,
}

/// One harm, as done.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Done {
    pub(crate) what: &'static str,
    pub(crate) role: String,
    /// Epoch ms.
    pub(crate) at: i64,
}

impl Harm {
    /// The process it is for.
    ///
    /// # Errors
    /// Where no such role was named.
    pub(crate) fn pid(&self, pids: &[Pid]) -> Result<u32> {
        match pids.iter().find(|pid| pid.role == self.role) {
            Some(found) => Ok(found.pid),
            None => bail!("--harm names `{}`, --pids does not", self.role),
        }
    }

    /// Waits for its time and does it; tells when.
    ///
    /// # Errors
    /// Where that process is not ours, or gone.
    pub(crate) async fn run(self, begun_us: i64, pid: u32) -> Result<Done> {
        clock::sleep_until_us(begun_us + self.at_ms.cast_signed() * 1_000).await;
        ensure_ours(pid)?;
        let what = match self.stop_ms {
            None => {
                signal(pid, "KILL")?;
                "kill"
            }
            Some(_) => {
                signal(pid, "STOP")?;
                "stop"
            }
        };
        let at = clock::now_us() / 1_000;
        if let Some(ms) = self.stop_ms {
            tokio::time::sleep(Duration::from_millis(ms)).await;
            signal(pid, "CONT")?;
        }
        Ok(Done {
            what,
            role: self.role,
            at,
        })
    }
}

fn ensure_ours(pid: u32) -> Result<()> {
    let name = std::fs::read_to_string(format!("/proc/{pid}/comm")).unwrap_or_default();
    if name.trim_end() != OURS {
        bail!("process {pid} is `{}`, not `{OURS}`", name.trim_end());
    }
    Ok(())
}

fn signal(pid: u32, name: &str) -> Result<()> {
    let status = Command::new("kill")
        .args(["-s", name, &pid.to_string()])
        .status()?;
    if !status.success() {
        bail!("cannot send {name} to process {pid}");
    }
    Ok(())
}

impl std::str::FromStr for Harm {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let shape = || format!("`{text}` is neither kill:role@10s nor stop:role@10s+8s");
        let (what, rest) = text.split_once(':').ok_or_else(shape)?;
        let (role, times) = rest.split_once('@').ok_or_else(shape)?;
        let ms = |text: &str| schemas::duration::parse(text).map_err(|error| error.to_string());
        let (at_ms, stop_ms) = match (what, times.split_once('+')) {
            ("kill", None) => (ms(times)?, None),
            ("stop", Some((at, long))) => (ms(at)?, Some(ms(long)?)),
            _ => return Err(shape()),
        };
        Ok(Self {
            role: role.to_owned(),
            at_ms,
            stop_ms,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn harm_is_read_as_typed() {
        let harm = |role: &str, at_ms, stop_ms| Harm {
            role: role.to_owned(),
            at_ms,
            stop_ms,
        };
        let cases = [
            ("kill:planner@10s", Some(harm("planner", 10_000, None))),
            (
                "stop:trigger@1s+8s",
                Some(harm("trigger", 1_000, Some(8_000))),
            ),
            ("stop:trigger@1s", None),
            ("kill:planner@1s+8s", None),
            ("drop:planner@1s", None),
            ("kill:planner", None),
        ];
        for (text, expected) in cases {
            assert_eq!(text.parse::<Harm>().ok(), expected, "{text}");
        }
    }

    #[test]
    fn only_our_own_processes_are_harmed() {
        assert!(ensure_ours(std::process::id()).is_err());
    }
}
