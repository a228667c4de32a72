//! Commands on many tasks, in the planner's table.

use schemas::RequestId;
use schemas::index::{Moved, SweepCount, SweepRow, SweepWork, ZonesRow};
use schemas::registration::SweepOp;

use super::{DUE, Read, Sample, sample, task};

pub(crate) fn sweeps() -> Vec<Sample> {
    let read: Read = |bytes| SweepRow::decode(bytes).map(|it| format!("{it:?}"));
    let bare = SweepRow {
        id: RequestId(0x0123_4567_89ab_cdef),
        work: SweepWork::Command {
            op: SweepOp::Cancel,
            tag: None,
        },
        tenant: Some(task().tenant),
        appended: DUE,
        begun_at: DUE.plus(5),
        after: None,
        ended_at: None,
        count: SweepCount::default(),
    };
    let full = SweepRow {
        work: SweepWork::Command {
            op: SweepOp::Pause,
            tag: Some("orders".to_owned()),
        },
        after: Some(task()),
        ended_at: Some(DUE.plus(7)),
        count: SweepCount {
            looked: 300,
            matched: 8,
            undecided: 1,
            changed: 2,
            unchanged: 3,
            cancelled: 4,
            too_late: 5,
            refused: 6,
        },
        ..bare.clone()
    };
    let zones = SweepRow {
        work: SweepWork::Zones {
            before: "2025b".to_owned(),
            now: "2026a".to_owned(),
        },
        tenant: None,
        ..full.clone()
    };
    let version = ZonesRow {
        tzdata: "2026a".to_owned(),
    };
    let moved = Moved {
        tzdata_before: "2025b".to_owned(),
        tzdata: "2026a".to_owned(),
        before: Some(DUE),
        after: None,
        at: DUE.plus(9),
    };
    vec![
        sample("index.sweep.zones", zones.encode(), &zones, read),
        sample("index.zones", version.encode(), &version, |bytes| {
            ZonesRow::decode(bytes).map(|it| format!("{it:?}"))
        }),
        sample("index.moved", moved.encode(), &moved, |bytes| {
            Moved::decode(bytes).map(|it| format!("{it:?}"))
        }),
        sample("index.sweep", bare.encode(), &bare, read),
        sample("index.sweep.full", full.encode(), &full, read),
    ]
}
