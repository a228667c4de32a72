//! What happened, as one hash: equal for equal runs.

use std::fmt::Arguments;
use std::sync::{Arc, Mutex, PoisonError};

use pipeline::{Record, TopicPartition};
use schemas::{BucketRecord, LaneRecord, OutcomeRecord, Topic};

use crate::clock::WorldClock;

/// A rolling hash over every record appended, call made and answer given. Clones share it.
#[derive(Clone, Debug)]
pub struct Trace {
    shared: Arc<Mutex<Shared>>,
    clock: Arc<WorldClock>,
    print: bool,
}

#[derive(Debug)]
struct Shared {
    hash: u64,
}

/// FNV-1a, 64 bits: not against enemies, only to tell runs apart.
const OFFSET: u64 = 0xcbf2_9ce4_8422_2325;
const PRIME: u64 = 0x0000_0100_0000_01b3;

impl Trace {
    /// An empty trace; with `print`, everything is also written to standard output.
    #[must_use]
    pub fn new(clock: Arc<WorldClock>, print: bool) -> Self {
        let shared = Arc::new(Mutex::new(Shared { hash: OFFSET }));
        Self {
            shared,
            clock,
            print,
        }
    }

    /// The hash so far.
    #[must_use]
    pub fn hash(&self) -> u64 {
        self.lock().hash
    }

    /// Adds a line.
    pub fn line(&self, line: Arguments<'_>) {
        let text = format!("{:>9} {line}", self.clock.elapsed());
        self.add(text.as_bytes());
        if self.print {
            println!("{text}");
        }
    }

    /// Writes a line that is no part of the hash.
    pub fn note(&self, line: Arguments<'_>) {
        if self.print {
            println!("{:>9} . {line}", self.clock.elapsed());
        }
    }

    /// Adds a record.
    pub fn record(&self, of: TopicPartition, record: &Record) {
        self.add(&self.clock.elapsed().to_be_bytes());
        self.add(of.to_string().as_bytes());
        self.add(&record.offset.to_be_bytes());
        self.add(record.key.as_deref().unwrap_or_default());
        self.add(record.value.as_deref().unwrap_or(b"\0tombstone"));
        if self.print {
            let (at, offset) = (self.clock.elapsed(), record.offset);
            println!("{at:>9} {of}@{offset} {}", shown(of.topic, record));
        }
    }

    fn add(&self, bytes: &[u8]) {
        let mut shared = self.lock();
        for byte in bytes {
            shared.hash = (shared.hash ^ u64::from(*byte)).wrapping_mul(PRIME);
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Shared> {
        self.shared.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A record in one line.
fn shown(topic: Topic, record: &Record) -> String {
    let Some(value) = &record.value else {
        return format!("tombstone {:?}", record.key.clone().unwrap_or_default());
    };
    let unknown = |error: &dyn std::fmt::Display| format!("not understood: {error}");
    match topic {
        Topic::Bucket(_) => match BucketRecord::decode(value) {
            Ok(BucketRecord::Placement(placement, _)) => format!("{placement:?}"),
            Ok(other) => format!("{other:?}"),
            Err(error) => unknown(&error),
        },
        Topic::Fires(_) => match LaneRecord::decode(value) {
            Ok(LaneRecord::Fire(fire, _)) => format!("{fire:?}"),
            Ok(other) => format!("{other:?}"),
            Err(error) => unknown(&error),
        },
        Topic::Outcomes => match OutcomeRecord::decode(value) {
            Ok(OutcomeRecord::Revoked(taken, _)) => format!("Revoked {taken:?}"),
            Ok(OutcomeRecord::Expired(taken, _)) => format!("Expired {taken:?}"),
            Ok(OutcomeRecord::Ended(ended)) => format!(
                "Ended {} {} leg {} attempt {} {:?}",
                ended.task, ended.fire_id, ended.leg, ended.attempt, ended.end
            ),
            Ok(other) => format!("{other:?}"),
            Err(error) => unknown(&error),
        },
        Topic::Index => match schemas::index::TaskRow::decode(value) {
            Ok((row, _)) => format!(
                "{:?} v{} {:?} {:?} wish {:?}",
                record.key.clone().unwrap_or_default(),
                row.version,
                row.phase,
                row.firing,
                row.wish
            ),
            Err(_) => match schemas::index::RingRow::decode(value) {
                Ok(row) => format!("{row:?}"),
                Err(_) => format!("{:?}", record.key.clone().unwrap_or_default()),
            },
        },
        _ => String::from_utf8_lossy(value).into_owned(),
    }
}
