//! How far each role is behind what is written for it: the log's ends against committed positions.
//!
//! A record counts until the turn that dealt with it is committed, so a lag of a turn's time is what a
//! healthy pipe has. What matters is that it does not grow. The trigger is left out: what stands in a
//! bucket waits for its time, and whether it is let go in time shows as lateness.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use anyhow::{Context, Result};
use pipeline::kafka::{KafkaBroker, KafkaConfig};
use pipeline::log::{Broker, Reader};
use pipeline::{LogError, TopicPartition};
use schemas::{Role, Shards, Topic};
use serde::Serialize;

use crate::clock;
use crate::flags::Settings;

const ROLES: [Role; 3] = [Role::Planner, Role::Dispatcher, Role::Archive];
/// Between two looks; each is a handful of requests.
const LOOK: Duration = Duration::from_millis(250);

/// Looks until it is stopped.
pub(crate) struct Watching {
    over: Arc<AtomicBool>,
    /// Of all roles at the last look; below 0 before the first.
    total: Arc<AtomicI64>,
    thread: JoinHandle<Vec<Sample>>,
}

/// One look.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Sample {
    /// Epoch microseconds.
    at_us: i64,
    role: Role,
    records: i64,
}

/// What one role had still to read, in records.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub(crate) struct Lag {
    pub(crate) looks: usize,
    pub(crate) max: i64,
    /// While tasks were registered: means of the second and of the fourth quarter of that time.
    pub(crate) early_mean: f64,
    pub(crate) late_mean: f64,
    /// At the last look.
    pub(crate) end: i64,
}

impl Watching {
    /// Connects and begins.
    ///
    /// # Errors
    /// What is wrong with brokers or flags.
    pub(crate) fn start(settings: &Settings) -> Result<Self> {
        let broker = KafkaBroker::new(KafkaConfig {
            bootstrap: settings.target.clone(),
            prefix: settings.prefix.clone(),
            shards: Shards::new(settings.shards).context("--shards is 0")?,
            ..KafkaConfig::default()
        })?;
        let reader = broker.reader().context("connect to Kafka")?;
        let over = Arc::new(AtomicBool::new(false));
        let total = Arc::new(AtomicI64::new(-1));
        let (until, told) = (Arc::clone(&over), Arc::clone(&total));
        let thread = std::thread::Builder::new()
            .name("lag".to_owned())
            .spawn(move || look_until(&until, &told, &broker, reader))
            .context("start watching the lag")?;
        Ok(Self {
            over,
            total,
            thread,
        })
    }

    /// Whether everybody had read everything at the last look.
    pub(crate) fn is_drained(&self) -> bool {
        self.total.load(Ordering::Relaxed) == 0
    }

    /// Ends it; by role, over a time of registering from `begun_us` to `ended_us`.
    pub(crate) fn stop(self, begun_us: i64, ended_us: i64) -> BTreeMap<&'static str, Lag> {
        self.over.store(true, Ordering::Relaxed);
        let samples = self.thread.join().unwrap_or_default();
        let of = |role: Role| {
            let mut own: Vec<&Sample> = samples.iter().collect();
            own.retain(|sample| sample.role == role);
            (role.name(), Lag::of(&own, begun_us, ended_us))
        };
        ROLES.into_iter().map(of).collect()
    }
}

impl Lag {
    fn of(samples: &[&Sample], begun_us: i64, ended_us: i64) -> Self {
        let quarter = (ended_us - begun_us) / 4;
        let mean = |number: i64| {
            let from = begun_us + number * quarter;
            let within = samples
                .iter()
                .filter(|sample| (from..from + quarter).contains(&sample.at_us));
            let (sum, count) = within.fold((0, 0_i64), |(sum, count), sample| {
                (sum + sample.records, count + 1)
            });
            sum as f64 / count.max(1) as f64
        };
        Self {
            looks: samples.len(),
            max: samples.iter().map(|s| s.records).max().unwrap_or(0),
            early_mean: mean(1),
            late_mean: mean(3),
            end: samples.last().map_or(0, |sample| sample.records),
        }
    }
}

fn look_until(
    over: &AtomicBool,
    total: &AtomicI64,
    broker: &KafkaBroker,
    mut reader: Box<dyn Reader>,
) -> Vec<Sample> {
    let mut samples = Vec::new();
    let mut last: BTreeMap<Role, i64> = BTreeMap::new();
    while !over.load(Ordering::Relaxed) {
        for role in ROLES {
            // A position that is just being committed has no answer; the next look has.
            let Ok(records) = lag(broker, reader.as_mut(), role) else {
                continue;
            };
            let at_us = clock::now_us();
            samples.push(Sample {
                at_us,
                role,
                records,
            });
            last.insert(role, records);
        }
        if last.len() == ROLES.len() {
            total.store(last.values().sum(), Ordering::Relaxed);
        }
        std::thread::sleep(LOOK);
    }
    samples
}

fn lag(broker: &KafkaBroker, reader: &mut dyn Reader, role: Role) -> Result<i64, LogError> {
    let of: Vec<TopicPartition> = Topic::all()
        .filter(|topic| topic.readers().contains(&role))
        .flat_map(|topic| {
            let shards = broker.shards().all();
            shards.map(move |shard| TopicPartition::new(topic, shard))
        })
        .collect();
    let positions = broker.committed(role, &of)?;
    let ends = reader.ends(&of)?;
    let behind = ends.iter().zip(&positions).map(|((first, end), position)| {
        let read = position.as_ref().map_or(*first, |position| position.offset);
        (end - read.max(*first)).max(0)
    });
    Ok(behind.sum())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn growth_shows_between_the_second_and_the_fourth_quarter() {
        let samples: Vec<Sample> = (0..40)
            .map(|n| Sample {
                at_us: n * 100,
                role: Role::Planner,
                records: n * 10,
            })
            .collect();
        let own: Vec<&Sample> = samples.iter().collect();
        let lag = Lag::of(&own, 0, 4_000);
        assert_eq!((lag.looks, lag.max, lag.end), (40, 390, 390));
        assert_eq!((lag.early_mean, lag.late_mean), (145.0, 345.0));
        assert_eq!(Lag::of(&[], 0, 4_000), Lag::default());
    }
}
