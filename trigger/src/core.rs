//! The trigger's core: one shard's 24 slot partitions over one wheel.
//!
//! Records arrive in partitions ([`partition`]) and move on to the wheel as soon as that needs no
//! word to anybody; what does waits for a turn, with all that stands behind it. A turn first deals
//! with what waits, in offset order, then lets go what is due, in (due, offset) order, then ends the
//! instances that are over.

mod draft;
mod level;
mod load;
mod note;
mod partition;
mod recover;
mod revoke;
mod watermark;
mod wheel;

use std::collections::VecDeque;

use pipeline::invariant::{self, Invariant};
use pipeline::{Ask, Factory, Now, Opening, Record, Stage, Turn};
use schemas::bucket::Seal;
use schemas::outcome::Drained;
use schemas::slot::{RING, WIDTH_MS};
use schemas::{BucketRecord, Instance, Millis, Shard, Slot, Topic};

use self::draft::Draft;
use self::load::Load;
use self::note::Life;
use self::partition::{Arrival, Partition, What};
use self::recover::{Recovery, recover};
use self::revoke::{Hold, Waiting};
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
    /// The wheel's next time is known exactly if it is at this or before.
    looked: Millis,
    /// All positions are committed at this monotonic time, changed or not.
    recommit_at: u64,
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

    /// The last instance to be loaded.
    fn last_loaded(&self) -> Instance {
        Instance::of(self.now.plus(self.ahead_ms()))
    }

    fn ahead_ms(&self) -> u64 {
        u64::from(self.config.slots_ahead) * WIDTH_MS.unsigned_abs()
    }

    /// Starts reading what it is time for, overdue instances oldest first.
    fn read_wanted(&mut self) {
        let last = self.last_loaded();
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

    /// Deals with arrivals of a slot as far as nobody need be told.
    fn absorb(&mut self, slot: Slot) {
        let last = self.last_loaded();
        let index = usize::from(slot.0);
        loop {
            let partition = &mut self.partitions[index];
            if !meet(partition, last) {
                self.load.sub(partition.sleep());
                self.asks.push_back(Ask::Stop(Topic::Bucket(slot)));
                break;
            }
            let Some(first) = partition.arrivals.front() else {
                break;
            };
            if !is_silent(partition, first) {
                break;
            }
            if let Some(arrival) = partition.arrivals.pop_front() {
                self.take_silently(index, arrival);
            }
        }
        self.partitions[index].settle();
    }

    fn take_silently(&mut self, index: usize, arrival: Arrival) {
        let partition = &mut self.partitions[index];
        let Arrival {
            offset,
            weight,
            what,
        } = arrival;
        let mut released = weight;
        match what {
            What::Good(BucketRecord::Placement(placement, body)) => {
                released = 0;
                partition.waiting += 1;
                let slot = partition.slot;
                let name = (placement.fire_id, placement.leg);
                let twice = self.hold.insert(Waiting {
                    slot,
                    offset,
                    weight,
                    placement,
                    body,
                });
                invariant::check(Invariant::T3, !twice, || {
                    format!("{name:?} is planted again in {slot:?} at {offset} while it waits")
                });
            }
            What::Good(BucketRecord::Revoke(revoke)) => {
                if let Some(waiting) = self.hold.take(&revoke, partition.slot) {
                    partition.waiting -= 1;
                    released += waiting.weight;
                }
            }
            What::Good(BucketRecord::Seal(seal)) => partition.sealed = Some(seal),
            What::Good(BucketRecord::Free(instance)) => free(partition, instance),
            What::Bad(..) => {}
        }
        self.load.sub(released);
    }

    /// Deals with arrivals of a slot while the draft has room; what is left over waits.
    fn deal(&mut self, slot: Slot, draft: &mut Draft, keep_a_quarter: bool) {
        let index = usize::from(slot.0);
        loop {
            self.absorb(slot);
            let partition = &mut self.partitions[index];
            if !partition.ready() || draft.full(keep_a_quarter) {
                break;
            }
            let Some(arrival) = partition.arrivals.pop_front() else {
                break;
            };
            self.take_aloud(index, arrival, draft);
        }
        self.partitions[index].settle();
    }

    fn take_aloud(&mut self, index: usize, arrival: Arrival, draft: &mut Draft) {
        let partition = &mut self.partitions[index];
        let mut released = arrival.weight;
        match arrival.what {
            What::Good(BucketRecord::Placement(placement, body)) => {
                if draft.release_late(&placement, &body) {
                    partition.counts.fired += 1;
                } else {
                    partition.counts.expired += 1;
                }
            }
            What::Good(BucketRecord::Revoke(revoke)) => {
                match self.hold.take(&revoke, partition.slot) {
                    Some(waiting) => {
                        partition.waiting -= 1;
                        partition.counts.revoked += 1;
                        released += waiting.weight;
                        draft.revoked(&waiting.placement, waiting.body);
                    }
                    None => draft.recall(&revoke),
                }
            }
            What::Good(BucketRecord::Seal(seal)) => partition.sealed = Some(seal),
            What::Good(BucketRecord::Free(instance)) => free(partition, instance),
            What::Bad(why, original) => {
                let topic = Topic::Bucket(partition.slot);
                tracing::warn!(%why, topic = topic.name(), shard = self.shard.0,
                    offset = arrival.offset, "bucket record goes to dead-letters");
                partition.counts.unread += 1;
                draft.unread(topic, arrival.offset, &why, original);
            }
        }
        self.load.sub(released);
    }

    /// Lets go what is due by `limit` while the draft has room.
    fn fire(&mut self, draft: &mut Draft, limit: Millis) {
        while !draft.full(false) {
            let Some(waiting) = self.hold.pop(limit) else {
                break;
            };
            let partition = &mut self.partitions[usize::from(waiting.slot.0)];
            partition.waiting -= 1;
            partition.fired(waiting.placement.due, waiting.offset);
            if draft.release(&waiting.placement, &waiting.body) {
                partition.counts.fired += 1;
            } else {
                partition.counts.expired += 1;
            }
            self.load.sub(waiting.weight);
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
        self.looked = now.wall.plus(self.config.lead_ms);
        self.hold.advance(self.looked);
    }

    fn poll_timeout(&self) -> Option<Millis> {
        if self.leaving {
            return None;
        }
        // What is known to be due is a turn's matter, and would only keep the driver awake.
        let fire = self
            .hold
            .next()
            .filter(|next| !next.exact || next.at > self.looked)
            .map(|next| next.at.minus(self.config.lead_ms));
        let wake = self
            .partitions
            .iter()
            .filter(|partition| !partition.reading && !partition.stopped)
            .filter_map(Partition::earliest)
            .map(|earliest| earliest.start().minus(self.ahead_ms()))
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
        let current = Instance::of(self.now);
        self.load
            .appetite(partition, self.config.loaded_bytes, current, oldest)
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
        let mut draft = Draft::new(self.shard, now.wall, &self.config);
        if !self.leaving {
            self.fill(&mut draft);
        }
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

impl Trigger {
    /// Fills a turn: arrivals, then the wheel, then the ends.
    fn fill(&mut self, draft: &mut Draft) {
        self.looked = self.now.plus(self.config.lead_ms);
        self.hold.advance(self.looked);
        // A backlog that arrives late must not starve what is due in time.
        let keep_a_quarter = self.is_due(self.looked);
        let mut slots: Vec<_> = self.partitions.iter().map(order).collect();
        slots.sort_unstable();
        for (_, slot) in &slots {
            self.deal(*slot, draft, keep_a_quarter);
        }
        self.fire(draft, self.looked);
        // What came in by this turn may be due as well, but not be known exactly yet.
        self.hold.advance(self.looked);
        for (_, slot) in &slots {
            drain(&mut self.partitions[usize::from(slot.0)], draft);
        }
    }
}

/// The order in which slots are dealt with: by instance, those without one last.
fn order(partition: &Partition) -> (Instance, Slot) {
    let instance = partition.open().unwrap_or(Instance(Millis::MAX));
    (instance, partition.slot)
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

/// Finds out which instance the first arrival belongs to and begins it; `false` where it is too far
/// ahead to be loaded.
fn meet(partition: &mut Partition, last: Instance) -> bool {
    let Some(first) = partition.arrivals.front() else {
        return partition.wanted(last);
    };
    if first.offset < partition.replayed {
        return true;
    }
    let instance = match &first.what {
        What::Good(BucketRecord::Placement(placement, _)) => placement.instance,
        What::Good(BucketRecord::Seal(seal)) => seal.instance,
        // These begin nothing: what they are about is over, or not known.
        What::Good(BucketRecord::Revoke(_) | BucketRecord::Free(_)) | What::Bad(..) => return true,
    };
    let (slot, life, sealed) = (partition.slot, partition.life, partition.sealed);
    let legal = match life {
        Life::Unknown => true,
        Life::Open(open) => instance == open && sealed.is_none(),
        Life::Drained(_) => false,
        Life::Freed(freed) => instance > freed,
    };
    let offset = first.offset;
    invariant::check(Invariant::T5, legal, || {
        format!("{instance:?} stands at {offset} in {slot:?}, which is {life:?}, {sealed:?}")
    });
    match life {
        Life::Open(open) => partition.life = Life::Open(open.max(instance)),
        Life::Unknown | Life::Drained(_) | Life::Freed(_) if instance > last => {
            partition.ahead = Some(instance);
            return false;
        }
        Life::Unknown | Life::Drained(_) | Life::Freed(_) => partition.begin(instance),
    }
    true
}

/// Whether an arrival can be dealt with outside of a turn.
fn is_silent(partition: &Partition, arrival: &Arrival) -> bool {
    if let What::Good(BucketRecord::Free(_)) = arrival.what {
        return arrival.offset >= partition.replayed || partition.ready();
    }
    if !partition.ready() {
        return false;
    }
    if arrival.offset < partition.replayed {
        return true;
    }
    match &arrival.what {
        What::Good(BucketRecord::Placement(placement, _)) => {
            !partition.mark.covers(placement.due, arrival.offset)
        }
        What::Good(BucketRecord::Free(_)) => true,
        What::Good(BucketRecord::Revoke(_) | BucketRecord::Seal(_)) | What::Bad(..) => false,
    }
}

fn free(partition: &mut Partition, instance: Instance) {
    let (slot, life) = (partition.slot, partition.life);
    invariant::check(Invariant::T1, partition.open().is_none(), || {
        format!("{instance:?} in {slot:?} is freed while it is {life:?}")
    });
    partition.life = Life::Freed(instance);
    partition.sealed = None;
}

/// Ends the open instance if it is over, and tells so.
fn drain(partition: &mut Partition, draft: &mut Draft) {
    let Some(seal) = partition.sealed.filter(|_| partition.over()) else {
        return;
    };
    let drained = ledger(partition, seal);
    draft.drained(drained);
    partition.end(seal.instance);
}

/// The counts of an instance that is over. Records that nobody could read count as expired as far as
/// the seal says that they were placements. A ledger that does not add up is reported and the
/// instance ends all the same: a slot that never drains would hold up all that comes after it.
fn ledger(partition: &Partition, seal: Seal) -> Drained {
    let counts = partition.counts;
    let known = counts.fired + counts.revoked + counts.expired;
    let unread = seal.placements.saturating_sub(known).min(counts.unread);
    invariant::check(Invariant::T1, known + unread == seal.placements, || {
        format!("{seal:?} of {:?} meets {counts:?}", partition.slot)
    });
    Drained {
        instance: seal.instance,
        placements: seal.placements,
        fired: counts.fired,
        revoked: counts.revoked,
        expired: counts.expired + unread,
    }
}
