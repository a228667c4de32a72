//! Every stored record against bytes in `tests/golden/`, one file a record, in hex.
//!
//! A file says what releases in the field have written: it is never overwritten. A new record gets its
//! file by `WRITE_GOLDEN=1 cargo test -p schemas --test golden`. Where a test fails because a record
//! changed shape, raise [`codec::VERSION`], keep the old decoder, and keep the old file beside the new.

use std::fmt::Debug;
use std::path::PathBuf;

use bytes::Bytes;
use schemas::answer::AttemptView;
use schemas::bucket::{Revoke, Seal};
use schemas::call::Jitter;
use schemas::codec::{self, Kind};
use schemas::dead_letter::Origin;
use schemas::fire::Recall;
use schemas::id::FiringName;
use schemas::index::{
    Ending, Firing, Forward, Forwarded, Mark, Meta, PastFiring, Phase, Plan, RingPhase, RingRow,
    Successor, TableKey, TaskRow, Wish, decode_definition, encode_definition,
};
use schemas::outcome::{
    Again, Answer, Decision, Drained, End, Ended, Phases, Recalled, Taken, Unplanted, UnplantedEnd,
};
use schemas::owner::Owner;
use schemas::{
    BucketRecord, Call, DeadLetter, DecodeError, Definition, Fire, FireId, Instance, LaneRecord,
    Millis, OutcomeRecord, Payload, Placement, Priority, Purpose, RequestId, RetryPlan,
    RetryPolicy, Schedule, Shard, Slot, TaskId, TaskKey, TenantId, Topic, Work,
};

/// Reads bytes and writes what was understood.
type Read = fn(&Bytes) -> Result<String, DecodeError>;

/// A record as it is written now, what it holds, and how it is read.
struct Sample {
    name: &'static str,
    bytes: Bytes,
    holds: String,
    read: Read,
}

fn sample(name: &'static str, bytes: Bytes, holds: &impl Debug, read: Read) -> Sample {
    Sample {
        name,
        bytes,
        holds: format!("{holds:?}"),
        read,
    }
}

const DUE: Millis = Millis(1_796_086_800_000);

fn task() -> TaskKey {
    let (tenant, id) = (TenantId::new("shop"), TaskId::new("order-42/close"));
    TaskKey {
        tenant: tenant.expect("a tenant"),
        id: id.expect("an id"),
    }
}

fn fire_id() -> FireId {
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

fn instance() -> Instance {
    Instance::of(DUE)
}

fn call() -> Call {
    Call {
        url: "http://127.0.0.1:9000/orders/close".to_owned(),
        method: "POST".to_owned(),
        headers: vec![("x-team".to_owned(), "orders".to_owned())],
    }
}

fn backoff() -> RetryPolicy {
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

fn definition(schedule: Schedule, retry: RetryPolicy) -> Definition {
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
    }
}

fn work() -> Work {
    Work {
        task: task(),
        version: 7,
        occurrence: 3,
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

fn phases() -> Phases {
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

fn buckets() -> Vec<Sample> {
    let read: Read = |bytes| BucketRecord::decode(bytes).map(|it| format!("{it:?}"));
    let (instance, fire_id) = (instance(), fire_id());
    let body = work().encode(b"payload");
    let placement = Placement {
        instance,
        due: DUE,
        fire_id,
        leg: 4,
        priority: Priority::High,
        expires_at: Some(DUE.plus(5)),
    };
    let revoke = Revoke {
        instance,
        fire_id,
        leg: 4,
        priority: Priority::Normal,
        purpose: Purpose::Move,
    };
    let all = [
        ("bucket.placement", BucketRecord::Placement(placement, body)),
        ("bucket.revoke", BucketRecord::Revoke(revoke)),
        (
            "bucket.seal",
            BucketRecord::Seal(Seal {
                instance,
                placements: 1_000_000,
                revokes: 3,
            }),
        ),
        ("bucket.free", BucketRecord::Free(instance)),
    ];
    all.into_iter()
        .map(|(name, it)| sample(name, it.encode(), &it, read))
        .collect()
}

fn lanes() -> Vec<Sample> {
    let read: Read = |bytes| LaneRecord::decode(bytes).map(|it| format!("{it:?}"));
    let fire = Fire {
        fire_id: fire_id(),
        leg: 4,
        due: DUE,
        expires_at: None,
        triggered_at: DUE.minus(150),
    };
    let recall = Recall {
        fire_id: fire_id(),
        leg: 4,
        purpose: Purpose::Cancel,
    };
    let all = [
        (
            "lane.fire",
            LaneRecord::Fire(fire, work().encode(b"payload")),
        ),
        ("lane.recall", LaneRecord::Recall(recall)),
    ];
    all.into_iter()
        .map(|(name, it)| sample(name, it.encode(), &it, read))
        .collect()
}

fn ended(end: End, answer: Option<Answer>) -> OutcomeRecord {
    OutcomeRecord::Ended(Ended {
        task: task(),
        version: 7,
        occurrence: 3,
        fire_id: fire_id(),
        leg: 4,
        attempt: 2,
        end,
        answer,
        phases: phases(),
    })
}

fn outcomes() -> Vec<Sample> {
    let read: Read = |bytes| OutcomeRecord::decode(bytes).map(|it| format!("{it:?}"));
    let (instance, fire_id, body) = (instance(), fire_id(), work().encode(b"payload"));
    let taken = Taken {
        instance,
        fire_id,
        leg: 4,
        due: DUE,
        at: DUE.minus(5),
    };
    let recalled = |decision, task| Recalled {
        fire_id,
        leg: 4,
        purpose: Purpose::Cancel,
        decision,
        task,
        at: DUE,
    };
    let answer = |status, error: Option<&str>| {
        let (error, body) = (error.map(str::to_owned), Some("ok".to_owned()));
        Some(Answer {
            status,
            error,
            body,
        })
    };
    let again = |why| End::Again {
        at: DUE.plus(1_000),
        attempt: 3,
        why,
    };
    let drained = Drained {
        instance,
        placements: 10,
        fired: 7,
        revoked: 2,
        expired: 1,
    };
    let unplanted = Unplanted {
        task: task(),
        version: 7,
        occurrence: 3,
        fire_id,
        due: DUE,
        registered_at: DUE.minus(9),
        end: UnplantedEnd::Expired,
        at: DUE.plus(9),
    };
    let all = [
        (
            "outcome.success",
            ended(End::Success, answer(Some(200), None)),
        ),
        (
            "outcome.retry",
            ended(again(Again::Retry), answer(Some(503), Some("busy"))),
        ),
        ("outcome.hold", ended(again(Again::Hold), None)),
        (
            "outcome.dead",
            ended(
                End::Dead {
                    reason: "x".to_owned(),
                },
                answer(None, Some("io")),
            ),
        ),
        ("outcome.late", ended(End::Expired, None)),
        (
            "outcome.recalled",
            OutcomeRecord::Recalled(recalled(Decision::Cancelled, Some(task())), body.clone()),
        ),
        (
            "outcome.too_late",
            OutcomeRecord::Recalled(recalled(Decision::TooLate, Some(task())), Bytes::new()),
        ),
        (
            "outcome.gone",
            OutcomeRecord::Recalled(recalled(Decision::Gone, None), Bytes::new()),
        ),
        (
            "outcome.revoked",
            OutcomeRecord::Revoked(taken.clone(), body.clone()),
        ),
        ("outcome.expired", OutcomeRecord::Expired(taken, body)),
        ("outcome.drained", OutcomeRecord::Drained(drained)),
        ("outcome.unplanted", OutcomeRecord::Unplanted(unplanted)),
    ];
    all.into_iter()
        .map(|(name, it)| sample(name, it.encode(), &it, read))
        .collect()
}

fn row() -> TaskRow {
    TaskRow {
        version: 7,
        content: [5; 16],
        registered_at: DUE.minus(90_000),
        priority: Priority::Normal,
        phase: Phase::Planted {
            instance: instance(),
            began: true,
        },
        firing: Firing {
            fire_id: fire_id(),
            version: 7,
            occurrence: 3,
            leg: 4,
            attempt: 2,
            due: DUE,
            leg_due: DUE.plus(1),
        },
        wish: None,
        past: Vec::new(),
        apart: true,
    }
}

/// A row with everything in it that a row can have.
fn full_row() -> TaskRow {
    let plan = Plan {
        version: 8,
        content: [6; 16],
        registered_at: DUE,
        priority: Priority::High,
        due: DUE.plus(60_000),
        leg_due: DUE.plus(60_000),
        keep: false,
        definition: Bytes::from_static(b"definition"),
    };
    let successor = Successor {
        definition: Bytes::from_static(b"successor"),
        content: [7; 16],
        registered_at: DUE,
        awaiters: vec![RequestId(1)],
    };
    let wish = Wish {
        cancel: true,
        pause: false,
        plan: Some(plan),
        told: false,
        awaiters: vec![RequestId(u128::MAX)],
        successor: Some(successor),
    };
    let attempt = AttemptView {
        started: Some(DUE),
        finished: DUE.plus(3),
        status: Some(500),
        error: Some("busy".to_owned()),
    };
    let past = PastFiring {
        fire_id: fire_id(),
        due: DUE,
        occurrence: 2,
        ended: Some(Ending::Completed),
        attempts: vec![attempt],
        phases: Some(phases()),
    };
    let phase = Phase::Ended {
        at: DUE,
        how: Ending::Dead,
        began: true,
    };
    TaskRow {
        phase,
        wish: Some(Box::new(wish)),
        past: vec![past],
        apart: false,
        ..row()
    }
}

fn table() -> Vec<Sample> {
    let row_read: Read = |bytes| TaskRow::decode(bytes).map(|it| format!("{it:?}"));
    let definition_read: Read = |bytes| decode_definition(bytes).map(|it| format!("{it:?}"));
    let once = definition(Schedule::At(DUE), backoff());
    let explicit = RetryPolicy {
        max_attempts: 3,
        plan: RetryPlan::Explicit(vec![1, 2]),
    };
    let after = definition(Schedule::After(1_800_000), explicit);
    let inline = encode_definition(&once);
    let ring = RingRow {
        instance: instance(),
        phase: RingPhase::Sealed,
        placements: 5,
        revokes: 1,
        bytes: 2_000,
        late_bytes: 400,
    };
    let (forwarded, mark) = (
        Forwarded { offset: 99 },
        Mark {
            cancelled_at: DUE,
            until: DUE.plus(600_000),
        },
    );
    let forward = Forward {
        topic: Topic::RegistrationsBulk,
        shard: Shard(3),
        offset: 17,
        appended: DUE,
        request: Some(RequestId(0x0123_4567_89ab_cdef)),
    };
    vec![
        sample(
            "index.task",
            row().encode(b""),
            &(row(), Bytes::new()),
            row_read,
        ),
        sample(
            "index.task.full",
            full_row().encode(&inline),
            &(full_row(), inline),
            row_read,
        ),
        sample(
            "index.definition",
            encode_definition(&once),
            &once,
            definition_read,
        ),
        sample(
            "index.definition.after",
            encode_definition(&after),
            &after,
            definition_read,
        ),
        sample("index.ring", ring.encode(), &ring, |it| {
            RingRow::decode(it).map(|it| format!("{it:?}"))
        }),
        sample("index.mark", mark.encode(), &mark, |it| {
            Mark::decode(it).map(|it| format!("{it:?}"))
        }),
        sample("index.forwarded", forwarded.encode(), &forwarded, |it| {
            Forwarded::decode(it).map(|it| format!("{it:?}"))
        }),
        sample(
            "forward",
            forward.encode(b"{}"),
            &(forward.clone(), Bytes::from_static(b"{}")),
            |it| Forward::decode(it).map(|it| format!("{it:?}")),
        ),
    ]
}

fn letters() -> Vec<Sample> {
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

fn others() -> Vec<Sample> {
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

fn samples() -> Vec<Sample> {
    [buckets(), lanes(), outcomes(), table(), letters(), others()]
        .into_iter()
        .flatten()
        .collect()
}

/// Names that must never change either: keys, and the receiver's idempotency key.
fn names() -> Vec<(&'static str, Bytes)> {
    vec![
        ("key.task", TableKey::Task(task()).encode()),
        ("key.definition", TableKey::Definition(task()).encode()),
        ("key.mark", TableKey::Mark(task()).encode()),
        ("key.ring", TableKey::Ring(Slot(23)).encode()),
        (
            "key.forwarded",
            TableKey::Forwarded(Topic::RegistrationsBulk, Shard(513)).encode(),
        ),
        ("key.meta", TableKey::Meta.encode()),
        ("value.meta", Meta::default().encode()),
        ("fire_id", Bytes::copy_from_slice(&fire_id().0)),
    ]
}

/// The bytes of a golden file; writes it where there is none and that was asked for.
fn golden(name: &str, now: &Bytes) -> Bytes {
    let path: PathBuf = [
        env!("CARGO_MANIFEST_DIR"),
        "tests",
        "golden",
        &format!("{name}.hex"),
    ]
    .iter()
    .collect();
    if !path.exists() && std::env::var_os("WRITE_GOLDEN").is_some() {
        let lines: Vec<String> = now
            .chunks(32)
            .map(|line| {
                line.iter()
                    .map(|byte| format!("{byte:02x}"))
                    .collect::<String>()
                    + "\n"
            })
            .collect();
        std::fs::write(&path, lines.concat()).expect(name);
    }
    let text = std::fs::read_to_string(&path)
        .unwrap_or_else(|error| panic!("{name}: {error}; WRITE_GOLDEN=1 adds what is missing"));
    let digits: Vec<u8> = text
        .bytes()
        .filter(|it| !it.is_ascii_whitespace())
        .collect();
    let byte = |pair: &[u8]| u8::from_str_radix(std::str::from_utf8(pair).expect(name), 16);
    digits
        .chunks(2)
        .map(|pair| byte(pair).expect(name))
        .collect()
}

#[test]
fn every_record_is_written_and_read_as_it_always_was() {
    for it in samples() {
        let bytes = golden(it.name, &it.bytes);
        assert_eq!(
            (it.read)(&bytes),
            Ok(it.holds.clone()),
            "{} is read otherwise",
            it.name
        );
        assert!(
            bytes == it.bytes,
            "{} is written otherwise than in its file",
            it.name
        );
    }
    for (name, now) in names() {
        assert_eq!(
            golden(name, &now),
            now,
            "{name} is written otherwise than in its file"
        );
    }
}

#[test]
fn every_golden_file_is_read_by_a_test() {
    let known: Vec<&str> = samples()
        .iter()
        .map(|it| it.name)
        .chain(names().iter().map(|(name, _)| *name))
        .collect();
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/golden");
    for entry in std::fs::read_dir(folder).expect(folder) {
        let name = entry
            .expect(folder)
            .file_name()
            .into_string()
            .expect("a name");
        let name = name.strip_suffix(".hex").unwrap_or(&name);
        assert!(known.contains(&name), "{name} belongs to no record");
    }
}

#[test]
fn a_record_cut_short_or_spoilt_never_panics_and_its_head_is_never_guessed() {
    for it in samples() {
        let json = it.name.starts_with("dead_letter");
        let head = it.bytes.get(2..6).map_or(0, |length| {
            6 + usize::try_from(u32::from_le_bytes(length.try_into().expect("four"))).expect("fits")
        });
        let needed = if json { it.bytes.len() } else { head };
        for cut in 0..needed {
            let read = (it.read)(&it.bytes.slice(..cut));
            assert!(
                read.is_err(),
                "{} of {cut} bytes is read as {read:?}",
                it.name
            );
        }
        for place in 0..it.bytes.len() {
            for flip in [0x01, 0x80, 0xff] {
                let mut spoilt = it.bytes.to_vec();
                spoilt[place] ^= flip;
                let read = (it.read)(&spoilt.into());
                assert!(
                    json || place > 1 || read.is_err(),
                    "{}: byte {place}",
                    it.name
                );
            }
        }
    }
}

#[test]
fn unknown_versions_and_kinds_are_refused_by_name() {
    let seal = BucketRecord::Free(instance()).encode();
    let changed = |place: usize, byte: u8| {
        let mut bytes = seal.to_vec();
        bytes[place] = byte;
        BucketRecord::decode(&bytes.into()).expect_err("refused")
    };
    let newer = codec::VERSION + 1;
    assert_eq!(
        changed(0, newer),
        DecodeError::Version {
            kind: Kind::Bucket,
            found: newer
        }
    );
    assert_eq!(
        changed(1, 99),
        DecodeError::Kind {
            kind: Kind::Bucket,
            found: 99
        }
    );
    let of_another_kind = work().encode(b"");
    let error = BucketRecord::decode(&of_another_kind).expect_err("another kind");
    assert_eq!(error.to_string(), "record is of kind 1, expected Bucket");
    let letter = Bytes::from_static(br#"{"version": 2, "new": true}"#);
    let error = DeadLetter::decode(&letter).expect_err("newer");
    assert_eq!(
        error,
        DecodeError::Version {
            kind: Kind::DeadLetter,
            found: 2
        }
    );
}

#[test]
fn a_head_that_claims_more_than_there_is_is_cut_short() {
    let claims = Bytes::from_static(&[
        codec::VERSION,
        Kind::Bucket as u8,
        0xff,
        0xff,
        0xff,
        0xff,
        0,
    ]);
    let error = BucketRecord::decode(&claims).expect_err("short");
    assert_eq!(
        error,
        DecodeError::Short {
            kind: Kind::Bucket,
            length: 7
        }
    );
}
