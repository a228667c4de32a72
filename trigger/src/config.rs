//! Options of the trigger, with their defaults.

/// How early fires leave the wheel, ms: the dispatcher holds them to their millisecond, so the time a
/// commit takes never shows as lateness. Fixed, because the dispatcher's bound on holds counts on it.
pub const LEAD_MS: u64 = 150;

/// Every option.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Config {
    /// How early fires leave the wheel, ms.
    pub lead_ms: u64,
    /// Records that one turn of one shard writes at most, the ends of slots not counted. Nobody sees a
    /// fire before its whole turn is committed: a herd's first must be out within the lead.
    pub max_fires_per_turn: usize,
    /// Bytes that one turn of one shard writes at most, give or take a record.
    pub turn_bytes: usize,
    /// Bytes of placements that one shard loads ahead of need. The current slot and the oldest
    /// overdue one are loaded beyond it.
    pub loaded_bytes: usize,
    /// How many slots ahead of the current one are loaded.
    pub slots_ahead: u8,
    /// How many slots ahead are loaded while memory is plenty. A cancel of what stands in a loaded
    /// slot is decided at once; elsewhere it waits until the slot is loaded. At least `slots_ahead`.
    pub slots_early: u8,
    /// Memory is plenty while one shard has loaded fewer bytes of placements than this.
    pub early_bytes: usize,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            lead_ms: LEAD_MS,
            max_fires_per_turn: 2_500,
            turn_bytes: 16 << 20,
            loaded_bytes: 128 << 20,
            slots_ahead: 2,
            // The planner's horizon of five minutes, and the slot in which it ends.
            slots_early: 11,
            early_bytes: 24 << 20,
        }
    }
}

/// What a turn behind a pause writes at most. A burst's first fires are on their way in a small turn, which is soon
/// committed; those behind it come in turns twice as large each.
const FIRST_TURN: usize = 256;

impl Config {
    /// Records that a turn may write behind one that wrote so many.
    pub(crate) fn room_after(&self, written: usize) -> usize {
        written
            .saturating_mul(2)
            .max(FIRST_TURN)
            .min(self.max_fires_per_turn)
    }

    /// Everything wrong with it: option and problem.
    #[must_use]
    pub fn problems(&self) -> Vec<(&'static str, String)> {
        let mut problems = Vec::new();
        if self.max_fires_per_turn == 0 {
            problems.push(("max_fires_per_turn", "must be at least 1".to_owned()));
        }
        if self.turn_bytes == 0 {
            problems.push(("turn_bytes", "must be at least 1".to_owned()));
        }
        if self.loaded_bytes < 1 << 20 {
            problems.push(("loaded_bytes", "must be at least 1 MiB".to_owned()));
        }
        let most = schemas::slot::RING - 1;
        if self.slots_ahead == 0 || self.slots_ahead > most {
            problems.push(("slots_ahead", format!("must be between 1 and {most}")));
        }
        if self.slots_early < self.slots_ahead || self.slots_early > most {
            let problem = format!("must be between `slots_ahead` and {most}");
            problems.push(("slots_early", problem));
        }
        problems
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bursts_turns_grow_from_a_small_one() {
        let config = Config::default();
        let grown = std::iter::successors(Some(0), |written| Some(config.room_after(*written)));
        let grown: Vec<usize> = grown.skip(1).take(6).collect();
        assert_eq!(grown, [256, 512, 1_024, 2_048, 2_500, 2_500]);
        assert_eq!(config.room_after(600), 1_200);
        let few = Config {
            max_fires_per_turn: 2,
            ..config
        };
        assert_eq!(few.room_after(0), 2);
    }
}
