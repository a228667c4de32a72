//! Calendars are written as people write them.

use std::sync::Arc;

use bytes::Bytes;
use pipeline::{Outgoing, TopicPartition};
use schemas::{Shard, Topic};

use super::World;
use crate::planted::Bug;

impl World {
    /// Sends the `n`-th record of a calendar.
    pub(super) fn send_calendar(&mut self, n: usize) {
        let plan = Arc::clone(&self.plan);
        let Some((_, sending)) = plan.calendar_sendings.get(n) else {
            return;
        };
        let Some(calendar) = plan.calendars.get(sending.calendar) else {
            return;
        };
        let mut before = plan.calendar_sendings.iter().take(n);
        let known = before.any(|(_, it)| it.calendar == sending.calendar);
        if plan.bug == Some(Bug::CalendarIgnored) && known {
            return;
        }
        let home = calendar.key.shard(plan.shards);
        let to = TopicPartition::new(Topic::Calendars, calendar.astray.map_or(home, Shard));
        let key = calendar.key.routing_key();
        let value = sending.json();
        self.trace
            .line(format_args!("calendar {key} to {to}: {value:?}"));
        let record = Outgoing {
            to,
            key: Some(Bytes::from(key)),
            value: value.map(Bytes::from),
            headers: Vec::new(),
        };
        self.producer.send(record, Box::new(|_| {}));
    }
}
