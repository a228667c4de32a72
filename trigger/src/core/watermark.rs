//! What has certainly fired.

use pipeline::invariant::{self, Invariant};
use schemas::{Instance, Millis};

/// (due, offset) of the last firing of a slot instance: of the placements that were dealt with, all
/// at or before it left, none behind it did, except for those that came late and left at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Watermark {
    /// Due time, compared first.
    pub(crate) due: Millis,
    /// Offset of the placement.
    pub(crate) offset: i64,
}

impl Watermark {
    /// Nothing fired yet.
    pub(crate) const START: Self = Self {
        due: Millis::MIN,
        offset: i64::MIN,
    };

    /// Whether a placement is at or before this.
    pub(crate) fn covers(self, due: Millis, offset: i64) -> bool {
        Self { due, offset } <= self
    }

    /// Goes on to `to`; never back (T6).
    pub(crate) fn raise(&mut self, to: Self, of: Option<Instance>) {
        invariant::check(Invariant::T6, *self <= to, || {
            format!("watermark of instance {of:?} would go back from {self:?} to {to:?}")
        });
        *self = to.max(*self);
    }
}
