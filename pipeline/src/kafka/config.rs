//! Where the brokers are, how to speak to them, and what each kind of client is told.

use std::collections::BTreeMap;

use rdkafka::ClientConfig;
use rdkafka::config::RDKafkaLogLevel;
use schemas::{Role, Shards};
use serde::{Deserialize, Serialize};

use super::admin::MAX_RECORD;
use crate::error::LogError;

/// The connection to a Kafka cluster. Every option has a default; [`KafkaConfig::validate`] names
/// every problem at once.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct KafkaConfig {
    /// `host:port` of some brokers, comma separated.
    pub bootstrap: String,
    /// In front of every topic name but the configured intakes.
    pub prefix: String,
    /// In front of every consumer group; empty takes [`KafkaConfig::prefix`].
    pub group_prefix: String,
    /// In front of every transactional id; empty takes [`KafkaConfig::prefix`]. Two deployments on
    /// one cluster must not share it: they would fence each other off.
    pub transactional_id_prefix: String,
    /// Full names of further intake topics; the n-th is [`schemas::Topic::Intake`] n.
    pub intakes: Vec<String>,
    /// Partitions of every topic. Cannot be changed once topics exist.
    pub shards: Shards,
    /// A member that was not heard for so long loses its shards, ms. The brokers bound it by
    /// `group.min.session.timeout.ms` (6 s unless configured).
    pub session_timeout_ms: u64,
    /// A transaction that is undecided for so long is aborted by the brokers, ms. Readers of what it
    /// wrote wait until then if its writer died and nobody took its place.
    pub transaction_timeout_ms: u64,
    /// Whether a member that is closed in order gives its shards up at once. With `false` they wait
    /// for it to come back until its session ends: fewer handovers when a process restarts quickly,
    /// silence for a session when it does not.
    pub leave_on_close: bool,
    /// Copies of every partition of topics that are created.
    pub replication: i32,
    /// Copies that must have a record before it counts as written.
    pub min_insync_replicas: i32,
    /// TLS and SASL.
    pub security: Security,
    /// Anything else librdkafka takes.
    pub overrides: Overrides,
}

/// TLS and SASL. Anything but [`Protocol::Plaintext`] needs a build with the feature `kafka-ssl`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Security {
    /// librdkafka's `security.protocol`.
    pub protocol: Protocol,
    /// PEM file of the authorities to trust; empty takes the system's. `ssl.ca.location`.
    pub ca: String,
    /// PEM file of this client's certificate, for mutual TLS. `ssl.certificate.location`.
    pub certificate: String,
    /// PEM file of its key. `ssl.key.location`.
    pub key: String,
    /// What opens the key. `ssl.key.password`.
    pub key_password: String,
    /// `PLAIN`, `SCRAM-SHA-256` or `SCRAM-SHA-512`. `sasl.mechanism`.
    pub sasl_mechanism: String,
    /// `sasl.username`.
    pub sasl_username: String,
    /// `sasl.password`.
    pub sasl_password: String,
}

/// How bytes travel.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Protocol {
    /// Neither encrypted nor authenticated.
    #[default]
    Plaintext,
    /// TLS.
    Ssl,
    /// SASL without encryption.
    SaslPlaintext,
    /// SASL over TLS.
    SaslSsl,
}

/// Settings handed to librdkafka by kind of client. What the protocol depends on (acks, isolation,
/// group and transactional ids, offsets) cannot be overridden: such a key is a problem.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Overrides {
    /// For every client, such as `client.rack`.
    pub all: BTreeMap<String, String>,
    /// The consumer that is a role's member and reads nothing.
    pub membership: BTreeMap<String, String>,
    /// The consumers that read records.
    pub reader: BTreeMap<String, String>,
    /// The producers of turns.
    pub transactional: BTreeMap<String, String>,
    /// The producers outside of transactions.
    pub producer: BTreeMap<String, String>,
}

/// The kinds of clients, by what they are told.
#[derive(Clone, Debug)]
pub(super) enum Client<'a> {
    /// Member of a role's group under a static name; reads nothing.
    Membership(Role, &'a str),
    /// Reads assigned partitions; asks for a role's committed positions.
    Reader(Option<Role>),
    /// Asks for the ends of partitions, undecided records included.
    Query,
    /// Writes turns, under a transactional id.
    Transactional(&'a str),
    /// Writes outside of transactions; `true` so that a lost record stops those behind it.
    Producer(bool),
    /// Makes and changes topics, deletes records.
    Admin,
}

impl Default for KafkaConfig {
    fn default() -> Self {
        Self {
            bootstrap: "127.0.0.1:9092".to_owned(),
            prefix: "tidewheel.".to_owned(),
            group_prefix: String::new(),
            transactional_id_prefix: String::new(),
            intakes: Vec::new(),
            shards: Shards::DEFAULT,
            session_timeout_ms: 10_000,
            transaction_timeout_ms: 10_000,
            leave_on_close: true,
            replication: 1,
            min_insync_replicas: 1,
            security: Security::default(),
            overrides: Overrides::default(),
        }
    }
}

/// What no override may touch, each for the promise that rests on it.
const FIXED: [&str; 19] = [
    "acks",
    "request.required.acks",
    "allow.auto.create.topics",
    "auto.offset.reset",
    "delivery.report.only.error",
    "enable.auto.commit",
    "enable.auto.offset.store",
    "enable.gapless.guarantee",
    "enable.idempotence",
    "enable.partition.eof",
    "group.id",
    "group.instance.id",
    "group.protocol",
    "isolation.level",
    "partition.assignment.strategy",
    "session.timeout.ms",
    "transactional.id",
    "transaction.timeout.ms",
    "bootstrap.servers",
];

impl KafkaConfig {
    /// Everything that is wrong with it, as text; empty when it is fine.
    #[must_use]
    pub fn validate(&self) -> Vec<String> {
        let mut problems = Vec::new();
        if self.bootstrap.trim().is_empty() {
            problems.push("bootstrap: must name at least one host:port".to_owned());
        }
        let prefixes = [
            ("prefix", &self.prefix),
            ("group_prefix", &self.group_prefix),
            ("transactional_id_prefix", &self.transactional_id_prefix),
        ];
        for (option, prefix) in prefixes {
            if !prefix.chars().all(is_legal) || prefix.len() > 200 {
                problems.push(format!(
                    "{option}: `{prefix}` may hold letters, digits, `.`, `_` and `-`, 200 at most"
                ));
            }
        }
        for intake in &self.intakes {
            if intake.is_empty() || intake.len() > 249 || !intake.chars().all(is_legal) {
                problems.push(format!("intakes: `{intake}` is not a topic name"));
            }
        }
        if !(300..=300_000).contains(&self.session_timeout_ms) {
            problems.push("session_timeout_ms: must be 300 to 300,000".to_owned());
        }
        if !(2_000..=900_000).contains(&self.transaction_timeout_ms) {
            problems.push("transaction_timeout_ms: must be 2,000 to 900,000".to_owned());
        }
        if self.replication < 1 || self.min_insync_replicas < 1 {
            problems.push("replication and min_insync_replicas: must be at least 1".to_owned());
        }
        if self.min_insync_replicas > self.replication {
            problems.push(format!(
                "min_insync_replicas: {} can never be met by {} copies",
                self.min_insync_replicas, self.replication
            ));
        }
        self.validate_security(&mut problems);
        for (kind, settings) in self.overrides.by_kind() {
            for key in settings.keys().filter(|key| FIXED.contains(&key.as_str())) {
                problems.push(format!(
                    "overrides.{kind}: `{key}` is fixed by the protocol"
                ));
            }
        }
        problems
    }

    fn validate_security(&self, problems: &mut Vec<String>) {
        let security = &self.security;
        if security.protocol != Protocol::Plaintext && !cfg!(feature = "kafka-ssl") {
            problems.push(format!(
                "security.protocol: `{}` needs a build with the feature `kafka-ssl`",
                security.protocol.name()
            ));
        }
        if security.protocol.is_sasl() && security.sasl_mechanism.is_empty() {
            problems.push("security.sasl_mechanism: must be given with this protocol".to_owned());
        }
        if security.certificate.is_empty() != security.key.is_empty() {
            problems.push("security.certificate and security.key: give both or none".to_owned());
        }
    }

    /// The consumer group of `role`.
    #[must_use]
    pub fn group(&self, role: Role) -> String {
        self.group_named(role.name())
    }

    fn group_named(&self, name: &str) -> String {
        let prefix = if self.group_prefix.is_empty() {
            &self.prefix
        } else {
            &self.group_prefix
        };
        format!("{prefix}{name}")
    }

    /// The transactional id of `role`'s worker `member`: the same whenever that worker starts again,
    /// so that it ends what its predecessor left undecided.
    #[must_use]
    pub fn transactional_id(&self, role: Role, member: &str) -> String {
        let prefix = if self.transactional_id_prefix.is_empty() {
            &self.prefix
        } else {
            &self.transactional_id_prefix
        };
        format!("{prefix}{}.{member}", role.name())
    }

    /// Refuses a configuration with problems, all of them named.
    pub(super) fn ensure_valid(&self) -> Result<(), LogError> {
        let problems = self.validate();
        if problems.is_empty() {
            Ok(())
        } else {
            Err(LogError::Config(problems.join("; ")))
        }
    }

    /// What a client of that kind is told.
    pub(super) fn client(&self, kind: &Client<'_>) -> ClientConfig {
        let mut config = ClientConfig::new();
        config.set_log_level(RDKafkaLogLevel::Info);
        for (key, value) in &self.overrides.all {
            config.set(key, value);
        }
        config
            .set("client.id", "tidewheel")
            .set("socket.keepalive.enable", "true")
            .set("socket.nagle.disable", "true")
            .set("reconnect.backoff.ms", "50")
            .set("reconnect.backoff.max.ms", "1000")
            // Lookups of offsets and coordinators wait behind markers of a few ms, not 100.
            .set("retry.backoff.ms", "10")
            .set("retry.backoff.max.ms", "500");
        self.security.set(&mut config);
        match kind {
            Client::Membership(role, member) => self.membership(&mut config, *role, member),
            Client::Reader(role) => self.reader(&mut config, *role),
            Client::Transactional(id) => self.transactional(&mut config, id),
            Client::Producer(gapless) => self.producer(&mut config, *gapless),
            Client::Query => {
                config.set("isolation.level", "read_uncommitted");
            }
            Client::Admin => {}
        }
        config.set("bootstrap.servers", &self.bootstrap);
        config
    }

    fn membership(&self, config: &mut ClientConfig, role: Role, member: &str) {
        let heartbeat = (self.session_timeout_ms / 5).clamp(100, 3_000);
        config
            .set("heartbeat.interval.ms", heartbeat.to_string())
            // Bounds how long the group waits for a member that hands its shards over.
            .set(
                "max.poll.interval.ms",
                60_000.max(self.session_timeout_ms).to_string(),
            )
            // Discovers its topic's deletion and growth; nothing else hangs on it.
            .set("topic.metadata.refresh.interval.ms", "60000");
        set_all(config, &self.overrides.membership);
        config
            .set("group.id", self.group(role))
            .set("group.instance.id", member)
            .set("group.protocol", "classic")
            .set("partition.assignment.strategy", "range")
            .set("session.timeout.ms", self.session_timeout_ms.to_string())
            .set("enable.auto.commit", "false")
            .set("enable.auto.offset.store", "false")
            .set("allow.auto.create.topics", "false");
    }

    fn reader(&self, config: &mut ClientConfig, role: Option<Role>) {
        // One Fetch is on its way per broker: a partition that is newly assigned waits for the one
        // that is parked there, and so does the notice that an end was reached.
        config
            .set("fetch.wait.max.ms", "50")
            .set("fetch.min.bytes", "1")
            .set("fetch.queue.backoff.ms", "20")
            .set("fetch.error.backoff.ms", "50")
            // Fetched ahead per partition, each has a queue of its own: a fetch on top of the limit, so
            // 1.5 MiB. A trigger with 8 shards reads 192 partitions: 300 MiB if all are flooded.
            .set("queued.min.messages", "10000")
            .set("queued.max.messages.kbytes", "1024")
            .set("max.partition.fetch.bytes", "524288")
            .set("fetch.max.bytes", "16777216")
            .set("topic.metadata.refresh.interval.ms", "60000");
        set_all(config, &self.overrides.reader);
        let group = match role {
            Some(role) => self.group(role),
            // Assigning needs a group by name; nothing joins or commits to this one.
            None => self.group_named("reader"),
        };
        config
            .set("group.id", group)
            .set("isolation.level", "read_committed")
            .set("auto.offset.reset", "error")
            .set("enable.partition.eof", "true")
            .set("enable.auto.commit", "false")
            .set("enable.auto.offset.store", "false")
            .set("allow.auto.create.topics", "false");
    }

    fn transactional(&self, config: &mut ClientConfig, id: &str) {
        let timeout = self.transaction_timeout_ms;
        config
            // A turn right behind another meets its markers on their way: ask again soon, then later.
            .set("retry.backoff.ms", "2")
            .set("linger.ms", "0")
            .set("message.max.bytes", MAX_RECORD)
            .set("batch.num.messages", "10000")
            .set("batch.size", "1000000")
            .set("compression.type", "lz4")
            .set("queue.buffering.max.messages", "500000")
            .set("queue.buffering.max.kbytes", "262144");
        set_all(config, &self.overrides.transactional);
        // The line that librdkafka logs for each answer to an EndTxn: see `commit`.
        let debug = match config.get("debug") {
            Some(more) if !more.is_empty() => format!("{more},eos"),
            _ => "eos".to_owned(),
        };
        config
            .set("debug", debug)
            .set_log_level(RDKafkaLogLevel::Debug)
            .set("transactional.id", id)
            .set("transaction.timeout.ms", timeout.to_string())
            .set(
                "socket.timeout.ms",
                (timeout * 6 / 10).max(1_000).to_string(),
            )
            .set("message.timeout.ms", (timeout * 8 / 10).to_string())
            .set("delivery.report.only.error", "true");
    }

    fn producer(&self, config: &mut ClientConfig, gapless: bool) {
        config
            .set("linger.ms", "3")
            .set("message.max.bytes", MAX_RECORD)
            .set("compression.type", "lz4")
            .set("message.timeout.ms", "10000")
            .set("socket.timeout.ms", "8000")
            .set("queue.buffering.max.messages", "200000")
            .set("queue.buffering.max.kbytes", "131072");
        set_all(config, &self.overrides.producer);
        config.set("acks", "all").set("enable.idempotence", "true");
        if gapless {
            config
                .set("linger.ms", "0")
                .set("enable.gapless.guarantee", "true");
        }
    }
}

impl Overrides {
    fn by_kind(&self) -> [(&'static str, &BTreeMap<String, String>); 5] {
        [
            ("all", &self.all),
            ("membership", &self.membership),
            ("reader", &self.reader),
            ("transactional", &self.transactional),
            ("producer", &self.producer),
        ]
    }
}

impl Security {
    fn set(&self, config: &mut ClientConfig) {
        if self.protocol == Protocol::Plaintext {
            return;
        }
        config.set("security.protocol", self.protocol.name());
        let settings = [
            ("ssl.ca.location", &self.ca),
            ("ssl.certificate.location", &self.certificate),
            ("ssl.key.location", &self.key),
            ("ssl.key.password", &self.key_password),
            ("sasl.mechanism", &self.sasl_mechanism),
            ("sasl.username", &self.sasl_username),
            ("sasl.password", &self.sasl_password),
        ];
        for (key, value) in settings {
            if !value.is_empty() {
                config.set(key, value);
            }
        }
    }
}

impl Protocol {
    /// As librdkafka calls it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Plaintext => "plaintext",
            Self::Ssl => "ssl",
            Self::SaslPlaintext => "sasl_plaintext",
            Self::SaslSsl => "sasl_ssl",
        }
    }

    fn is_sasl(self) -> bool {
        matches!(self, Self::SaslPlaintext | Self::SaslSsl)
    }
}

fn set_all(config: &mut ClientConfig, settings: &BTreeMap<String, String>) {
    for (key, value) in settings {
        config.set(key, value);
    }
}

/// What Kafka allows in names of topics and members.
pub(super) fn is_legal(c: char) -> bool {
    c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_every_problem_at_once() {
        let config = KafkaConfig {
            bootstrap: String::new(),
            prefix: "tide wheel".to_owned(),
            min_insync_replicas: 2,
            overrides: Overrides {
                all: [("acks".to_owned(), "1".to_owned())].into(),
                ..Overrides::default()
            },
            ..KafkaConfig::default()
        };
        let problems = config.validate().join("\n");
        for option in ["bootstrap", "prefix", "min_insync_replicas", "`acks`"] {
            assert!(problems.contains(option), "{option} in {problems}");
        }
        assert_eq!(KafkaConfig::default().validate(), Vec::<String>::new());
    }

    #[test]
    fn ids_are_stable_and_prefixed() {
        let config = KafkaConfig::default();
        assert_eq!(config.group(Role::Planner), "tidewheel.planner");
        assert_eq!(
            config.transactional_id(Role::Trigger, "host-1"),
            "tidewheel.trigger.host-1"
        );
    }
}
