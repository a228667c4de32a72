//! What an end means for a need, and what the needs of a step come to.

use schemas::AnswerBody;
use schemas::flow::{Join, Need, On};
use schemas::index::{Ending, Held, NeedState};

/// How a needed step ended.
#[derive(Clone, Copy, Debug)]
pub(super) struct End<'a> {
    pub(super) how: Ending,
    /// What its call answered, if it came to one.
    pub(super) answer: Option<&'a AnswerBody>,
}

/// What the needs of a step come to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Standing {
    /// Not decided.
    Open,
    /// The step may go.
    Met,
    /// It never will.
    Never,
}

/// Why an end does not meet a need; `None` where it does.
pub(super) fn judge(need: &Need, end: &End<'_>) -> Option<String> {
    let (step, how) = (&need.step, word(end.how));
    let (wanted, fits) = match (need.on, end.how) {
        (On::Always, _) => ("", true),
        (On::Success, how) => ("success", how == Ending::Completed),
        (On::Failure, how) => ("failure", matches!(how, Ending::Dead | Ending::Expired)),
    };
    if !fits {
        return Some(format!("`{step}` {how}; needed was its {wanted}"));
    }
    let when = need.when.as_ref()?;
    let (at, equals) = (&when.pointer, &when.equals);
    match end.answer {
        None => Some(format!("`{step}` {how} without an answer; needed was one")),
        Some(answer) if answer.cut => Some(format!(
            "the answer of `{step}` was cut off or too long to be looked at"
        )),
        Some(answer) if !when.holds(answer) => Some(format!(
            "the answer of `{step}` does not hold {equals} at `{at}`"
        )),
        Some(_) => None,
    }
}

/// What the states of all needs come to.
pub(super) fn standing(held: &Held) -> Standing {
    let mut states = held.needs.iter().map(|need| need.state);
    let (decides, else_all) = match held.join {
        Join::All => (NeedState::Unmet, NeedState::Met),
        Join::Any => (NeedState::Met, NeedState::Unmet),
    };
    let standing = |state| match state {
        NeedState::Met => Standing::Met,
        NeedState::Unmet => Standing::Never,
        NeedState::Open => Standing::Open,
    };
    if states.clone().any(|state| state == decides) {
        standing(decides)
    } else if states.all(|state| state == else_all) {
        standing(else_all)
    } else {
        Standing::Open
    }
}

fn word(how: Ending) -> &'static str {
    match how {
        Ending::Completed => "completed",
        Ending::Dead => "was given up",
        Ending::Cancelled => "was cancelled",
        Ending::Expired => "expired",
        Ending::NotTaken => "was skipped",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use schemas::index::HeldNeed;

    #[test]
    fn needs_come_to_one_of_three() {
        let cases = [
            (Join::All, "???", Standing::Open),
            (Join::All, "++?", Standing::Open),
            (Join::All, "+++", Standing::Met),
            (Join::All, "?-?", Standing::Never),
            (Join::All, "++-", Standing::Never),
            (Join::Any, "???", Standing::Open),
            (Join::Any, "--?", Standing::Open),
            (Join::Any, "?+?", Standing::Met),
            (Join::Any, "-+-", Standing::Met),
            (Join::Any, "---", Standing::Never),
        ];
        for (join, states, expected) in cases {
            let state = |c| match c {
                '+' => NeedState::Met,
                '-' => NeedState::Unmet,
                _ => NeedState::Open,
            };
            let need = |c| HeldNeed {
                step: "a".to_owned(),
                state: state(c),
            };
            let held = Held {
                join,
                since: 1,
                needs: states.chars().map(need).collect(),
            };
            assert_eq!(standing(&held), expected, "{join:?} {states}");
        }
    }

    #[test]
    fn each_end_meets_what_it_is_called() {
        let cases = [
            (On::Success, "+----"),
            (On::Failure, "-+-+-"),
            (On::Always, "+++++"),
        ];
        let ends = [
            Ending::Completed,
            Ending::Dead,
            Ending::Cancelled,
            Ending::Expired,
            Ending::NotTaken,
        ];
        for (on, expected) in cases {
            let need = Need {
                on,
                ..Need::success("a")
            };
            let met = |how| judge(&need, &End { how, answer: None }).is_none();
            let found: String = ends
                .map(|how| if met(how) { '+' } else { '-' })
                .into_iter()
                .collect();
            assert_eq!(found, expected, "{on:?}");
        }
    }
}
