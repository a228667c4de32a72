//! The planner's table, and forwards.

use bytes::Bytes;
use schemas::answer::AttemptView;
use schemas::calendar::{CalendarKey, CalendarRecord};
use schemas::flow::{Join, Need, On, When};
use schemas::index::{
    Asker, Buffer, CalendarRow, Ending, Firing, Follow, Forward, Forwarded, Held, HeldNeed, Lapse,
    Mark, NeedState, Older, Pace, Parked, PastFiring, Phase, Plan, Replan, RingPhase, RingRow,
    Series, ShareTally, Shares, Span, StepRow, Successor, Tally, TaskRow, Untold, Wish,
    decode_definition, encode_definition,
};
use schemas::{
    AnswerBody, Definition, Needs, Priority, RequestId, RetryPlan, RetryPolicy, Schedule, Shard,
    Topic,
};

use super::{
    DUE, Read, Sample, backoff, definition, fire_id, instance, phases, recurring, sample, task,
};

const CALENDAR: &[u8] = br#"{"excluded": [{"weekdays": ["SAT"]}]}"#;

pub(crate) fn calendar() -> CalendarKey {
    CalendarKey::parse(b"shop/bank-holidays").expect("tenant and name")
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
        step: None,
        series: None,
        shares: None,
    }
}

fn shares() -> Shares {
    Shares {
        tally: ShareTally {
            shards: 300,
            completed: 1,
            dead: 2,
            expired: 3,
            cancelled: 4,
        },
        made: 299,
        live: 289,
        deciding: 5,
        taking: Some(6),
        began: true,
        look_at: DUE.minus(300_000),
        ended_at: DUE.plus(20),
    }
}

fn series() -> Series {
    Series {
        defined: 7,
        since: DUE.minus(90_000),
        serial: true,
        last_due: Some(DUE.minus(1)),
        settled: Some(DUE.minus(2)),
        over: true,
        tally: Tally {
            ended: 1,
            skipped: 2,
            missed: 3,
            taken: 4,
        },
        runs: 5,
        live: 6,
        manual_live: 1,
        manual: 2,
        older: vec![Older {
            version: 3,
            live: 1,
        }],
        buffers: vec![Buffer {
            occurrence: 9,
            due: DUE.plus(1),
            count: 2,
        }],
        lapse: Some(Lapse {
            before: DUE,
            oldest: DUE.minus(9),
            left_out: Some(Span {
                first: 8,
                from: DUE,
                last: 9,
                to: DUE.plus(7),
            }),
            ahead: 3,
            next: Some(DUE.plus(9)),
            known: true,
        }),
        deciding: 2,
        began: true,
        calendars: vec![calendar().name],
        parked: Some(Parked::Unknown(calendar().name)),
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
        askers: vec![RequestId(1)],
    };
    let wish = Wish {
        cancel: true,
        pause: false,
        plan: Some(plan),
        told: false,
        askers: vec![Asker {
            request: RequestId(u128::MAX),
            version: 9,
            due: DUE.plus(1),
        }],
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
        shard: Some(7),
        shares: Some(shares().tally),
    };
    let phase = Phase::Ended {
        at: DUE,
        how: Ending::Dead,
        began: true,
    };
    TaskRow {
        phase,
        step: Some(Box::new(StepRow::Answered(AnswerBody {
            bytes: Bytes::from_static(b"{}"),
            content_type: Some("application/json".to_owned()),
            cut: false,
        }))),
        wish: Some(Box::new(wish)),
        past: vec![past],
        apart: false,
        series: Some(Box::new(series())),
        shares: Some(Box::new(shares())),
        ..row()
    }
}

pub(crate) fn table() -> Vec<Sample> {
    [tasks(), ring_and_marks()].into_iter().flatten().collect()
}

#[expect(clippy::too_many_lines, reason = "a list of samples")]
fn tasks() -> Vec<Sample> {
    let row_read: Read = |bytes| TaskRow::decode(bytes).map(|it| format!("{it:?}"));
    let definition_read: Read = |bytes| decode_definition(bytes).map(|it| format!("{it:?}"));
    let once = definition(Schedule::At(DUE), backoff());
    let explicit = RetryPolicy {
        max_attempts: 3,
        plan: RetryPlan::Explicit(vec![1, 2]),
    };
    let after = definition(Schedule::After(1_800_000), explicit);
    let inline = encode_definition(&once);
    let full = full_row().encode(&inline);
    let held = TaskRow {
        phase: Phase::Held,
        step: Some(Box::new(StepRow::Held(Held {
            join: Join::Any,
            since: 7,
            needs: [NeedState::Open, NeedState::Met, NeedState::Unmet]
                .map(|state| HeldNeed {
                    step: "pay".to_owned(),
                    state,
                })
                .to_vec(),
        }))),
        ..row()
    };
    let needs = Definition {
        needs: Some(Needs {
            of: vec![
                Need::success("pay"),
                Need {
                    step: "pack".to_owned(),
                    on: On::Always,
                    when: Some(When {
                        pointer: "/status".to_owned(),
                        equals: "\"done\"".to_owned(),
                    }),
                },
            ],
            join: Join::Any,
            payload_from: Some("pay".to_owned()),
        }),
        ..once.clone()
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
            full,
            &(full_row(), inline.clone()),
            row_read,
        ),
        sample(
            "index.task.held",
            held.encode(b""),
            &(held, Bytes::new()),
            row_read,
        ),
        sample("index.definition", inline, &once, definition_read),
        sample(
            "index.definition.needs",
            encode_definition(&needs),
            &needs,
            definition_read,
        ),
        sample(
            "index.definition.recurring",
            encode_definition(&recurring()),
            &recurring(),
            definition_read,
        ),
        sample(
            "index.definition.after",
            encode_definition(&after),
            &after,
            definition_read,
        ),
    ]
}

#[expect(clippy::too_many_lines, reason = "a list of samples")]
fn ring_and_marks() -> Vec<Sample> {
    let ring_read: Read = |bytes| RingRow::decode(bytes).map(|it| format!("{it:?}"));
    let mark_read: Read = |bytes| Mark::decode(bytes).map(|it| format!("{it:?}"));
    let follow_read: Read = |bytes| Follow::decode(bytes).map(|it| format!("{it:?}"));
    let forwarded_read: Read = |bytes| Forwarded::decode(bytes).map(|it| format!("{it:?}"));
    let forward_read: Read = |bytes| Forward::decode(bytes).map(|it| format!("{it:?}"));
    let ring = RingRow {
        instance: instance(),
        phase: RingPhase::Sealed,
        placements: 5,
        revokes: 1,
        bytes: 2_000,
        late_bytes: 400,
    };
    let mark = Mark {
        cancelled_at: DUE,
        until: DUE.plus(600_000),
    };
    let pace = Pace {
        next_us: DUE.0 * 1_000 + 1,
    };
    let follow = Follow {
        task: task(),
        version: 7,
        how: Ending::NotTaken,
        told: Some("order-42/pack".to_owned()),
    };
    let forwarded = Forwarded { offset: 99 };
    let forward = Forward {
        topic: Topic::RegistrationsBulk,
        shard: Shard(3),
        offset: 17,
        appended: DUE,
        request: Some(RequestId(0x0123_4567_89ab_cdef)),
    };
    let bytes = forward.encode(b"{}");
    let untold = Untold {
        calendar: calendar(),
    };
    let replan = Replan {
        calendar: calendar(),
        done: Some("order-42/pack".to_owned()),
    };
    let told = CalendarRecord {
        key: calendar(),
        removed: false,
    };
    vec![
        sample("index.ring", ring.encode(), &ring, ring_read),
        sample("index.follow", follow.encode(), &follow, follow_read),
        sample(
            "index.calendar",
            CalendarRow { version: 7 }.encode(CALENDAR),
            &(CalendarRow { version: 7 }, Bytes::from_static(CALENDAR)),
            |bytes| CalendarRow::decode(bytes).map(|it| format!("{it:?}")),
        ),
        sample("index.untold", untold.encode(), &untold, |bytes| {
            Untold::decode(bytes).map(|it| format!("{it:?}"))
        }),
        sample("index.replan", replan.encode(), &replan, |bytes| {
            Replan::decode(bytes).map(|it| format!("{it:?}"))
        }),
        sample(
            "forward.calendar",
            told.encode(CALENDAR),
            &(told, Bytes::from_static(CALENDAR)),
            |bytes| CalendarRecord::decode(bytes).map(|it| format!("{it:?}")),
        ),
        sample("index.mark", mark.encode(), &mark, mark_read),
        sample("index.pace", pace.encode(), &pace, |bytes| {
            Pace::decode(bytes).map(|it| format!("{it:?}"))
        }),
        sample(
            "index.forwarded",
            forwarded.encode(),
            &forwarded,
            forwarded_read,
        ),
        sample(
            "forward",
            bytes,
            &(forward, Bytes::from_static(b"{}")),
            forward_read,
        ),
    ]
}
