//! A turn: arrivals that somebody must be told of, then what is due, then the ends of instances.

use pipeline::invariant::{self, Invariant};
use schemas::bucket::Seal;
use schemas::outcome::Drained;
use schemas::{BucketRecord, Instance, Millis, Slot, Topic};

use super::Trigger;
use super::arrive::free;
use super::draft::Draft;
use super::partition::{Arrival, Partition, What};

impl Trigger {
    /// Fills a turn: arrivals, then the wheel, then the ends.
    pub(super) fn fill(&mut self, draft: &mut Draft) {
        self.looked = self.now;
        let limit = self.now.plus(self.config.lead_ms);
        self.hold.advance(limit);
        // A backlog that arrives late must not starve what is due in time.
        let keep_a_quarter = self.is_due(limit);
        let mut slots: Vec<_> = self.partitions.iter().map(order).collect();
        slots.sort_unstable();
        for (_, slot) in &slots {
            self.deal(*slot, draft, keep_a_quarter);
        }
        self.fire(draft, limit);
        // What came in by this turn may be due as well, but not be known exactly yet.
        self.hold.advance(limit);
        for (_, slot) in &slots {
            drain(&mut self.partitions[usize::from(slot.0)], draft);
        }
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
}

/// The order in which slots are dealt with: by instance, those without one last.
pub(super) fn order(partition: &Partition) -> (Instance, Slot) {
    let instance = partition.open().unwrap_or(Instance(Millis::MAX));
    (instance, partition.slot)
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
