//! What the row of a firing in many calls has beside that of any firing.

use serde::{Deserialize, Serialize};

use super::Ending;
use crate::time::Millis;

/// A firing that is a sharded broadcast: one call a shard, each with a row of its own. It has ended
/// once all of them have.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Shares {
    /// How many there are, and how those ended that have.
    pub tally: ShareTally,
    /// Those below this have, or had, rows of their own.
    pub made: u32,
    /// Rows that are there.
    pub live: u32,
    /// Those that a revoke is under way for.
    pub deciding: u32,
    /// Its wish looks for shares to take back; so far it has come.
    pub taking: Option<u32>,
    /// A call of one of them began.
    pub began: bool,
    /// While it is waiting: when shares are made, or taken back.
    pub look_at: Millis,
    /// When the last one ended that has (dispatcher).
    pub ended_at: Millis,
}

/// What became of the shards of a broadcast.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ShareTally {
    /// All of them.
    pub shards: u32,
    /// The endpoint took it.
    pub completed: u32,
    /// Given up.
    pub dead: u32,
    /// Their time had passed.
    pub expired: u32,
    /// Taken back, or never to be made, by a command.
    pub cancelled: u32,
}

impl Shares {
    /// None of them is made yet.
    #[must_use]
    pub fn new(shards: u32) -> Self {
        Self {
            tally: ShareTally {
                shards,
                ..ShareTally::default()
            },
            made: 0,
            live: 0,
            deciding: 0,
            taking: None,
            began: false,
            look_at: Millis::MIN,
            ended_at: Millis::MIN,
        }
    }

    /// Whether every share was made, and has ended.
    #[must_use]
    pub fn are_over(&self) -> bool {
        self.live == 0 && self.made >= self.tally.shards
    }
}

impl ShareTally {
    /// Counts one that ended.
    pub fn count(&mut self, how: Ending) {
        let of = match how {
            Ending::Completed => &mut self.completed,
            Ending::Dead => &mut self.dead,
            Ending::Expired => &mut self.expired,
            Ending::Cancelled | Ending::NotTaken => &mut self.cancelled,
        };
        *of += 1;
    }

    /// Those that have ended.
    #[must_use]
    pub fn ended(&self) -> u32 {
        self.completed + self.dead + self.expired + self.cancelled
    }

    /// How all of them together ended: as the worst of them.
    #[must_use]
    pub fn together(&self) -> Ending {
        if self.dead > 0 {
            Ending::Dead
        } else if self.expired > 0 {
            Ending::Expired
        } else if self.cancelled > 0 {
            Ending::Cancelled
        } else {
            Ending::Completed
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn together_they_end_as_the_worst_of_them() {
        let cases = [
            ("CCC", Ending::Completed),
            ("CXC", Ending::Cancelled),
            ("CXE", Ending::Expired),
            ("EDX", Ending::Dead),
            ("CCD", Ending::Dead),
        ];
        for (ends, together) in cases {
            let mut tally = ShareTally::default();
            for end in ends.chars() {
                tally.count(match end {
                    'C' => Ending::Completed,
                    'D' => Ending::Dead,
                    'E' => Ending::Expired,
                    _ => Ending::Cancelled,
                });
            }
            assert_eq!((tally.together(), tally.ended()), (together, 3), "{ends}");
        }
    }
}
