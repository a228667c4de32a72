//! A turn in the making: records, and how much room is left.

use bytes::Bytes;
use pipeline::{Outgoing, TopicPartition};
use schemas::bucket::Revoke;
use schemas::dead_letter::Origin;
use schemas::fire::Recall;
use schemas::outcome::{Drained, Taken};
use schemas::{
    DeadLetter, Fire, Instance, LaneRecord, Millis, OutcomeRecord, Placement, Priority, Shard,
    Topic,
};

use crate::config::Config;
use crate::error::Unread;
use crate::metrics;

/// What one turn of one shard writes.
#[derive(Debug)]
pub(crate) struct Draft {
    shard: Shard,
    now: Millis,
    records: Vec<Outgoing>,
    bytes: usize,
    max_records: usize,
    max_bytes: usize,
    lateness: ::metrics::Histogram,
    tally: Tally,
}

/// What a turn does, for the metrics.
#[derive(Debug, Default)]
pub(crate) struct Tally {
    fires: [u64; Priority::ALL.len()],
    late_arrivals: u64,
    revoked: u64,
    recalls: u64,
    expired: u64,
    drained: u64,
    unread: u64,
}

impl Draft {
    pub(crate) fn new(shard: Shard, now: Millis, config: &Config, room: usize) -> Self {
        Self {
            shard,
            now,
            records: Vec::new(),
            bytes: 0,
            max_records: room,
            max_bytes: config.turn_bytes,
            lateness: ::metrics::histogram!(metrics::LATENESS_SECONDS),
            tally: Tally::default(),
        }
    }

    /// Records written so far.
    pub(crate) fn len(&self) -> usize {
        self.records.len()
    }

    /// Whether its room is used up; `keep_a_quarter` leaves that much for others.
    pub(crate) fn full(&self, keep_a_quarter: bool) -> bool {
        let keep = |all: usize| if keep_a_quarter { all / 4 } else { 0 };
        // One record always fits, or nothing would ever go on.
        !self.records.is_empty()
            && (self.records.len() >= self.max_records - keep(self.max_records)
                || self.bytes >= self.max_bytes - keep(self.max_bytes))
    }

    /// Lets a placement go: into its lane, or, past its expiry, to the outcomes. Returns whether it
    /// was fired.
    pub(crate) fn release(&mut self, placement: &Placement, body: &Bytes) -> bool {
        let late_ms = self.now.since(placement.due);
        self.lateness
            .record(std::time::Duration::from_millis(late_ms).as_secs_f64());
        if placement.expires_at.is_some_and(|at| at < self.now) {
            let taken = taken(placement, placement.instance, self.now);
            self.outcome(&OutcomeRecord::Expired(taken, body.clone()));
            self.tally.expired += 1;
            return false;
        }
        let fire = Fire {
            fire_id: placement.fire_id,
            leg: placement.leg,
            due: placement.due,
            expires_at: placement.expires_at,
            triggered_at: self.now,
        };
        let record = LaneRecord::Fire(fire, body.clone()).encode();
        self.push(Topic::Fires(placement.priority), record);
        self.tally.fires[placement.priority as usize] += 1;
        true
    }

    /// As [`Draft::release`], for a placement that arrived behind the watermark.
    pub(crate) fn release_late(&mut self, placement: &Placement, body: &Bytes) -> bool {
        self.tally.late_arrivals += 1;
        self.release(placement, body)
    }

    /// Tells that a placement was taken out of the wheel.
    pub(crate) fn revoked(&mut self, placement: &Placement, body: Bytes) {
        let taken = taken(placement, placement.instance, self.now);
        self.outcome(&OutcomeRecord::Revoked(taken, body));
        self.tally.revoked += 1;
    }

    /// Passes a revoke on, behind the fire it is meant for.
    pub(crate) fn recall(&mut self, revoke: &Revoke) {
        let recall = Recall {
            fire_id: revoke.fire_id,
            leg: revoke.leg,
            purpose: revoke.purpose,
        };
        let record = LaneRecord::Recall(recall).encode();
        self.push(Topic::Fires(revoke.priority), record);
        self.tally.recalls += 1;
    }

    /// Tells that an instance is over.
    pub(crate) fn drained(&mut self, drained: Drained) {
        self.outcome(&OutcomeRecord::Drained(drained));
        self.tally.drained += 1;
    }

    /// Gives up a record that cannot be read.
    pub(crate) fn unread(&mut self, topic: Topic, offset: i64, why: &Unread, original: Bytes) {
        let letter = DeadLetter {
            reason: why.to_string(),
            role: "trigger".to_owned(),
            origin: Origin {
                topic: topic.name(),
                shard: self.shard.0,
                offset,
            },
            task: None,
            fire_id: None,
            at: self.now,
            original,
        };
        self.push(Topic::DeadLetters, letter.encode());
        self.tally.unread += 1;
    }

    /// Ends the turn: its records.
    pub(crate) fn finish(self) -> Vec<Outgoing> {
        let tally = self.tally;
        for (priority, fires) in Priority::ALL.into_iter().zip(tally.fires) {
            if fires > 0 {
                let priority = priority.name();
                ::metrics::counter!(metrics::FIRES, "priority" => priority).increment(fires);
            }
        }
        let counts = [
            (metrics::LATE_ARRIVALS, tally.late_arrivals),
            (metrics::REVOKED, tally.revoked),
            (metrics::RECALLS, tally.recalls),
            (metrics::EXPIRED, tally.expired),
            (metrics::DRAINED, tally.drained),
            (metrics::UNREAD, tally.unread),
        ];
        for (name, count) in counts {
            if count > 0 {
                ::metrics::counter!(name).increment(count);
            }
        }
        self.records
    }

    fn outcome(&mut self, record: &OutcomeRecord) {
        self.push(Topic::Outcomes, record.encode());
    }

    fn push(&mut self, topic: Topic, value: Bytes) {
        self.bytes += value.len();
        self.records.push(Outgoing {
            to: TopicPartition::new(topic, self.shard),
            key: None,
            value: Some(value),
            headers: Vec::new(),
        });
    }
}

fn taken(placement: &Placement, instance: Instance, at: Millis) -> Taken {
    Taken {
        instance,
        fire_id: placement.fire_id,
        leg: placement.leg,
        due: placement.due,
        at,
    }
}
