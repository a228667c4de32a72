//! What can befall a commit.

/// What befalls one commit. The default is the best of worlds: at once, everywhere, and told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fate {
    /// The records are written at the call; its positions reach the broker so many ms later: there
    /// the generation is checked.
    pub positions_after_ms: u64,
    /// The decision is made so many ms behind that.
    pub end_after_ms: u64,
    /// It is made for abort, not commit.
    pub abort: bool,
    /// Behind the decision, ms until its marker is in the positions' own partition, then in each
    /// partition written to; repeats when there are more partitions than numbers.
    pub markers_after_ms: Vec<u64>,
    /// What the member hears.
    pub told: Told,
    /// The steps still to come happen although the connection is dropped before them.
    pub survives: bool,
}

/// What a member hears of its commit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Told {
    /// The truth, so many ms behind the decision.
    After(u64),
    /// Nothing certain: so many ms behind the call, that its connection is of no more use. The
    /// decision may have been made, or may still come.
    Doubt(u64),
}

impl Default for Fate {
    fn default() -> Self {
        Self {
            positions_after_ms: 0,
            end_after_ms: 0,
            abort: false,
            markers_after_ms: Vec::new(),
            told: Told::After(0),
            survives: true,
        }
    }
}

impl Fate {
    /// Delay of the `n`-th marker.
    pub(super) fn marker_after(&self, n: usize) -> u64 {
        match self.markers_after_ms.len() {
            0 => 0,
            len => self.markers_after_ms.get(n % len).copied().unwrap_or(0),
        }
    }
}
