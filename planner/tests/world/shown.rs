//! What there is to see, in words.

use std::collections::BTreeMap;

use schemas::answer::ListQuery;
use schemas::index::SweepCount;
use schemas::outcome::{Missed, OutcomeRecord};
use schemas::{Millis, RequestId, TaskId, TenantId, Topic};

use super::{START, World};

impl World {
    /// The keys that the changelog has rows for, but the ring and what says how far things came.
    pub(crate) fn rows_of_index(&self) -> Vec<String> {
        let log = self.log.get(&Topic::Index).map_or(&[][..], Vec::as_slice);
        let last: BTreeMap<_, _> = log
            .iter()
            .map(|r| (r.key.clone(), r.value.is_some()))
            .collect();
        let rows = last.into_iter().filter(|(_, there)| *there);
        let names = rows.filter_map(|(key, _)| String::from_utf8(key?.to_vec()).ok());
        names
            .filter(|name| !name.starts_with(['r', 'f', 'm', 'v']))
            .collect()
    }

    /// Everything there is to see, in one text.
    pub(crate) fn picture(&mut self) -> String {
        let query = ListQuery {
            tenant: Some(TenantId::new("t").unwrap()),
            limit: 500,
            ..ListQuery::default()
        };
        let mut text = String::new();
        let mut query = query;
        loop {
            let page = self.core().list(&query);
            for task in page.tasks {
                text += &format!("{task:?}\n");
            }
            match page.next {
                Some(next) => query.after = Some(next),
                None => break,
            }
        }
        let ring: Vec<String> = self.core().ring().map(|row| format!("{row:?}")).collect();
        text + &ring.join("\n")
    }

    /// What was called by itself since this was last asked, as `occurrence@due`, in seconds.
    pub(crate) fn calls(&mut self) -> String {
        let calls = std::mem::take(&mut self.behind.calls);
        let name = |(_, occurrence, due): &(TaskId, u64, Millis)| {
            format!("{occurrence}@{}", seconds(*due))
        };
        calls.iter().map(name).collect::<Vec<_>>().join(" ")
    }

    /// What was told as left out, as `first-last why from..to`.
    pub(crate) fn left_out(&self) -> Vec<String> {
        let log = self
            .log
            .get(&Topic::Outcomes)
            .map_or(&[][..], Vec::as_slice);
        let records = log.iter().filter_map(|record| record.value.as_ref());
        let left = records.filter_map(|value| match OutcomeRecord::decode(value).unwrap() {
            OutcomeRecord::Missed(missed) => Some(missed),
            _ => None,
        });
        let name = |it: Missed| {
            let why = format!("{:?}", it.why).to_lowercase();
            let (from, to) = (seconds(it.from), seconds(it.to));
            format!("{}-{} {why} {from}..{to}", it.first, it.last)
        };
        left.map(name).collect()
    }

    /// The tasks that other time zone data moved, as `id before>after version`.
    pub(crate) fn moved(&mut self) -> Vec<String> {
        let query = ListQuery {
            tenant: Some(TenantId::new("t").unwrap()),
            moved: true,
            limit: 500,
            ..ListQuery::default()
        };
        let tasks = self.core().list(&query).tasks;
        let name = |due: Option<Millis>| due.map_or_else(|| "never".to_owned(), seconds);
        let name = |task: &schemas::TaskView| {
            let it = task.moved.as_ref().unwrap();
            let (before, after) = (name(it.before), name(it.after));
            let versions = format!("{}>{}", it.tzdata_before, it.tzdata);
            format!("{} {before}>{after} {versions}", task.id.as_str())
        };
        tasks.iter().map(name).collect()
    }

    /// What became of a task's occurrences.
    pub(crate) fn tally(&mut self, id: &str) -> String {
        let Some(it) = self.view(id).and_then(|view| view.occurrences) else {
            return "none".to_owned();
        };
        let counts = [
            ("ended", it.ended),
            ("skipped", it.skipped),
            ("missed", it.missed),
            ("taken", it.taken),
            ("buffered", it.buffered),
            ("live", u64::from(it.live)),
        ];
        let counts = counts.iter().filter(|(_, count)| *count > 0);
        let words = counts.map(|(name, count)| format!("{name} {count}"));
        words.collect::<Vec<_>>().join(" ")
    }

    /// The backfills of a task.
    pub(crate) fn backfills(&mut self, id: &str) -> String {
        let all = self.view(id).map(|view| view.backfills).unwrap_or_default();
        let name = |it: &schemas::answer::BackfillView| {
            let left = it
                .next
                .map_or(String::new(), |next| format!(", next {}", seconds(next)));
            let live = if it.live > 0 {
                format!(", live {}", it.live)
            } else {
                String::new()
            };
            let over = match (it.ended_at, it.stopped) {
                (Some(_), true) => ", stopped",
                (Some(_), false) => ", over",
                (None, true) => ", stopping",
                (None, false) => "",
            };
            format!("released {}{live}{left}{over}", it.released)
        };
        all.iter().map(name).collect::<Vec<_>>().join("; ")
    }

    /// How the command on many tasks of that request stands.
    pub(crate) fn sweep(&mut self, request: u128) -> String {
        let Some(it) = self.core().sweep_view(RequestId(request)) else {
            return "none".to_owned();
        };
        let SweepCount {
            looked,
            matched,
            undecided,
            changed,
            unchanged,
            cancelled,
            too_late,
            refused,
        } = it.count;
        let counts = [
            ("undecided", undecided),
            ("changed", changed),
            ("unchanged", unchanged),
            ("cancelled", cancelled),
            ("too_late", too_late),
            ("refused", refused),
        ];
        let counts = counts.iter().filter(|(_, count)| *count > 0);
        let words: String = counts
            .map(|(name, count)| format!(" {name} {count}"))
            .collect();
        let end = if it.ended_at.is_some() {
            ""
        } else {
            " goes on"
        };
        format!("{matched} of {looked}{words}{end}")
    }
}

/// Behind the start, as `10`, or `10.5`.
fn seconds(time: Millis) -> String {
    let ms = time.0 - START;
    if ms % 1_000 == 0 {
        (ms / 1_000).to_string()
    } else {
        format!("{}.{:03}", ms / 1_000, ms % 1_000)
    }
}
