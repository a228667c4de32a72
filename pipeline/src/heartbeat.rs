//! Heartbeats to `owners`: measures this machine's clock against the brokers', and holds the workers
//! whose work is to be on time while it is ahead.
//!
//! A heartbeat has a key, `member/role`, and no value: that it was appended, and when, is all there is
//! to it, and once its member is gone for good compaction leaves nothing of it.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::Duration;

use bytes::Bytes;
use schemas::{Millis, Role, Shard, Topic};

use crate::clock::{Clock, Now};
use crate::error::LogError;
use crate::log::{Broker, LogEvent, Producer, Reader};
use crate::metrics;
use crate::record::{Outgoing, TopicPartition};
use crate::skew::{Reading, Sample, Skew, Verdict};
use crate::worker::{Phase, Status};

/// Why a worker is held until there is a first verdict.
pub const NOT_MEASURED: &str = "its clock is not yet measured against the brokers'";

/// Partitions that get heartbeats: the first few, which have the brokers as leaders in turn. Odd, so
/// that two brokers do not balance each other.
const PARTITIONS: usize = 7;
/// Between heartbeats to one partition, ms.
const BEAT_MS: u64 = 5_000;
/// As long as nothing is known, so many.
const HURRY_MS: u64 = 100;
/// A heartbeat that was not read back within so long is given up, ms.
const LOST_MS: u64 = 10_000;
/// Longest wait in one round; also how soon a clock that was set is noticed.
const ROUND: Duration = Duration::from_millis(200);
/// Wait before connecting again after the log failed.
const RETRY: Duration = Duration::from_secs(1);

/// Whether a worker of this role must not work by a clock that is ahead.
#[must_use]
pub fn goes_by_the_clock(role: Role) -> bool {
    matches!(role, Role::Trigger | Role::Dispatcher)
}

/// The partitions that get heartbeats.
#[must_use]
pub fn partitions(broker: &dyn Broker) -> Vec<TopicPartition> {
    let of = |shard| TopicPartition::new(Topic::Owners, shard);
    broker.shards().all().take(PARTITIONS).map(of).collect()
}

/// Measures until every worker has stopped; blocks, so give it a thread. While the clock is ahead by
/// more than `bound_ms`, workers that go by it are held; they go on once it is known not to be.
pub fn run(
    broker: &dyn Broker,
    clock: &Arc<dyn Clock>,
    member: &str,
    bound_ms: u64,
    workers: &[(Role, Arc<Status>)],
) {
    let Some((first, _)) = workers.first() else {
        return;
    };
    let key = format!("{member}/{}", first.name());
    let mut skew = Skew::new(bound_ms, partitions(broker).len(), clock.now());
    let mut watch = Watch::new(bound_ms, workers);
    let alive = || workers.iter().any(|(_, it)| it.phase() != Phase::Stopped);
    while alive() {
        let done = Heartbeats::start(broker, Arc::clone(clock), &key).and_then(|mut beats| {
            while alive() {
                watch.note(&beats.round(ROUND, &mut skew)?);
            }
            Ok(())
        });
        if let Err(error) = done {
            tracing::warn!(%error, "cannot measure the clock; trying again");
            if matches!(error, LogError::Config(_)) {
                // Those that wait for the measure would wait for ever.
                workers.iter().for_each(|(_, it)| it.fail(error.clone()));
            }
            std::thread::sleep(RETRY);
        }
    }
}

/// Writes heartbeats and reads them back. Used from one thread.
pub struct Heartbeats {
    producer: Arc<dyn Producer>,
    reader: Box<dyn Reader>,
    clock: Arc<dyn Clock>,
    key: Bytes,
    /// By partition, when a heartbeat was last sent, monotonic ms, and the one on its way.
    beats: BTreeMap<Shard, (Option<u64>, Option<Beat>)>,
    acks: (Sender<Ack>, Receiver<Ack>),
    events: Vec<LogEvent>,
}

/// A heartbeat on its way.
#[derive(Debug)]
struct Beat {
    sent: Now,
    /// Its offset, and when that was told, monotonic ms.
    acked: Option<(i64, u64)>,
    /// What was read back under our key since it was sent.
    read: Vec<(i64, Millis)>,
}

/// What became of the heartbeat sent then to this partition, and when that was told.
struct Ack {
    partition: Shard,
    sent: Now,
    at: u64,
    offset: Result<i64, LogError>,
}

impl Heartbeats {
    /// Connects; `key` is this process' own.
    ///
    /// # Errors
    /// As [`Broker::producer`] and [`Reader::ends`].
    pub fn start(broker: &dyn Broker, clock: Arc<dyn Clock>, key: &str) -> Result<Self, LogError> {
        let mut reader = broker.reader()?;
        let of = partitions(broker);
        for (partition, (_, end)) in of.iter().zip(reader.ends(&of)?) {
            reader.read(*partition, end)?;
        }
        Ok(Self {
            producer: broker.producer()?,
            reader,
            clock,
            key: Bytes::from(key.to_owned()),
            beats: of.iter().map(|it| (it.shard, (None, None))).collect(),
            acks: channel(),
            events: Vec::new(),
        })
    }

    /// Sends what is due, waits up to `wait` for what comes back, and tells what is known by then.
    ///
    /// # Errors
    /// As [`Reader::poll`].
    pub fn round(&mut self, wait: Duration, skew: &mut Skew) -> Result<Reading, LogError> {
        let before = skew.read(self.clock.now());
        let every = match before.verdict {
            Verdict::Unknown => HURRY_MS,
            _ => BEAT_MS,
        };
        self.send_due(every);
        let mut events = std::mem::take(&mut self.events);
        self.reader.poll(wait, &mut events)?;
        for event in events.drain(..) {
            self.note_read(event);
        }
        self.events = events;
        while let Ok(ack) = self.acks.1.try_recv() {
            self.note_ack(ack);
        }
        for (partition, (_, beat)) in &mut self.beats {
            if let Some(sample) = beat.as_ref().and_then(|it| it.sample(*partition)) {
                skew.take(sample);
                *beat = None;
            }
        }
        Ok(skew.read(self.clock.now()))
    }

    fn send_due(&mut self, every: u64) {
        for (partition, (last, beat)) in &mut self.beats {
            let now = self.clock.now();
            let over = |since: u64, ms: u64| since.saturating_add(ms) <= now.mono;
            let is_due = last.is_none_or(|last| over(last, every));
            let is_free = beat.as_ref().is_none_or(|it| over(it.sent.mono, LOST_MS));
            if !(is_due && is_free) {
                continue;
            }
            *last = Some(now.mono);
            *beat = Some(Beat {
                sent: now,
                acked: None,
                read: Vec::new(),
            });
            let record = Outgoing {
                to: TopicPartition::new(Topic::Owners, *partition),
                key: Some(self.key.clone()),
                value: None,
                headers: Vec::new(),
            };
            let (partition, acks) = (*partition, self.acks.0.clone());
            let clock = Arc::clone(&self.clock);
            let written = move |offset| {
                let ack = Ack {
                    partition,
                    sent: now,
                    at: clock.now().mono,
                    offset,
                };
                // Nobody listens any more where the connection was given up.
                acks.send(ack).ok();
            };
            self.producer.send(record, Box::new(written));
        }
    }

    fn note_read(&mut self, event: LogEvent) {
        let LogEvent::Batch { from, records, .. } = event else {
            return;
        };
        if let Some((_, Some(beat))) = self.beats.get_mut(&from.shard) {
            let own = records
                .iter()
                .filter(|it| it.key.as_ref() == Some(&self.key));
            beat.read.extend(own.map(|it| (it.offset, it.appended)));
        }
    }

    fn note_ack(&mut self, ack: Ack) {
        let Some((_, slot)) = self.beats.get_mut(&ack.partition) else {
            return;
        };
        let Some(beat) = slot.as_mut().filter(|it| it.sent == ack.sent) else {
            return;
        };
        match ack.offset {
            Ok(offset) => beat.acked = Some((offset, ack.at)),
            Err(error) => {
                tracing::debug!(%error, partition = ack.partition.0, "a heartbeat was not written");
                *slot = None;
            }
        }
    }
}

impl Beat {
    /// What it tells, once it was both acknowledged and read.
    fn sample(&self, partition: Shard) -> Option<Sample> {
        let (offset, acked) = self.acked?;
        let (_, appended) = self.read.iter().find(|(it, _)| *it == offset)?;
        Some(Sample {
            partition,
            sent: self.sent,
            acked,
            appended: *appended,
        })
    }
}

impl std::fmt::Debug for Heartbeats {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Heartbeats")
            .field("key", &self.key)
            .field("beats", &self.beats)
            .finish_non_exhaustive()
    }
}

/// Acts on verdicts; says once what it finds.
struct Watch<'a> {
    bound_ms: u64,
    workers: &'a [(Role, Arc<Status>)],
    /// Of the last verdict that was one: ahead, behind, or neither.
    said: Option<&'static str>,
    odd: Vec<Shard>,
}

impl<'a> Watch<'a> {
    fn new(bound_ms: u64, workers: &'a [(Role, Arc<Status>)]) -> Self {
        Self {
            bound_ms,
            workers,
            said: None,
            odd: Vec::new(),
        }
    }

    fn note(&mut self, reading: &Reading) {
        let Some(offset) = reading.offset_ms else {
            // Nothing is known, so nothing changes: who was held stays so.
            return;
        };
        ::metrics::gauge!(metrics::CLOCK_OFFSET).set(offset_as_f64(offset));
        let bound = self.bound_ms;
        let by_the_clock = self
            .workers
            .iter()
            .filter(|(role, _)| goes_by_the_clock(*role));
        let ahead = matches!(reading.verdict, Verdict::Ahead(_));
        for (_, status) in by_the_clock {
            if ahead {
                status.hold(format!(
                    "its clock is {offset} ms ahead of the brokers', the bound is {bound} ms"
                ));
            } else if status.held().is_some() {
                status.go_on();
            }
        }
        let found = match reading.verdict {
            Verdict::Ahead(_) => Some("ahead"),
            Verdict::Behind(_) => Some("behind"),
            Verdict::Fine | Verdict::Unknown => None,
        };
        if found != self.said {
            self.said = found;
            say(found, offset, bound);
        }
        if reading.odd != self.odd {
            self.odd.clone_from(&reading.odd);
            self.say_odd();
        }
    }

    fn say_odd(&self) {
        let partitions: Vec<u16> = self.odd.iter().map(|shard| shard.0).collect();
        if partitions.is_empty() {
            tracing::info!("the brokers' clocks agree again");
            return;
        }
        ::metrics::counter!(metrics::CLOCK_ALARMS, "what" => "odd_broker").increment(1);
        tracing::error!(
            ?partitions,
            bound_ms = self.bound_ms,
            "the leaders of these partitions of `owners` have a clock beyond the bound from the \
             median of all: set the clocks of those brokers"
        );
    }
}

fn say(found: Option<&'static str>, offset_ms: i64, bound_ms: u64) {
    match found {
        None => tracing::info!(offset_ms, "the clock is within the bound again"),
        Some(what) => {
            ::metrics::counter!(metrics::CLOCK_ALARMS, "what" => what).increment(1);
            let then = match what {
                "ahead" => "trigger and dispatcher here give up their shards until it is set",
                _ => "what fires here is late until it is set",
            };
            tracing::error!(
                offset_ms,
                bound_ms,
                then,
                "this machine's clock is {what} of the brokers'"
            );
        }
    }
}

#[expect(
    clippy::cast_precision_loss,
    reason = "for people; exact up to 285,000 years"
)]
fn offset_as_f64(ms: i64) -> f64 {
    ms as f64
}
