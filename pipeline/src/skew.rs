//! Whether this machine's clock may be trusted: a pure organ, fed with heartbeats.
//!
//! A heartbeat is a record that the broker stamps with its own clock. It did so between the sending and
//! the acknowledgement, so each tells in which interval this clock's offset against that broker's lies;
//! the quicker the answer, the narrower. The brokers' clocks are told apart by partition, for each has
//! its leader: the median over partitions is what counts, so that one odd broker stops nobody.

use std::collections::{BTreeMap, VecDeque};

use schemas::{Millis, Shard};

use crate::clock::Now;

/// Samples kept of each partition; the narrowest counts.
const KEEP: usize = 4;
/// Samples that a partition needs before it counts.
const NEED: usize = 2;
/// A sample is of no use any more after so long, ms.
const STALE_MS: u64 = 30_000;
/// The wall clock went otherwise than the monotonic one by more than this, ms: it was set.
const STEP_MS: u64 = 100;

/// One heartbeat.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sample {
    /// The partition it went to.
    pub partition: Shard,
    /// When it was sent, by this machine's clock.
    pub sent: Now,
    /// When it was acknowledged, monotonic ms.
    pub acked: u64,
    /// When it was appended, by the broker's clock.
    pub appended: Millis,
}

/// What is known of this machine's clock, against the median of the brokers'.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Too few samples.
    Unknown,
    /// Within the bound.
    Fine,
    /// Ahead by more than the bound: about so many ms.
    Ahead(u64),
    /// Behind by more than the bound: about so many ms.
    Behind(u64),
}

/// A verdict and what it rests on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reading {
    /// Of this machine.
    pub verdict: Verdict,
    /// About how far it is ahead, ms; negative when it is behind.
    pub offset_ms: Option<i64>,
    /// Partitions whose leader's clock is further than the bound from the median.
    pub odd: Vec<Shard>,
}

/// See the module.
#[derive(Clone, Debug)]
pub struct Skew {
    bound: i64,
    /// How many partitions get heartbeats.
    partitions: usize,
    samples: BTreeMap<Shard, VecDeque<Kept>>,
    /// Wall less monotonic clock when last looked at.
    anchor: i64,
    side: Side,
}

/// The offset lies between `low` and `high`, ms; ahead is positive.
#[derive(Clone, Copy, Debug)]
struct Interval {
    low: i64,
    high: i64,
}

#[derive(Clone, Copy, Debug)]
struct Kept {
    at: u64,
    offset: Interval,
}

/// The last verdict that was one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Side {
    Within,
    Ahead,
    Behind,
}

impl Skew {
    /// Knows nothing yet. `partitions` get heartbeats; more than half of them must have answered
    /// before there is a verdict.
    #[must_use]
    pub fn new(bound_ms: u64, partitions: usize, now: Now) -> Self {
        Self {
            bound: i64::try_from(bound_ms).unwrap_or(i64::MAX),
            partitions,
            samples: BTreeMap::new(),
            anchor: anchor(now),
            side: Side::Within,
        }
    }

    /// Takes one heartbeat. One sent before the clock was set is dropped.
    pub fn take(&mut self, sample: Sample) {
        if anchor(sample.sent).abs_diff(self.anchor) > STEP_MS {
            return;
        }
        let low = sample.sent.wall.0.saturating_sub(sample.appended.0);
        let took = sample.acked.saturating_sub(sample.sent.mono);
        // Stamps are whole milliseconds, cut off.
        let offset = Interval {
            low: low.saturating_sub(1),
            high: low.saturating_add_unsigned(took).saturating_add(1),
        };
        let kept = self.samples.entry(sample.partition).or_default();
        kept.push_front(Kept {
            at: sample.sent.mono,
            offset,
        });
        kept.truncate(KEEP);
    }

    /// What all of it says by now. A clock that was set is measured anew, and so is one that slept.
    pub fn read(&mut self, now: Now) -> Reading {
        let anchor = anchor(now);
        if anchor.abs_diff(self.anchor) > STEP_MS {
            self.samples.clear();
        }
        self.anchor = anchor;
        self.samples.retain(|_, kept| {
            kept.retain(|it| it.at.saturating_add(STALE_MS) >= now.mono);
            !kept.is_empty()
        });
        let known: Vec<(Shard, Interval)> = self
            .samples
            .iter()
            .filter(|(_, kept)| kept.len() >= NEED)
            .filter_map(|(shard, kept)| {
                let narrowest = kept.iter().min_by_key(|it| it.offset.high - it.offset.low);
                narrowest.map(|it| (*shard, it.offset))
            })
            .collect();
        if known.len() * 2 <= self.partitions {
            return Reading {
                verdict: Verdict::Unknown,
                offset_ms: None,
                odd: Vec::new(),
            };
        }
        let median = median(&known.iter().map(|(_, it)| *it).collect::<Vec<_>>());
        let offset = median.low.midpoint(median.high);
        self.side = self.side_of(median);
        let odd = known.iter().filter(|(_, it)| {
            it.low > offset.saturating_add(self.bound)
                || it.high < offset.saturating_sub(self.bound)
        });
        Reading {
            verdict: match self.side {
                Side::Within => Verdict::Fine,
                Side::Ahead => Verdict::Ahead(offset.unsigned_abs()),
                Side::Behind => Verdict::Behind(offset.unsigned_abs()),
            },
            offset_ms: Some(offset),
            odd: odd.map(|(shard, _)| *shard).collect(),
        }
    }

    fn side_of(&self, it: Interval) -> Side {
        let turned = Interval {
            low: it.high.saturating_neg(),
            high: it.low.saturating_neg(),
        };
        if self.is_beyond(it, self.side == Side::Ahead) {
            Side::Ahead
        } else if self.is_beyond(turned, self.side == Side::Behind) {
            Side::Behind
        } else {
            Side::Within
        }
    }

    /// Beyond the bound for certain; and once there, until it is within for certain, and well within
    /// as far as can be told: a clock at the bound shall not come and go.
    fn is_beyond(&self, it: Interval, was: bool) -> bool {
        it.low > self.bound || (was && (it.high > self.bound || it.low > self.bound / 2))
    }
}

fn anchor(now: Now) -> i64 {
    now.wall.0.saturating_sub_unsigned(now.mono)
}

/// The middle of an odd number; of an even one, its two halves disagreeing, whatever lies between.
fn median(of: &[Interval]) -> Interval {
    let nth = |at: usize, mut of: Vec<i64>| {
        of.sort_unstable();
        of.get(at).copied().unwrap_or(0)
    };
    Interval {
        low: nth(
            of.len().saturating_sub(1) / 2,
            of.iter().map(|it| it.low).collect(),
        ),
        high: nth(of.len() / 2, of.iter().map(|it| it.high).collect()),
    }
}

#[cfg(test)]
mod tests;
