//! Is this a command, is it allowed here, and is this its home?

use bytes::Bytes;
use pipeline::{Ask, Outgoing, Record, TopicPartition};
use schemas::answer::REQUEST_HEADER;
use schemas::dead_letter::Origin;
use schemas::index::Forward;
use schemas::registration::{Inbound, Sweep};
use schemas::{CommandAnswer, Millis, RequestId, Shard, TaskKey, TenantId, Topic};

use super::PlannerCore;
use super::answer::refused;
use crate::metrics;
use crate::store::Store;

/// A command's surroundings.
#[derive(Clone, Debug)]
pub(super) struct Asked {
    /// Of which task.
    pub(super) task: TaskKey,
    /// Only at this version.
    pub(super) if_version: Option<u64>,
    /// When it was appended where it came in.
    pub(super) appended: Millis,
    /// Who waits.
    pub(super) request: Option<RequestId>,
    /// It came in on the wrong partition.
    pub(super) forwarded: bool,
    /// The version of what it changes, where it is one of a sweep.
    pub(super) number: Option<u64>,
}

/// Where a command came in.
struct Source {
    topic: Topic,
    shard: Shard,
    offset: i64,
    appended: Millis,
    request: Option<RequestId>,
    forwarded: bool,
}

impl Source {
    fn origin(&self) -> Origin {
        Origin {
            topic: self.topic.name(),
            shard: self.shard.0,
            offset: self.offset,
        }
    }
}

impl<S: Store> PlannerCore<S> {
    /// Takes a record of a command lane.
    pub(super) fn admit(&mut self, topic: Topic, record: Record) {
        let source = Source {
            topic,
            shard: self.shard,
            offset: record.offset,
            appended: record.appended,
            request: request_of(&record),
            forwarded: false,
        };
        match record.value {
            Some(value) => self.admit_value(&source, value),
            None => {
                let reason = "a registration has a value: one JSON object";
                self.refuse(&source, reason.to_owned(), None, Bytes::new());
                self.answer(source.request, refused("", reason));
            }
        }
    }

    /// Takes a command that another shard passed on, once: its origin passes them on in order and
    /// without gaps, and again those it is not sure of.
    pub(super) fn admit_forward(&mut self, record: Record) {
        let own = Source {
            topic: Topic::Forwards,
            shard: self.shard,
            offset: record.offset,
            appended: record.appended,
            request: None,
            forwarded: true,
        };
        let value = record.value.unwrap_or_default();
        let (forward, value) = match Forward::decode(&value) {
            Ok(found) => found,
            Err(error) => return self.refuse(&own, error.to_string(), None, value),
        };
        if !self
            .table
            .forwarded(forward.topic, forward.shard, forward.offset)
        {
            return;
        }
        if matches!(forward.topic, Topic::Calendars | Topic::Index) {
            return self.admit_calendar_forward(&forward, value);
        }
        let source = Source {
            topic: forward.topic,
            shard: forward.shard,
            offset: forward.offset,
            appended: forward.appended,
            request: forward.request,
            forwarded: true,
        };
        self.admit_value(&source, value);
    }

    fn admit_value(&mut self, source: &Source, value: Bytes) {
        let registration = match Inbound::parse(&value) {
            Ok(Inbound::One(registration)) => registration,
            Ok(Inbound::Many(sweep)) => return self.admit_many(source, sweep, value),
            Err(refusal) => {
                self.refuse(source, refusal.to_string(), None, value);
                let complaints = refusal.complaints;
                return self.answer(source.request, CommandAnswer::Refused { complaints });
            }
        };
        let task = registration.task;
        if let Some(problem) = self.stranger(source.topic, &task.tenant) {
            self.refuse(source, problem.clone(), Some(task), value);
            return self.answer(source.request, refused("tenant", &problem));
        }
        let home = task.shard(self.shards);
        if home != self.shard {
            return self.send_home(source, home, task, value);
        }
        let asked = Asked {
            task,
            if_version: registration.if_version,
            appended: source.appended,
            request: source.request,
            forwarded: source.forwarded,
            number: None,
        };
        self.command(asked, registration.command);
    }

    /// What is wrong where a lane is bound to one tenant and the body names another.
    fn stranger(&self, topic: Topic, named: &TenantId) -> Option<String> {
        let Topic::Intake(number) = topic else {
            return None;
        };
        match self.config.intakes.get(usize::from(number)) {
            Some(tenant) if tenant == named => None,
            Some(tenant) => Some(format!(
                "this topic takes tasks of `{tenant}` only, not of `{named}`"
            )),
            None => Some(format!("intake {number} is not configured")),
        }
    }

    /// Takes a command on many tasks in, and passes it on to all other shards, unless that was done.
    fn admit_many(&mut self, source: &Source, sweep: Sweep, value: Bytes) {
        if let Some(problem) = self.stranger(source.topic, &sweep.tenant) {
            self.refuse(source, problem.clone(), None, value);
            return self.answer(source.request, refused("tenant", &problem));
        }
        let place = source.origin();
        let named = source.request;
        let id =
            named.unwrap_or_else(|| RequestId::of_place(&place.topic, source.shard, source.offset));
        if !source.forwarded {
            let own = self.shard;
            for home in self.shards.all().filter(|home| *home != own) {
                let key = Bytes::from(sweep.tenant.as_str().to_owned());
                self.pass_on(source, home, key, &value);
            }
        }
        if let Err(problem) = self.admit_sweep(id, source.appended, sweep) {
            self.refuse(source, problem, None, value);
        }
    }

    /// Passes a command on to its home shard.
    fn send_home(&mut self, source: &Source, home: Shard, task: TaskKey, value: Bytes) {
        if source.forwarded {
            let reason = format!("was forwarded here, but `{task}` lives in shard {}", home.0);
            self.refuse(source, reason.clone(), Some(task), value);
            return self.answer(source.request, refused("", &reason));
        }
        self.pass_on(source, home, Bytes::from(task.routing_key()), &value);
    }

    /// Outside of the transaction: a planner that hangs then holds up no other shard's readers.
    fn pass_on(&mut self, source: &Source, home: Shard, key: Bytes, value: &Bytes) {
        let forward = Forward {
            topic: source.topic,
            shard: source.shard,
            offset: source.offset,
            appended: source.appended,
            request: source.request,
        };
        self.asks.push_back(Ask::SendOutside(Outgoing {
            to: TopicPartition::new(Topic::Forwards, home),
            key: Some(key),
            value: Some(forward.encode(value)),
            headers: Vec::new(),
        }));
        ::metrics::counter!(metrics::FORWARDS).increment(1);
    }

    fn refuse(&mut self, source: &Source, reason: String, task: Option<TaskKey>, value: Bytes) {
        self.dead_letter(source.origin(), reason, task, value);
    }
}

/// The request header: 32 hex digits. Another value is nobody's request.
pub(super) fn request_of(record: &Record) -> Option<RequestId> {
    let text = std::str::from_utf8(record.header(REQUEST_HEADER)?).ok()?;
    if text.len() != 32 {
        return None;
    }
    let request = u128::from_str_radix(text, 16).ok().map(RequestId);
    // What only this planner gives is no name for others.
    request.filter(|request| request.sweep().is_none())
}
