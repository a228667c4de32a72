//! What each kind of client is told: defaults, then what the configuration overrides, then what the
//! protocol depends on.

use std::collections::BTreeMap;

use rdkafka::ClientConfig;
use rdkafka::config::RDKafkaLogLevel;
use schemas::Role;

use super::admin::MAX_RECORD;
use super::config::{KafkaConfig, Protocol, Security};

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

impl KafkaConfig {
    /// What a client of that kind is told.
    pub(super) fn client(&self, kind: &Client<'_>) -> ClientConfig {
        let mut config = ClientConfig::new();
        config.set_log_level(RDKafkaLogLevel::Info);
        set_all(&mut config, &COMMON);
        let (defaults, overrides): (&[Setting], _) = match kind {
            Client::Membership(..) => (&MEMBERSHIP, Some(&self.overrides.membership)),
            Client::Reader(_) => (&READER, Some(&self.overrides.reader)),
            Client::Transactional(_) => (&TRANSACTIONAL, Some(&self.overrides.transactional)),
            Client::Producer(_) => (&PRODUCER, Some(&self.overrides.producer)),
            Client::Query | Client::Admin => (&ASKING, None),
        };
        set_all(&mut config, defaults);
        if let Client::Reader(role) = kind {
            set_all(&mut config, &gathering(*role));
        }
        override_all(&mut config, &self.overrides.all);
        if let Some(overrides) = overrides {
            override_all(&mut config, overrides);
        }
        self.security.set(&mut config);
        match kind {
            Client::Membership(role, member) => self.fix_membership(&mut config, *role, member),
            Client::Reader(role) => self.fix_reader(&mut config, *role),
            Client::Transactional(id) => self.fix_transactional(&mut config, id),
            Client::Producer(gapless) => fix_producer(&mut config, *gapless),
            Client::Query => {
                config.set("isolation.level", "read_uncommitted");
            }
            Client::Admin => {}
        }
        config.set("bootstrap.servers", &self.bootstrap);
        config
    }

    fn fix_membership(&self, config: &mut ClientConfig, role: Role, member: &str) {
        let session = self.session_timeout_ms;
        config
            .set(
                "heartbeat.interval.ms",
                (session / 5).clamp(100, 3_000).to_string(),
            )
            // Bounds how long the group waits for a member that hands its shards over.
            .set("max.poll.interval.ms", session.max(60_000).to_string())
            .set("group.id", self.group(role))
            .set("group.instance.id", member)
            .set("group.protocol", "classic")
            .set("partition.assignment.strategy", "range")
            .set("session.timeout.ms", session.to_string());
        fix_consumer(config);
    }

    fn fix_reader(&self, config: &mut ClientConfig, role: Option<Role>) {
        let group = match role {
            Some(role) => self.group(role),
            // Assigning needs a group by name; nothing joins or commits to this one.
            None => self.group_named("reader"),
        };
        config
            .set("group.id", group)
            .set("isolation.level", "read_committed")
            .set("auto.offset.reset", "error")
            .set("enable.partition.eof", "true");
        fix_consumer(config);
    }

    fn fix_transactional(&self, config: &mut ClientConfig, id: &str) {
        let timeout = self.transaction_timeout_ms;
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
            // A record and a request must be given up before the transaction is.
            .set(
                "socket.timeout.ms",
                (timeout * 6 / 10).max(1_000).to_string(),
            )
            .set("message.timeout.ms", (timeout * 8 / 10).to_string())
            .set("delivery.report.only.error", "true");
    }
}

type Setting = (&'static str, &'static str);

const COMMON: [Setting; 7] = [
    ("client.id", "tidewheel"),
    ("socket.keepalive.enable", "true"),
    ("socket.nagle.disable", "true"),
    ("reconnect.backoff.ms", "50"),
    ("reconnect.backoff.max.ms", "1000"),
    // Lookups of offsets and coordinators wait behind markers of a few ms, not 100.
    ("retry.backoff.ms", "10"),
    ("retry.backoff.max.ms", "500"),
];

/// Discovers its topic's deletion and growth; nothing else hangs on it.
const MEMBERSHIP: [Setting; 1] = [("topic.metadata.refresh.interval.ms", "60000")];

/// A client that reads nothing looks for leaders when it loses a broker, which is before the others have
/// shared out what that one led, and then only in these rounds: deleting records must not wait for minutes.
const ASKING: [Setting; 1] = [("topic.metadata.refresh.interval.ms", "10000")];

const READER: [Setting; 7] = [
    ("fetch.queue.backoff.ms", "20"),
    ("fetch.error.backoff.ms", "50"),
    // Fetched ahead per partition, each has a queue of its own: a fetch on top of the limit, so 1.5
    // MiB. A trigger with 8 shards reads 192 partitions: 300 MiB if all are flooded.
    ("queued.min.messages", "10000"),
    ("queued.max.messages.kbytes", "1024"),
    ("max.partition.fetch.bytes", "524288"),
    ("fetch.max.bytes", "16777216"),
    ("topic.metadata.refresh.interval.ms", "60000"),
];

const TRANSACTIONAL: [Setting; 8] = [
    // A turn right behind another meets its markers on their way: ask again soon, then later.
    ("retry.backoff.ms", "2"),
    ("linger.ms", "0"),
    ("message.max.bytes", MAX_RECORD),
    ("batch.num.messages", "10000"),
    ("batch.size", "1000000"),
    ("compression.type", "lz4"),
    ("queue.buffering.max.messages", "500000"),
    ("queue.buffering.max.kbytes", "262144"),
];

const PRODUCER: [Setting; 7] = [
    ("linger.ms", "3"),
    ("message.max.bytes", MAX_RECORD),
    ("compression.type", "lz4"),
    ("message.timeout.ms", "10000"),
    ("socket.timeout.ms", "8000"),
    ("queue.buffering.max.messages", "200000"),
    ("queue.buffering.max.kbytes", "131072"),
];

/// How long a Fetch gathers at the broker. It costs a broker about as much as the records of ten tasks,
/// whatever it brings, and every turn of the stage before would answer it with the first of its
/// partitions alone. One Fetch is on its way per broker: a partition that is newly assigned waits for
/// the one that is parked there, and so does the notice that an end was reached.
fn gathering(role: Option<Role>) -> [Setting; 2] {
    match role {
        // A part of the lead, or of the way from a registration to its slot.
        Some(Role::Planner | Role::Trigger | Role::Dispatcher) => {
            [("fetch.wait.max.ms", "20"), ("fetch.min.bytes", "65536")]
        }
        // Nobody waits for it.
        Some(Role::Archive) => [("fetch.wait.max.ms", "200"), ("fetch.min.bytes", "1000000")],
        // Tables and heartbeats: what comes is handed over at once.
        None => [("fetch.wait.max.ms", "200"), ("fetch.min.bytes", "1")],
    }
}

fn fix_consumer(config: &mut ClientConfig) {
    config
        .set("enable.auto.commit", "false")
        .set("enable.auto.offset.store", "false")
        .set("allow.auto.create.topics", "false");
}

fn fix_producer(config: &mut ClientConfig, gapless: bool) {
    config.set("acks", "all").set("enable.idempotence", "true");
    if gapless {
        config
            .set("linger.ms", "0")
            .set("enable.gapless.guarantee", "true");
    }
}

fn set_all(config: &mut ClientConfig, settings: &[Setting]) {
    for (key, value) in settings {
        config.set(*key, *value);
    }
}

fn override_all(config: &mut ClientConfig, settings: &BTreeMap<String, String>) {
    for (key, value) in settings {
        config.set(key, value);
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kafka::config::Overrides;

    #[test]
    fn overrides_beat_defaults_and_the_nearer_ones_the_common_ones() {
        let one = |key: &str, value: &str| [(key.to_owned(), value.to_owned())].into();
        let overrides = Overrides {
            all: [
                ("linger.ms", "7"),
                ("fetch.wait.max.ms", "9"),
                ("debug", "msg"),
            ]
            .map(|(key, value)| (key.to_owned(), value.to_owned()))
            .into(),
            producer: one("linger.ms", "1"),
            ..Overrides::default()
        };
        let config = KafkaConfig {
            overrides,
            ..KafkaConfig::default()
        };
        let cases: [(Client<'_>, &str, Option<&str>); 6] = [
            (Client::Producer(false), "linger.ms", Some("1")),
            (Client::Producer(true), "linger.ms", Some("0")),
            (Client::Transactional("t"), "linger.ms", Some("7")),
            (Client::Transactional("t"), "debug", Some("msg,eos")),
            (Client::Reader(None), "fetch.wait.max.ms", Some("9")),
            (Client::Admin, "group.id", None),
        ];
        for (kind, key, value) in cases {
            assert_eq!(config.client(&kind).get(key), value, "{kind:?} {key}");
        }
    }
}
