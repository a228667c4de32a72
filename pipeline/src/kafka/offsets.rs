//! What is committed, and where partitions begin and end.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use rdkafka::TopicPartitionList;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::RDKafkaErrorCode as Code;
use rdkafka::topic_partition_list::Offset;
use schemas::Topic;

use super::clients::Client;
use super::config::KafkaConfig;
use super::context::Quiet;
use super::failure;
use super::ffi::{self, Element};
use super::names::Names;
use crate::error::LogError;
use crate::record::{Position, TopicPartition};

/// So many topics are named in an error.
const NAMED: usize = 3;
/// How long one question may take before the answer is [`LogError::Retry`].
const LIMIT: Duration = Duration::from_secs(2);
/// How long looking for the leaders of one topic may take.
const LOOK_LIMIT: Duration = Duration::from_millis(500);
/// librdkafka's words for the two ends, where a timestamp would stand.
const EARLIEST: Offset = Offset::Beginning;
const LATEST: Offset = Offset::End;

/// Asks for the ends of partitions. Its client reads uncommitted records: one that reads only
/// committed ones is told the last stable offset instead of the end.
pub(super) struct Query {
    consumer: BaseConsumer<Quiet>,
}

impl Query {
    pub(super) fn new(config: &KafkaConfig) -> Result<Self, LogError> {
        let consumer = config
            .client(&Client::Query)
            .create_with_context(Quiet::default())
            .map_err(|error| failure::sort("making a client", &error))?;
        Ok(Self { consumer })
    }

    /// First offset still there and the offset behind the last record, of each.
    pub(super) fn ends(
        &self,
        names: &Names,
        of: &[TopicPartition],
    ) -> Result<Vec<(i64, i64)>, LogError> {
        if of.is_empty() {
            return Ok(Vec::new());
        }
        // Logs and errors of this client are served where it is used; there are few.
        drop(self.consumer.poll(Duration::ZERO));
        let first = self.offsets(names, of, EARLIEST)?;
        let last = self.offsets(names, of, LATEST)?;
        Ok(first.into_iter().zip(last).collect())
    }

    /// Learns who leads them now. librdkafka looks when it loses a broker, which is before the others have
    /// shared out what that one led, and for a client that reads nothing then only after minutes: until
    /// then it would ask the one that is gone.
    fn look_for_leaders(&self, names: &Names, of: &[TopicPartition]) {
        let topics: BTreeSet<Topic> = of.iter().map(|partition| partition.topic).collect();
        for topic in topics {
            let looked = self
                .consumer
                .fetch_metadata(Some(&names.of(topic)), LOOK_LIMIT);
            if let Err(error) = looked {
                // Asked again with the next question that fails.
                tracing::debug!(%error, "cannot look for the leaders of partitions");
                return;
            }
        }
    }

    fn offsets(
        &self,
        names: &Names,
        of: &[TopicPartition],
        which: Offset,
    ) -> Result<Vec<i64>, LogError> {
        let doing = "asking for the ends of partitions";
        let answer = self
            .consumer
            .offsets_for_times(list(names, of, which)?, LIMIT);
        let list = answer.map_err(|error| {
            self.look_for_leaders(names, of);
            let doing = format!("{doing} of {}", topics(names, of));
            match error.rdkafka_error_code() {
                // Of a topic that it knows: its leader just changed, and it has not learned of the next.
                Some(Code::UnknownPartition) => LogError::Retry(format!("{doing}: {error}")),
                _ => failure::sort(&doing, &error),
            }
        })?;
        let found = by_partition(&list);
        of.iter()
            .map(|partition| match found.get(&key(names, *partition)) {
                Some(element) if element.error != Code::NoError => Err(failure::by_code(
                    &format!("{doing}: {partition}"),
                    element.error,
                )),
                Some(element) if element.offset >= 0 => Ok(element.offset),
                _ => Err(LogError::Retry(format!(
                    "{doing}: no answer for {partition}"
                ))),
            })
            .collect()
    }
}

/// What the group of `consumer`, which must read committed records, has committed for each: only what
/// is decided.
pub(super) fn committed(
    consumer: &BaseConsumer<Quiet>,
    names: &Names,
    of: &[TopicPartition],
) -> Result<Vec<Option<Position>>, LogError> {
    if of.is_empty() {
        return Ok(Vec::new());
    }
    let doing = "asking for committed positions";
    let list = consumer
        .committed_offsets(list(names, of, Offset::Invalid)?, LIMIT)
        .map_err(|error| failure::sort(doing, &error))?;
    let mut found = by_partition(&list);
    of.iter()
        .map(|partition| match found.remove(&key(names, *partition)) {
            Some(element) if element.error != Code::NoError => Err(failure::by_code(
                &format!("{doing}: {partition}"),
                element.error,
            )),
            Some(element) if element.offset >= 0 => Ok(Some(position(*partition, element))),
            _ => Ok(None),
        })
        .collect()
}

/// A note that is not ours (some tool reset the offsets, say) is none: the reader of notes knows what
/// an empty one means.
fn position(of: TopicPartition, element: Element) -> Position {
    let note = String::from_utf8(element.note)
        .ok()
        .filter(|note| note.is_ascii())
        .unwrap_or_else(|| {
            tracing::warn!(%of, "the note beside the committed offset is not ours; ignored");
            String::new()
        });
    Position {
        offset: element.offset,
        note,
    }
}

/// A list of `of`, each with `offset`.
fn list(
    names: &Names,
    of: &[TopicPartition],
    offset: Offset,
) -> Result<TopicPartitionList, LogError> {
    let mut list = TopicPartitionList::with_capacity(of.len());
    for partition in of {
        let (topic, number) = key(names, *partition);
        list.add_partition_offset(&topic, number, offset)
            .map_err(|error| failure::sort("listing partitions", &error))?;
    }
    Ok(list)
}

/// `positions` as a list with notes, for a transaction.
pub(super) fn position_list(
    names: &Names,
    positions: &[(TopicPartition, Position)],
) -> Result<TopicPartitionList, LogError> {
    let mut list = TopicPartitionList::with_capacity(positions.len());
    for (partition, position) in positions {
        let (topic, number) = key(names, *partition);
        let mut element = list.add_partition(&topic, number);
        element
            .set_offset(Offset::Offset(position.offset))
            .map_err(|error| failure::sort("setting a position", &error))?;
        if !position.note.is_empty() {
            element.set_metadata(&position.note);
        }
    }
    Ok(list)
}

/// The full names of their topics, for an error that is not told by partition.
fn topics(names: &Names, of: &[TopicPartition]) -> String {
    let all: BTreeSet<Topic> = of.iter().map(|partition| partition.topic).collect();
    let mut said: Vec<String> = all
        .iter()
        .take(NAMED)
        .map(|topic| format!("`{}`", names.of(*topic)))
        .collect();
    if all.len() > NAMED {
        said.push(format!("{} more", all.len() - NAMED));
    }
    said.join(", ")
}

fn key(names: &Names, partition: TopicPartition) -> (String, i32) {
    (names.of(partition.topic), i32::from(partition.shard.0))
}

fn by_partition(list: &TopicPartitionList) -> BTreeMap<(String, i32), Element> {
    ffi::positions(list)
        .into_iter()
        .map(|element| ((element.topic.clone(), element.partition), element))
        .collect()
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use rdkafka::mocking::MockCluster;
    use schemas::Shard;

    use super::*;

    /// Far longer than a question or two, far shorter than librdkafka's own rounds.
    const PATIENCE: Duration = Duration::from_secs(60);

    fn ends(query: &Query, names: &Names) -> Vec<(i64, i64)> {
        let of = [TopicPartition::new(Topic::Owners, Shard(0))];
        let begun = Instant::now();
        loop {
            match query.ends(names, &of) {
                Ok(ends) => return ends,
                Err(LogError::Retry(_)) if begun.elapsed() < PATIENCE => {}
                Err(error) => panic!("{error}"),
            }
        }
    }

    #[test]
    fn a_leader_that_is_gone_is_not_asked_for_ever() {
        let topic = "tidewheel.owners";
        let cluster = MockCluster::new(2).unwrap();
        cluster.create_topic(topic, 1, 2).unwrap();
        cluster.partition_leader(topic, 0, Some(1)).unwrap();
        let config = KafkaConfig {
            bootstrap: cluster.bootstrap_servers(),
            ..KafkaConfig::default()
        };
        let names = Names::new(&config);
        let query = Query::new(&config).unwrap();
        assert_eq!(ends(&query, &names), [(0, 0)]);
        cluster.broker_down(1).unwrap();
        // It has looked by now, as it does when it loses a broker, and found the old leader.
        let of = [TopicPartition::new(Topic::Owners, Shard(0))];
        let lost = query.ends(&names, &of).unwrap_err();
        assert!(matches!(lost, LogError::Retry(_)), "{lost}");
        cluster.partition_leader(topic, 0, Some(2)).unwrap();
        assert_eq!(ends(&query, &names), [(0, 0)]);
    }
}
