//! From the facts at an opening to what must be read before anything is handled.

use pipeline::{Opening, Position};
use schemas::Topic;

use crate::config::PlannerConfig;
use crate::core::overlay::StoreFacts;

/// What the note of the first lane's position says: the number of the last index record that was
/// committed with it.
const NOTE: &str = "seq=";

/// What to do with the local table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Plan {
    /// It is a prefix of the changelog: read on from there.
    Resume {
        /// Offset in `index`.
        from: i64,
    },
    /// It cannot be trusted, or is not there: read everything.
    Rebuild {
        /// Offset in `index`.
        from: i64,
        /// Why.
        because: &'static str,
    },
    /// Nothing may be handled.
    Stop {
        /// Why.
        because: String,
    },
}

/// What the last turn's position says of the changelog.
pub(crate) fn committed_sequence(position: Option<&Position>) -> Option<u64> {
    position?.note.strip_prefix(NOTE)?.parse().ok()
}

/// The note of the first lane's position.
pub(crate) fn note(sequence: u64) -> String {
    format!("{NOTE}{sequence}")
}

/// Decides. `store` is what the local table says of itself.
pub(crate) fn plan(opening: &Opening, store: Option<StoreFacts>, config: &PlannerConfig) -> Plan {
    let Some((low, high)) = opening.ends.get(&Topic::Index).copied() else {
        return Plan::Stop {
            because: "the ends of `index` are not known".to_owned(),
        };
    };
    let first = opening.committed.get(&Topic::Registrations);
    let rebuild = |because| Plan::Rebuild { from: low, because };
    let Some(store) = store else {
        return rebuild("there is none of this release's layout");
    };
    let age = opening.now.wall.since(store.written_at);
    match committed_sequence(first) {
        None => rebuild("nothing was committed that it could stem from"),
        Some(committed) if committed < store.sequence => rebuild("it is of another history"),
        Some(_) if store.offset < low || store.offset > high => {
            rebuild("its place in the changelog is gone")
        }
        Some(_) if age > config.store_max_age_ms => {
            rebuild("it is older than tombstones are kept for sure")
        }
        Some(_) => Plan::Resume { from: store.offset },
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use pipeline::Now;
    use schemas::{Millis, Shard, Shards};

    use super::*;

    #[test]
    fn a_store_is_read_on_from_only_when_it_is_a_prefix_of_what_was_committed() {
        let hour = 3_600_000;
        let store = |sequence, offset, hours: i64| {
            let written_at = Millis(1_000 * hour - hours * hour);
            Some(StoreFacts {
                sequence,
                offset,
                written_at,
            })
        };
        let cases = [
            ("prefix", store(40, 10, 1), Some("seq=50"), "resume 10"),
            ("equal", store(50, 90, 1), Some("seq=50"), "resume 90"),
            ("none", None, Some("seq=50"), "rebuild 5"),
            ("ahead", store(51, 10, 1), Some("seq=50"), "rebuild 5"),
            ("below", store(40, 4, 1), Some("seq=50"), "rebuild 5"),
            ("beyond", store(40, 101, 1), Some("seq=50"), "rebuild 5"),
            ("old", store(40, 10, 85), Some("seq=50"), "rebuild 5"),
            ("no note", store(40, 10, 1), Some(""), "rebuild 5"),
            ("lost position", store(40, 10, 1), None, "rebuild 5"),
        ];
        for (name, store, note, expected) in cases {
            let position = |note: &str| Position {
                offset: 1,
                note: note.to_owned(),
            };
            let mut committed = BTreeMap::from([(Topic::Outcomes, position(""))]);
            committed.extend(note.map(|note| (Topic::Registrations, position(note))));
            let opening = Opening {
                shard: Shard(0),
                shards: Shards::DEFAULT,
                now: Now {
                    wall: Millis(1_000 * hour),
                    mono: 0,
                },
                session_timeout_ms: 1,
                committed,
                ends: BTreeMap::from([(Topic::Index, (5, 100))]),
            };
            let found = match plan(&opening, store, &PlannerConfig::default()) {
                Plan::Resume { from } => format!("resume {from}"),
                Plan::Rebuild { from, .. } => format!("rebuild {from}"),
                Plan::Stop { .. } => "stop".to_owned(),
            };
            assert_eq!(found, expected, "{name}");
        }
    }
}
