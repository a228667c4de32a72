//! How a recall meets its fire.

use schemas::outcome::Decision;

/// What a recall finds in its lane.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Found {
    /// The fire is held; its call has not begun.
    Held,
    /// The fire's call began and has not ended.
    Called,
    /// The fire ended; its outcome waits for the next turn.
    Ended,
    /// No such fire: its outcome was committed long ago.
    Nothing,
}

/// What to do with a recall.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Step {
    /// Answer it.
    Decide(Decision),
    /// Answer it so, in the turn of the fire's own outcome and behind that.
    Join(Decision),
    /// Decide later: a predecessor may still begin the call.
    Wait,
}

/// Decides; `may_cancel` says whether no predecessor can begin a call any more.
pub(crate) fn decide(found: Found, may_cancel: bool) -> Step {
    match found {
        Found::Held if may_cancel => Step::Decide(Decision::Cancelled),
        Found::Held => Step::Wait,
        Found::Called => Step::Decide(Decision::TooLate),
        Found::Ended => Step::Join(Decision::Gone),
        Found::Nothing => Step::Decide(Decision::Gone),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_held_fire_is_cancelled_and_only_when_no_predecessor_can_call() {
        let cases = [
            (Found::Held, true, Step::Decide(Decision::Cancelled)),
            (Found::Held, false, Step::Wait),
            (Found::Called, true, Step::Decide(Decision::TooLate)),
            (Found::Called, false, Step::Decide(Decision::TooLate)),
            (Found::Ended, true, Step::Join(Decision::Gone)),
            (Found::Ended, false, Step::Join(Decision::Gone)),
            (Found::Nothing, true, Step::Decide(Decision::Gone)),
            (Found::Nothing, false, Step::Decide(Decision::Gone)),
        ];
        for (found, may_cancel, step) in cases {
            assert_eq!(decide(found, may_cancel), step, "{found:?} {may_cancel}");
        }
    }
}
