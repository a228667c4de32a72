//! Commands on many tasks, sent.

use std::sync::Arc;

use bytes::Bytes;
use pipeline::{Outgoing, TopicPartition};
use schemas::{RequestId, Shard, Topic};

use super::World;

impl World {
    /// Sends the `n`-th command on many tasks.
    pub(super) fn send_sweep(&mut self, n: usize) {
        let plan = Arc::clone(&self.plan);
        let Some((_, sweep)) = plan.sweeps.get(n) else {
            return;
        };
        let topic = if sweep.bulk {
            Topic::RegistrationsBulk
        } else {
            Topic::Registrations
        };
        let to = TopicPartition::new(topic, Shard(sweep.shard));
        let id = Self::sweep_id(n);
        let record = Outgoing {
            to,
            key: None,
            value: Some(Bytes::from(sweep.json(plan.bug))),
            headers: vec![(
                schemas::answer::REQUEST_HEADER.to_owned(),
                Bytes::from(id.to_string()),
            )],
        };
        self.trace
            .line(format_args!("send {} {sweep:?} to {to}", id.0));
        self.producer.send(record, Box::new(|_| {}));
    }

    /// What the `n`-th command on many tasks is called.
    #[must_use]
    pub fn sweep_id(n: usize) -> RequestId {
        RequestId((1 << 64) + n as u128)
    }
}
