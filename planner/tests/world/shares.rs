//! Broadcasts, as scripts name and show them.

use schemas::{FiringPart, TaskId, Work};

use super::World;

impl World {
    /// Where the shards of a broadcast stand.
    pub(crate) fn shares(&mut self, id: &str) -> String {
        let Some(it) = self.view(id).and_then(|view| view.broadcast) else {
            return "none".to_owned();
        };
        let counts = [
            ("live", it.live),
            ("completed", it.tally.completed),
            ("dead", it.tally.dead),
            ("expired", it.tally.expired),
            ("cancelled", it.tally.cancelled),
        ];
        let counts = counts.iter().filter(|(_, count)| *count > 0);
        let words: Vec<_> = counts
            .map(|(name, count)| format!("{name} {count}"))
            .collect();
        format!("{}: {}", it.tally.shards, words.join(" "))
            .trim()
            .to_owned()
    }
}

/// Whether that is meant: a task, or `task~2`, that shard of its broadcast.
pub(crate) fn is(work: &Work, id: &TaskId) -> bool {
    let shard = work.part.and_then(FiringPart::shard);
    let own = work.task.id.as_str();
    own == id.as_str() || shard.is_some_and(|n| format!("{own}~{n}") == id.as_str())
}

/// `a~0#1`; `a.3~0#1` where `a` recurs, `a.run1~0` where that was run.
pub(crate) fn share_name(work: &Work, part: FiringPart, leg: u32) -> String {
    let (id, shard) = (&work.task.id, part.part - 1);
    match (part.manual, part.occurrence) {
        (0, 1) if work.occurrence == 1 => format!("{id}~{shard}#{leg}"),
        (0, occurrence) => format!("{id}.{occurrence}~{shard}#{leg}"),
        (run, _) => format!("{id}.run{run}~{shard}"),
    }
}
