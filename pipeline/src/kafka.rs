//! The log over Apache Kafka.
//!
//! One worker ([`Broker::join`]) is three clients. The *membership* is a static member of the role's
//! group that subscribes to the role's driver topic and reads nothing: what it is assigned there are
//! the worker's shards. The *reader* belongs to no group by joining; it is told partition by partition
//! where to read. The *writer* commits one transaction at a time, on a thread of its own, and proves in
//! each that the worker still owns what it writes for: it sends the positions with the group's metadata
//! as captured when the shards were assigned, which brokers refuse once anybody joined after that.
//!
//! Start reading in [`member`]; [`commit`] says why a producer is sometimes replaced; [`ffi`] holds all
//! unsafe code. Needs Kafka 3.7 or later, with `offset.metadata.max.bytes` of at least 4096 (the
//! default).

mod admin;
mod clients;
mod commit;
mod config;
mod connect;
mod context;
mod failure;
mod ffi;
mod member;
mod membership;
mod names;
mod offsets;
mod outside;
mod polled;
mod producer;
mod reader;
mod reading;
mod shared;
mod signal;
mod writing;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use rdkafka::consumer::BaseConsumer;
use schemas::{Role, Shards};

pub use admin::{Admin, Change};
pub use config::{KafkaConfig, Overrides, Protocol, Security};

use crate::error::LogError;
use crate::log::{Broker, Log, Producer, Reader};
use crate::record::{Position, TopicPartition};
use clients::Client;
use config::is_legal;
use context::Quiet;
use member::Member;
use names::Names;
use offsets::Query;
use producer::KafkaProducer;
use reader::KafkaReader;

/// A Kafka cluster. Making one does not connect.
pub struct KafkaBroker {
    config: KafkaConfig,
    names: Arc<Names>,
    admin: Admin,
    query: Arc<Query>,
    /// One client per role, to ask for its group's positions; made when first asked.
    groups: Mutex<BTreeMap<Role, Arc<BaseConsumer<Quiet>>>>,
}

impl KafkaBroker {
    /// The cluster that `config` names.
    ///
    /// # Errors
    /// [`LogError::Config`] naming every problem of the configuration.
    pub fn new(config: KafkaConfig) -> Result<Self, LogError> {
        config.ensure_valid()?;
        let names = Arc::new(Names::new(&config));
        Ok(Self {
            admin: Admin::with_names(&config, &names)?,
            query: Arc::new(Query::new(&config)?),
            names,
            config,
            groups: Mutex::default(),
        })
    }

    /// The topics of this cluster: what `tidewheel topics` works with.
    #[must_use]
    pub fn admin(&self) -> &Admin {
        &self.admin
    }

    fn group(&self, role: Role) -> Result<Arc<BaseConsumer<Quiet>>, LogError> {
        let mut groups = self.groups.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(consumer) = groups.get(&role) {
            return Ok(Arc::clone(consumer));
        }
        let consumer: BaseConsumer<Quiet> = self
            .config
            .client(&Client::Reader(Some(role)))
            .create_with_context(Quiet::default())
            .map_err(|error| failure::sort("making a consumer", &error))?;
        let consumer = Arc::new(consumer);
        groups.insert(role, Arc::clone(&consumer));
        Ok(consumer)
    }
}

impl Broker for KafkaBroker {
    fn shards(&self) -> Shards {
        self.config.shards
    }

    fn join(&self, role: Role, member: &str) -> Result<Box<dyn Log>, LogError> {
        if member.is_empty() || member.len() > 249 || !member.chars().all(is_legal) {
            return Err(LogError::Config(format!(
                "`{member}` cannot name a member: 1 to 249 letters, digits, `.`, `_`, `-`"
            )));
        }
        let query = Arc::clone(&self.query);
        let member = Member::join(&self.config, &self.names, query, role, member)?;
        Ok(Box::new(member))
    }

    fn producer(&self) -> Result<Arc<dyn Producer>, LogError> {
        Ok(Arc::new(KafkaProducer::new(&self.config, &self.names)?))
    }

    fn reader(&self) -> Result<Box<dyn Reader>, LogError> {
        let query = Arc::clone(&self.query);
        Ok(Box::new(KafkaReader::new(
            &self.config,
            &self.names,
            query,
        )?))
    }

    fn committed(
        &self,
        role: Role,
        of: &[TopicPartition],
    ) -> Result<Vec<Option<Position>>, LogError> {
        let consumer = self.group(role)?;
        // It reads nothing; what it logs is served here.
        drop(consumer.poll(Duration::ZERO));
        offsets::committed(&consumer, &self.names, of)
    }

    fn delete_below(&self, below: &[(TopicPartition, i64)]) -> Result<(), LogError> {
        self.admin.delete_below(below)
    }
}

impl std::fmt::Debug for KafkaBroker {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("KafkaBroker")
            .field("bootstrap", &self.config.bootstrap)
            .field("prefix", &self.config.prefix)
            .finish_non_exhaustive()
    }
}
