//! One random question, and who answers it how.

use super::brute::Walk;
use super::expression::Expression;
use super::{ZONES, others};
use chrono_tz::Tz;
use rand::Rng;
use rand::seq::IndexedRandom;
use std::collections::BTreeMap;
use timetable::{Cron, Fold, Gap, Rule, Zone};

/// Seconds since the epoch: questions are asked from 2024 to 2030.
const FROM: i64 = 1_704_067_200;
const TO: i64 = 1_924_991_999;
/// How far the walk goes: past every leap day of the year 2100 too would take longer than it is worth.
const HORIZON: i64 = 9 * 366 * 86_400;

/// What many trials gave.
#[derive(Debug, Default)]
pub(crate) struct Tally {
    pub trials: u64,
    /// Expressions that were refused because they never occur; the walk finds nothing either.
    pub impossible: u64,
    /// Answers where the walk differs: none may.
    pub wrong: Vec<String>,
    pub compared: BTreeMap<&'static str, u64>,
    /// Per crate and kind of disagreement: how many, and one of them.
    pub differ: BTreeMap<(&'static str, &'static str), (u64, String)>,
}

impl Tally {
    pub(crate) fn add(&mut self, other: Self) {
        self.trials += other.trials;
        self.impossible += other.impossible;
        self.wrong.extend(other.wrong);
        for (name, count) in other.compared {
            *self.compared.entry(name).or_default() += count;
        }
        for (kind, (count, example)) in other.differ {
            self.differ.entry(kind).or_insert((0, example)).0 += count;
        }
    }

    fn differ(&mut self, name: &'static str, kind: &'static str, example: impl FnOnce() -> String) {
        let entry = self.differ.entry((name, kind));
        entry.or_insert_with(|| (0, example())).0 += 1;
    }
}

/// Asks one question.
pub(crate) fn ask(rng: &mut impl Rng, tally: &mut Tally) {
    tally.trials += 1;
    let expression = Expression::random(rng);
    let text = expression.text(rng);
    let name = *ZONES.choose(rng).expect("some");
    let (tz, zone): (Tz, Zone) = (
        name.parse().expect("a zone"),
        Zone::parse(name).expect("a zone"),
    );
    let after = instant(rng, zone);
    let gap = *[Gap::Skip, Gap::Shift, Gap::End].choose(rng).expect("some");
    let fold = *[Fold::First, Fold::Last, Fold::Both]
        .choose(rng)
        .expect("some");
    let question = format!(
        "{text} | {name} | {} | {} | {after}",
        gap.as_str(),
        fold.as_str()
    );
    let walk = Walk {
        expression: &expression,
        zone: tz,
        gap,
        fold,
    };
    let end = after + HORIZON;
    let walked = walk.next_after(after, end);
    let ours = match Cron::parse(&text) {
        Ok(cron) => {
            let rule = Rule::new(cron, zone, Some(gap), Some(fold));
            let next = rule.next_after(after * 1000).map(|next| next / 1000);
            compare(tally, &expression, &text, &rule, tz, after);
            next
        }
        Err(e) if e.reason.contains("never occurs") => {
            tally.impossible += 1;
            None
        }
        Err(e) => {
            tally.wrong.push(format!("{question}: refused: {e}"));
            return;
        }
    };
    if ours.filter(|next| *next < end) != walked {
        tally
            .wrong
            .push(format!("{question}: {ours:?}, walked {walked:?}"));
    }
}

/// Half of them within a day and a half of a clock change.
fn instant(rng: &mut impl Rng, zone: Zone) -> i64 {
    let at = rng.random_range(FROM..TO);
    match zone.next_change(at).filter(|change| *change < TO) {
        Some(change) if rng.random() => change + rng.random_range(-129_600..129_600),
        _ => at,
    }
}

/// Asks the crates what they can be asked, with the policies that theirs come nearest to.
fn compare(
    tally: &mut Tally,
    expression: &Expression,
    text: &str,
    rule: &Rule,
    tz: Tz,
    after: i64,
) {
    if others::is_for_croner(expression) {
        let is_fixed = others::is_fixed_time(text);
        let (gap, fold) = if is_fixed {
            (Gap::End, Fold::First)
        } else {
            (Gap::Skip, Fold::Both)
        };
        let alike = Rule::new(rule.cron().clone(), rule.zone(), Some(gap), Some(fold));
        let ours = alike.next_after(after * 1000).map(|next| next / 1000);
        *tally.compared.entry("croner").or_default() += 1;
        let theirs = others::croner(text, tz, after);
        if theirs.as_ref().ok() != Some(&ours) {
            let kind = match &theirs {
                Err(_) => "does not read it",
                _ if others::has_year_steps(expression) => "counts `*/n` years from the year 1",
                _ if text.contains("SUN-SUN") || text.contains("0-SUN") => {
                    "takes `SUN-SUN` for a whole week"
                }
                Ok(None) => "finds none",
                Ok(Some(_)) if is_fixed => "a time of day",
                Ok(Some(_)) => "an interval",
            };
            tally.differ("croner", kind, || {
                format!("{text} | {tz} | {after}: ours {ours:?}, theirs {theirs:?}")
            });
        }
    }
    if others::is_for_cron(expression) {
        let plain = Rule::new(rule.cron().clone(), Zone::utc(), None, None);
        let ours = plain.next_after(after * 1000).map(|next| next / 1000);
        *tally.compared.entry("cron").or_default() += 1;
        let theirs = others::cron(text, after);
        if theirs.as_ref().ok() != Some(&ours) {
            let kind = match &theirs {
                Err(_) => "does not read it",
                Ok(None) => "finds none",
                Ok(Some(_)) => "another time",
            };
            tally.differ("cron", kind, || {
                format!("{text} | UTC | {after}: ours {ours:?}, theirs {theirs:?}")
            });
        }
    }
}
