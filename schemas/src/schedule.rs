//! When a caller wants a task to fire.

use serde::{Deserialize, Serialize};

use crate::time::Millis;

/// What a caller may ask for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Schedule {
    /// Once, at this time; at once where it is past.
    At(Millis),
    /// Once, this many ms after the append time of the record that says so.
    After(u64),
}

impl Schedule {
    /// The due time of the single firing, for a record appended at `appended`.
    #[must_use]
    pub fn due(&self, appended: Millis) -> Millis {
        match self {
            Self::At(at) => *at,
            Self::After(ms) => appended.plus(*ms).min(Millis::LATEST_DUE),
        }
    }
}
