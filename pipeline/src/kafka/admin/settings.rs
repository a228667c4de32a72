//! How each topic should be set.

use std::collections::BTreeMap;

use schemas::Topic;
use schemas::topics::Cleanup;

/// Largest record, bytes: a task of 1 MiB with what the stages add to it.
pub(in crate::kafka) const MAX_RECORD: &str = "2097152";

/// By name, as Kafka spells both.
pub(super) type Settings = BTreeMap<&'static str, String>;

/// What `topic` should be set to.
pub(super) fn settings(topic: Topic, min_insync_replicas: i32) -> Settings {
    let mut settings = Settings::from([
        ("message.timestamp.type", "LogAppendTime".to_owned()),
        ("min.insync.replicas", min_insync_replicas.to_string()),
        ("max.message.bytes", MAX_RECORD.to_owned()),
        ("unclean.leader.election.enable", "false".to_owned()),
        // Deleted and compacted by segment: small ones go sooner, and hundreds of partitions
        // would each hold two large sparse index files.
        ("segment.bytes", "67108864".to_owned()),
        ("segment.index.bytes", "1048576".to_owned()),
    ]);
    match topic.cleanup() {
        Cleanup::Drained => {
            settings.insert("cleanup.policy", "delete".to_owned());
            settings.insert("retention.ms", "-1".to_owned());
            settings.insert("retention.bytes", "-1".to_owned());
        }
        Cleanup::Aged(ms) => {
            settings.insert("cleanup.policy", "delete".to_owned());
            settings.insert("retention.ms", ms.to_string());
        }
        Cleanup::Compacted => {
            settings.insert("cleanup.policy", "compact".to_owned());
            // A reader that was gone for less sees every tombstone.
            settings.insert("delete.retention.ms", "604800000".to_owned());
            // Each cleaning writes all of the topic anew: begun at a tenth, every record is copied ten times, by the
            // brokers' processors. At a half, which an empty table is read back from in twice the time at worst.
            settings.insert("min.cleanable.dirty.ratio", "0.5".to_owned());
            settings.insert("max.compaction.lag.ms", "3600000".to_owned());
        }
    }
    settings
}
