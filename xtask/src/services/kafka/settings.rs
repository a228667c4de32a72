//! What the brokers are told: ports, listeners, and settings that tests depend on.

use super::secure;
use anyhow::{Context, Result, bail};
use std::path::{Path, PathBuf};

/// Where the brokers of one cluster listen and keep their data.
#[derive(Debug, Clone)]
pub(super) struct Layout {
    pub brokers: u16,
    /// Port of the first broker.
    pub port: u16,
    pub data: PathBuf,
}

/// Settings that do not depend on where a broker stands.
const COMMON: &str = "\
process.roles=broker,controller
controller.listener.names=CONTROLLER
inter.broker.listener.name=PLAINTEXT
listener.security.protocol.map=PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT,SECURE:SASL_SSL
# A misspelt topic must be an error, not a new topic.
auto.create.topics.enable=false
delete.topic.enable=true
# Few partitions: a cluster of one machine, started for every test run.
offsets.topic.num.partitions=8
transaction.state.log.num.partitions=8
# A first consumer does not wait for others to come.
group.initial.rebalance.delay.ms=0
# Tests kill members and want the others to take over soon.
group.min.session.timeout.ms=1000
group.max.session.timeout.ms=300000
# A transaction whose producer died is aborted about a second after its timeout, not ten.
transaction.abort.timed.out.transaction.cleanup.interval.ms=1000
transaction.max.timeout.ms=60000
offsets.retention.minutes=43200
# Records deleted below a frontier leave the disk soon enough for long load runs.
log.retention.check.interval.ms=30000
num.network.threads=3
num.io.threads=4
# One round of cleaning takes as many keys as fit here, and copies the whole topic: with a few each of very many
# rounds does. Kafka's own is twice this.
log.cleaner.dedupe.buffer.size=67108864
";

impl Layout {
    pub(super) fn nodes(&self) -> impl Iterator<Item = u16> {
        1..=self.brokers
    }

    pub(super) fn broker_port(&self, node: u16) -> u16 {
        self.port + node - 1
    }

    pub(super) fn broker_address(&self, node: u16) -> String {
        format!("127.0.0.1:{}", self.broker_port(node))
    }

    fn controller_port(&self, node: u16) -> u16 {
        self.port + 10 + node - 1
    }

    /// Where a broker wants TLS and a password.
    pub(super) fn secure_address(&self, node: u16) -> String {
        format!("127.0.0.1:{}", self.port + 20 + node - 1)
    }

    /// Every broker's address, with commas between.
    pub(super) fn bootstrap(&self) -> String {
        self.nodes()
            .map(|node| self.broker_address(node))
            .collect::<Vec<_>>()
            .join(",")
    }

    /// Refuses to start another version or another number of brokers over the same data.
    pub(super) fn check_unchanged(&self, version: &str) -> Result<()> {
        let file = self.data.join("cluster");
        let now = format!("{version} {} broker(s)", self.brokers);
        match std::fs::read_to_string(&file) {
            Ok(before) if before == now => Ok(()),
            Ok(before) => bail!(
                "`{}` holds data of {before}, not of {now}: `kafka down --wipe` or another --data",
                self.data.display()
            ),
            Err(_) => std::fs::write(&file, now).context("note what kind of cluster this is"),
        }
    }

    /// The cluster's id, made once per data directory.
    pub(super) fn cluster_id(&self) -> Result<String> {
        let file = self.data.join("cluster-id");
        if let Ok(id) = std::fs::read_to_string(&file) {
            return Ok(id);
        }
        // Kafka wants 16 bytes in URL-safe base64 without padding; the alphabet of a hex digest is
        // a part of that one, and 22 characters are 16 bytes when the last of them is `A` or `Q`.
        let uuid = std::fs::read_to_string("/proc/sys/kernel/random/uuid").context("get a uuid")?;
        let hex: String = uuid
            .chars()
            .filter(char::is_ascii_hexdigit)
            .take(21)
            .collect();
        let id = format!("{hex}A");
        std::fs::write(&file, &id).context("note the cluster's id")?;
        Ok(id)
    }

    /// Writes one broker's server.properties and returns its path.
    pub(super) fn write_properties(&self, node: u16) -> Result<PathBuf> {
        let path = self.data.join(format!("server-{node}.properties"));
        std::fs::write(&path, self.properties(node)).context("write server.properties")?;
        Ok(path)
    }

    fn properties(&self, node: u16) -> String {
        let broker = self.broker_address(node);
        let controller = format!("127.0.0.1:{}", self.controller_port(node));
        let voters: Vec<String> = self
            .nodes()
            .map(|node| format!("{node}@127.0.0.1:{}", self.controller_port(node)))
            .collect();
        let secure = self.secure_address(node);
        let copies = self.brokers;
        let min_isr = copies.div_ceil(2).max(1);
        format!(
            "{COMMON}node.id={node}\n\
             controller.quorum.voters={}\n\
             listeners=PLAINTEXT://{broker},SECURE://{secure},CONTROLLER://{controller}\n\
             advertised.listeners=PLAINTEXT://{broker},SECURE://{secure}\n\
             log.dirs={}\n\
             default.replication.factor={copies}\n\
             min.insync.replicas={min_isr}\n\
             offsets.topic.replication.factor={copies}\n\
             transaction.state.log.replication.factor={copies}\n\
             transaction.state.log.min.isr={min_isr}\n\
             {}",
            voters.join(","),
            self.data.join(format!("node-{node}")).display(),
            secure::properties(&self.data),
        )
    }

    pub(super) fn write_logging(&self, version: &str) -> Result<String> {
        write_logging(version, &self.data)
    }
}

/// Writes a logging file into `dir` and returns the java option that names it: warnings, to the
/// console.
pub(super) fn write_logging(version: &str, dir: &Path) -> Result<String> {
    let (name, text, option) = if is_before_4(version) {
        ("log4j.properties", LOG4J_1, "log4j.configuration=file:")
    } else {
        ("log4j2.properties", LOG4J_2, "log4j2.configurationFile=")
    };
    let path = dir.join(name);
    std::fs::write(&path, text).with_context(|| format!("write `{}`", path.display()))?;
    Ok(format!("-D{option}{}", path.display()))
}

/// Kafka moved from log4j 1 to log4j 2 with 4.0.
pub(super) fn is_before_4(version: &str) -> bool {
    version
        .split('.')
        .next()
        .and_then(|major| major.parse::<u32>().ok())
        .is_some_and(|m| m < 4)
}

const LOG4J_1: &str = "\
log4j.rootLogger=WARN, err
log4j.appender.err=org.apache.log4j.ConsoleAppender
log4j.appender.err.target=System.err
log4j.appender.err.layout=org.apache.log4j.PatternLayout
log4j.appender.err.layout.ConversionPattern=%d{ISO8601} %p %c{1}: %m%n
";

const LOG4J_2: &str = "\
status=error
appender.err.type=Console
appender.err.name=err
appender.err.target=SYSTEM_ERR
appender.err.layout.type=PatternLayout
appender.err.layout.pattern=%d{ISO8601} %p %c{1}: %m%n
rootLogger.level=warn
rootLogger.appenderRef.err.ref=err
";

#[cfg(test)]
mod tests {
    use super::*;

    fn layout(brokers: u16) -> Layout {
        Layout {
            brokers,
            port: 19092,
            data: PathBuf::from("/d"),
        }
    }

    #[test]
    fn three_brokers_keep_three_copies_and_want_two() {
        let properties = layout(3).properties(2);
        for line in [
            "node.id=2",
            "listeners=PLAINTEXT://127.0.0.1:19093,SECURE://127.0.0.1:19113,CONTROLLER://127.0.0.1:19103",
            "controller.quorum.voters=1@127.0.0.1:19102,2@127.0.0.1:19103,3@127.0.0.1:19104",
            "transaction.state.log.replication.factor=3",
            "transaction.state.log.min.isr=2",
            "log.dirs=/d/node-2",
        ] {
            assert!(
                properties.lines().any(|has| has == line),
                "{line} not in\n{properties}"
            );
        }
    }

    #[test]
    fn one_broker_wants_no_other() {
        let properties = layout(1).properties(1);
        assert!(
            properties
                .lines()
                .any(|line| line == "transaction.state.log.min.isr=1")
        );
        assert_eq!(layout(1).bootstrap(), "127.0.0.1:19092");
    }
}
