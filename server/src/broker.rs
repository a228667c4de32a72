//! The log that the configuration names.

use std::sync::Arc;
#[cfg(feature = "kafka")]
use std::time::Duration;

use anyhow::Context;
use pipeline::Broker;
use pipeline::embedded::{EmbeddedBroker, EmbeddedConfig, Fsync};
use schemas::Shards;
use tokio::sync::watch;

use crate::config::{Config, Embedded, LogKind};

/// Brokers that are away are asked again after so long.
#[cfg(feature = "kafka")]
const LOOK_AGAIN: Duration = Duration::from_secs(2);

/// Whether the topics are there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Topics {
    /// Nobody knows yet, because of this.
    Unknown(String),
    /// These are not: nothing can be served.
    Missing(Vec<String>),
    /// They are.
    There,
}

/// The last word about the topics.
pub(crate) type TopicsSeen = watch::Receiver<Topics>;

impl Topics {
    /// What is wrong and what to do about it, if something is.
    pub(crate) fn problem(&self) -> Option<String> {
        match self {
            Self::There => None,
            Self::Unknown(why) => Some(format!("the topics were not seen yet: {why}")),
            Self::Missing(names) => Some(format!(
                "topics are missing: `{}`; `tidewheel topics apply` makes them (or check \
                 `kafka.prefix`)",
                names.join("`, `")
            )),
        }
    }
}

/// Comes back when topics turn out to be missing, with the words for it.
pub(crate) async fn missing(mut seen: TopicsSeen) -> String {
    let found = seen.wait_for(|it| matches!(it, Topics::Missing(_))).await;
    let problem = found.ok().and_then(|topics| topics.problem());
    match problem {
        Some(problem) => problem,
        // Nobody looks any more: they were there.
        None => std::future::pending().await,
    }
}

/// Opens or connects to it.
pub(crate) fn open(config: &Config) -> anyhow::Result<(Arc<dyn Broker>, TopicsSeen)> {
    match config.log.kind {
        LogKind::Embedded => {
            let embedded = embedded(&config.embedded, shards(config)?)?;
            let broker = EmbeddedBroker::open(&config.embedded.data, embedded)?;
            Ok((broker, watch::channel(Topics::There).1))
        }
        #[cfg(feature = "kafka")]
        LogKind::Kafka => {
            let broker = Arc::new(pipeline::kafka::KafkaBroker::new(kafka(config)?)?);
            let seen = look_at_topics(Arc::clone(&broker))?;
            Ok((broker, seen))
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

/// Looks, on a thread of its own so that no start waits for it. Brokers that are away may come, and a
/// setting that differs may be somebody's wish: that is only said.
#[cfg(feature = "kafka")]
fn look_at_topics(broker: Arc<pipeline::kafka::KafkaBroker>) -> anyhow::Result<TopicsSeen> {
    let (say, seen) = watch::channel(Topics::Unknown("no broker has answered".to_owned()));
    std::thread::Builder::new()
        .name("topics".to_owned())
        .spawn(move || {
            let admin = broker.admin();
            while !say.is_closed() {
                match admin.missing() {
                    Ok(missing) if missing.is_empty() => {
                        say.send_replace(Topics::There);
                        return say_differences(admin);
                    }
                    Ok(missing) => {
                        say.send_replace(Topics::Missing(missing));
                        return;
                    }
                    Err(error) => {
                        say.send_replace(Topics::Unknown(error.to_string()));
                        std::thread::sleep(LOOK_AGAIN);
                    }
                }
            }
        })
        .context("cannot start the thread that looks at the topics")?;
    Ok(seen)
}

#[cfg(feature = "kafka")]
fn say_differences(admin: &pipeline::kafka::Admin) {
    match admin.check() {
        Ok(problems) => {
            for problem in problems {
                tracing::warn!(problem, "topic differs; see `tidewheel topics plan`");
            }
        }
        Err(error) => tracing::warn!(%error, "cannot look at the settings of topics"),
    }
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
