//! What a turn did, for the metrics: counted by name here, told once a turn.

use std::collections::BTreeMap;

use crate::metrics;

/// Counts since the turn before.
#[derive(Debug, Default)]
pub(super) struct Tally {
    placements: u64,
    commands: BTreeMap<(&'static str, &'static str), u64>,
    outcomes: BTreeMap<&'static str, u64>,
}

impl Tally {
    pub(super) fn placement(&mut self) {
        self.placements += 1;
    }

    pub(super) fn command(&mut self, command: &'static str, answer: &'static str) {
        *self.commands.entry((command, answer)).or_default() += 1;
    }

    pub(super) fn outcome(&mut self, outcome: &'static str) {
        *self.outcomes.entry(outcome).or_default() += 1;
    }

    /// Tells the counts and begins anew.
    pub(super) fn tell(&mut self) {
        let Self {
            placements,
            commands,
            outcomes,
        } = std::mem::take(self);
        if placements > 0 {
            ::metrics::counter!(metrics::PLACEMENTS).increment(placements);
        }
        for ((command, answer), count) in commands {
            ::metrics::counter!(metrics::COMMANDS, "command" => command, "answer" => answer)
                .increment(count);
        }
        for (outcome, count) in outcomes {
            ::metrics::counter!(metrics::OUTCOMES, "outcome" => outcome).increment(count);
        }
    }
}
