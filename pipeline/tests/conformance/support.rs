//! A member with a memory of what it was told, and waiting for events.

use std::time::{Duration, Instant};

use bytes::Bytes;
use pipeline::clock::SystemClock;
use pipeline::log::Reader;
use pipeline::{Clock, Log, LogError, LogEvent, Outgoing, Position, Record, TopicPartition};
use schemas::{Shard, Topic};

/// Longest wait for anything that must happen.
pub(crate) const PATIENCE: Duration = Duration::from_secs(40);
const ROUND: Duration = Duration::from_millis(200);

/// The driver topic of [`schemas::Role::Planner`].
pub(crate) const INPUT: Topic = Topic::Registrations;
pub(crate) const OUTPUT: Topic = Topic::Forwards;
/// All that the cases use: the driver topics of planner and archive, and one to write to.
pub(crate) const TOPICS: [Topic; 3] = [INPUT, OUTPUT, Topic::Outcomes];

/// One member and the events nobody has asked about yet.
pub(crate) struct Member {
    pub(crate) log: Box<dyn Log>,
    pub(crate) events: Vec<LogEvent>,
}

impl Member {
    pub(crate) fn new(log: Box<dyn Log>) -> Self {
        Self {
            log,
            events: Vec::new(),
        }
    }

    /// Polls once.
    pub(crate) fn poll(&mut self, appetite: usize) -> Result<(), LogError> {
        self.log.poll(ROUND, &mut |_| appetite, &mut self.events)
    }

    /// Polls until `pick` takes an event; those before it stay.
    pub(crate) fn until<T>(&mut self, what: &str, pick: impl Fn(&LogEvent) -> Option<T>) -> T {
        self.try_until(what, pick).unwrap()
    }

    fn try_until<T>(
        &mut self,
        what: &str,
        pick: impl Fn(&LogEvent) -> Option<T>,
    ) -> Result<T, LogError> {
        let begun = Instant::now();
        loop {
            let found = self
                .events
                .iter()
                .enumerate()
                .find_map(|(at, it)| Some((at, pick(it)?)));
            if let Some((at, found)) = found {
                self.events.remove(at);
                return Ok(found);
            }
            assert!(
                begun.elapsed() < PATIENCE,
                "no {what}; there is {:?}",
                self.events
            );
            self.poll(10_000)?;
        }
    }

    pub(crate) fn assigned(&mut self) -> Vec<Shard> {
        self.until("assignment", |event| match event {
            LogEvent::Assigned(shards) => Some(shards.clone()),
            _ => None,
        })
    }

    pub(crate) fn revoked(&mut self) -> (Vec<Shard>, bool) {
        self.until("revocation", |event| match event {
            LogEvent::Revoked { shards, lost } => Some((shards.clone(), *lost)),
            _ => None,
        })
    }

    /// Commits and waits for the result.
    pub(crate) fn commit(
        &mut self,
        records: Vec<Outgoing>,
        positions: Vec<(TopicPartition, Position)>,
    ) -> Result<u64, LogError> {
        self.log
            .commit(records, positions, SystemClock.now().mono)?;
        // A member that was replaced may learn that first.
        self.try_until("result of a commit", |event| match event {
            LogEvent::Committed { proven_at } => Some(Ok(*proven_at)),
            LogEvent::Failed(error) => Some(Err(error.clone())),
            _ => None,
        })?
    }

    /// Commits `values` to `to`, with the driver topic's position.
    pub(crate) fn write(&mut self, to: TopicPartition, values: &[&str]) {
        let records = values.iter().map(|value| record(to, value)).collect();
        self.commit(records, vec![(at(INPUT, 0), position(0, ""))])
            .unwrap();
    }

    pub(crate) fn committed(&mut self, of: &[TopicPartition]) -> Vec<Option<Position>> {
        patiently(|| self.log.committed(of))
    }

    pub(crate) fn ends(&mut self, of: &[TopicPartition]) -> Vec<(i64, i64)> {
        patiently(|| self.log.ends(of))
    }

    /// Reads `from` at `offset` to its end.
    pub(crate) fn read_all(&mut self, from: TopicPartition, offset: i64) -> Vec<Record> {
        let end = self.ends(&[from])[0].1;
        self.log.read(from, offset).unwrap();
        let mut all = Vec::new();
        let mut position = offset;
        while position < end {
            let (records, read_to) = self.until("batch", |event| match event {
                LogEvent::Batch {
                    from: of,
                    records,
                    position,
                } if *of == from => Some((records.clone(), *position)),
                _ => None,
            });
            all.extend(records);
            position = read_to;
        }
        self.log.stop(from).unwrap();
        all
    }

    pub(crate) fn values(&mut self, from: TopicPartition, offset: i64) -> Vec<String> {
        self.read_all(from, offset).iter().map(text).collect()
    }
}

/// Reads `from` at its beginning to its end, as nobody's member.
pub(crate) fn values(reader: &mut dyn Reader, from: TopicPartition) -> Vec<String> {
    let (start, end) = patiently(|| reader.ends(&[from]))[0];
    reader.read(from, start).unwrap();
    let begun = Instant::now();
    let (mut values, mut position) = (Vec::new(), start);
    while position < end {
        assert!(
            begun.elapsed() < PATIENCE,
            "{from} is read to {position} of {end} only"
        );
        let mut events = Vec::new();
        reader.poll(ROUND, &mut events).unwrap();
        for event in events {
            if let LogEvent::Batch {
                from: of,
                records,
                position: read_to,
            } = event
                && of == from
            {
                values.extend(records.iter().map(text));
                position = read_to;
            }
        }
    }
    values
}

/// Asks again as long as the answer is `Retry`.
pub(crate) fn patiently<T>(mut ask: impl FnMut() -> Result<T, LogError>) -> T {
    let begun = Instant::now();
    loop {
        match ask() {
            Ok(answer) => return answer,
            Err(LogError::Retry(why)) if begun.elapsed() < PATIENCE => {
                eprintln!("again: {why}");
                std::thread::yield_now();
            }
            Err(error) => panic!("{error}"),
        }
    }
}

pub(crate) fn text(record: &Record) -> String {
    String::from_utf8_lossy(record.value.as_deref().unwrap_or_default()).into_owned()
}

pub(crate) fn at(topic: Topic, shard: u16) -> TopicPartition {
    TopicPartition::new(topic, Shard(shard))
}

pub(crate) fn record(to: TopicPartition, value: &str) -> Outgoing {
    Outgoing {
        to,
        key: Some(Bytes::from_static(b"key")),
        value: Some(Bytes::copy_from_slice(value.as_bytes())),
        headers: Vec::new(),
    }
}

pub(crate) fn position(offset: i64, note: &str) -> Position {
    Position {
        offset,
        note: note.to_owned(),
    }
}
