//! Calendars of a plan: closed seconds of the day, changed and removed while tasks keep to them.

use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use schemas::{CalendarKey, Millis, Shards};
use serde_json::json;

use super::TaskPlan;
use super::recurring::Beat;

/// One calendar.
#[derive(Clone, Debug)]
pub struct CalendarPlan {
    /// Its name.
    pub key: CalendarKey,
    /// Where its records are written, if not at home.
    pub astray: Option<u16>,
}

/// What a calendar says from then on: the seconds of the day, UTC, when it is closed; `None` where it
/// is removed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CalendarSending {
    /// Which, by its place in the plan.
    pub calendar: usize,
    /// From, and the first behind.
    pub closed: Option<Vec<(u32, u32)>>,
}

/// Which calendar a task keeps to.
#[derive(Clone, Debug)]
pub struct Keeps {
    /// Its place in the plan.
    pub calendar: usize,
    /// Its name.
    pub name: String,
    /// An occurrence at a closed time comes when that ends; it is left out otherwise.
    pub moves: bool,
}

const DAY_S: u32 = 86_400;

impl CalendarSending {
    /// The record's value.
    #[must_use]
    pub fn json(&self) -> Option<String> {
        let text = |second: u32| {
            let (hour, minute) = (second / 3_600, second / 60 % 60);
            format!("{hour:02}:{minute:02}:{:02}", second % 60)
        };
        let closed = self.closed.as_ref()?.iter();
        let windows: Vec<_> = closed
            .map(|(from, to)| json!({"time": format!("{}-{}", text(*from), text(*to))}))
            .collect();
        Some(json!({"excluded": windows}).to_string())
    }

    /// The end of the closed time that `at` lies in; the same where it is open.
    #[must_use]
    pub fn open_from(&self, at: Millis) -> Option<Millis> {
        let windows = self.closed.as_ref()?;
        let mut at = at;
        loop {
            let day = at.0.div_euclid(86_400_000) * 86_400_000;
            let second = (at.0 - day).div_euclid(1_000);
            let closed =
                |(from, to): &&(u32, u32)| (i64::from(*from)..i64::from(*to)).contains(&second);
            match windows.iter().find(closed) {
                Some((_, to)) => at = Millis(day + i64::from(*to) * 1_000),
                None => return Some(at),
            }
        }
    }
}

/// Adds calendars, and makes recurring tasks keep to them; drawn apart from all else.
pub(super) fn add(
    (seed, shards, base, span_ms): (u64, Shards, Millis, u64),
    tasks: &mut [TaskPlan],
) -> (Vec<CalendarPlan>, Vec<(u64, CalendarSending)>) {
    let rng = &mut ChaCha8Rng::seed_from_u64(seed ^ 0xca1e_17da);
    let (mut calendars, mut sendings) = (Vec::new(), Vec::new());
    if !rng.random_bool(0.6) || !tasks.iter().any(|task| task.recurring.is_some()) {
        return (calendars, sendings);
    }
    for tenant in ["shop", "bank"] {
        for n in 0..rng.random_range(1..=2) {
            let name = format!("{tenant}/calendar-{n}");
            let Some(key) = CalendarKey::parse(name.as_bytes()) else {
                continue;
            };
            let astray = rng.random_range(0..shards.count());
            let home = key.shard(shards).0;
            let astray = (astray != home && rng.random_bool(0.3)).then_some(astray);
            let calendar = calendars.len();
            calendars.push(CalendarPlan { key, astray });
            let mut at = rng.random_range(0..span_ms);
            let changes = rng.random_range(1..=4);
            for change in 0..changes {
                // The last word is seldom that there is none.
                let removed = rng.random_bool(if change + 1 == changes { 0.1 } else { 0.25 });
                let closed = (!removed).then(|| windows(base, span_ms, rng));
                sendings.push((at, CalendarSending { calendar, closed }));
                at += rng.random_range(1..span_ms);
            }
        }
    }
    sendings.sort_by_key(|(at, sending)| (*at, sending.calendar));
    for task in tasks {
        let own = |it: &&(usize, &CalendarPlan)| it.1.key.tenant == task.key.tenant;
        let choice: Vec<_> = calendars.iter().enumerate().collect();
        let choice: Vec<_> = choice.iter().filter(own).collect();
        let chosen = choice.get(rng.random_range(0..choice.len().max(1)));
        let (keeps, moves) = (rng.random_bool(0.6), rng.random_bool(0.5));
        let Some((calendar, plan)) = chosen.filter(|_| keeps && task.recurring.is_some()) else {
            continue;
        };
        task.keeps = Some(Keeps {
            calendar: *calendar,
            name: plan.key.name.as_str().to_owned(),
            moves,
        });
        if let Some(recurring) = &mut task.recurring {
            // Long enough to see what a last change did.
            let beats = !matches!(recurring.beat, Beat::AfterEach(_));
            let end = base.plus(3 * span_ms);
            if beats && rng.random_bool(0.7) && recurring.end < end {
                recurring.end = end;
            }
        }
    }
    (calendars, sendings)
}

/// Up to four closed times, some of them around the run.
fn windows(base: Millis, span_ms: u64, rng: &mut ChaCha8Rng) -> Vec<(u32, u32)> {
    let draw = |rng: &mut ChaCha8Rng| {
        let at = base.plus(rng.random_range(0..3 * span_ms));
        let second = at.0.div_euclid(1_000).rem_euclid(i64::from(DAY_S));
        let from = u32::try_from(second).unwrap_or(0);
        (from, (from + rng.random_range(1..120)).min(DAY_S))
    };
    (0..rng.random_range(1..=4)).map(|_| draw(rng)).collect()
}
