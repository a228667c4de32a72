//! A fixed rate: times on a grid, so that no delay of one occurrence moves another.

/// The end of the year 9999, in ms since the epoch.
pub(crate) const LATEST_MS: i64 = 253_402_300_799_999;

/// Why a period is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum EveryError {
    /// Below [`Every::LEAST_MS`].
    #[error("a period of {0} ms is too short; the least is 100 ms")]
    Short(u64),
    /// Above [`Every::MOST_MS`].
    #[error("a period of {0} ms is too long; the most is 100 years")]
    Long(u64),
}

/// The times `anchor + k * period`, for every whole k, also below 0: the anchor only says where the grid lies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Every {
    anchor: i64,
    period: i64,
}

impl Every {
    /// The shortest period, in ms.
    pub const LEAST_MS: u64 = 100;
    /// The longest period, in ms: 36,525 days.
    pub const MOST_MS: u64 = 36_525 * 86_400_000;

    /// An anchor in ms since the epoch, a period in ms.
    ///
    /// # Errors
    /// [`EveryError`] for a period out of bounds.
    pub fn new(anchor: i64, period_ms: u64) -> Result<Self, EveryError> {
        match i64::try_from(period_ms) {
            _ if period_ms < Self::LEAST_MS => Err(EveryError::Short(period_ms)),
            Ok(period) if period_ms <= Self::MOST_MS => Ok(Self { anchor, period }),
            _ => Err(EveryError::Long(period_ms)),
        }
    }

    /// Ms from one occurrence to the next.
    #[must_use]
    pub fn period_ms(self) -> u64 {
        self.period.unsigned_abs()
    }

    /// Where the grid lies, in ms since the epoch.
    #[must_use]
    pub fn anchor(self) -> i64 {
        self.anchor
    }

    /// The first occurrence after `after`, both in ms since the epoch. `None` behind the year 9999.
    #[must_use]
    pub fn next_after(self, after: i64) -> Option<i64> {
        let (after, anchor) = (i128::from(after), i128::from(self.anchor));
        let period = i128::from(self.period);
        let next = anchor + ((after - anchor).div_euclid(period) + 1) * period;
        i64::try_from(next).ok().filter(|next| *next <= LATEST_MS)
    }
}
