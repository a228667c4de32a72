//! The log that the configuration names.

use std::sync::Arc;

use anyhow::Context;
use pipeline::Broker;
use pipeline::embedded::{EmbeddedBroker, EmbeddedConfig, Fsync};
use schemas::Shards;

use crate::config::{Config, Embedded, LogKind};

/// Opens or connects to it.
pub(crate) fn open(config: &Config) -> anyhow::Result<Arc<dyn Broker>> {
    match config.log.kind {
        LogKind::Embedded => {
            let embedded = embedded(&config.embedded, shards(config)?)?;
            Ok(EmbeddedBroker::open(&config.embedded.data, embedded)?)
        }
        #[cfg(feature = "kafka")]
        LogKind::Kafka => {
            let broker = Arc::new(pipeline::kafka::KafkaBroker::new(kafka(config)?)?);
            look_at_topics(Arc::clone(&broker))?;
            Ok(broker)
        }
        #[cfg(not(feature = "kafka"))]
        LogKind::Kafka => anyhow::bail!("this build has no Kafka; build it with feature `kafka`"),
    }
}

fn shards(config: &Config) -> anyhow::Result<Shards> {
    Shards::new(config.log.shards).context("`log.shards` is 0")
}

fn embedded(config: &Embedded, shards: Shards) -> anyhow::Result<EmbeddedConfig> {
    let fsync = match config.fsync.as_str() {
        "never" => Fsync::Never,
        "always" => Fsync::Always,
        text => Fsync::Interval(schemas::duration::parse(text).with_context(|| {
            format!("`embedded.fsync` is `{text}`: never, always or a duration")
        })?),
    };
    Ok(EmbeddedConfig {
        shards,
        fsync,
        ..EmbeddedConfig::default()
    })
}

/// Says what differs from what the topics should be; nobody waits for it. A missing topic stops a role
/// by itself; a setting that differs may be somebody's wish, and a broker that is away may come.
#[cfg(feature = "kafka")]
fn look_at_topics(broker: Arc<pipeline::kafka::KafkaBroker>) -> anyhow::Result<()> {
    std::thread::Builder::new()
        .name("topics".to_owned())
        .spawn(move || match broker.admin().check() {
            Ok(problems) => {
                for problem in problems {
                    tracing::warn!(problem, "topic differs; see `tidewheel topics plan`");
                }
            }
            Err(error) => tracing::warn!(%error, "cannot look at the topics yet"),
        })
        .context("cannot start the thread that looks at the topics")?;
    Ok(())
}

/// The same in `pipeline`'s words.
#[cfg(feature = "kafka")]
pub(crate) fn kafka(config: &Config) -> anyhow::Result<pipeline::kafka::KafkaConfig> {
    use pipeline::kafka::{KafkaConfig, Overrides, Protocol, Security};
    let from = config.kafka.clone();
    Ok(KafkaConfig {
        bootstrap: from.bootstrap,
        prefix: from.prefix,
        group_prefix: from.group_prefix,
        transactional_id_prefix: from.transactional_id_prefix,
        intakes: config
            .planner
            .intakes
            .iter()
            .map(|intake| intake.topic.clone())
            .collect(),
        shards: shards(config)?,
        session_timeout_ms: from.session_timeout.0,
        transaction_timeout_ms: from.transaction_timeout.0,
        leave_on_close: from.leave_on_close,
        replication: from.replication,
        min_insync_replicas: from.min_insync_replicas,
        security: Security {
            protocol: match from.security_protocol.as_str() {
                "ssl" => Protocol::Ssl,
                "sasl_plaintext" => Protocol::SaslPlaintext,
                "sasl_ssl" => Protocol::SaslSsl,
                _ => Protocol::Plaintext,
            },
            ca: from.ssl_ca,
            certificate: from.ssl_certificate,
            key: from.ssl_key,
            sasl_mechanism: from.sasl_mechanism,
            sasl_username: from.sasl_username,
            sasl_password: from.sasl_password,
            ..Security::default()
        },
        overrides: Overrides {
            all: from.overrides,
            ..Overrides::default()
        },
    })
}
