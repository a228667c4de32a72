//! One of every stored record, with everything in it that it can hold.

mod backfill;
mod pipe;
mod sweep;
mod table;

use std::fmt::Debug;

use bytes::Bytes;
use schemas::call::Jitter;
use schemas::dead_letter::Origin;
use schemas::id::FiringName;
use schemas::index::{Meta, TableKey};
use schemas::outcome::Phases;
use schemas::owner::Owner;
use schemas::schedule::{Fold, Gap, OnClosed};
use schemas::{
    Beat, Call, DeadLetter, DecodeError, Definition, FireId, FiringPart, Instance, Millis, Misfire,
    MisfirePolicy, Overlap, Payload, Priority, Recurrence, RetryPlan, RetryPolicy, Schedule, Shard,
    Slot, TaskId, TaskKey, TenantId, Topic, Work,
};

/// Reads bytes and writes what was understood.
pub(crate) type Read = fn(&Bytes) -> Result<String, DecodeError>;

/// A record as it is written now, what it holds, and how it is read.
pub(crate) struct Sample {
    pub(crate) name: &'static str,
    pub(crate) bytes: Bytes,
    pub(crate) holds: String,
    pub(crate) read: Read,
}

pub(crate) fn sample(name: &'static str, bytes: Bytes, holds: &impl Debug, read: Read) -> Sample {
    Sample {
        name,
        bytes,
        holds: format!("{holds:?}"),
        read,
    }
}

pub(crate) const DUE: Millis = Millis(1_796_086_800_000);

pub(crate) fn task() -> TaskKey {
    let (tenant, id) = (TenantId::new("shop"), TaskId::new("order-42/close"));
    TaskKey {
        tenant: tenant.expect("a tenant"),
        id: id.expect("an id"),
    }
}

pub(crate) fn fire_id() -> FireId {
    FireId::new(
        &task(),
        FiringName {
            version: 7,
            occurrence: 3,
            part: 0,
            manual: 0,
        },
    )
}

pub(crate) fn part() -> FiringPart {
    FiringPart {
        occurrence: 3,
        part: 1,
        manual: 2,
    }
}

pub(crate) fn instance() -> Instance {
    Instance::of(DUE)
}

pub(crate) fn call() -> Call {
    Call {
        url: "http://127.0.0.1:9000/orders/close".to_owned(),
        method: "POST".to_owned(),
        headers: vec![("x-team".to_owned(), "orders".to_owned())],
    }
}

pub(crate) fn backoff() -> RetryPolicy {
    let plan = RetryPlan::Backoff {
        first_ms: 1_000,
        factor: 1.5,
        max_ms: 60_000,
        jitter: Jitter::Equal,
    };
    RetryPolicy {
        max_attempts: 9,
        plan,
    }
}

pub(crate) fn definition(schedule: Schedule, retry: RetryPolicy) -> Definition {
    Definition {
        schedule,
        call: call(),
        payload: Payload {
            content_type: Some("application/json".to_owned()),
            bytes: Bytes::from_static(br#"{"order": 42}"#),
        },
        timeout_ms: 5_000,
        retry,
        priority: Priority::Low,
        tags: vec!["orders".to_owned(), "é".to_owned()],
        expires_after_ms: Some(7_200_000),
        needs: None,
        misfire: Misfire::default(),
        overlap: Overlap::default(),
        broadcast: None,
    }
}

/// With everything in it that a recurrence can have.
pub(crate) fn recurring() -> Definition {
    let cron = Beat::Cron {
        expression: "0 30 2 * * MON-FRI".to_owned(),
        zone: "Asia/Shanghai".to_owned(),
        gap: Some(Gap::End),
        fold: Some(Fold::Both),
    };
    let recurrence = Recurrence {
        start: Some(DUE.minus(1)),
        end: Some(DUE.plus(1)),
        max_runs: Some(9),
        jitter_ms: 5,
        window_ms: 6,
        calendars: vec!["holidays".to_owned()],
        on_closed: OnClosed::Move,
        ..Recurrence::of(cron)
    };
    Definition {
        misfire: Misfire {
            threshold_ms: 1_000,
            policy: MisfirePolicy::All { max: 7 },
        },
        overlap: Overlap::CancelPrevious,
        broadcast: Some(300),
        ..definition(Schedule::Recurring(Box::new(recurrence)), backoff())
    }
}

pub(crate) fn work() -> Work {
    Work {
        task: task(),
        version: 7,
        occurrence: 3,
        part: Some(part()),
        shards: Some(4),
        attempt: 2,
        due: DUE,
        registered_at: DUE.minus(90_000),
        planted_at: DUE.minus(80_000),
        call: call(),
        content_type: Some("text/plain".to_owned()),
        timeout_ms: 5_000,
        retry: backoff(),
        expires_at: Some(DUE.plus(1_000)),
    }
}

pub(crate) fn phases() -> Phases {
    Phases {
        registered_at: DUE.minus(90_000),
        planted_at: DUE.minus(80_000),
        due: DUE,
        leg_due: DUE.plus(1),
        triggered_at: DUE.minus(150),
        received_at: DUE.minus(140),
        began_at: Some(DUE.plus(1)),
        ended_at: DUE.plus(20),
    }
}

pub(crate) fn letters() -> Vec<Sample> {
    let read: Read = |bytes| DeadLetter::decode(bytes).map(|it| format!("{it:?}"));
    let letter = DeadLetter {
        reason: "`tenant`: is missing".to_owned(),
        role: "planner".to_owned(),
        origin: Origin {
            topic: "registrations".to_owned(),
            shard: 3,
            offset: 17,
        },
        task: Some(task()),
        fire_id: Some(fire_id()),
        at: DUE,
        original: Bytes::from_static("{\"é\": 1}".as_bytes()),
    };
    let bare = DeadLetter {
        task: None,
        fire_id: None,
        original: Bytes::from_static(b"\xff\x00"),
        ..letter.clone()
    };
    let all = [("dead_letter", letter), ("dead_letter.bare", bare)];
    all.into_iter()
        .map(|(name, it)| sample(name, it.encode(), &it, read))
        .collect()
}

pub(crate) fn others() -> Vec<Sample> {
    let owner = Owner {
        address: "10.0.0.7:7801".to_owned(),
        member: "planner-1".to_owned(),
        at: DUE,
    };
    let work = work();
    vec![
        sample("owner", owner.encode(), &owner, |it| {
            Owner::decode(it).map(|it| format!("{it:?}"))
        }),
        sample(
            "work",
            work.encode(b"payload"),
            &(work.clone(), Bytes::from_static(b"payload")),
            |it| Work::decode(it).map(|it| format!("{it:?}")),
        ),
    ]
}

pub(crate) fn samples() -> Vec<Sample> {
    [
        pipe::buckets(),
        pipe::lanes(),
        pipe::ended(),
        pipe::outcomes(),
        table::table(),
        sweep::sweeps(),
        backfill::backfills(),
        letters(),
        others(),
    ]
    .into_iter()
    .flatten()
    .collect()
}

/// Names that must never change either: keys, and the receiver's idempotency key.
pub(crate) fn names() -> Vec<(&'static str, Bytes)> {
    vec![
        ("key.task", TableKey::Task(task()).encode()),
        ("key.definition", TableKey::Definition(task()).encode()),
        ("key.mark", TableKey::Mark(task()).encode()),
        ("key.ring", TableKey::Ring(Slot(23)).encode()),
        (
            "key.forwarded",
            TableKey::Forwarded(Topic::RegistrationsBulk, Shard(513)).encode(),
        ),
        ("key.follow", TableKey::Follow(258).encode()),
        (
            "key.calendar",
            TableKey::Calendar(table::calendar()).encode(),
        ),
        ("key.untold", TableKey::Untold(258).encode()),
        ("key.replan", TableKey::Replan(258).encode()),
        ("key.firing", TableKey::Firing(task(), part()).encode()),
        ("key.versioned", TableKey::Versioned(task(), 7).encode()),
        ("key.pace", TableKey::Pace.encode()),
        ("key.sweep", TableKey::Sweep(7).encode()),
        ("key.zones", TableKey::Zones.encode()),
        ("key.moved", TableKey::Moved(task()).encode()),
        ("key.backfill", TableKey::Backfill(task(), 7).encode()),
        ("key.meta", TableKey::Meta.encode()),
        ("value.meta", Meta::default().encode()),
        ("fire_id", Bytes::copy_from_slice(&fire_id().0)),
    ]
}
