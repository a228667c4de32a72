//! Who plans which shard: said by planners, learned by doors, in the topic `owners`.

use std::collections::BTreeMap;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use bytes::Bytes;
use pipeline::worker::Status;
use pipeline::{Clock, LogEvent, Outgoing, Producer, TopicPartition};
use schemas::owner::Owner;
use schemas::{Shard, Topic};

use crate::workers::Ground;

/// How soon a new owner says so.
const LOOK: Duration = Duration::from_millis(100);
/// How often an owner says so again: heals what a cut-off predecessor wrote late.
const SAY_AGAIN_MS: u64 = 10_000;
/// Wait before reading the table again after the log failed.
const RETRY: Duration = Duration::from_secs(1);

/// Shard → owner, as last read.
#[derive(Clone, Debug, Default)]
pub(crate) struct Table {
    owners: Arc<RwLock<BTreeMap<Shard, Owner>>>,
}

impl Table {
    /// Who plans `shard`, if anybody ever said.
    pub(crate) fn owner(&self, shard: Shard) -> Option<Owner> {
        self.owners
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .get(&shard)
            .cloned()
    }

    pub(crate) fn set(&self, shard: Shard, owner: Owner) {
        self.owners
            .write()
            .unwrap_or_else(PoisonError::into_inner)
            .insert(shard, owner);
    }

    /// Reads the topic on a thread of its own, for as long as the process lives.
    pub(crate) fn follow(&self, ground: &Ground) -> std::io::Result<()> {
        let (table, ground) = (self.clone(), ground.clone());
        let thread = std::thread::Builder::new().name("owners".to_owned());
        thread
            .spawn(move || {
                loop {
                    if let Err(error) = table.read(&ground) {
                        tracing::warn!(%error, "cannot read the owners of shards; trying again");
                    }
                    std::thread::sleep(RETRY);
                }
            })
            .map(|_| ())
    }

    fn read(&self, ground: &Ground) -> Result<(), pipeline::LogError> {
        let mut reader = ground.broker.reader()?;
        let of: Vec<TopicPartition> = ground
            .broker
            .shards()
            .all()
            .map(|shard| TopicPartition::new(Topic::Owners, shard))
            .collect();
        for (partition, (low, _)) in of.iter().zip(reader.ends(&of)?) {
            reader.read(*partition, low)?;
        }
        let mut events = Vec::new();
        loop {
            reader.poll(RETRY, &mut events)?;
            for event in events.drain(..) {
                let LogEvent::Batch { from, records, .. } = event else {
                    continue;
                };
                for value in records.into_iter().filter_map(|record| record.value) {
                    match Owner::decode(&value) {
                        Ok(owner) => self.set(from.shard, owner),
                        Err(error) => tracing::warn!(%error, "owner record is not understood"),
                    }
                }
            }
        }
    }
}

/// Says which shards this process plans, again and again, for as long as it lives.
pub(crate) async fn say(
    status: Arc<Status>,
    producer: Arc<dyn Producer>,
    clock: Arc<dyn Clock>,
    address: String,
    member: String,
) {
    let mut said: BTreeMap<Shard, u64> = BTreeMap::new();
    loop {
        let now = clock.now();
        let open = status.owned().open;
        said.retain(|shard, _| open.contains(shard));
        for shard in open {
            let due = said
                .get(&shard)
                .is_none_or(|at| at + SAY_AGAIN_MS <= now.mono);
            if !due {
                continue;
            }
            said.insert(shard, now.mono);
            let owner = Owner {
                address: address.clone(),
                member: member.clone(),
                at: now.wall,
            };
            let record = Outgoing {
                to: TopicPartition::new(Topic::Owners, shard),
                key: Some(Bytes::from(shard.0.to_string())),
                value: Some(owner.encode()),
                headers: Vec::new(),
            };
            producer.send(
                record,
                Box::new(move |result| {
                    if let Err(error) = result {
                        tracing::warn!(%error, shard = shard.0, "cannot say who plans a shard");
                    }
                }),
            );
        }
        tokio::time::sleep(LOOK).await;
    }
}
