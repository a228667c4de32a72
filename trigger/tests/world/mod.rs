//! A shard's bucket partitions with their offsets, a core that reads them, and what it committed.
//! Shared by several tests; none uses all of it.

#![allow(dead_code, reason = "each test uses its part")]

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;
use pipeline::{Ask, Factory, Now, Opening, Position, Record, Stage, Turn};
use schemas::bucket::{Revoke, Seal};
use schemas::outcome::Drained;
use schemas::{
    BucketRecord, DeadLetter, FireId, Instance, LaneRecord, Millis, OutcomeRecord, Placement,
    Priority, Purpose, Shard, Shards, Slot, Topic,
};
use trigger::{Config, Effect, Trigger, TriggerFactory};

pub(crate) const SHARD: Shard = Shard(3);

/// What the trigger said, once it was durable.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Said {
    Fire(FireId),
    Recall(FireId),
    Revoked(FireId),
    Expired(FireId),
    Drained(Drained),
    Dead(String),
}

/// The world of one core.
pub(crate) struct World {
    pub(crate) now: Millis,
    pub(crate) config: Config,
    pub(crate) core: Trigger,
    pub(crate) said: Vec<Said>,
    logs: BTreeMap<Topic, Vec<(i64, Option<Bytes>)>>,
    ends: BTreeMap<Topic, i64>,
    reads: BTreeMap<Topic, i64>,
    committed: BTreeMap<Topic, Position>,
    cut: Option<Turn<Effect>>,
    marks: BTreeMap<(Topic, String), (i64, i64)>,
}

impl World {
    pub(crate) fn new(now: i64, config: Config) -> Self {
        let ends = Slot::all().map(|slot| (Topic::Bucket(slot), 0)).collect();
        let now = Millis(now);
        let core = open(&config, now, BTreeMap::new(), &ends);
        Self {
            now,
            config,
            core,
            said: Vec::new(),
            logs: BTreeMap::new(),
            ends,
            reads: BTreeMap::new(),
            committed: BTreeMap::new(),
            cut: None,
            marks: BTreeMap::new(),
        }
    }

    /// Appends a record; the marker of its transaction takes an offset too.
    pub(crate) fn append(&mut self, slot: Slot, value: Option<Bytes>) {
        let topic = Topic::Bucket(slot);
        let end = self.ends.entry(topic).or_insert(0);
        self.logs.entry(topic).or_default().push((*end, value));
        *end += 2;
    }

    pub(crate) fn place(&mut self, instance: Instance, id: FireId, due: i64, expires: Option<i64>) {
        let placement = Placement {
            instance,
            due: Millis(due),
            fire_id: id,
            leg: 1,
            priority: Priority::Normal,
            expires_at: expires.map(Millis),
        };
        let record = BucketRecord::Placement(placement, Bytes::from_static(b"work"));
        self.append(instance.slot(), Some(record.encode()));
    }

    /// A revoke in the partition of `slot`.
    pub(crate) fn revoke(&mut self, slot: Slot, instance: Instance, id: FireId) {
        let revoke = Revoke {
            instance,
            fire_id: id,
            leg: 1,
            priority: Priority::Normal,
            purpose: Purpose::Cancel,
        };
        self.append(slot, Some(BucketRecord::Revoke(revoke).encode()));
    }

    pub(crate) fn seal(&mut self, instance: Instance, placements: u64, revokes: u64) {
        let seal = Seal {
            instance,
            placements,
            revokes,
        };
        self.append(instance.slot(), Some(BucketRecord::Seal(seal).encode()));
    }

    pub(crate) fn free(&mut self, instance: Instance) {
        self.append(instance.slot(), Some(BucketRecord::Free(instance).encode()));
    }

    /// The slots whose partitions are read, ascending.
    pub(crate) fn reading(&mut self) -> Vec<Slot> {
        self.answer_asks();
        let slot = |topic: &Topic| match topic {
            Topic::Bucket(slot) => Some(*slot),
            _ => None,
        };
        self.reads.keys().filter_map(slot).collect()
    }

    /// Hands in up to `most` records of each partition that is read; whether any came.
    pub(crate) fn deliver(&mut self, most: usize) -> bool {
        let mut any = false;
        for slot in self.reading() {
            any |= self.deliver_of(slot, most);
        }
        any
    }

    /// Hands in up to `most` records of one partition, or what lies behind the last one.
    pub(crate) fn deliver_of(&mut self, slot: Slot, most: usize) -> bool {
        self.answer_asks();
        let topic = Topic::Bucket(slot);
        let Some(at) = self.reads.get(&topic).copied() else {
            return false;
        };
        let most = most.min(self.core.appetite(topic));
        let log = self.logs.get(&topic).map_or(&[][..], Vec::as_slice);
        let rest: Vec<_> = log.iter().filter(|(offset, _)| *offset >= at).collect();
        let records: Vec<Record> = rest
            .iter()
            .take(most)
            .map(|(offset, value)| Record {
                offset: *offset,
                appended: self.now,
                key: None,
                value: value.clone(),
                headers: Vec::new(),
            })
            .collect();
        let position = match records.last() {
            _ if rest.len() <= most => self.ends[&topic],
            Some(last) => last.offset + 1,
            None => at,
        };
        if position == at {
            return false;
        }
        self.reads.insert(topic, position);
        let now = self.clock();
        self.core.handle_batch(topic, records, position, now);
        self.answer_asks();
        true
    }

    /// Goes on to `to`, stopping wherever the core says that time matters.
    pub(crate) fn advance(&mut self, to: i64) {
        let to = Millis(to);
        while let Some(at) = self.core.poll_timeout().filter(|at| *at <= to) {
            self.now = self.now.max(at);
            let now = self.clock();
            self.core.handle_timeout(now);
            assert!(
                self.core.poll_timeout().is_none_or(|next| next > at)
                    || self.core.poll_timeout() != Some(at),
                "the core would keep its driver awake at {at}"
            );
        }
        self.now = self.now.max(to);
        self.answer_asks();
    }

    pub(crate) fn wants_turn(&self) -> bool {
        self.core.wants_turn(self.clock())
    }

    /// Cuts a turn.
    pub(crate) fn cut(&mut self) {
        let now = self.clock();
        self.cut = Some(self.core.take_turn(now));
    }

    /// Makes the turn cut last durable.
    pub(crate) fn commit(&mut self) {
        let Some(turn) = self.cut.take() else {
            return;
        };
        let driver = Topic::Bucket(Slot(0));
        assert!(turn.positions.iter().any(|(topic, _)| *topic == driver));
        for (topic, position) in turn.positions {
            self.check_position(topic, &position);
            self.committed.insert(topic, position);
        }
        for record in turn.records {
            assert_eq!(record.to.shard, SHARD);
            let value = record.value.expect("the trigger writes no tombstones");
            let said = match record.to.topic {
                Topic::Fires(_) => self.lane(&value),
                Topic::Outcomes => outcome(&value),
                Topic::DeadLetters => {
                    Said::Dead(DeadLetter::decode(&value).expect("dead letter").reason)
                }
                other => panic!("the trigger wrote to {other:?}"),
            };
            self.said.push(said);
        }
        let now = self.clock();
        self.core.handle_committed(now.mono, now);
    }

    pub(crate) fn turn(&mut self) {
        self.cut();
        self.commit();
    }

    /// Loses the core and whatever was not committed, and opens another.
    pub(crate) fn crash(&mut self) {
        self.cut = None;
        self.reads.clear();
        self.core = open(&self.config, self.now, self.committed.clone(), &self.ends);
    }

    pub(crate) fn committed(&self, slot: Slot) -> Option<&Position> {
        self.committed.get(&Topic::Bucket(slot))
    }

    pub(crate) fn forget_position(&mut self, slot: Slot) {
        self.committed.remove(&Topic::Bucket(slot));
    }

    pub(crate) fn clock(&self) -> Now {
        let mono = u64::try_from(self.now.0).expect("tests run behind 1970");
        Now {
            wall: self.now,
            mono,
        }
    }

    fn answer_asks(&mut self) {
        while let Some(ask) = self.core.poll_ask() {
            match ask {
                Ask::Read(topic, offset) => {
                    self.reads.insert(topic, offset);
                }
                Ask::Stop(topic) => {
                    self.reads.remove(&topic);
                }
                other => panic!("the trigger asked for {other:?}"),
            }
        }
    }

    fn lane(&self, value: &Bytes) -> Said {
        match LaneRecord::decode(value).expect("lane record") {
            LaneRecord::Fire(fire, body) => {
                assert_eq!(body, Bytes::from_static(b"work"));
                let lead = self.config.lead_ms;
                assert!(fire.due <= self.now.plus(lead), "{fire:?} before its lead");
                Said::Fire(fire.fire_id)
            }
            LaneRecord::Recall(recall) => Said::Recall(recall.fire_id),
        }
    }

    /// Positions and watermarks never go back; notes are short and ASCII.
    fn check_position(&mut self, topic: Topic, position: &Position) {
        let before = self.committed.get(&topic).map_or(0, |it| it.offset);
        assert!(before <= position.offset, "{topic:?} went back");
        assert!(position.offset <= self.ends[&topic], "{topic:?} runs ahead");
        assert!(position.note.is_ascii() && position.note.len() <= Position::NOTE_MAX);
        let words: Vec<&str> = position.note.split(' ').collect();
        let [_, "open", instance, _, due, offset, ..] = words.as_slice() else {
            return;
        };
        let (Ok(due), Ok(offset)) = (due.parse(), offset.parse()) else {
            return;
        };
        let name = (topic, (*instance).to_owned());
        if let Some(before) = self.marks.insert(name, (due, offset)) {
            assert!(before <= (due, offset), "watermark of {topic:?} went back");
        }
    }
}

fn open(
    config: &Config,
    now: Millis,
    committed: BTreeMap<Topic, Position>,
    ends: &BTreeMap<Topic, i64>,
) -> Trigger {
    let mono = u64::try_from(now.0).expect("tests run behind 1970");
    let mut factory = TriggerFactory::new(config.clone());
    let topics: BTreeSet<_> = factory.topics().into_iter().collect();
    assert_eq!(topics, ends.keys().copied().collect());
    factory.open(Opening {
        shard: SHARD,
        shards: Shards::DEFAULT,
        now: Now { wall: now, mono },
        session_timeout_ms: 10_000,
        committed,
        ends: ends
            .iter()
            .map(|(topic, end)| (*topic, (0, *end)))
            .collect(),
    })
}

fn outcome(value: &Bytes) -> Said {
    match OutcomeRecord::decode(value).expect("outcome") {
        OutcomeRecord::Revoked(taken, body) => {
            assert_eq!(body, Bytes::from_static(b"work"));
            Said::Revoked(taken.fire_id)
        }
        OutcomeRecord::Expired(taken, _) => Said::Expired(taken.fire_id),
        OutcomeRecord::Drained(drained) => Said::Drained(drained),
        other => panic!("the trigger has no business to say {other:?}"),
    }
}
