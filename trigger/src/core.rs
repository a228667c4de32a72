//! The trigger's core: one shard's 24 slot partitions over one wheel.
//!
//! Records arrive in partitions ([`partition`]) and move on to the wheel as soon as that needs no
//! word to anybody; what does waits for a turn, with all that stands behind it. A turn first deals
//! with what waits, in offset order, then lets go what is due, in (due, offset) order, then ends the
//! instances that are over.

mod arrive;
mod draft;
mod level;
mod load;
mod note;
mod partition;
mod recover;
mod revoke;
mod turn;
mod watermark;
mod wheel;

use std::collections::VecDeque;

use pipeline::{Ask, Factory, Now, Opening, Pace, Record, Stage, Turn};
use schemas::slot::{RING, WIDTH_MS};
use schemas::{Instance, Millis, Shard, Slot, Topic};

use self::draft::Draft;
use self::load::Load;
use self::partition::Partition;
use self::recover::{Recovery, recover};
use self::revoke::Hold;
use self::turn::order;
use crate::config::Config;
use crate::event::{Effect, Input};
use crate::metrics;

/// Offsets of topics that are only assigned expire after a week; all are committed again this often.
const RECOMMIT_MS: u64 = 3_600_000;

/// Makes the trigger's cores.
#[derive(Clone, Debug, Default)]
pub struct TriggerFactory {
    config: Config,
}

/// One shard of the trigger.
#[derive(Debug)]
pub struct Trigger {
    shard: Shard,
    config: Config,
    /// By slot number.
    partitions: Vec<Partition>,
    hold: Hold,
    load: Load,
    asks: VecDeque<Ask>,
    /// The time last told.
    now: Millis,
    /// When the wheel was looked at last: its next time is known exactly if it is within the lead of
    /// this.
    looked: Millis,
    /// All positions are committed at this monotonic time, changed or not.
    recommit_at: u64,
    /// Records that the next turn may write.
    room: usize,
    leaving: bool,
    gauges: Gauges,
}

#[derive(Debug)]
struct Gauges {
    bytes: ::metrics::Gauge,
    placements: ::metrics::Gauge,
}

impl TriggerFactory {
    /// A factory of cores with these options.
    #[must_use]
    pub fn new(config: Config) -> Self {
        Self { config }
    }
}

impl Factory for TriggerFactory {
    type Stage = Trigger;

    fn topics(&self) -> Vec<Topic> {
        Slot::all().map(Topic::Bucket).collect()
    }

    /// A part of the lead: the rest is for the commit and the way to the dispatcher.
    fn pace(&self) -> Pace {
        Pace {
            least_ms: self.config.lead_ms / 4,
            most_ms: self.config.lead_ms * 2 / 5,
            busy_rate: 8_000,
        }
    }

    fn open(&mut self, opening: Opening) -> Trigger {
        Trigger::open(self.config.clone(), &opening)
    }

    fn close(&mut self, _shard: Shard, _stage: Trigger) {}
}

impl Trigger {
    fn open(config: Config, opening: &Opening) -> Self {
        let worked = !opening.committed.is_empty();
        let partitions = Slot::all().map(|slot| open_partition(slot, worked, opening));
        let now = opening.now.wall;
        let ring_ms = u64::from(RING) * WIDTH_MS.unsigned_abs();
        let shard = opening.shard.0.to_string();
        let mut core = Self {
            shard: opening.shard,
            room: config.room_after(0),
            config,
            partitions: partitions.collect(),
            // What is overdue by up to two laps has its place in the wheel; older work is sorted.
            hold: Hold::new(now.minus(2 * ring_ms)),
            load: Load::default(),
            asks: VecDeque::new(),
            now,
            looked: now,
            recommit_at: 0,
            leaving: false,
            gauges: Gauges {
                bytes: ::metrics::gauge!(metrics::LOADED_BYTES, "shard" => shard.clone()),
                placements: ::metrics::gauge!(metrics::LOADED, "shard" => shard),
            },
        };
        core.read_wanted();
        core
    }

    /// Bytes of placements loaded, for whoever holds memory against its bound (T9).
    #[must_use]
    pub fn loaded_bytes(&self) -> usize {
        self.load.bytes
    }

    /// Placements that wait in the wheel.
    #[must_use]
    pub fn waiting(&self) -> usize {
        self.hold.len()
    }

    /// The last instance that is read.
    fn last_read(&self) -> Instance {
        Instance::of(self.now.plus(self.early_ms()))
    }

    /// The last instance that is loaded even where memory is short.
    fn last_needed(&self) -> Instance {
        let slots = u64::from(self.config.slots_ahead);
        Instance::of(self.now.plus(slots * WIDTH_MS.unsigned_abs()))
    }

    fn early_ms(&self) -> u64 {
        u64::from(self.config.slots_early) * WIDTH_MS.unsigned_abs()
    }

    /// Starts reading what it is time for, overdue instances oldest first.
    fn read_wanted(&mut self) {
        let last = self.last_read();
        let mut wanted: Vec<&mut Partition> = self
            .partitions
            .iter_mut()
            .filter(|partition| !partition.reading && partition.wanted(last))
            .collect();
        wanted.sort_by_key(|partition| order(partition));
        for partition in wanted {
            partition.reading = true;
            partition.ahead = None;
            let topic = Topic::Bucket(partition.slot);
            self.asks.push_back(Ask::Read(topic, partition.read));
        }
    }

    /// Whether something is known to be due by `limit`.
    fn is_due(&self, limit: Millis) -> bool {
        self.hold
            .next()
            .is_some_and(|next| next.exact && next.at <= limit)
    }
}

impl Stage for Trigger {
    type Input = Input;
    type Effect = Effect;

    fn handle_batch(&mut self, topic: Topic, records: Vec<Record>, position: i64, now: Now) {
        self.now = now.wall;
        let Topic::Bucket(slot) = topic else {
            return;
        };
        let Some(partition) = self.partitions.get_mut(usize::from(slot.0)) else {
            return;
        };
        // Handed out before the log learned that it was to stop: it will come again.
        if !partition.reading {
            return;
        }
        for record in records {
            self.load.add(partition.arrive(record));
        }
        partition.read = partition.read.max(position);
        self.absorb(slot);
    }

    fn handle_input(&mut self, input: Input, _now: Now) {
        match input {}
    }

    fn handle_timeout(&mut self, now: Now) {
        self.now = now.wall;
        if self.leaving {
            return;
        }
        self.read_wanted();
        self.looked = now.wall;
        self.hold.advance(now.wall.plus(self.config.lead_ms));
    }

    fn poll_timeout(&self) -> Option<Millis> {
        if self.leaving {
            return None;
        }
        // What is known to be due is a turn's matter, and would only keep the driver awake.
        let fire = self
            .hold
            .next()
            .filter(|next| !next.exact || next.at > self.looked.plus(self.config.lead_ms))
            .map(|next| next.at.minus(self.config.lead_ms));
        let wake = self
            .partitions
            .iter()
            .filter(|partition| !partition.reading && !partition.stopped)
            .filter_map(Partition::earliest)
            .map(|earliest| earliest.start().minus(self.early_ms()))
            .min();
        fire.into_iter().chain(wake).min()
    }

    fn appetite(&self, topic: Topic) -> usize {
        let Topic::Bucket(slot) = topic else {
            return 0;
        };
        let Some(partition) = self.partitions.get(usize::from(slot.0)) else {
            return 0;
        };
        let oldest = load::oldest_unready(self.partitions.iter());
        let needed = Instance::of(self.now)..=self.last_needed();
        self.load.appetite(partition, &self.config, &needed, oldest)
    }

    fn poll_ask(&mut self) -> Option<Ask> {
        self.asks.pop_front()
    }

    fn handle_end(&mut self, _topic: Topic, _end: i64, _now: Now) {}

    fn poll_effect(&mut self) -> Option<Effect> {
        None
    }

    fn wants_turn(&self, now: Now) -> bool {
        !self.leaving
            && (self.is_due(now.wall.plus(self.config.lead_ms))
                || self.partitions.iter().any(Partition::wants_turn))
    }

    fn take_turn(&mut self, now: Now) -> Turn<Effect> {
        self.now = now.wall;
        let mut draft = Draft::new(self.shard, now.wall, &self.config, self.room);
        if !self.leaving {
            self.fill(&mut draft);
        }
        self.room = self.config.room_after(draft.len());
        let recommit = now.mono >= self.recommit_at;
        if recommit {
            self.recommit_at = now.mono + RECOMMIT_MS;
        }
        let positions = self.partitions.iter_mut().filter_map(|partition| {
            let topic = Topic::Bucket(partition.slot);
            let driver = partition.slot == Slot(0);
            partition
                .position(recommit || driver)
                .map(|position| (topic, position))
        });
        let positions = positions.collect();
        #[expect(clippy::cast_precision_loss, reason = "a gauge")]
        {
            self.gauges.bytes.set(self.load.bytes as f64);
            self.gauges.placements.set(self.hold.len() as f64);
        }
        Turn {
            records: draft.finish(),
            positions,
            after: Vec::new(),
            folded: 0,
        }
    }

    fn handle_committed(&mut self, _proven_at: u64, _now: Now) {}

    fn handle_revoke(&mut self, _now: Now) {
        self.leaving = true;
    }

    fn is_idle(&self) -> bool {
        // All there is to know is in the log.
        true
    }
}

fn open_partition(slot: Slot, worked: bool, opening: &Opening) -> Partition {
    let topic = Topic::Bucket(slot);
    let (low, end) = opening.ends.get(&topic).copied().unwrap_or((0, 0));
    match recover(worked, opening.committed.get(&topic), (low, end)) {
        Recovery::Resume(start, note) => Partition::new(slot, start, end, Some(note)),
        Recovery::Fresh(start) => Partition::new(slot, start, end, None),
        Recovery::Stop => {
            tracing::error!(
                topic = topic.name(),
                shard = opening.shard.0,
                low,
                end,
                "committed position is missing; the slot stays shut until one is set"
            );
            ::metrics::counter!(metrics::STOPPED).increment(1);
            let mut partition = Partition::new(slot, low, end, None);
            partition.stopped = true;
            partition
        }
    }
}
