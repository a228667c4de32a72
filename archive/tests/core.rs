//! The archive's core through its verbs.
#![expect(clippy::unwrap_used, reason = "a test, its builders too")]

#[path = "core/folded.rs"]
mod folded;

use archive::{ArchiveCore, ArchiveFactory, Config, Effect, Input, Row};
use bytes::Bytes;
use pipeline::{Factory, Now, Opening, Position, Record, Stage};
use schemas::outcome::{Completed, Drained, End, Ended, Phases, Taken};
use schemas::{
    Call, DeadLetter, FireId, Instance, Millis, OutcomeRecord, RetryPlan, RetryPolicy, Shard,
    Shards, TaskId, TaskKey, TenantId, Topic, Work,
};

fn at(ms: i64) -> Now {
    Now {
        wall: Millis(ms),
        mono: u64::try_from(ms).unwrap(),
    }
}

fn task(n: i64) -> TaskKey {
    TaskKey {
        tenant: TenantId::new("shop").unwrap(),
        id: TaskId::new(&format!("t{n}")).unwrap(),
    }
}

fn ended(n: i64) -> OutcomeRecord {
    let time = Millis(n);
    OutcomeRecord::Ended(Ended {
        task: task(n),
        version: 1,
        occurrence: 1,
        part: None,
        fire_id: FireId([u8::try_from(n % 256).unwrap(); 16]),
        leg: 1,
        attempt: 1,
        end: End::Success,
        answer: None,
        phases: Phases {
            registered_at: time,
            planted_at: time,
            due: time,
            leg_due: time,
            triggered_at: time,
            received_at: time,
            began_at: Some(time),
            ended_at: time,
        },
    })
}

fn record(offset: i64, outcome: &OutcomeRecord) -> Record {
    raw(offset, outcome.encode())
}

fn raw(offset: i64, value: Bytes) -> Record {
    Record {
        offset,
        appended: Millis(0),
        key: None,
        value: Some(value),
        headers: Vec::new(),
    }
}

fn open(config: Config, committed: Option<i64>) -> ArchiveCore {
    let committed = committed.map(|offset| {
        (
            Topic::Outcomes,
            Position {
                offset,
                note: String::new(),
            },
        )
    });
    let opening = Opening {
        shard: Shard(0),
        shards: Shards::DEFAULT,
        now: at(0),
        session_timeout_ms: 10_000,
        committed: committed.into_iter().collect(),
        ends: [(Topic::Outcomes, (0, 100))].into(),
    };
    ArchiveFactory::new(config).open(opening)
}

fn small() -> Config {
    Config {
        batch_rows: 4,
        batch_age_ms: 50,
        max_rows: 8,
        ..Config::default()
    }
}

/// The batch that is asked for now, and how many rows it has.
fn write(core: &mut ArchiveCore) -> Option<(u64, usize)> {
    core.poll_effect()
        .map(|Effect::Write { batch, rows }| (batch, rows.len()))
}

fn position(core: &mut ArchiveCore, now: Now) -> i64 {
    core.take_turn(now).positions[0].1.offset
}

#[test]
fn the_position_follows_the_rows_that_are_written() {
    let mut core = open(small(), None);
    let records = (0..4).map(|n| record(n, &ended(n))).collect();
    core.handle_batch(Topic::Outcomes, records, 5, at(1));
    let (batch, rows) = write(&mut core).unwrap();
    assert_eq!((rows, position(&mut core, at(1))), (4, 0));
    core.handle_input(Input::Written { batch: batch + 7 }, at(2));
    assert_eq!(position(&mut core, at(2)), 0, "an answer to nothing asked");
    core.handle_input(Input::Written { batch }, at(2));
    assert_eq!(
        position(&mut core, at(2)),
        5,
        "the marker behind the rows included"
    );
}

#[test]
fn a_batch_goes_when_it_is_full_or_old() {
    let mut core = open(small(), Some(10));
    core.handle_batch(Topic::Outcomes, vec![record(10, &ended(1))], 11, at(100));
    assert_eq!(write(&mut core), None);
    assert_eq!(core.poll_timeout(), Some(Millis(150)));
    core.handle_timeout(at(150));
    assert_eq!(write(&mut core).map(|(_, rows)| rows), Some(1));
}

#[test]
fn memory_is_bounded_while_the_database_is_away() {
    let mut core = open(small(), None);
    let records = (0..8).map(|n| record(n, &ended(n))).collect();
    core.handle_batch(Topic::Outcomes, records, 8, at(0));
    assert_eq!(core.appetite(Topic::Outcomes), 0);
    let (batch, _) = write(&mut core).unwrap();
    let mut now = 0;
    for _ in 0..20 {
        core.handle_input(
            Input::Unavailable {
                batch,
                reason: "away".to_owned(),
            },
            at(now),
        );
        assert_eq!(write(&mut core), None, "not at once");
        now = core.poll_timeout().unwrap().0;
        core.handle_timeout(at(now));
        assert_eq!(write(&mut core).map(|(again, _)| again), Some(batch));
    }
    assert_eq!(position(&mut core, at(now)), 0);
    core.handle_input(Input::Written { batch }, at(now));
    assert_eq!(
        core.appetite(Topic::Outcomes),
        1,
        "all eight were one batch; one record may hold as many"
    );
}

/// The database refuses a batch with task 5 in it and writes any other: the tasks that were written.
fn write_but_for_5(core: &mut ArchiveCore, batch: u64, rows: Vec<Row>) -> Vec<TaskKey> {
    let tasks: Vec<TaskKey> = rows.into_iter().map(|row| row.task).collect();
    if tasks.contains(&task(5)) {
        let reason = "too long".to_owned();
        core.handle_input(Input::Refused { batch, reason }, at(1));
        return Vec::new();
    }
    core.handle_input(Input::Written { batch }, at(1));
    tasks
}

#[test]
fn the_row_that_is_refused_is_buried_and_the_others_are_written() {
    let mut core = open(
        Config {
            batch_rows: 8,
            ..small()
        },
        None,
    );
    let records = (0..8).map(|n| record(n, &ended(n))).collect();
    core.handle_batch(Topic::Outcomes, records, 8, at(0));
    let (mut written, mut buried) = (0, 0);
    while let Some(Effect::Write { batch, rows }) = core.poll_effect() {
        written += write_but_for_5(&mut core, batch, rows).len();
        buried += core.take_turn(at(1)).records.len();
    }
    assert_eq!((written, buried), (7, 1));
    assert_eq!(position(&mut core, at(1)), 8);
}

#[test]
fn what_is_not_understood_is_buried_and_passed() {
    let mut core = open(small(), None);
    let taken = Taken {
        instance: Instance(Millis(0)),
        fire_id: FireId([1; 16]),
        leg: 1,
        due: Millis(0),
        at: Millis(0),
    };
    let bad_body = OutcomeRecord::Revoked(taken, Bytes::from_static(b"?"));
    let records = vec![raw(0, Bytes::from_static(b"garbage")), record(1, &bad_body)];
    core.handle_batch(Topic::Outcomes, records, 2, at(0));
    assert!(core.wants_turn(at(0)));
    let turn = core.take_turn(at(0));
    assert_eq!((turn.records.len(), turn.positions[0].1.offset), (2, 2));
    assert!(
        turn.records
            .iter()
            .all(|record| record.to.topic == Topic::DeadLetters)
    );
}

#[test]
fn what_ends_no_firing_is_no_row() {
    let mut core = open(small(), None);
    let drained = OutcomeRecord::Drained(Drained {
        instance: Instance(Millis(0)),
        placements: 1,
        fired: 1,
        revoked: 0,
        expired: 0,
    });
    core.handle_batch(Topic::Outcomes, vec![record(0, &drained)], 2, at(0));
    core.handle_timeout(at(1_000));
    assert_eq!(write(&mut core), None);
    assert_eq!(position(&mut core, at(1_000)), 2);
}

#[test]
fn a_shard_is_given_up_with_nothing_half_written() {
    let mut core = open(small(), None);
    let records = (0..6).map(|n| record(n, &ended(n))).collect();
    core.handle_batch(Topic::Outcomes, records, 6, at(0));
    let (batch, rows) = write(&mut core).unwrap();
    core.handle_batch(Topic::Outcomes, vec![record(6, &ended(6))], 7, at(0));
    core.handle_revoke(at(1));
    assert!(!core.is_idle());
    core.handle_input(Input::Written { batch }, at(2));
    assert!(core.is_idle());
    assert_eq!(position(&mut core, at(2)), i64::try_from(rows).unwrap());
}

#[test]
fn a_taken_firing_is_a_row_of_its_work() {
    let work = Work {
        task: task(1),
        version: 3,
        occurrence: 1,
        part: None,
        shards: None,
        attempt: 1,
        due: Millis(86_400_000),
        registered_at: Millis(5),
        planted_at: Millis(6),
        call: Call {
            url: "http://x/".to_owned(),
            method: "POST".to_owned(),
            headers: Vec::new(),
        },
        content_type: None,
        timeout_ms: 1_000,
        retry: RetryPolicy {
            max_attempts: 1,
            plan: RetryPlan::Explicit(vec![1]),
        },
        expires_at: None,
    };
    let taken = Taken {
        instance: Instance(Millis(0)),
        fire_id: FireId([1; 16]),
        leg: 2,
        due: Millis(86_400_500),
        at: Millis(7),
    };
    let row = Row::of(OutcomeRecord::Revoked(taken, work.encode(b"x")))
        .unwrap()
        .remove(0);
    assert_eq!(
        (row.task.clone(), row.version, row.leg, row.day()),
        (task(1), 3, 2, 1)
    );
    assert_eq!(row.state.name(), "cancelled");
}

#[test]
fn an_answer_to_a_core_that_is_no_more_says_nothing_to_its_successor() {
    let mut factory = ArchiveFactory::new(small());
    let opening = || Opening {
        shard: Shard(0),
        shards: Shards::DEFAULT,
        now: at(0),
        session_timeout_ms: 10_000,
        committed: [].into(),
        ends: [(Topic::Outcomes, (0, 100))].into(),
    };
    let records = || (0..4).map(|n| record(n, &ended(n))).collect();
    let mut old = factory.open(opening());
    old.handle_batch(Topic::Outcomes, records(), 4, at(0));
    let (stale, _) = write(&mut old).unwrap();
    factory.close(Shard(0), old);
    let mut new = factory.open(opening());
    new.handle_batch(Topic::Outcomes, records(), 4, at(0));
    let (fresh, _) = write(&mut new).unwrap();
    assert_ne!(stale, fresh);
    new.handle_input(Input::Written { batch: stale }, at(1));
    assert_eq!(position(&mut new, at(1)), 0, "its own rows are not written");
    new.handle_input(Input::Written { batch: fresh }, at(1));
    assert_eq!(position(&mut new, at(1)), 4);
}

#[test]
fn nothing_that_comes_behind_a_revoke_moves_the_position_over_a_gap() {
    let mut core = open(small(), None);
    core.handle_batch(Topic::Outcomes, vec![record(0, &ended(0))], 1, at(0));
    core.handle_revoke(at(0));
    let late = (1..5).map(|n| record(n, &ended(n))).collect();
    core.handle_batch(Topic::Outcomes, late, 5, at(0));
    core.handle_timeout(at(1_000));
    assert_eq!(
        (write(&mut core), core.appetite(Topic::Outcomes)),
        (None, 0)
    );
    assert!(core.is_idle());
    assert_eq!(position(&mut core, at(1_000)), 0, "row 0 was never written");
}

#[test]
fn a_batch_that_fails_behind_a_revoke_is_left_to_the_successor() {
    let mut core = open(small(), None);
    core.handle_batch(Topic::Outcomes, vec![record(0, &ended(0))], 1, at(0));
    core.handle_timeout(at(1_000));
    let (batch, _) = write(&mut core).unwrap();
    core.handle_revoke(at(1_000));
    assert!(!core.is_idle(), "its batch is on its way");
    let reason = "the database is away".to_owned();
    core.handle_input(Input::Unavailable { batch, reason }, at(1_001));
    assert!(core.is_idle());
    assert_eq!(position(&mut core, at(1_001)), 0, "row 0 was never written");
}

#[test]
fn a_dead_letter_goes_with_the_turn_that_passes_its_original() {
    let mut core = open(small(), None);
    let records = vec![
        record(0, &ended(0)),
        raw(1, Bytes::from_static(b"garbage")),
        record(2, &ended(2)),
    ];
    core.handle_batch(Topic::Outcomes, records, 3, at(0));
    assert!(!core.wants_turn(at(0)));
    assert!(core.take_turn(at(0)).records.is_empty());
    core.handle_timeout(at(50));
    let (batch, _) = write(&mut core).unwrap();
    core.handle_input(Input::Written { batch }, at(51));
    assert!(core.wants_turn(at(51)));
    let turn = core.take_turn(at(51));
    assert_eq!((turn.records.len(), turn.positions[0].1.offset), (1, 3));
}

#[test]
fn large_records_end_the_appetite_before_many_do() {
    let mut core = open(
        Config {
            max_bytes: 100,
            ..small()
        },
        None,
    );
    assert_eq!(core.appetite(Topic::Outcomes), 1);
    let records: Vec<Record> = (0..4).map(|n| record(n, &ended(n))).collect();
    let bytes: usize = records
        .iter()
        .filter_map(|record| record.value.as_ref())
        .map(Bytes::len)
        .sum();
    assert!(bytes > 100);
    core.handle_batch(Topic::Outcomes, records, 4, at(0));
    assert_eq!(core.appetite(Topic::Outcomes), 0);
    let (batch, _) = write(&mut core).unwrap();
    core.handle_input(Input::Written { batch }, at(1));
    assert_eq!(core.appetite(Topic::Outcomes), 1);
}
