//! Who owns which shard: the consumer that is a member of its role's group and reads nothing.
//!
//! It subscribes to the role's driver topic alone; the partitions it is given there are its shards in
//! every topic. It runs on a thread of its own, so that a busy worker never misses a poll. A rebalance
//! only posts an event; when shards are taken away it then waits for the worker's word, because in the
//! eager protocol the group goes on once this callback returns. To librdkafka it assigns nothing.

use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use rdkafka::ClientContext;
use rdkafka::TopicPartitionList;
use rdkafka::config::RDKafkaLogLevel;
use rdkafka::consumer::{BaseConsumer, Consumer, ConsumerContext};
use rdkafka::error::{KafkaError, KafkaResult, RDKafkaErrorCode as Code};
use rdkafka::types::RDKafkaRespErr;
use schemas::{Role, Shard};

use super::clients::Client;
use super::config::KafkaConfig;
use super::context::{self, Trouble};
use super::failure;
use super::ffi::GroupMetadata;
use super::shared::Shared;
use crate::error::LogError;

/// How long a rebalance waits for the worker to give its shards back: the driver's drain, and a
/// commit. Other members stand still meanwhile.
const RELEASE_LIMIT: Duration = Duration::from_secs(10);
/// How soon a closing member is noticed.
const ROUND: Duration = Duration::from_millis(50);
/// Rounds of polling for the answer to a leave.
const LEAVE_ROUNDS: u32 = 40;

/// The membership of one worker; ends when [`Shared::close`] was called.
pub(super) struct Membership {
    thread: JoinHandle<()>,
}

impl Membership {
    /// Joins `role`'s group as `member`.
    pub(super) fn start(
        config: &KafkaConfig,
        role: Role,
        member: &str,
        driver_topic: &str,
        shared: &Arc<Shared>,
    ) -> Result<Self, LogError> {
        let context = MembershipContext {
            driver_topic: driver_topic.to_owned(),
            shared: Arc::clone(shared),
            trouble: Trouble::default(),
        };
        let consumer: KafkaResult<BaseConsumer<MembershipContext>> = config
            .client(&Client::Membership(role, member))
            .create_with_context(context);
        let doing = "joining the group";
        let consumer = consumer.map_err(|error| failure::sort(doing, &error))?;
        consumer
            .subscribe(&[driver_topic])
            .map_err(|error| failure::sort(doing, &error))?;
        let leave = config.leave_on_close;
        let shared = Arc::clone(shared);
        let thread = std::thread::Builder::new()
            .name(format!("{}-member", role.name()))
            .spawn(move || run(&consumer, &shared, leave))
            .map_err(|error| LogError::Retry(format!("starting a thread: {error}")))?;
        Ok(Self { thread })
    }

    /// Waits for its end.
    pub(super) fn join(self) {
        if self.thread.join().is_err() {
            tracing::error!("the membership thread panicked");
        }
    }
}

fn run(consumer: &BaseConsumer<MembershipContext>, shared: &Shared, leave: bool) {
    while !shared.is_closing() {
        if let Some(Err(error)) = consumer.poll(ROUND)
            && let Some(failure) = ending(&error)
        {
            shared.fail(failure);
        }
    }
    if leave {
        // librdkafka sends no leave for a static member that closes, only for one that unsubscribes.
        consumer.unsubscribe();
        for _ in 0..LEAVE_ROUNDS {
            drop(consumer.poll(ROUND));
            if GroupMetadata::capture(consumer).is_none() {
                break;
            }
        }
    }
}

/// The errors after which a membership is over; librdkafka mends all others by itself.
fn ending(error: &KafkaError) -> Option<LogError> {
    let doing = "as a member of the group";
    match error {
        KafkaError::MessageConsumptionFatal(code) => {
            Some(LogError::Fatal(format!("{doing}: {code}")))
        }
        KafkaError::MessageConsumption(code) => match code {
            Code::FencedInstanceId | Code::UnreleasedInstanceId => {
                Some(failure::by_code(doing, *code))
            }
            code if failure::advice(*code).is_some() => Some(failure::by_code(doing, *code)),
            _ => None,
        },
        _ => None,
    }
}

struct MembershipContext {
    driver_topic: String,
    shared: Arc<Shared>,
    trouble: Trouble,
}

impl ClientContext for MembershipContext {
    fn log(&self, level: RDKafkaLogLevel, facility: &str, text: &str) {
        context::log(level as i32, facility, text);
    }

    fn error(&self, error: KafkaError, reason: &str) {
        context::note_error(&self.trouble, &error, reason);
    }
}

impl ConsumerContext for MembershipContext {
    fn rebalance(
        &self,
        consumer: &BaseConsumer<Self>,
        event: RDKafkaRespErr,
        partitions: &mut TopicPartitionList,
    ) {
        let shards = self.shards(partitions);
        let answered = match event {
            RDKafkaRespErr::RD_KAFKA_RESP_ERR__ASSIGN_PARTITIONS => self.assigned(consumer, shards),
            _ => self.revoked(consumer, shards),
        };
        if let Err(error) = answered {
            self.shared
                .fail(failure::sort("answering a rebalance", &error));
        }
    }
}

impl MembershipContext {
    fn assigned(&self, consumer: &BaseConsumer<Self>, shards: Vec<Shard>) -> KafkaResult<()> {
        // Before the assignment is answered the group cannot go on to another generation.
        let metadata = GroupMetadata::capture(consumer);
        consumer.assign(&TopicPartitionList::new())?;
        if metadata.is_some() || shards.is_empty() {
            let generation = metadata.as_ref().map(GroupMetadata::generation);
            tracing::debug!(?shards, generation, "assigned");
            self.shared.assigned(shards, metadata);
        }
        Ok(())
    }

    fn revoked(&self, consumer: &BaseConsumer<Self>, shards: Vec<Shard>) -> KafkaResult<()> {
        let lost = consumer.assignment_lost();
        tracing::debug!(?shards, lost, "revoked");
        if lost {
            self.shared.lost(shards);
        } else {
            self.shared.revoke(shards, RELEASE_LIMIT);
        }
        consumer.unassign()
    }

    fn shards(&self, partitions: &TopicPartitionList) -> Vec<Shard> {
        let mut shards: Vec<Shard> = partitions
            .elements()
            .iter()
            .filter(|element| element.topic() == self.driver_topic)
            .filter_map(|element| u16::try_from(element.partition()).ok())
            .map(Shard)
            .collect();
        shards.sort_unstable();
        shards
    }
}
