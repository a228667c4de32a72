//! Where the brokers are, how to speak to them, and what each kind of client is told.

use std::collections::BTreeMap;

use schemas::{Role, Shards};
use serde::{Deserialize, Serialize};

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
const FIXED: [&str; 22] = [
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
    "heartbeat.interval.ms",
    "max.poll.interval.ms",
    "log.queue",
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

    pub(super) fn group_named(&self, name: &str) -> String {
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
