//! Past ranges of recurring tasks, in the planner's table.

use schemas::index::BackfillRow;

use super::{DUE, Read, Sample, sample};

pub(crate) fn backfills() -> Vec<Sample> {
    let read: Read = |bytes| BackfillRow::decode(bytes).map(|it| format!("{it:?}"));
    let bare = BackfillRow {
        from: DUE.minus(86_400_000),
        to: DUE,
        next: None,
        released: 0,
        live: 0,
        window: 1,
        stopped: false,
        begun_at: DUE.plus(5),
        ended_at: None,
    };
    let full = BackfillRow {
        next: Some(DUE.minus(7)),
        released: 300,
        live: 99,
        window: 100,
        stopped: true,
        ended_at: Some(DUE.plus(9)),
        ..bare.clone()
    };
    vec![
        sample("index.backfill", bare.encode(), &bare, read),
        sample("index.backfill.full", full.encode(), &full, read),
    ]
}
