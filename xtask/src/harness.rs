//! A whole Tidewheel on this machine, to be measured and mistreated: one process per role over a
//! real Kafka with topics of its own, or one `dev` process.

pub(crate) mod http;
pub(crate) mod receiver;
pub(crate) mod usage;
pub(crate) mod worker;

use crate::services::{Running, Services, kafka, mysql, remove_dir};
use crate::{repo, sys};
use anyhow::{Context, Result};
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;
use worker::Worker;

/// The roles of a deployment, in the order of the flow; one process each unless told otherwise.
pub(crate) const ROLES: [&str; 5] = ["ingest", "planner", "trigger", "dispatcher", "archive"];

/// Tidewheel over Kafka. Topics, groups and the database carry a prefix of this run and are removed
/// when it is dropped.
pub(crate) struct Deployment {
    program: PathBuf,
    kafka: Running,
    mysql: Running,
    /// In front of every topic.
    pub prefix: String,
    /// Configuration, logs, journals and local stores.
    pub dir: PathBuf,
    pub workers: Vec<Worker>,
    /// Options that the harness does not write itself: environment of every process.
    options: Vec<(String, String)>,
}

impl Deployment {
    /// Creates topics and database, and starts nothing yet.
    pub(crate) fn prepare(program: &Path, services: &Services, name: &str) -> Result<Self> {
        Self::prepare_with(program, services, name, &[])
    }

    /// Likewise, with further options: `("TIDEWHEEL__LOG__KEEP_WINDOW", "1m")`.
    pub(crate) fn prepare_with(
        program: &Path,
        services: &Services,
        name: &str,
        options: &[(&str, &str)],
    ) -> Result<Self> {
        let name = format!("{name}-{}", std::process::id());
        let dir = repo::root()
            .join("target")
            .join("show")
            .join("runs")
            .join(&name);
        remove_dir(&dir)?;
        let deployment = Self {
            program: program.to_path_buf(),
            kafka: services.kafka.clone(),
            mysql: services.mysql.clone(),
            prefix: format!("{name}."),
            dir: repo::dir(dir)?,
            workers: Vec::new(),
            options: options
                .iter()
                .map(|(key, value)| ((*key).to_owned(), (*value).to_owned()))
                .collect(),
        };
        let database = deployment.database();
        mysql::query(
            &deployment.mysql,
            "",
            &format!("CREATE DATABASE `{database}`"),
        )?;
        deployment.topics("apply").context("create topics")?;
        Ok(deployment)
    }

    /// `tidewheel topics apply` or another command of it; what it prints.
    pub(crate) fn topics(&self, command: &str) -> Result<String> {
        let config = self.write_config("topics", free_address()?)?;
        let mut topics = Command::new(&self.program);
        topics
            .args(["topics", command, "--config"])
            .arg(config)
            .envs(self.options.iter().cloned());
        sys::capture(&mut topics)
    }

    /// Starts one process per role and waits until all are ready.
    pub(crate) fn start_all(&mut self) -> Result<()> {
        for role in ROLES {
            self.start(&format!("{role}-1"), role)?;
        }
        self.wait_ready()
    }

    /// Starts one process with these roles (comma between); its name is its member name too.
    pub(crate) fn start(&mut self, name: &str, roles: &str) -> Result<()> {
        let worker = self.spawn(name, roles, free_address()?)?;
        self.workers.push(worker);
        Ok(())
    }

    /// Kills the process of this name if it lives and starts it again where it was; does not wait
    /// until it is ready.
    pub(crate) fn restart(&mut self, name: &str) -> Result<()> {
        let old = self.worker(name)?;
        if old.is_alive() {
            old.kill()?;
        }
        let (roles, http) = (old.roles.clone(), old.http);
        let new = self.spawn(name, &roles, http)?;
        *self.worker(name)? = new;
        Ok(())
    }

    /// Lets the process of this name drain and forgets it.
    pub(crate) fn end(&mut self, name: &str) -> Result<()> {
        self.worker(name)?.terminate(Duration::from_secs(60))?;
        self.workers.retain(|worker| worker.name != name);
        Ok(())
    }

    fn spawn(&self, name: &str, roles: &str, http: SocketAddr) -> Result<Worker> {
        let config = self.write_config(name, http)?;
        let mut server = Command::new(&self.program);
        server
            .args(["server", "--role", roles, "--config"])
            .arg(config)
            .envs(self.options.iter().cloned())
            .current_dir(&self.dir);
        Worker::start(name, roles, http, server, &self.dir)
    }

    /// Where a planner of this name keeps its index.
    pub(crate) fn store(&self, name: &str) -> PathBuf {
        self.dir.join(format!("{name}.store"))
    }

    /// Where a dispatcher of this name notes the calls it begins.
    pub(crate) fn journal(&self, name: &str) -> PathBuf {
        self.dir.join(format!("{name}.journal"))
    }

    pub(crate) fn wait_ready(&mut self) -> Result<()> {
        self.workers.iter_mut().try_for_each(Worker::wait_ready)
    }

    pub(crate) fn worker(&mut self, name: &str) -> Result<&mut Worker> {
        let found = self.workers.iter_mut().find(|worker| worker.name == name);
        found.with_context(|| format!("no worker `{name}`"))
    }

    /// Partitions of its topics, where they are not as many as by default.
    pub(crate) fn shards(&self) -> Option<&str> {
        let named = |(key, _): &&(String, String)| key == "TIDEWHEEL__LOG__SHARDS";
        self.options
            .iter()
            .find(named)
            .map(|(_, value)| value.as_str())
    }

    /// The HTTP door.
    pub(crate) fn door(&mut self) -> Result<SocketAddr> {
        Ok(self.worker("ingest-1")?.http)
    }

    pub(crate) fn bootstrap(&self) -> &str {
        &self.kafka.address
    }

    pub(crate) fn topic(&self, name: &str) -> String {
        format!("{}{name}", self.prefix)
    }

    /// One value from the archive's database.
    pub(crate) fn query(&self, sql: &str) -> Result<String> {
        mysql::query(&self.mysql, &self.database(), sql)
    }

    fn database(&self) -> String {
        format!(
            "tidewheel_{}",
            self.prefix.trim_end_matches('.').replace(['-', '.'], "_")
        )
    }

    fn write_config(&self, name: &str, http: SocketAddr) -> Result<PathBuf> {
        let path = self.dir.join(format!("{name}.toml"));
        std::fs::write(&path, self.config(name, http))
            .with_context(|| format!("write `{}`", path.display()))?;
        Ok(path)
    }

    fn config(&self, name: &str, http: SocketAddr) -> String {
        let (store, journal) = (self.store(name), self.journal(name));
        let server = self.mysql.address.trim_end_matches("/tidewheel");
        format!(
            "[log]\nkind = \"kafka\"\n\n\
             [kafka]\nbootstrap = \"{}\"\nprefix = \"{}\"\n\n\
             [http]\nlisten = \"{http}\"\n\n\
             [worker]\nmember = \"{name}\"\n\n\
             [ingest]\nallow_anonymous_loopback = true\n\n\
             [planner]\ndata = \"{}\"\n\n\
             [dispatcher]\nallow_loopback = true\njournal = \"{}\"\n\n\
             [archive]\nurl = \"{server}/{}\"\n",
            self.kafka.address,
            self.prefix,
            store.display(),
            journal.display(),
            self.database(),
        )
    }

    /// Every process that has a part in it, for who watches memory and processor: `role=pid`.
    pub(crate) fn watched(&self) -> Vec<(String, u32)> {
        let workers = self.workers.iter().map(|w| (w.roles.clone(), w.pid()));
        let services = [("kafka", &self.kafka), ("mariadb", &self.mysql)];
        let services = services.into_iter().flat_map(|(name, service)| {
            let processes = service.processes.iter();
            processes.map(move |process| (name.to_owned(), process.pid))
        });
        workers.chain(services).collect()
    }

    /// Where the brokers keep their data.
    pub(crate) fn kafka_data(&self) -> &Path {
        &self.kafka.data
    }

    fn clean_up(&mut self) -> Result<()> {
        // Drained processes leave their groups at once; it is the end of the run either way.
        self.workers.clear();
        // First of all: brokers or a database that are gone leave nothing on the disk either.
        remove_data(&self.dir)?;
        let pattern = format!("{}.*", self.prefix.replace('.', "\\."));
        let delete = [
            "--bootstrap-server",
            self.bootstrap(),
            "--delete",
            "--topic",
            &pattern,
        ];
        let args = kafka::ToolArgs::of(&delete);
        sys::capture(&mut kafka::tool_command(
            "org.apache.kafka.tools.TopicCommand",
            &args,
        )?)?;
        mysql::query(
            &self.mysql,
            "",
            &format!("DROP DATABASE `{}`", self.database()),
        )?;
        Ok(())
    }
}

/// Of a run that is over, tables and journals: gigabytes, where many tasks were pending. Configurations and what the
/// processes said stay.
fn remove_data(dir: &Path) -> Result<()> {
    let context = || format!("tidy up `{}`", dir.display());
    for entry in std::fs::read_dir(dir).with_context(context)? {
        let path = entry.with_context(context)?.path();
        if path.is_dir() {
            remove_dir(&path)?;
        } else if path.extension().is_some_and(|it| it == "journal") {
            std::fs::remove_file(&path).with_context(context)?;
        }
    }
    Ok(())
}

impl Drop for Deployment {
    fn drop(&mut self) {
        if let Err(error) = self.clean_up() {
            eprintln!("error: clean up after the run: {error:#}");
        }
    }
}

/// `tidewheel dev` with its data in a directory of its own.
pub(crate) struct Dev {
    program: PathBuf,
    pub dir: PathBuf,
    pub worker: Worker,
}

impl Dev {
    /// Starts it with no data and waits until it is ready.
    pub(crate) fn start(program: &Path, name: &str) -> Result<Self> {
        let dir = repo::root()
            .join("target")
            .join("show")
            .join("runs")
            .join(name);
        remove_dir(&dir)?;
        let dir = repo::dir(dir)?;
        let worker = Self::spawn(program, &dir, free_address()?)?;
        let mut dev = Self {
            program: program.to_path_buf(),
            dir,
            worker,
        };
        dev.worker.wait_ready()?;
        Ok(dev)
    }

    /// kill -9, and up again over the same data, at the same address; does not wait until ready.
    pub(crate) fn kill_and_restart(&mut self) -> Result<()> {
        self.worker.kill()?;
        self.worker = Self::spawn(&self.program, &self.dir, self.worker.http)?;
        Ok(())
    }

    /// Its process, for who watches memory and processor.
    pub(crate) fn watched(&self) -> Vec<(String, u32)> {
        vec![("dev".to_owned(), self.worker.pid())]
    }

    /// Where its dispatcher notes the calls it begins.
    pub(crate) fn journal(&self) -> PathBuf {
        self.dir.join("dev.journal")
    }

    fn spawn(program: &Path, dir: &Path, http: SocketAddr) -> Result<Worker> {
        let mut dev = Command::new(program);
        dev.arg("dev")
            .arg("--data")
            .arg(dir.join("data"))
            .arg("--http")
            .arg(http.to_string());
        dev.env("TIDEWHEEL__DISPATCHER__JOURNAL", dir.join("dev.journal"))
            .current_dir(dir);
        Worker::start("dev", "dev", http, dev, dir)
    }
}

impl Drop for Dev {
    fn drop(&mut self) {
        // Before its data goes; one that has ended is as good as killed.
        let killed = self.worker.kill();
        if let Err(error) = killed.and_then(|()| remove_data(&self.dir)) {
            eprintln!("error: clean up after the run: {error:#}");
        }
    }
}

/// A loopback address that nobody listens on now.
pub(crate) fn free_address() -> Result<SocketAddr> {
    let listener = TcpListener::bind(SocketAddr::from((Ipv4Addr::LOCALHOST, 0)));
    listener
        .and_then(|listener| listener.local_addr())
        .context("find a free port")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_a_run_what_was_said_stays_and_what_was_stored_goes() -> Result<()> {
        let dir = std::env::temp_dir().join(format!("tidewheel-run-{}", std::process::id()));
        let at = |name: &str| dir.join(name);
        std::fs::create_dir_all(at("planner-1.store/parts"))?;
        let files = [
            "planner-1.store/parts/1",
            "dispatcher-1.journal",
            "planner-1.log",
            "planner-1.toml",
        ];
        for file in files {
            std::fs::write(at(file), "…")?;
        }
        remove_data(&dir)?;
        let mut left: Vec<_> = std::fs::read_dir(&dir)?
            .map(|entry| Ok(entry?.file_name()))
            .collect::<Result<_>>()?;
        left.sort();
        assert_eq!(left, ["planner-1.log", "planner-1.toml"]);
        remove_dir(&dir)
    }
}
