//! Every clock change from 2024 to 2030 as the policies say, written down from `chrono`'s mapping of wall times alone.

use super::brute::naive;
use chrono::{LocalResult, Offset, TimeZone};
use chrono_tz::Tz;
use std::collections::BTreeSet;
use timetable::{Cron, Fold, Gap, Rule, Zone};

const DAY: i64 = 86_400;
const FROM: i64 = 1_704_067_200;
const TO: i64 = 1_924_991_999;

/// How many changes there are in a zone, how many questions were asked, and which answers were wrong.
pub(crate) fn check(name: &str) -> (u64, u64, Vec<String>) {
    let tz: Tz = name.parse().expect("a zone");
    let zone = Zone::parse(name).expect("a zone");
    let (mut changes, mut questions, mut wrong) = (0, 0, Vec::new());
    for quarter in (FROM..TO).step_by(900) {
        let (before, after) = (offset(tz, quarter - 1), offset(tz, quarter));
        if before == after {
            continue;
        }
        changes += 1;
        let (low, high) = (before.min(after) + quarter, before.max(after) + quarter);
        // Its edges, its middle, and the minutes around it.
        let minutes = [low - 60, low, (low + high) / 2, high - 60, high];
        for wall in minutes {
            let (hour, minute) = (wall.rem_euclid(DAY) / 3600, wall.rem_euclid(3600) / 60);
            for expression in [
                format!("{minute} {hour} * * *"),
                format!("{minute} * * * *"),
                format!("*/20 {minute} {hour} * * *"),
            ] {
                for gap in [Gap::Skip, Gap::Shift, Gap::End] {
                    for fold in [Fold::First, Fold::Last, Fold::Both] {
                        questions += 1;
                        let question = (expression.as_str(), zone, tz, gap, fold);
                        wrong.extend(ask(question, quarter));
                    }
                }
            }
        }
    }
    (changes, questions, wrong)
}

fn ask(
    (expression, zone, tz, gap, fold): (&str, Zone, Tz, Gap, Fold),
    change: i64,
) -> Option<String> {
    let (begin, end) = (change - 2 * DAY, change + 2 * DAY);
    let cron = Cron::parse(expression).expect(expression);
    let is_meant = meant(expression);
    // Two days of wall time more on either side, since images leave their day.
    let expected: BTreeSet<i64> = (begin - 2 * DAY..end + 2 * DAY)
        .step_by(20)
        .filter(|wall| is_meant(*wall))
        .flat_map(|wall| images(tz, wall, gap, fold, change))
        .filter(|at| *at > begin && *at <= end)
        .collect();
    let rule = Rule::new(cron, zone, Some(gap), Some(fold));
    let found: BTreeSet<i64> =
        std::iter::successors(rule.next_after(begin * 1000), |at| rule.next_after(*at))
            .map(|at| at / 1000)
            .take_while(|at| *at <= end)
            .collect();
    (found != expected).then(|| {
        let differ: Vec<_> = found.symmetric_difference(&expected).collect();
        format!("{expression} | {zone} | {gap:?} | {fold:?} | change at {change}: {differ:?}")
    })
}

/// The three forms of expression that are asked, without a parser: hour and minute, or `*`; and whether seconds come too.
fn meant(expression: &str) -> impl Fn(i64) -> bool {
    let fields: Vec<Option<i64>> = expression
        .split(' ')
        .map(|field| field.parse().ok())
        .collect();
    let has_seconds = fields.len() == 6;
    let at = |place: usize| {
        fields
            .get(place + usize::from(has_seconds))
            .copied()
            .flatten()
    };
    let (minute, hour) = (at(0), at(1));
    move |wall: i64| {
        (has_seconds || wall.rem_euclid(60) == 0)
            && minute.is_none_or(|minute| minute == wall.rem_euclid(3600) / 60)
            && hour.is_none_or(|hour| hour == wall.rem_euclid(DAY) / 3600)
    }
}

/// When a wall time occurs, by the policies' definition.
fn images(tz: Tz, wall: i64, gap: Gap, fold: Fold, change: i64) -> Vec<i64> {
    match tz.from_local_datetime(&naive(wall)) {
        LocalResult::Single(at) => vec![at.timestamp()],
        LocalResult::Ambiguous(first, last) => match fold {
            Fold::First => vec![first.timestamp()],
            Fold::Last => vec![last.timestamp()],
            Fold::Both => vec![first.timestamp(), last.timestamp()],
        },
        LocalResult::None => match gap {
            Gap::Skip => vec![],
            Gap::End => vec![change],
            Gap::Shift => vec![wall - offset(tz, change - 1)],
        },
    }
}

fn offset(tz: Tz, at: i64) -> i64 {
    let offset = tz.offset_from_utc_datetime(&naive(at));
    i64::from(offset.fix().local_minus_utc())
}
