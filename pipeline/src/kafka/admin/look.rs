//! Topics as they are.

use std::collections::BTreeMap;
use std::time::Duration;

use rdkafka::admin::{ConfigSource, OwnedResourceSpecifier, ResourceSpecifier};
use rdkafka::consumer::Consumer;
use schemas::Topic;

use super::{Admin, options};
use crate::error::LogError;
use crate::kafka::connect::connect;
use crate::kafka::failure;

/// How long the first contact may take.
const CONNECT_LIMIT: Duration = Duration::from_secs(5);
/// Logs and errors taken of a client that is looked at once a wait: a broker that is tried again and again logs more
/// than one line in that time, and why it refuses stands behind them.
const EVENTS_SHARE: usize = 64;

/// A topic as it is: partitions, copies, settings and whether each was set for this topic.
pub(super) struct Found {
    pub(super) partitions: i32,
    pub(super) replication: i32,
    pub(super) settings: BTreeMap<String, (String, bool)>,
}

impl Admin {
    /// Those of `topics` that exist, by name.
    pub(super) fn find(&self, topics: &[Topic]) -> Result<BTreeMap<String, Found>, LogError> {
        let mut found = self.layout()?;
        let wanted: Vec<String> = topics.iter().map(|topic| self.names.of(*topic)).collect();
        found.retain(|name, _| wanted.contains(name));
        if found.is_empty() {
            return Ok(found);
        }
        let doing = "reading the settings of topics";
        let asked: Vec<ResourceSpecifier<'_>> = found
            .keys()
            .map(|name| ResourceSpecifier::Topic(name))
            .collect();
        let results = self.wait(doing, self.client.describe_configs(&asked, &options()))?;
        for result in results {
            let resource = result.map_err(|code| failure::by_code(doing, code))?;
            let OwnedResourceSpecifier::Topic(name) = &resource.specifier else {
                continue;
            };
            if let Some(topic) = found.get_mut(name) {
                for entry in resource.entries {
                    let own = entry.source == ConfigSource::DynamicTopic;
                    let value = (entry.value.unwrap_or_default(), own);
                    topic.settings.insert(entry.name, value);
                }
            }
        }
        Ok(found)
    }

    /// Every topic of the cluster: partitions and copies.
    pub(super) fn layout(&self) -> Result<BTreeMap<String, Found>, LogError> {
        let doing = "listing topics";
        let client = self.looking.client();
        let trouble = &client.context().trouble;
        let hopeless = || {
            // What it has to say is said when it is asked.
            for _ in 0..EVENTS_SHARE {
                drop(self.looking.poll(Duration::ZERO));
            }
            trouble.advice().is_some()
        };
        let metadata =
            connect(client, None, CONNECT_LIMIT, hopeless).map_err(|error| {
                match trouble.last() {
                    Some((Some(code), text)) if failure::advice(code).is_some() => {
                        failure::by_code(&format!("{doing}: {text}"), code)
                    }
                    last => LogError::Retry(format!(
                        "{doing}: no broker of `{}` answers: {} (check `kafka.bootstrap`)",
                        self.bootstrap,
                        last.map_or_else(|| error.to_string(), |(_, text)| text)
                    )),
                }
            })?;
        let count = |n: usize| i32::try_from(n).unwrap_or(i32::MAX);
        Ok(metadata
            .topics()
            .iter()
            // One that is just being made has no leaders yet, and cannot be used.
            .filter(|topic| topic.error().is_none())
            .filter(|topic| topic.partitions().iter().all(|one| one.leader() >= 0))
            .map(|topic| {
                let partitions = topic.partitions();
                let found = Found {
                    partitions: count(partitions.len()),
                    replication: partitions
                        .first()
                        .map_or(0, |one| count(one.replicas().len())),
                    settings: BTreeMap::new(),
                };
                (topic.name().to_owned(), found)
            })
            .collect())
    }
}
