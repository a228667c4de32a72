//! Buckets, lanes, outcomes.

use bytes::Bytes;
use schemas::bucket::{Revoke, Seal};
use schemas::fire::Recall;
use schemas::outcome::{
    Again, Answer, Completed, Decision, Drained, End, Ended, Missed, MissedWhy, Recalled, Taken,
    Unplanted, UnplantedEnd,
};
use schemas::{
    AnswerBody, BucketRecord, DecodeError, Fire, LaneRecord, OutcomeRecord, Placement, Priority,
    Purpose, TaskKey,
};

use super::{DUE, Read, Sample, fire_id, instance, phases, sample, task, work};

pub(crate) fn buckets() -> Vec<Sample> {
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

pub(crate) fn lanes() -> Vec<Sample> {
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

fn leg(end: End, answer: Option<Answer>) -> OutcomeRecord {
    OutcomeRecord::Ended(ended_leg(end, answer))
}

fn ended_leg(end: End, answer: Option<Answer>) -> Ended {
    Ended {
        task: task(),
        version: 7,
        occurrence: 3,
        part: None,
        fire_id: fire_id(),
        leg: 4,
        attempt: 2,
        end,
        answer,
        phases: phases(),
    }
}

/// Two legs that ended well, the second of which began so late.
fn completed(late_ms: u64) -> Completed {
    let one = ended_leg(
        End::Success,
        Some(Answer {
            status: Some(204),
            error: None,
            body: None,
        }),
    );
    let mut other = one.clone();
    other.phases.began_at = Some(other.phases.leg_due.plus(late_ms));
    Completed::new(vec![one, other])
}

fn read_outcome(bytes: &Bytes) -> Result<String, DecodeError> {
    OutcomeRecord::decode(bytes).map(|it| format!("{it:?}"))
}

pub(crate) fn ended() -> Vec<Sample> {
    let answer = |status, error: Option<&str>| {
        let error = error.map(str::to_owned);
        let body = Some(AnswerBody {
            bytes: Bytes::from_static(b"ok"),
            content_type: Some("text/plain".to_owned()),
            cut: true,
        });
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
    let dead = End::Dead {
        reason: "gave up".to_owned(),
    };
    let all = [
        (
            "outcome.success",
            leg(End::Success, answer(Some(200), None)),
        ),
        (
            "outcome.retry",
            leg(again(Again::Retry), answer(Some(503), Some("busy"))),
        ),
        ("outcome.hold", leg(again(Again::Hold), None)),
        (
            "outcome.dead",
            leg(dead, answer(None, Some("connection refused"))),
        ),
        ("outcome.late", leg(End::Expired, None)),
        (
            "outcome.completed",
            OutcomeRecord::Completed(completed(70_000)),
        ),
    ];
    all.into_iter()
        .map(|(name, it)| sample(name, it.encode(), &it, read_outcome))
        .collect()
}

fn recalled(decision: Decision, task: Option<TaskKey>, body: Bytes) -> OutcomeRecord {
    let purpose = Purpose::Cancel;
    let recalled = Recalled {
        fire_id: fire_id(),
        leg: 4,
        purpose,
        decision,
        task,
        at: DUE,
    };
    OutcomeRecord::Recalled(recalled, body)
}

pub(crate) fn outcomes() -> Vec<Sample> {
    let (instance, fire_id, body) = (instance(), fire_id(), work().encode(b"payload"));
    let taken = Taken {
        instance,
        fire_id,
        leg: 4,
        due: DUE,
        at: DUE.minus(5),
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
        reason: None,
        at: DUE.plus(9),
    };
    let skipped = Unplanted {
        end: UnplantedEnd::NotTaken,
        reason: Some("`pay` was dead".to_owned()),
        ..unplanted.clone()
    };
    let missed = Missed {
        task: task(),
        version: 7,
        first: 4,
        last: 363,
        fire_id,
        from: DUE,
        to: DUE.plus(3_590_000),
        registered_at: DUE.minus(9),
        why: MissedWhy::Late,
        at: DUE.plus(3_700_000),
    };
    let (too_late, gone) = (Decision::TooLate, Decision::Gone);
    let all = [
        (
            "outcome.recalled",
            recalled(Decision::Cancelled, Some(task()), body.clone()),
        ),
        (
            "outcome.too_late",
            recalled(too_late, Some(task()), Bytes::new()),
        ),
        ("outcome.gone", recalled(gone, None, Bytes::new())),
        (
            "outcome.revoked",
            OutcomeRecord::Revoked(taken.clone(), body.clone()),
        ),
        ("outcome.expired", OutcomeRecord::Expired(taken, body)),
        ("outcome.drained", OutcomeRecord::Drained(drained)),
        ("outcome.unplanted", OutcomeRecord::Unplanted(unplanted)),
        ("outcome.skipped", OutcomeRecord::Unplanted(skipped)),
        ("outcome.missed", OutcomeRecord::Missed(missed)),
    ];
    all.into_iter()
        .map(|(name, it)| sample(name, it.encode(), &it, read_outcome))
        .collect()
}
