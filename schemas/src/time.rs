//! Wall-clock time as milliseconds since the Unix epoch: due times are facts that outlive a process.

use serde::{Deserialize, Serialize};

/// Milliseconds since the Unix epoch, UTC.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
#[serde(transparent)]
pub struct Millis(pub i64);

impl Millis {
    /// Before everything.
    pub const MIN: Self = Self(i64::MIN);
    /// After everything.
    pub const MAX: Self = Self(i64::MAX);
    /// The latest due time a task may have: the end of the year 9999.
    pub const LATEST_DUE: Self = Self(253_402_300_799_999);

    /// This time plus `ms` milliseconds; stays at [`Self::MAX`] rather than wrap.
    #[must_use]
    pub fn plus(self, ms: u64) -> Self {
        Self(self.0.saturating_add(i64::try_from(ms).unwrap_or(i64::MAX)))
    }

    /// This time minus `ms` milliseconds; stays at [`Self::MIN`] rather than wrap.
    #[must_use]
    pub fn minus(self, ms: u64) -> Self {
        Self(self.0.saturating_sub(i64::try_from(ms).unwrap_or(i64::MAX)))
    }

    /// Milliseconds from `earlier` to this; 0 where `earlier` is the later one.
    #[must_use]
    pub fn since(self, earlier: Self) -> u64 {
        u64::try_from(self.0.saturating_sub(earlier.0)).unwrap_or(0)
    }
}

/// Reads RFC 3339, `2026-12-01T09:00:00+08:00`; up to the next ms, because nothing may begin before
/// the time written. `None` where it is not that, or has no offset.
#[must_use]
pub fn parse_rfc3339(text: &str) -> Option<Millis> {
    let time = chrono::DateTime::parse_from_rfc3339(text).ok()?;
    let beyond = time.timestamp_subsec_nanos() % 1_000_000 != 0;
    Some(Millis(time.timestamp_millis() + i64::from(beyond)))
}

impl std::fmt::Display for Millis {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}", self.0)
    }
}
