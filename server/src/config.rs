//! The whole configuration: the default file, the user's file, the environment, in that order.
//!
//! The default file is the manual and the schema at once: an option that is not in it does not exist,
//! and an option of another type than there is refused. Every problem is reported, not the first.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde::Deserialize;
use serde::de::DeserializeOwned;
use toml::{Table, Value};

/// The manual, compiled in.
pub const DEFAULT: &str = include_str!("../config.default.toml");
const ENV_PREFIX: &str = "TIDEWHEEL__";

/// Everything.
#[derive(Clone, Debug)]
pub struct Config {
    pub log: Log,
    pub kafka: Kafka,
    pub embedded: Embedded,
    pub http: Http,
    pub internal: Internal,
    pub worker: Worker,
    pub ingest: ingest::Config,
    pub planner: Planner,
    pub trigger: Trigger,
    pub dispatcher: Dispatcher,
    pub archive: Archive,
    pub telemetry: Telemetry,
}

/// A duration written as text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ms(pub u64);

#[derive(Clone, Debug, Deserialize)]
pub struct Log {
    pub kind: LogKind,
    pub shards: u16,
    pub keep_window: Ms,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LogKind {
    Kafka,
    Embedded,
}

#[derive(Clone, Debug, Deserialize)]
pub struct Kafka {
    pub bootstrap: String,
    pub prefix: String,
    pub group_prefix: String,
    pub transactional_id_prefix: String,
    pub session_timeout: Ms,
    pub replication: i32,
    pub min_insync_replicas: i32,
    pub security_protocol: String,
    pub sasl_mechanism: String,
    pub sasl_username: String,
    pub sasl_password: String,
    pub ssl_ca: String,
    pub ssl_certificate: String,
    pub ssl_key: String,
    pub overrides: BTreeMap<String, String>,
}

#[derive(Clone, Debug, Deserialize)]
pub struct Embedded {
    pub data: PathBuf,
    pub fsync: String,
}

#[derive(Clone, Debug, Deserialize)]
pub struct Http {
    pub listen: String,
}

#[derive(Clone, Debug, Deserialize)]
pub struct Internal {
    pub listen: String,
    pub advertise: String,
    pub token: String,
}

#[derive(Clone, Debug, Deserialize)]
pub struct Worker {
    pub member: String,
}

#[derive(Clone, Debug, Deserialize)]
pub struct Planner {
    pub horizon: Ms,
    pub dedup_window: Ms,
    pub data: PathBuf,
    pub intakes: Vec<Intake>,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Intake {
    pub topic: String,
    pub tenant: String,
}

#[derive(Clone, Debug, Deserialize)]
pub struct Trigger {
    pub lead: Ms,
    pub max_fires_per_turn: usize,
}

#[derive(Clone, Debug, Deserialize)]
pub struct Dispatcher {
    pub max_open_calls: usize,
    pub skew_bound: Ms,
    pub connect_timeout: Ms,
    pub allow_loopback: bool,
    pub allow_private: bool,
    pub journal: String,
}

#[derive(Clone, Debug, Deserialize)]
pub struct Archive {
    pub url: String,
    pub retention_days: u32,
    pub batch_rows: usize,
    pub batch_age: Ms,
}

#[derive(Clone, Debug, Deserialize)]
pub struct Telemetry {
    pub log: String,
    pub format: String,
}

impl<'de> Deserialize<'de> for Ms {
    fn deserialize<D: serde::Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let text = String::deserialize(from)?;
        schemas::duration::parse(&text)
            .map(Self)
            .map_err(serde::de::Error::custom)
    }
}

impl Config {
    /// Reads `file` over the defaults, and `env` (names and values) over both.
    ///
    /// # Errors
    /// Every problem found, each a line that says what, where and what to do.
    pub fn load(
        file: Option<&Path>,
        env: impl Iterator<Item = (String, String)>,
    ) -> Result<Self, Vec<String>> {
        let text = match file {
            None => String::new(),
            Some(path) => std::fs::read_to_string(path)
                .map_err(|error| vec![format!("cannot read `{}`: {error}", path.display())])?,
        };
        Self::from_text(&text, env)
    }

    /// As [`Config::load`], from the text of the file.
    ///
    /// # Errors
    /// As [`Config::load`].
    pub fn from_text(
        text: &str,
        env: impl Iterator<Item = (String, String)>,
    ) -> Result<Self, Vec<String>> {
        let mut problems = Vec::new();
        #[expect(clippy::expect_used, reason = "compiled in, and read by every test")]
        let mut tree: Table = DEFAULT.parse().expect("the default file is TOML");
        match text.parse::<Table>() {
            Ok(user) => overlay(&mut tree, user, "", &mut problems),
            Err(error) => problems.push(format!("the file is not TOML: {error}")),
        }
        for (name, value) in env {
            if let Some(path) = name.strip_prefix(ENV_PREFIX) {
                overlay_env(&mut tree, &name, path, &value, &mut problems);
            }
        }
        let config = Self::from_tree(&tree, &mut problems);
        if let Some(config) = &config {
            config.check(&mut problems);
        }
        match config {
            Some(config) if problems.is_empty() => Ok(config),
            _ => Err(problems),
        }
    }

    fn from_tree(tree: &Table, problems: &mut Vec<String>) -> Option<Self> {
        // Each is read before any `?`, so that all sections report their problems.
        let log = section(tree, "log", problems);
        let kafka = section(tree, "kafka", problems);
        let embedded = section(tree, "embedded", problems);
        let http = section(tree, "http", problems);
        let internal = section(tree, "internal", problems);
        let worker = section(tree, "worker", problems);
        let ingest = section(tree, "ingest", problems);
        let planner = section(tree, "planner", problems);
        let trigger = section(tree, "trigger", problems);
        let dispatcher = section(tree, "dispatcher", problems);
        let archive = section(tree, "archive", problems);
        let telemetry = section(tree, "telemetry", problems);
        Some(Self {
            log: log?,
            kafka: kafka?,
            embedded: embedded?,
            http: http?,
            internal: internal?,
            worker: worker?,
            ingest: ingest?,
            planner: planner?,
            trigger: trigger?,
            dispatcher: dispatcher?,
            archive: archive?,
            telemetry: telemetry?,
        })
    }

    /// What no type can say.
    fn check(&self, problems: &mut Vec<String>) {
        let mut need = |good: bool, problem: &str| {
            if !good {
                problems.push(problem.to_owned());
            }
        };
        need(
            self.log.shards > 0,
            "`log.shards` is 0: it must be 1 or more, 8 suits most",
        );
        need(
            !self.kafka.bootstrap.is_empty() || self.log.kind == LogKind::Embedded,
            "`kafka.bootstrap` is empty: name at least one broker as host:port",
        );
        let session = self.kafka.session_timeout.0;
        need(
            (1_000..=300_000).contains(&session),
            "`kafka.session_timeout` must be between 1s and 5m",
        );
        let protocols = ["plaintext", "ssl", "sasl_plaintext", "sasl_ssl"];
        need(
            protocols.contains(&self.kafka.security_protocol.as_str()),
            "`kafka.security_protocol` must be plaintext, ssl, sasl_plaintext or sasl_ssl",
        );
        need(
            self.kafka.min_insync_replicas <= self.kafka.replication,
            "`kafka.min_insync_replicas` is larger than `kafka.replication`: nothing could be written",
        );
        for (name, value) in [
            ("http.listen", &self.http.listen),
            ("internal.listen", &self.internal.listen),
        ] {
            need(
                value.parse::<std::net::SocketAddr>().is_ok(),
                &format!("`{name}` is `{value}`: it must be an address and port, 127.0.0.1:7800"),
            );
        }
        let loopback = self
            .internal
            .listen
            .parse::<std::net::SocketAddr>()
            .is_ok_and(|address| address.ip().is_loopback());
        need(
            loopback || !self.internal.token.is_empty(),
            "`internal.listen` is reachable from other machines: set `internal.token`",
        );
        let horizon = self.planner.horizon.0;
        need(
            (60_000..=600_000).contains(&horizon),
            "`planner.horizon` must be between 1m and 10m: the slots span 12 minutes",
        );
        for intake in &self.planner.intakes {
            need(
                schemas::TenantId::new(&intake.tenant).is_ok(),
                &format!(
                    "`planner.intakes`: `{}` is not a tenant name",
                    intake.tenant
                ),
            );
        }
        need(
            (10..=5_000).contains(&self.trigger.lead.0),
            "`trigger.lead` must be between 10ms and 5s",
        );
        need(
            self.trigger.max_fires_per_turn > 0,
            "`trigger.max_fires_per_turn` is 0",
        );
        need(
            self.dispatcher.max_open_calls > 0,
            "`dispatcher.max_open_calls` is 0: no call begins",
        );
        let archive = &self.archive.url;
        need(
            archive.is_empty() || archive.starts_with("mysql://") || archive.starts_with("sqlite:"),
            "`archive.url` must begin with mysql:// or sqlite:, or be empty for no archive",
        );
        need(
            self.archive.retention_days > 0,
            "`archive.retention_days` is 0: nothing would be kept",
        );
        need(
            ["text", "json"].contains(&self.telemetry.format.as_str()),
            "`telemetry.format` must be text or json",
        );
    }
}

fn section<T: DeserializeOwned>(tree: &Table, name: &str, problems: &mut Vec<String>) -> Option<T> {
    let value = tree.get(name)?.clone();
    match value.try_into() {
        Ok(section) => Some(section),
        Err(error) => {
            problems.push(format!("section `{name}`: {}", error.to_string().trim()));
            None
        }
    }
}

/// Lays `user` over `tree`; refuses what the default file does not know.
fn overlay(tree: &mut Table, user: Table, path: &str, problems: &mut Vec<String>) {
    for (key, value) in user {
        let full = if path.is_empty() {
            key.clone()
        } else {
            format!("{path}.{key}")
        };
        let free = tree.is_empty() || full.starts_with("kafka.overrides.");
        match tree.get_mut(&key) {
            None if free => {
                tree.insert(key, value);
            }
            None => problems.push(unknown(tree, &full, &key)),
            Some(Value::Table(below)) => match value {
                Value::Table(user) => overlay(below, user, &full, problems),
                other => problems.push(format!("`{full}` is a section, not {}", other.type_str())),
            },
            Some(known) if known.same_type(&value) => *known = value,
            Some(known) => problems.push(format!(
                "`{full}` must be {}, not {}: the default is `{known}`",
                known.type_str(),
                value.type_str()
            )),
        }
    }
}

fn overlay_env(tree: &mut Table, name: &str, path: &str, value: &str, problems: &mut Vec<String>) {
    let path: Vec<String> = path.split("__").map(str::to_lowercase).collect();
    let [section, key] = path.as_slice() else {
        problems.push(format!("`{name}` must be {ENV_PREFIX}SECTION__KEY"));
        return;
    };
    let known = tree.get(section).and_then(|section| section.get(key));
    let value = match known {
        Some(Value::String(_)) => Ok(Value::String(value.to_owned())),
        _ => format!("it = {value}")
            .parse::<Table>()
            .map_err(|_| format!("`{name}` is `{value}`, which is not a TOML value"))
            .map(|mut table| table.remove("it").unwrap_or(Value::Boolean(false))),
    };
    match value {
        Err(problem) => problems.push(problem),
        Ok(value) => {
            let mut inner = Table::new();
            inner.insert(key.clone(), value);
            let mut outer = Table::new();
            outer.insert(section.clone(), Value::Table(inner));
            let before = problems.len();
            overlay(tree, outer, "", problems);
            for problem in problems.iter_mut().skip(before) {
                *problem = format!("`{name}`: {problem}");
            }
        }
    }
}

fn unknown(tree: &Table, full: &str, key: &str) -> String {
    let nearest = tree.keys().min_by_key(|known| distance(known, key));
    match nearest {
        Some(nearest) if distance(nearest, key) <= 3 => {
            format!("`{full}` is not an option; did you mean `{nearest}`?")
        }
        _ => format!("`{full}` is not an option"),
    }
}

/// Edits between two names.
fn distance(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.chars().enumerate() {
        let mut diagonal = i;
        if let Some(first) = row.first_mut() {
            *first = i + 1;
        }
        for (j, y) in b.iter().enumerate() {
            let (left, up) = (row[j], row[j + 1]);
            row[j + 1] = (diagonal + usize::from(x != *y)).min(left + 1).min(up + 1);
            diagonal = up;
        }
    }
    row.last().copied().unwrap_or(0)
}

#[cfg(test)]
mod tests;
