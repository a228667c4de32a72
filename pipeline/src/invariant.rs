//! The invariants, by id. A breach panics in tests and in the simulator, and counts in production.

/// What always holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Invariant {
    /// Nothing accepted is lost. Per slot instance: placed = fired + revoked + expired.
    T1,
    /// No call begins before its due time by the dispatcher's clock.
    T2,
    /// No two fires with one (fire id, leg) are visible to a reader of committed records.
    T3,
    /// `cancelled` is never followed by a call; `too_late` is only said of a call that began.
    T4,
    /// No placement stands behind its instance's seal.
    T5,
    /// A slot instance's watermark never goes back.
    T6,
    /// Every fire ends in exactly one outcome.
    T7,
    /// Occurrences strictly increase; each is fired, skipped by policy or counted as missed.
    T8,
    /// Memory stays under its bound whatever the backlog.
    T9,
    /// The archive equals the outcomes, once each.
    T10,
}

impl Invariant {
    /// As in documents, metrics and the simulator's verdict.
    #[must_use]
    pub fn id(self) -> &'static str {
        match self {
            Self::T1 => "T1",
            Self::T2 => "T2",
            Self::T3 => "T3",
            Self::T4 => "T4",
            Self::T5 => "T5",
            Self::T6 => "T6",
            Self::T7 => "T7",
            Self::T8 => "T8",
            Self::T9 => "T9",
            Self::T10 => "T10",
        }
    }
}

/// Reports a breach of `invariant` unless `holds`; `what` is only made then. Panics where debug
/// assertions are on; in production it logs an error, counts, and goes on.
pub fn check(invariant: Invariant, holds: bool, what: impl FnOnce() -> String) {
    if holds {
        return;
    }
    let what = what();
    metrics::counter!(crate::metrics::BREACHES, "invariant" => invariant.id()).increment(1);
    tracing::error!(invariant = invariant.id(), what, "invariant does not hold");
    if cfg!(any(debug_assertions, feature = "strict")) {
        panic!("{} does not hold: {what}", invariant.id());
    }
}
