//! What the log does at best: written from outside of turns, read, and written in turns.
//!
//! Through `pipeline`'s own clients, so that it is the limit of what the stages do and not of another
//! library. Topics must be there and nobody else's: the ones of a deployment without workers.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use bytes::Bytes;
use pipeline::clock::SystemClock;
use pipeline::embedded::{EmbeddedBroker, EmbeddedConfig};
use pipeline::kafka::{KafkaBroker, KafkaConfig};
use pipeline::{Broker, Clock, Log, LogEvent, Outgoing, Position, TopicPartition};
use schemas::{Role, Shard, Shards, Topic};
use serde::Serialize;

use crate::flags::{Settings, Via};
use crate::watch::{Watch, own_processor_s};

/// What a registration of this program weighs, bytes.
const VALUE: usize = 200;
const WRITTEN_TO: Topic = Topic::Registrations;
const TURNS_TO: Topic = Topic::Forwards;
const MEMBER: Role = Role::Archive;
/// Records in one turn, tried one after the other for so long.
const TURNS: [usize; 3] = [100, 1_000, 10_000];
const TURNS_FOR: Duration = Duration::from_secs(3);
/// Records and turns before it counts.
const WARM: u64 = 5_000;
const WARM_TURNS: usize = 20;
/// Records on their way at once; below the producer's own queue.
const ON_THE_WAY: u64 = 50_000;
const PATIENCE: Duration = Duration::from_secs(60);
const ROUND: Duration = Duration::from_millis(100);

/// Everything that was measured.
#[derive(Debug, Serialize)]
struct RawLog {
    via: &'static str,
    records: u64,
    value_bytes: usize,
    produce: Part,
    consume: Part,
    turns: Vec<Turns>,
}

/// One way of using the log.
#[derive(Debug, Serialize)]
struct Part {
    per_s: f64,
    /// Processor time a record: of this process, and of those watched, microseconds.
    own_us: f64,
    watched_us: BTreeMap<String, f64>,
}

/// Transactions of one size.
#[derive(Debug, Serialize)]
struct Turns {
    records: usize,
    commit_ms_p50: f64,
    #[serde(flatten)]
    part: Part,
}

/// Measures, prints, and writes `--json`.
///
/// # Errors
/// What the log says.
pub(crate) fn run(settings: &Settings) -> Result<()> {
    let shards = Shards::new(settings.shards).context("--shards is 0")?;
    let broker: Arc<dyn Broker> = match settings.via {
        Via::Embedded => {
            let config = EmbeddedConfig {
                shards,
                ..EmbeddedConfig::default()
            };
            EmbeddedBroker::open(Path::new(&settings.target), config)?
        }
        Via::Kafka => Arc::new(KafkaBroker::new(KafkaConfig {
            bootstrap: settings.target.clone(),
            prefix: settings.prefix.clone(),
            shards,
            ..KafkaConfig::default()
        })?),
        Via::Http => bail!("raw-log goes --via kafka or --via embedded"),
    };
    let records = settings.expected_tasks();
    // Connections, metadata and producer ids are no part of the limit.
    warm(broker.as_ref())?;
    let told = RawLog {
        via: settings.via.name(),
        records,
        value_bytes: VALUE,
        produce: Part::of(settings, || produce(broker.as_ref(), records))?,
        consume: Part::of(settings, || consume(broker.as_ref()))?,
        turns: turns(settings, broker.as_ref())?,
    };
    print!("{}", told.summary());
    match &settings.json {
        Some(path) => std::fs::write(path, serde_json::to_string_pretty(&told)? + "\n")
            .with_context(|| format!("write `{}`", path.display())),
        None => Ok(()),
    }
}

impl Part {
    /// Runs `work`, which returns how many records it moved.
    fn of(settings: &Settings, work: impl FnOnce() -> Result<u64>) -> Result<Self> {
        let own = || own_processor_s().values().sum::<f64>();
        let (begun, own_before) = (Instant::now(), own());
        let mut watch = Watch::new(&settings.pids);
        let moved = work()?.max(1) as f64;
        let seconds = begun.elapsed().as_secs_f64();
        watch.look();
        let each = |(role, s)| (role, s * 1e6 / moved);
        Ok(Self {
            per_s: moved / seconds,
            own_us: (own() - own_before) * 1e6 / moved,
            watched_us: watch.processor_s().into_iter().map(each).collect(),
        })
    }
}

impl RawLog {
    fn summary(&self) -> String {
        let mut out = format!("raw log                {}, {} bytes\n", self.via, VALUE);
        let mut put = |name: &str, part: &Part| {
            let (rate, own) = (part.per_s, part.own_us);
            out.push_str(&format!("{name:<22} {rate:.0}/s, own {own:.2} us a record"));
            for (role, us) in &part.watched_us {
                out.push_str(&format!(", {role} {us:.2}"));
            }
            out.push('\n');
        };
        put("produced", &self.produce);
        put("consumed", &self.consume);
        for turns in &self.turns {
            put(&format!("in turns of {}", turns.records), &turns.part);
        }
        out
    }
}

fn outgoing(topic: Topic, shards: Shards, number: u64, value: &Bytes) -> Outgoing {
    let shard = u16::try_from(number % u64::from(shards.count())).unwrap_or(0);
    Outgoing {
        to: TopicPartition::new(topic, Shard(shard)),
        key: Some(Bytes::from(format!("load/{number}"))),
        value: Some(value.clone()),
        headers: Vec::new(),
    }
}

/// Topics that were just made are not yet known everywhere.
fn warm(broker: &dyn Broker) -> Result<()> {
    let begun = Instant::now();
    while let Err(error) = produce(broker, WARM) {
        if begun.elapsed() > PATIENCE {
            return Err(error);
        }
        std::thread::sleep(Duration::from_secs(1));
    }
    Ok(())
}

fn produce(broker: &dyn Broker, records: u64) -> Result<u64> {
    let producer = broker.producer()?;
    let (done, failed) = (Arc::new(AtomicU64::new(0)), Arc::new(AtomicU64::new(0)));
    let value = Bytes::from(vec![b'x'; VALUE]);
    for number in 0..records {
        while number - done.load(Ordering::Relaxed) >= ON_THE_WAY {
            std::thread::sleep(Duration::from_millis(1));
        }
        let (done, failed) = (Arc::clone(&done), Arc::clone(&failed));
        let written = move |fate: Result<i64, pipeline::LogError>| {
            failed.fetch_add(u64::from(fate.is_err()), Ordering::Relaxed);
            done.fetch_add(1, Ordering::Relaxed);
        };
        let record = outgoing(WRITTEN_TO, broker.shards(), number, &value);
        producer.send(record, Box::new(written));
    }
    let begun = Instant::now();
    while done.load(Ordering::Relaxed) < records {
        if begun.elapsed() > PATIENCE {
            bail!("records were not acknowledged within {PATIENCE:?}");
        }
        std::thread::sleep(Duration::from_millis(1));
    }
    match failed.load(Ordering::Relaxed) {
        0 => Ok(records),
        lost => bail!("{lost} of {records} records were not written"),
    }
}

fn consume(broker: &dyn Broker) -> Result<u64> {
    let mut reader = broker.reader()?;
    let of: Vec<TopicPartition> = broker
        .shards()
        .all()
        .map(|shard| TopicPartition::new(WRITTEN_TO, shard))
        .collect();
    let ends = reader.ends(&of)?;
    let mut open: BTreeMap<TopicPartition, i64> = BTreeMap::new();
    for (from, (first, end)) in of.iter().zip(&ends) {
        reader.read(*from, *first)?;
        open.insert(*from, *end);
    }
    let (begun, mut read) = (Instant::now(), 0);
    while !open.is_empty() {
        let mut events = Vec::new();
        reader.poll(ROUND, &mut events)?;
        for event in events {
            if let LogEvent::Batch {
                from,
                records,
                position,
            } = event
            {
                read += records.len() as u64;
                if open.get(&from).is_some_and(|end| position >= *end) {
                    open.remove(&from);
                }
            }
        }
        if begun.elapsed() > PATIENCE {
            bail!("records were not read within {PATIENCE:?}");
        }
    }
    Ok(read)
}

fn turns(settings: &Settings, broker: &dyn Broker) -> Result<Vec<Turns>> {
    let mut log = broker.join(MEMBER, "raw-log")?;
    until(log.as_mut(), |event| matches!(event, LogEvent::Assigned(_)))?;
    for _ in 0..WARM_TURNS {
        turn(log.as_mut(), broker.shards(), TURNS[0])?;
    }
    let mut all = Vec::with_capacity(TURNS.len());
    for size in TURNS {
        let mut took = Vec::new();
        let part = Part::of(settings, || {
            let begun = Instant::now();
            while begun.elapsed() < TURNS_FOR {
                let cut = Instant::now();
                turn(log.as_mut(), broker.shards(), size)?;
                took.push(cut.elapsed().as_secs_f64() * 1e3);
            }
            Ok((took.len() * size) as u64)
        })?;
        took.sort_by(f64::total_cmp);
        all.push(Turns {
            records: size,
            commit_ms_p50: took.get(took.len() / 2).copied().unwrap_or_default(),
            part,
        });
    }
    Ok(all)
}

/// As a stage's: records to every shard, and the position of each in the role's driver topic.
fn turn(log: &mut dyn Log, shards: Shards, size: usize) -> Result<()> {
    let value = Bytes::from(vec![b'x'; VALUE]);
    let records = (0..size as u64).map(|number| outgoing(TURNS_TO, shards, number, &value));
    let driver = MEMBER.driver_topic();
    let positions = shards
        .all()
        .map(|shard| (TopicPartition::new(driver, shard), Position::default()));
    log.commit(
        records.collect(),
        positions.collect(),
        SystemClock.now().mono,
    )?;
    until(log, |event| matches!(event, LogEvent::Committed { .. }))
}

fn until(log: &mut dyn Log, what: impl Fn(&LogEvent) -> bool) -> Result<()> {
    let begun = Instant::now();
    while begun.elapsed() < PATIENCE {
        let mut events = Vec::new();
        log.poll(ROUND, &mut |_| 0, &mut events)?;
        if let Some(LogEvent::Failed(error)) = events
            .iter()
            .find(|event| matches!(event, LogEvent::Failed(_)))
        {
            bail!("a turn failed: {error}");
        }
        if events.iter().any(&what) {
            return Ok(());
        }
    }
    bail!("the log did not answer within {PATIENCE:?}")
}
