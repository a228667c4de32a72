//! What goes wrong beside commits.

use rand::Rng;
use rand::seq::IndexedRandom;
use rand_chacha::ChaCha8Rng;
use schemas::{Role, Shard, Shards};

/// One fault. Workers are named by role and number; times in ms.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fault {
    /// A process is killed, and started again later; `wiped` is a shard whose table is lost.
    Kill {
        role: Role,
        number: usize,
        down_ms: u64,
        wiped: Option<Shard>,
    },
    /// A process stands still, then goes on as if nothing had been.
    Stall {
        role: Role,
        number: usize,
        for_ms: u64,
    },
    /// A process stands still, and another takes its name meanwhile.
    Replace {
        role: Role,
        number: usize,
        for_ms: u64,
    },
    /// A process gives everything up in order, leaves, and comes back later.
    Leave {
        role: Role,
        number: usize,
        down_ms: u64,
    },
    /// Every process of a role is killed, and started again later.
    Gone { role: Role, down_ms: u64 },
    /// Every planner is killed, and started again later as one of a release with other time zone data.
    Release { down_ms: u64 },
    /// Every process is killed, and started again later.
    AllGone { down_ms: u64 },
    /// The archive's database does not answer.
    ArchiveAway { for_ms: u64 },
    /// The planner's table is compacted.
    Compact,
}

impl Fault {
    /// How long until all is as before, ms.
    #[must_use]
    pub fn lasts_ms(&self) -> u64 {
        match self {
            Self::Kill { down_ms, .. }
            | Self::Leave { down_ms, .. }
            | Self::Gone { down_ms, .. }
            | Self::Release { down_ms }
            | Self::AllGone { down_ms } => *down_ms,
            Self::Stall { for_ms, .. }
            | Self::Replace { for_ms, .. }
            | Self::ArchiveAway { for_ms } => *for_ms,
            Self::Compact => 0,
        }
    }
}

/// All faults of a plan, ascending by time.
pub(super) fn draw(
    workers: [usize; 4],
    shards: Shards,
    span_ms: u64,
    rng: &mut ChaCha8Rng,
) -> Vec<(u64, Fault)> {
    let count = *[0, 1, 2, 4, 8, 12].choose(rng).unwrap_or(&2);
    // Some behind the span too: most work is done there.
    let mut faults: Vec<(u64, Fault)> = (0..count)
        .map(|_| {
            (
                rng.random_range(0..span_ms * 2),
                fault(workers, shards, rng),
            )
        })
        .collect();
    faults.sort_by_key(|(at, _)| *at);
    faults
}

fn fault(workers: [usize; 4], shards: Shards, rng: &mut ChaCha8Rng) -> Fault {
    let (role, count) = *Role::ALL
        .into_iter()
        .zip(workers)
        .collect::<Vec<_>>()
        .choose(rng)
        .unwrap_or(&(Role::Planner, 1));
    let number = rng.random_range(0..count);
    // Around the session's length, where it matters whether it is over.
    let down_ms = *[10, 500, 5_000, 12_000, 40_000].choose(rng).unwrap_or(&500);
    let for_ms = *[200, 2_000, 6_000, 9_900, 11_000, 30_000]
        .choose(rng)
        .unwrap_or(&2_000);
    match rng.random_range(0..20) {
        0..8 => {
            let wiped = rng.random_bool(0.3);
            let wiped = wiped.then(|| Shard(rng.random_range(0..shards.count())));
            Fault::Kill {
                role,
                number,
                down_ms,
                wiped,
            }
        }
        8..12 => Fault::Stall {
            role,
            number,
            for_ms,
        },
        12..14 => Fault::Replace {
            role,
            number,
            for_ms,
        },
        14..17 => Fault::Leave {
            role,
            number,
            down_ms,
        },
        17 => Fault::Gone {
            role,
            down_ms: rng.random_range(1_000..240_000),
        },
        18 => Fault::ArchiveAway {
            for_ms: rng.random_range(1_000..120_000),
        },
        _ => Fault::Compact,
    }
}
