//! Topics as they should be, as they are, and what to do about the difference; deleting records.

mod change;
mod look;
mod settings;
mod wait;

use std::collections::BTreeMap;
use std::fmt;
use std::future::Future;
use std::sync::Arc;
use std::time::{Duration, Instant};

use rdkafka::TopicPartitionList;
use rdkafka::admin::{
    AdminClient, AdminOptions, AlterConfig, NewTopic, ResourceSpecifier, TopicReplication,
};
use rdkafka::consumer::BaseConsumer;
use rdkafka::error::{KafkaResult, RDKafkaErrorCode as Code};
use rdkafka::topic_partition_list::Offset;
use schemas::Topic;

use super::clients::Client;
use super::config::KafkaConfig;
use super::context::Quiet;
use super::failure;
use super::ffi;
use super::names::Names;
use crate::error::LogError;
use crate::record::TopicPartition;

/// How long one request may take.
const LIMIT: Duration = Duration::from_secs(30);
/// Wait between looks for topics that were just made.
const LOOK_AGAIN: Duration = Duration::from_millis(20);

pub use change::Change;
use look::Found;
pub(super) use settings::MAX_RECORD;
use settings::{Settings, settings};
use wait::block_on;

/// Makes, changes and checks topics; deletes records.
pub struct Admin {
    client: AdminClient<Quiet>,
    /// Looks at the cluster: an admin client is never told why no broker lets it in.
    looking: BaseConsumer<Quiet>,
    bootstrap: String,
    names: Arc<Names>,
    replication: i32,
    min_insync_replicas: i32,
}

impl Admin {
    /// The topics of the cluster and prefix that `config` names.
    ///
    /// # Errors
    /// [`LogError::Config`] naming every problem of the configuration.
    pub fn new(config: &KafkaConfig) -> Result<Self, LogError> {
        config.ensure_valid()?;
        Self::with_names(config, &Arc::new(Names::new(config)))
    }

    pub(super) fn with_names(config: &KafkaConfig, names: &Arc<Names>) -> Result<Self, LogError> {
        let client = config
            .client(&Client::Admin)
            .create_with_context(Quiet::default())
            .map_err(|error| failure::sort("making an admin client", &error))?;
        let looking = config
            .client(&Client::Query)
            .create_with_context(Quiet::default())
            .map_err(|error| failure::sort("making a client", &error))?;
        Ok(Self {
            client,
            looking,
            bootstrap: config.bootstrap.clone(),
            names: Arc::clone(names),
            replication: config.replication,
            min_insync_replicas: config.min_insync_replicas,
        })
    }

    /// Every difference, in pipe order; nothing is changed.
    ///
    /// # Errors
    /// [`LogError::Retry`] or [`LogError::Config`] when the brokers do not tell.
    pub fn plan(&self) -> Result<Vec<Change>, LogError> {
        self.plan_of(&self.names.all())
    }

    /// Makes what is missing and changes what differs; returns what it did, and what it could not.
    ///
    /// # Errors
    /// As [`Admin::plan`]; what was done until then stays done.
    pub fn apply(&self) -> Result<Vec<Change>, LogError> {
        self.apply_to(&self.names.all())
    }

    /// [`Admin::apply`] for some topics only: for tests and tools.
    ///
    /// # Errors
    /// As [`Admin::apply`].
    pub fn apply_to(&self, topics: &[Topic]) -> Result<Vec<Change>, LogError> {
        let changes = self.plan_of(topics)?;
        self.create(topics, &changes)?;
        self.alter(&changes)?;
        Ok(changes)
    }

    /// Every difference as text, for a person.
    ///
    /// # Errors
    /// As [`Admin::plan`].
    pub fn check(&self) -> Result<Vec<String>, LogError> {
        Ok(self.plan()?.iter().map(Change::to_string).collect())
    }

    /// The names of topics that do not exist.
    ///
    /// # Errors
    /// As [`Admin::plan`].
    pub fn missing(&self) -> Result<Vec<String>, LogError> {
        let found = self.layout()?;
        let wanted = self
            .names
            .all()
            .into_iter()
            .map(|topic| self.names.of(topic));
        Ok(wanted.filter(|name| !found.contains_key(name)).collect())
    }

    /// Removes the topics for good, whatever is in them: for tests.
    ///
    /// # Errors
    /// As [`Admin::plan`].
    pub fn remove(&self, topics: &[Topic]) -> Result<(), LogError> {
        let doing = "removing topics";
        let names: Vec<String> = topics.iter().map(|topic| self.names.of(*topic)).collect();
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        let results = self.wait(doing, self.client.delete_topics(&names, &options()))?;
        for result in results {
            match result {
                Ok(_) | Err((_, Code::UnknownTopicOrPartition)) => {}
                Err((topic, code)) => {
                    return Err(failure::by_code(&format!("{doing}: `{topic}`"), code));
                }
            }
        }
        Ok(())
    }

    pub(super) fn delete_below(&self, below: &[(TopicPartition, i64)]) -> Result<(), LogError> {
        if below.is_empty() {
            return Ok(());
        }
        let doing = "deleting records";
        let mut list = TopicPartitionList::with_capacity(below.len());
        for (of, offset) in below {
            let topic = self.names.of(of.topic);
            list.add_partition_offset(&topic, i32::from(of.shard.0), Offset::Offset(*offset))
                .map_err(|error| failure::sort(doing, &error))?;
        }
        let results = self.wait(doing, self.client.delete_records(&list, &options()))?;
        let failed = ffi::positions(&results)
            .into_iter()
            .find(|element| element.error != Code::NoError);
        match failed {
            None => Ok(()),
            Some(element) => {
                let which = format!("{doing}: `{}`/{}", element.topic, element.partition);
                match failure::by_code(&which, element.error) {
                    config @ LogError::Config(_) => Err(config),
                    other => Err(LogError::Retry(other.to_string())),
                }
            }
        }
    }

    fn plan_of(&self, topics: &[Topic]) -> Result<Vec<Change>, LogError> {
        let found = self.find(topics)?;
        let mut changes = Vec::new();
        for topic in topics {
            let name = self.names.of(*topic);
            match found.get(&name) {
                None => changes.push(Change::Create {
                    topic: name,
                    partitions: i32::from(self.names.shards().count()),
                    replication: self.replication,
                }),
                Some(found) => self.compare(*topic, &name, found, &mut changes),
            }
        }
        Ok(changes)
    }

    fn compare(&self, topic: Topic, name: &str, found: &Found, changes: &mut Vec<Change>) {
        let want = i32::from(self.names.shards().count());
        if found.partitions != want {
            let has = found.partitions;
            changes.push(Change::Beyond {
                topic: name.to_owned(),
                problem: format!(
                    "has {has} partitions, not {want}: tasks would change their shard; set \
                     log.shards to {has}, or start with a new prefix"
                ),
            });
        }
        if found.replication != self.replication {
            let (has, want) = (found.replication, self.replication);
            changes.push(Change::Beyond {
                topic: name.to_owned(),
                problem: format!(
                    "has {has} copies, not {want}: move them with kafka-reassign-partitions"
                ),
            });
        }
        for (key, to) in settings(topic, self.min_insync_replicas) {
            let from = found.settings.get(key).map(|(value, _)| value.clone());
            if from.as_deref() != Some(to.as_str()) {
                changes.push(Change::Set {
                    topic: name.to_owned(),
                    key,
                    from: from.unwrap_or_default(),
                    to,
                });
            }
        }
    }

    fn create(&self, topics: &[Topic], changes: &[Change]) -> Result<(), LogError> {
        let doing = "making topics";
        let wanted: Vec<(String, Settings)> = topics
            .iter()
            .map(|topic| (self.names.of(*topic), settings(*topic, self.min_insync_replicas)))
            .filter(|(name, _)| {
                let is_it = |change: &Change| matches!(change, Change::Create { topic, .. } if topic == name);
                changes.iter().any(is_it)
            })
            .collect();
        if wanted.is_empty() {
            return Ok(());
        }
        let partitions = i32::from(self.names.shards().count());
        let new: Vec<NewTopic<'_>> = wanted
            .iter()
            .map(|(name, settings)| {
                let copies = TopicReplication::Fixed(self.replication);
                let new = NewTopic::new(name, partitions, copies);
                settings
                    .iter()
                    .fold(new, |new, (key, value)| new.set(key, value))
            })
            .collect();
        for result in self.wait(doing, self.client.create_topics(&new, &options()))? {
            match result {
                Ok(_) | Err((_, Code::TopicAlreadyExists)) => {}
                Err((topic, code)) => {
                    return Err(failure::by_code(&format!("{doing}: `{topic}`"), code));
                }
            }
        }
        self.await_visible(wanted.iter().map(|(name, _)| name.as_str()))
    }

    /// The controller answers before every broker knows.
    fn await_visible<'a>(&self, names: impl Iterator<Item = &'a str>) -> Result<(), LogError> {
        let names: Vec<&str> = names.collect();
        let begun = Instant::now();
        loop {
            let found = self.layout()?;
            match names.iter().find(|name| !found.contains_key(**name)) {
                None => return Ok(()),
                Some(missing) if begun.elapsed() > LIMIT => {
                    return Err(LogError::Retry(format!(
                        "`{missing}` was made but is not seen"
                    )));
                }
                Some(_) => std::thread::sleep(LOOK_AGAIN),
            }
        }
    }

    /// Sets what differs. The request replaces all settings of a topic, so those that somebody else
    /// made go along unchanged.
    fn alter(&self, changes: &[Change]) -> Result<(), LogError> {
        let doing = "changing topics";
        let mut wanted: BTreeMap<&str, BTreeMap<&str, &str>> = BTreeMap::new();
        for change in changes {
            if let Change::Set { topic, key, to, .. } = change {
                wanted.entry(topic).or_default().insert(key, to);
            }
        }
        if wanted.is_empty() {
            return Ok(());
        }
        let topics: Vec<Topic> = self.names.all();
        let found = self.find(&topics)?;
        let mut configs = Vec::new();
        for (topic, settings) in &wanted {
            let mut all: BTreeMap<&str, &str> = BTreeMap::new();
            if let Some(found) = found.get(*topic) {
                let own = found.settings.iter().filter(|(_, (_, own))| *own);
                all.extend(own.map(|(key, (value, _))| (key.as_str(), value.as_str())));
            }
            all.extend(settings);
            let config = AlterConfig::new(ResourceSpecifier::Topic(topic));
            configs.push(
                all.iter()
                    .fold(config, |config, (key, value)| config.set(key, value)),
            );
        }
        for result in self.wait(doing, self.client.alter_configs(&configs, &options()))? {
            if let Err((resource, code)) = result {
                return Err(failure::by_code(&format!("{doing}: {resource:?}"), code));
            }
        }
        self.await_settings(changes)
    }

    /// As with new topics, the answer comes before the brokers know.
    fn await_settings(&self, changes: &[Change]) -> Result<(), LogError> {
        let topics = self.names.all();
        let begun = Instant::now();
        loop {
            let found = self.find(&topics)?;
            let late = changes.iter().find(|change| match change {
                Change::Set { topic, key, to, .. } => found
                    .get(topic)
                    .and_then(|topic| topic.settings.get(*key))
                    .is_none_or(|(value, _)| value != to),
                Change::Create { .. } | Change::Beyond { .. } => false,
            });
            match late {
                None => return Ok(()),
                Some(late) if begun.elapsed() > LIMIT => {
                    return Err(LogError::Retry(format!("changed, but not seen: {late}")));
                }
                Some(_) => std::thread::sleep(LOOK_AGAIN),
            }
        }
    }

    /// Blocks until the answer is there; the client has a thread of its own that fetches it.
    fn wait<T>(
        &self,
        doing: &str,
        answer: impl Future<Output = KafkaResult<T>>,
    ) -> Result<T, LogError> {
        block_on(answer).map_err(|error| match self.client.inner().context().trouble.last() {
            Some((Some(code), text)) if failure::advice(code).is_some() => {
                failure::by_code(&format!("{doing}: {text}"), code)
            }
            _ => failure::sort(doing, &error),
        })
    }
}

impl fmt::Debug for Admin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Admin")
            .field("names", &self.names)
            .finish_non_exhaustive()
    }
}

fn options() -> AdminOptions {
    AdminOptions::new()
        .request_timeout(Some(LIMIT))
        .operation_timeout(Some(LIMIT))
}
