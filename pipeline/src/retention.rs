//! Removes what every mandatory reader has dealt with, and nothing else.
//!
//! Accepted work is never removed by age: the topics of the pipe have no retention. What all mandatory
//! readers of a topic ([`schemas::Topic::readers`]) have committed past stays for the keep window, for
//! people and replays, and is then deleted. [`Retention`] is the decision, free of I/O; [`sweep`] asks
//! a broker and acts.

use std::collections::{BTreeMap, VecDeque};

use schemas::topics::Cleanup;
use schemas::{Role, Shards, Topic};

use crate::error::LogError;
use crate::log::Broker;
use crate::record::TopicPartition;

/// Remembers how far all readers had come when, for as long as the keep window.
#[derive(Debug)]
pub struct Retention {
    keep_ms: u64,
    seen: BTreeMap<TopicPartition, VecDeque<(u64, i64)>>,
    deleted: BTreeMap<TopicPartition, i64>,
}

impl Retention {
    /// Keeps what was dealt with for `keep_ms`.
    #[must_use]
    pub fn new(keep_ms: u64) -> Self {
        Self {
            keep_ms,
            seen: BTreeMap::new(),
            deleted: BTreeMap::new(),
        }
    }

    /// Notes that at `mono` (monotonic ms) all readers of `of` had committed `frontier`; returns the
    /// offset below which its records may go now, if that moved.
    pub fn note(&mut self, of: TopicPartition, frontier: i64, mono: u64) -> Option<i64> {
        let seen = self.seen.entry(of).or_default();
        if seen.back().is_none_or(|(_, last)| *last < frontier) {
            seen.push_back((mono, frontier));
        }
        let mut below = None;
        while let Some((at, offset)) = seen.front().copied() {
            if at.saturating_add(self.keep_ms) > mono {
                break;
            }
            below = Some(offset);
            seen.pop_front();
        }
        let below = below?;
        let deleted = self.deleted.entry(of).or_insert(0);
        if below <= *deleted {
            return None;
        }
        *deleted = below;
        Some(below)
    }

    /// Takes back that the records of `of` below `offset` were deleted; the next round tries again.
    fn undo(&mut self, of: TopicPartition, offset: i64) {
        self.deleted.remove(&of);
        self.seen.entry(of).or_default().push_front((0, offset));
    }
}

/// One round over the drained topics among `topics`: asks what `readers` of each have committed and
/// deletes what the keep window no longer covers. Returns how many partitions were cut.
///
/// # Errors
/// [`LogError::Retry`] when the broker does not answer; the next round makes up for it.
pub fn sweep(
    broker: &dyn Broker,
    shards: Shards,
    topics: &[Topic],
    readers: &dyn Fn(Topic) -> Vec<Role>,
    retention: &mut Retention,
    mono: u64,
) -> Result<usize, LogError> {
    let mut slowest: BTreeMap<TopicPartition, Option<i64>> = BTreeMap::new();
    for role in Role::ALL {
        let of: Vec<TopicPartition> = topics
            .iter()
            .filter(|topic| topic.cleanup() == Cleanup::Drained && readers(**topic).contains(&role))
            .flat_map(|topic| shards.all().map(|shard| TopicPartition::new(*topic, shard)))
            .collect();
        if of.is_empty() {
            continue;
        }
        for (partition, position) in of.iter().zip(broker.committed(role, &of)?) {
            let offset = position.map(|position| position.offset);
            slowest
                .entry(*partition)
                .and_modify(|least| *least = (*least).zip(offset).map(|(a, b)| a.min(b)))
                .or_insert(offset);
        }
    }
    let below: Vec<(TopicPartition, i64)> = slowest
        .into_iter()
        .filter_map(|(partition, offset)| {
            retention
                .note(partition, offset?, mono)
                .map(|below| (partition, below))
        })
        .collect();
    if !below.is_empty()
        && let Err(error) = broker.delete_below(&below)
    {
        for (partition, offset) in below {
            retention.undo(partition, offset);
        }
        return Err(error);
    }
    Ok(below.len())
}

#[cfg(test)]
mod tests {
    use schemas::Shard;

    use super::*;

    #[test]
    fn keeps_what_was_dealt_with_for_the_window() {
        let of = TopicPartition::new(Topic::Outcomes, Shard(0));
        let mut retention = Retention::new(100);
        let rounds = [
            (0, 10, None),
            (50, 20, None),
            (99, 20, None),
            (100, 30, Some(10)),
            (100, 30, None),
            (149, 30, None),
            (150, 30, Some(20)),
            (1_000, 30, Some(30)),
            (2_000, 30, None),
            (2_050, 25, None),
        ];
        for (at, frontier, below) in rounds {
            assert_eq!(retention.note(of, frontier, at), below, "at {at}");
        }
    }
}
