//! From a partition's arrivals into the wheel, as far as nobody need be told.

use pipeline::Ask;
use pipeline::invariant::{self, Invariant};
use schemas::{BucketRecord, Instance, Slot, Topic};

use super::Trigger;
use super::note::Life;
use super::partition::{Arrival, Partition, What};
use super::revoke::Waiting;

impl Trigger {
    /// Deals with arrivals of a slot as far as nobody need be told.
    pub(super) fn absorb(&mut self, slot: Slot) {
        let last = self.last_read();
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
        Life::Unknown | Life::Drained(_) | Life::Freed(_) => partition.begin(instance, offset),
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

/// Notes that nothing comes before the slot's next lap.
pub(super) fn free(partition: &mut Partition, instance: Instance) {
    let (slot, life) = (partition.slot, partition.life);
    invariant::check(Invariant::T1, partition.open().is_none(), || {
        format!("{instance:?} in {slot:?} is freed while it is {life:?}")
    });
    partition.life = Life::Freed(instance);
    partition.sealed = None;
}
