//! What this core may do given how lately its ownership was proved.
//!
//! HTTP knows no fencing, so two clocks guard it, both monotonic. A call begins only within half a
//! session of the last request that proved this owner; and a new owner decides no `cancelled` within
//! half a session of its opening, for a predecessor that was cut off may begin a call as long.

use pipeline::Now;
use schemas::Millis;

/// What is known of this core's ownership.
#[derive(Debug)]
pub(crate) struct Fence {
    half_session: u64,
    quiet_until: u64,
    /// When the last request that proved ownership was sent. What was read at the opening proves
    /// nothing: only a turn of this core that committed does.
    proven: Option<u64>,
    /// Whether a turn was cut yet.
    cut: bool,
}

impl Fence {
    pub(crate) fn new(session_timeout_ms: u64, now: Now) -> Self {
        let half_session = session_timeout_ms / 2;
        Self {
            half_session,
            quiet_until: now.mono.saturating_add(half_session),
            proven: None,
            cut: false,
        }
    }

    /// Takes that a turn was cut.
    pub(crate) fn cut(&mut self) {
        self.cut = true;
    }

    /// Takes that a turn was committed by a request sent at `proven_at`.
    pub(crate) fn committed(&mut self, proven_at: u64) {
        self.proven = self.proven.max(Some(proven_at));
    }

    /// Whether the first proof has not even been asked for.
    pub(crate) fn is_new(&self) -> bool {
        !self.cut
    }

    /// The monotonic time before which a call may begin; `None` where nothing is proved.
    pub(crate) fn begin_by(&self) -> Option<u64> {
        self.proven
            .map(|proven| proven.saturating_add(self.half_session))
    }

    /// Whether a call may begin.
    pub(crate) fn may_begin(&self, now: Now) -> bool {
        self.begin_by().is_some_and(|by| now.mono < by)
    }

    /// Whether no predecessor can begin a call any more.
    pub(crate) fn may_cancel(&self, now: Now) -> bool {
        now.mono >= self.quiet_until
    }

    /// When [`Fence::may_cancel`] becomes true, by the wall clock as of `now`.
    pub(crate) fn quiet_until(&self, now: Now) -> Millis {
        now.wall.plus(self.quiet_until.saturating_sub(now.mono))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(mono: u64) -> Now {
        Now {
            wall: Millis(1_000_000),
            mono,
        }
    }

    #[test]
    fn calls_begin_within_half_a_session_of_a_proof_only() {
        let mut fence = Fence::new(10_000, at(500));
        assert!(!fence.may_begin(at(500)), "the opening is no proof");
        fence.committed(700);
        let cases = [(700, true), (5_699, true), (5_700, false), (9_000, false)];
        for (mono, may) in cases {
            assert_eq!(fence.may_begin(at(mono)), may, "{mono}");
        }
        fence.committed(6_000);
        fence.committed(5_000);
        assert!(fence.may_begin(at(10_999)), "a proof never goes back");
    }

    #[test]
    fn nothing_is_cancelled_within_half_a_session_of_the_opening() {
        let fence = Fence::new(10_000, at(500));
        for (mono, may) in [(500, false), (5_499, false), (5_500, true)] {
            assert_eq!(fence.may_cancel(at(mono)), may, "{mono}");
        }
        assert_eq!(fence.quiet_until(at(1_500)), Millis(1_004_000));
    }
}
