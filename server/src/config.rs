//! The whole configuration: the default file, the user's file, the environment, in that order.
//!
//! The default file is the manual and the schema at once: an option that is not in it does not exist,
//! and an option of another type than there is refused. Every problem is reported, not the first.

mod check;
mod security;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde::Deserialize;
use serde::de::DeserializeOwned;
use toml::{Table, Value};

/// The manual, compiled in.
pub(crate) const DEFAULT: &str = include_str!("../config.default.toml");
const ENV_PREFIX: &str = "TIDEWHEEL__";

/// Everything.
#[derive(Clone, Debug)]
pub(crate) struct Config {
    pub(crate) log: Log,
    pub(crate) kafka: Kafka,
    pub(crate) embedded: Embedded,
    pub(crate) http: Http,
    pub(crate) internal: Internal,
    pub(crate) worker: Worker,
    pub(crate) ingest: ingest::Config,
    pub(crate) planner: Planner,
    pub(crate) trigger: Trigger,
    pub(crate) dispatcher: Dispatcher,
    pub(crate) archive: Archive,
    pub(crate) telemetry: Telemetry,
}

/// A duration written as text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Ms(pub(crate) u64);

#[derive(Clone, Debug, Deserialize)]
pub(crate) struct Log {
    pub(crate) kind: LogKind,
    pub(crate) shards: u16,
    pub(crate) keep_window: Ms,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum LogKind {
    Kafka,
    Embedded,
}

#[derive(Clone, Debug, Deserialize)]
pub(crate) struct Kafka {
    pub(crate) bootstrap: String,
    pub(crate) prefix: String,
    pub(crate) group_prefix: String,
    pub(crate) transactional_id_prefix: String,
    pub(crate) session_timeout: Ms,
    pub(crate) transaction_timeout: Ms,
    pub(crate) leave_on_close: bool,
    pub(crate) replication: i32,
    pub(crate) min_insync_replicas: i32,
    pub(crate) security_protocol: String,
    pub(crate) sasl_mechanism: String,
    pub(crate) sasl_username: String,
    pub(crate) sasl_password: String,
    pub(crate) ssl_ca: String,
    pub(crate) ssl_certificate: String,
    pub(crate) ssl_key: String,
    pub(crate) overrides: BTreeMap<String, String>,
}

#[derive(Clone, Debug, Deserialize)]
pub(crate) struct Embedded {
    pub(crate) data: PathBuf,
    pub(crate) fsync: String,
}

#[derive(Clone, Debug, Deserialize)]
pub(crate) struct Http {
    pub(crate) listen: String,
}

#[derive(Clone, Debug, Deserialize)]
pub(crate) struct Internal {
    pub(crate) listen: String,
    pub(crate) advertise: String,
    pub(crate) token: String,
}

#[derive(Clone, Debug, Deserialize)]
pub(crate) struct Worker {
    pub(crate) member: String,
    pub(crate) clock_bound: Ms,
    pub(crate) give_way: Ms,
}

#[derive(Clone, Debug, Deserialize)]
pub(crate) struct Planner {
    pub(crate) horizon: Ms,
    pub(crate) slot_bytes: u64,
    pub(crate) dedup_window: Ms,
    pub(crate) data: PathBuf,
    pub(crate) intakes: Vec<Intake>,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Intake {
    pub(crate) topic: String,
    pub(crate) tenant: String,
}

#[derive(Clone, Debug, Deserialize)]
pub(crate) struct Trigger {
    pub(crate) lead: Ms,
    pub(crate) max_fires_per_turn: usize,
}

#[derive(Clone, Debug, Deserialize)]
pub(crate) struct Dispatcher {
    pub(crate) max_open_calls: usize,
    pub(crate) call_threads: usize,
    pub(crate) skew_bound: Ms,
    pub(crate) connect_timeout: Ms,
    pub(crate) allow_loopback: bool,
    pub(crate) allow_private: bool,
    pub(crate) journal: String,
}

#[derive(Clone, Debug, Deserialize)]
pub(crate) struct Archive {
    pub(crate) url: String,
    pub(crate) retention_days: u32,
    pub(crate) batch_rows: usize,
    pub(crate) batch_age: Ms,
}

#[derive(Clone, Debug, Deserialize)]
pub(crate) struct Telemetry {
    pub(crate) log: String,
    pub(crate) format: String,
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
    pub(crate) fn load(
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
    pub(crate) fn from_text(
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
            check::check(config, &mut problems);
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
