//! Cron rules that were read before: an expression is parsed once, not at every look.

use std::collections::BTreeMap;

use timetable::{Cron, Fold, Gap, Rule};

use crate::config::Zones;

/// So many are kept of each age.
const MOST: usize = 2_048;

/// Rules by what they were read from. Those not asked for while as many others were are forgotten.
#[derive(Clone, Debug, Default)]
pub(crate) struct Rules {
    young: BTreeMap<String, Rule>,
    old: BTreeMap<String, Rule>,
    zones: Zones,
}

impl Rules {
    /// None read yet; in zones by these data.
    pub(crate) fn by(zones: Zones) -> Self {
        Self {
            zones,
            ..Self::default()
        }
    }

    /// The rule of an expression in a zone; every `H` in it chosen by `seed`.
    ///
    /// # Errors
    /// In words, where this release does not understand what an earlier one took.
    pub(crate) fn rule(
        &mut self,
        expression: &str,
        zone: &str,
        (gap, fold): (Option<Gap>, Option<Fold>),
        seed: u64,
    ) -> Result<Rule, String> {
        let word = |word: Option<&'static str>| word.unwrap_or("");
        let (gap_word, fold_word) = (word(gap.map(Gap::as_str)), word(fold.map(Fold::as_str)));
        let name = [zone, gap_word, fold_word, expression].join(" ");
        if let Some(rule) = self.young.get(&name) {
            return Ok(rule.hashed(seed));
        }
        let rule = match self.old.remove(&name) {
            Some(rule) => rule,
            None => {
                let cron = Cron::parse(expression).map_err(|error| error.to_string())?;
                let zone = (self.zones.find)(zone).map_err(|error| error.to_string())?;
                Rule::new(cron, zone, gap, fold)
            }
        };
        let hashed = rule.hashed(seed);
        if self.young.len() >= MOST {
            self.old = std::mem::take(&mut self.young);
        }
        self.young.insert(name, rule);
        Ok(hashed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rules_are_few_and_those_in_use_stay() {
        let mut rules = Rules::default();
        let mut rule = |expression: &str| rules.rule(expression, "UTC", (None, None), 7).unwrap();
        let kept = rule("30 2 * * *");
        for n in 0..10_000 {
            rule(&format!(
                "{} {} {} * *",
                n % 60,
                n / 60 % 24,
                n / 1_440 % 28 + 1
            ));
            assert_eq!(rule("30 2 * * *"), kept);
        }
        assert!(rules.young.len() <= MOST && rules.old.len() <= MOST);
        let of = |seed| Rules::default().rule("H H * * *", "UTC", (None, None), seed);
        assert_ne!(of(1), of(2), "each task has its own `H`");
        let unknown = rules.rule("0 0 * * *", "Mars/Olympus", (None, None), 0);
        assert!(unknown.unwrap_err().contains("Mars/Olympus"));
    }
}
