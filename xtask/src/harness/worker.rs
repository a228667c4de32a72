//! One process of Tidewheel: started, watched, and done all kinds of harm to.

use super::http;
use crate::sys;
use anyhow::{Context, Result, bail};
use std::fs::File;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

const READY_LIMIT: Duration = Duration::from_secs(60);

/// A running process; killed when dropped.
#[derive(Debug)]
pub(crate) struct Worker {
    /// For people: `planner-1`.
    pub name: String,
    /// With commas between.
    pub roles: String,
    /// Where its `/ready` and, if it has that role, its HTTP door is.
    pub http: SocketAddr,
    pub log: PathBuf,
    child: Child,
}

impl Worker {
    /// Starts a command with its output in `dir/<name>.log`; does not wait until it is ready.
    pub(crate) fn start(
        name: &str,
        roles: &str,
        http: SocketAddr,
        mut command: Command,
        dir: &Path,
    ) -> Result<Self> {
        let log = dir.join(format!("{name}.log"));
        let out = File::options().create(true).append(true).open(&log);
        let out = out.with_context(|| format!("open `{}`", log.display()))?;
        command
            .stdin(Stdio::null())
            .stderr(out.try_clone()?)
            .stdout(out);
        let child = command
            .spawn()
            .with_context(|| format!("start {}", sys::line(&command)))?;
        Ok(Self {
            name: name.to_owned(),
            roles: roles.to_owned(),
            http,
            log,
            child,
        })
    }

    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Waits until `/ready` answers 200.
    pub(crate) fn wait_ready(&mut self) -> Result<()> {
        self.wait_ready_for(READY_LIMIT)
    }

    /// Likewise, for so long at most.
    pub(crate) fn wait_ready_for(&mut self, limit: Duration) -> Result<()> {
        let http = self.http;
        let mut ended = None;
        let ready = sys::wait_until(limit, || {
            ended = self.child.try_wait().ok().flatten();
            ended.is_some()
                || http::request(http, "GET", "/ready", None).is_ok_and(|a| a.status == 200)
        });
        if let Some(status) = ended {
            bail!("{} ended with {status}; {}", self.name, self.last_words());
        }
        if !ready {
            bail!(
                "{} is not ready after {limit:?}; {}",
                self.name,
                self.last_words()
            );
        }
        Ok(())
    }

    /// kill -9, and waits until it is gone.
    pub(crate) fn kill(&mut self) -> Result<()> {
        self.child
            .kill()
            .with_context(|| format!("kill {}", self.name))?;
        self.child.wait()?;
        Ok(())
    }

    /// SIGTERM, and waits until it drained and ended.
    pub(crate) fn terminate(&mut self, limit: Duration) -> Result<()> {
        sys::signal(self.pid(), "TERM")?;
        if !sys::wait_until(limit, || matches!(self.child.try_wait(), Ok(Some(_)))) {
            bail!("{} does not end within {limit:?} of a SIGTERM", self.name);
        }
        Ok(())
    }

    /// SIGSTOP: it stands still, its connections stay.
    pub(crate) fn pause(&self) -> Result<()> {
        sys::signal(self.pid(), "STOP")
    }

    /// SIGCONT.
    pub(crate) fn resume(&self) -> Result<()> {
        sys::signal(self.pid(), "CONT")
    }

    /// Whether it still runs.
    pub(crate) fn is_alive(&mut self) -> bool {
        matches!(self.child.try_wait(), Ok(None))
    }

    /// Resident memory in MiB.
    pub(crate) fn rss_mib(&self) -> Result<f64> {
        self.status_mib("VmRSS:")
    }

    /// The most that its resident memory ever was, MiB.
    pub(crate) fn peak_rss_mib(&self) -> Result<f64> {
        self.status_mib("VmHWM:")
    }

    fn status_mib(&self, name: &str) -> Result<f64> {
        let path = format!("/proc/{}/status", self.pid());
        let status = std::fs::read_to_string(&path).with_context(|| format!("read `{path}`"))?;
        let kib = status
            .lines()
            .find_map(|line| line.strip_prefix(name))
            .and_then(|rest| rest.split_whitespace().next())
            .and_then(|kib| kib.parse::<f64>().ok())
            .with_context(|| format!("find `{name}` in `{path}`"))?;
        Ok(kib / 1024.0)
    }

    fn last_words(&self) -> String {
        format!(
            "{}:\n{}",
            self.log.display(),
            crate::services::tail(&self.log, 15)
        )
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        if self.is_alive() {
            // A stopped process takes a KILL too.
            if let Err(error) = self.kill() {
                eprintln!("error: {error:#}");
            }
        }
    }
}
