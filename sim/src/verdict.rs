//! What a run was worth.

use std::fmt;

/// What was found wrong, in words; empty lists are good.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Verdict {
    /// Of which seed.
    pub seed: u64,
    /// Accepted work without an end, facts that did not arrive.
    pub lost: Vec<String>,
    /// Calls before their time.
    pub early: Vec<String>,
    /// What happened twice.
    pub doubled: Vec<String>,
    /// Answers that were not true.
    pub false_answers: Vec<String>,
    /// What was left at the end.
    pub undrained: Vec<String>,
    /// Broken invariants and logged errors.
    pub alarms: Vec<String>,
    /// Of everything that happened.
    pub trace_hash: u64,
    /// How large it was.
    pub size: Size,
}

/// How much happened.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Size {
    /// Commands sent.
    pub commands: usize,
    /// Calls begun.
    pub calls: usize,
    /// Virtual time, ms.
    pub elapsed_ms: u64,
    /// Rounds of workers.
    pub rounds: u64,
    /// How long behind its due time the latest first call of a firing began, ms.
    pub latest_ms: u64,
    /// Partitions that retention cut.
    pub cuts: usize,
}

impl Verdict {
    /// Whether nothing is wrong.
    #[must_use]
    pub fn is_good(&self) -> bool {
        self.complaints().next().is_none()
    }

    /// Everything wrong, with its kind.
    pub fn complaints(&self) -> impl Iterator<Item = (&'static str, &String)> {
        let lists = [
            ("lost", &self.lost),
            ("early", &self.early),
            ("doubled", &self.doubled),
            ("false answer", &self.false_answers),
            ("undrained", &self.undrained),
            ("alarm", &self.alarms),
        ];
        lists
            .into_iter()
            .flat_map(|(kind, list)| list.iter().map(move |it| (kind, it)))
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (n, (kind, what)) in self.complaints().enumerate() {
            if n == MOST_SHOWN {
                return writeln!(f, "  … and {} more", self.complaints().count() - n);
            }
            writeln!(f, "  {kind}: {what}")?;
        }
        Ok(())
    }
}

const MOST_SHOWN: usize = 12;
