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

    fn offsets(
        &self,
        names: &Names,
        of: &[TopicPartition],
        which: Offset,
    ) -> Result<Vec<i64>, LogError> {
        let doing = "asking for the ends of partitions";
        let list = self
            .consumer
            .offsets_for_times(list(names, of, which)?, LIMIT)
            .map_err(|error| failure::sort(&format!("{doing} of {}", topics(names, of)), &error))?;
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
