//! When the occurrences of a recurring task come.
//!
//! The crate `timetable` says it, here and wherever a schedule is explained; this only keeps to what a
//! task has: a fixed delay, whose next occurrence is known at the end of the one before, and its runs.

use std::sync::Arc;

use schemas::{Beat, Definition, Millis, TaskKey};
use timetable::{Calendar, Every, NoMore, Spread, Timetable, open_in_all};

use super::rules::Rules;

/// A task's schedule, ready to be asked.
#[derive(Clone, Debug)]
pub(crate) struct Timer {
    pulse: Pulse,
    most_runs: u64,
    /// Those that the schedule names.
    calendars: Vec<Arc<Calendar>>,
}

/// What gives the occurrences.
#[derive(Clone, Debug)]
enum Pulse {
    /// A clock: each follows from the one before.
    Clock(Box<Timetable>),
    /// The end of the firing before.
    Delay {
        ms: u64,
        start: Option<Millis>,
        end: Option<Millis>,
        spread: Spread,
    },
}

impl Timer {
    /// Of a recurring task whose schedule counts from `since`; `None` where it fires once. `calendars`:
    /// those it names.
    ///
    /// # Errors
    /// In words, where this release does not understand what an earlier one took.
    pub(crate) fn of(
        key: &TaskKey,
        definition: &Definition,
        since: Millis,
        rules: &mut Rules,
        calendars: Vec<Arc<Calendar>>,
    ) -> Result<Option<Self>, String> {
        let Some(recurrence) = definition.schedule.recurrence() else {
            return Ok(None);
        };
        let spread = Spread {
            jitter_ms: recurrence.jitter_ms,
            window_ms: recurrence.window_ms,
            seed: timetable::seed(&key.to_string()),
        };
        let (start, end) = (recurrence.start, recurrence.end);
        let clock = |beat| {
            Pulse::Clock(Box::new(Timetable {
                beat,
                start: start.map(|start| start.0),
                end: end.map(|end| end.0),
                spread,
                on_closed: recurrence.on_closed,
            }))
        };
        let pulse = match &recurrence.beat {
            Beat::Cron {
                expression,
                zone,
                gap,
                fold,
            } => {
                let rule = rules.rule(expression, zone, (*gap, *fold), spread.seed);
                clock(timetable::Beat::Cron(rule?))
            }
            Beat::Every { ms, anchor } => {
                let anchor = anchor.or(start).unwrap_or(since);
                let every = Every::new(anchor.0, *ms).map_err(|error| error.to_string())?;
                clock(timetable::Beat::Every(every))
            }
            Beat::AfterEach(ms) => Pulse::Delay {
                ms: *ms,
                start,
                end,
                spread,
            },
        };
        Ok(Some(Self {
            pulse,
            most_runs: recurrence.max_runs.unwrap_or(u64::MAX),
            calendars,
        }))
    }

    /// The first occurrence due behind `from`. Of a fixed delay: one delay behind it, or the start.
    pub(crate) fn first(&self, from: Millis) -> Option<Millis> {
        match &self.pulse {
            Pulse::Clock(table) => {
                let found = table.due_after(from.0, &self.calendars());
                found.ok().and_then(|found| within_time(found.due))
            }
            Pulse::Delay { ms, start, .. } => {
                let start = start.filter(|start| *start > from);
                self.delayed(start.unwrap_or_else(|| from.plus(*ms)))
            }
        }
    }

    /// The occurrence behind the one due at `due`; `None` at the end, and for a fixed delay.
    pub(crate) fn next(&self, due: Millis) -> Option<Millis> {
        let Pulse::Clock(table) = &self.pulse else {
            return None;
        };
        let found = table.next_after(due.0, &self.calendars());
        found.ok().and_then(|found| within_time(found.due))
    }

    /// Where the calendars close everything behind `from`, as far as one looks: what would come first
    /// without them.
    pub(crate) fn closed_behind(&self, from: Millis) -> Option<Millis> {
        if self.calendars.is_empty() {
            return None;
        }
        let closed = match &self.pulse {
            Pulse::Clock(table) => {
                table.due_after(from.0, &self.calendars()) == Err(NoMore::Closed)
            }
            Pulse::Delay { .. } => self.first(from).is_none(),
        };
        let open = Self {
            calendars: Vec::new(),
            ..self.clone()
        };
        open.first(from).filter(|_| closed)
    }

    /// With a fixed delay: the occurrence behind a firing that ended then.
    pub(crate) fn behind_end(&self, ended_at: Millis) -> Option<Millis> {
        match &self.pulse {
            Pulse::Delay { ms, .. } => self.delayed(ended_at.plus(*ms)),
            Pulse::Clock(_) => None,
        }
    }

    /// Whether each occurrence depends on the end of the firing before.
    pub(crate) fn follows(&self) -> bool {
        matches!(self.pulse, Pulse::Delay { .. })
    }

    /// At most so many firings.
    pub(crate) fn most_runs(&self) -> u64 {
        self.most_runs
    }

    /// The occurrence of a fixed delay that is over at `nominal`, if that is before the end. At a
    /// closed time it waits for the open: to leave it out would end the task.
    fn delayed(&self, nominal: Millis) -> Option<Millis> {
        let Pulse::Delay { end, spread, .. } = &self.pulse else {
            return None;
        };
        if end.is_some_and(|end| nominal > end) {
            return None;
        }
        let open = open_in_all(&self.calendars(), nominal.0)?;
        within_time(open.saturating_add(spread.late_ms(open)))
    }

    fn calendars(&self) -> Vec<&Calendar> {
        self.calendars.iter().map(AsRef::as_ref).collect()
    }
}

/// A due time, if a task can have it.
fn within_time(due: i64) -> Option<Millis> {
    Some(Millis(due)).filter(|due| *due <= Millis::LATEST_DUE)
}

#[cfg(test)]
mod tests {
    use super::*;
    use schemas::{Recurrence, Schedule, TaskId, TenantId};

    /// Of the task `t/a`, counted from 5.
    fn timer(recurrence: Recurrence) -> Timer {
        let key = TaskKey {
            tenant: TenantId::new("t").unwrap(),
            id: TaskId::new("a").unwrap(),
        };
        let definition = Definition {
            schedule: Schedule::Recurring(Box::new(recurrence)),
            ..definition()
        };
        let mut rules = Rules::default();
        let timer = Timer::of(&key, &definition, Millis(5), &mut rules, Vec::new());
        timer.unwrap().unwrap()
    }

    fn definition() -> Definition {
        let text = br#"{"tenant": "t", "id": "a", "schedule": {"every": "1s"}, "call": {"url": "http://h"}}"#;
        let registration = schemas::Registration::parse(text).unwrap();
        let schemas::Command::Register(definition) = registration.command else {
            panic!("it registers");
        };
        *definition
    }

    fn cron(expression: &str, zone: &str) -> Recurrence {
        Recurrence::of(Beat::Cron {
            expression: expression.to_owned(),
            zone: zone.to_owned(),
            gap: None,
            fold: None,
        })
    }

    /// Holds the first occurrences behind `from` against what `explain` says of the same schedule.
    fn as_explained(recurrence: Recurrence, table: &Timetable, from: i64) {
        let told = timetable::explain(table, &[], from, 40);
        let told: Vec<i64> = told.occurrences.iter().map(|it| it.due_ms).collect();
        assert_eq!(
            dues(&timer(recurrence.clone()), from, 40),
            told,
            "{recurrence:?}"
        );
    }

    #[test]
    fn occurrences_are_those_that_an_explanation_lists() {
        let seed = timetable::seed("t/a");
        let ms = |text: &str| schemas::time::parse_rfc3339(text).unwrap().0;
        for (from, zone) in [
            ("2026-03-28T23:10:00Z", "Europe/Paris"),
            ("2026-10-24T23:10:30Z", "Europe/Paris"),
            ("2026-11-01T05:00:00Z", "America/New_York"),
            ("2026-12-31T23:59:59Z", "Asia/Shanghai"),
        ] {
            for expression in [
                "* * * * * *",
                "*/10 * * * *",
                "30 2 * * *",
                "H H(0-5) * * MON-FRI",
                "0 0 L * *",
            ] {
                for (jitter_ms, window_ms) in [(0, 0), (5_000, 0), (3_600_000, 7_200_000)] {
                    let from = ms(from);
                    let (start, end) = (
                        Some(Millis(from - 7_000)),
                        Some(Millis(from + 86_400_000 * 20)),
                    );
                    let recurrence = Recurrence {
                        jitter_ms,
                        window_ms,
                        start,
                        end,
                        ..cron(expression, zone)
                    };
                    let rule = timetable::Rule::new(
                        timetable::Cron::parse(expression).unwrap(),
                        timetable::Zone::parse(zone).unwrap(),
                        None,
                        None,
                    );
                    let mut table = Timetable::of(timetable::Beat::Cron(rule.hashed(seed)));
                    table.spread = Spread {
                        jitter_ms,
                        window_ms,
                        seed,
                    };
                    (table.start, table.end) = (start.map(|it| it.0), end.map(|it| it.0));
                    as_explained(recurrence, &table, from);
                }
            }
            let from = ms(from);
            let mut table = Timetable::of(timetable::Beat::Every(Every::new(5, 90_000).unwrap()));
            table.spread = Spread {
                jitter_ms: 60_000,
                window_ms: 60_000,
                seed,
            };
            let recurrence = Recurrence {
                jitter_ms: 60_000,
                window_ms: 60_000,
                ..every(90_000)
            };
            as_explained(recurrence, &table, from);
        }
    }

    #[test]
    fn what_is_spread_beyond_a_command_is_not_lost_by_it() {
        let spread = Recurrence {
            window_ms: 3_600_000,
            ..cron("0 * * * *", "UTC")
        };
        let timer = timer(spread);
        let first = timer.first(Millis(0)).unwrap();
        let late = first.0.rem_euclid(3_600_000);
        assert!(late > 1, "{late}");
        for from in [first.0 - late, first.0 - 1] {
            assert_eq!(timer.first(Millis(from)), Some(first));
        }
        assert_eq!(timer.first(first), timer.next(first));
    }

    fn every(ms: u64) -> Recurrence {
        Recurrence::of(Beat::Every { ms, anchor: None })
    }

    fn dues(timer: &Timer, from: i64, count: usize) -> Vec<i64> {
        let first = timer.first(Millis(from));
        let all = std::iter::successors(first, |due| timer.next(*due));
        all.take(count).map(|due| due.0).collect()
    }

    #[test]
    fn a_fixed_rate_stands_on_its_anchor_and_keeps_within_its_bounds() {
        let plain = timer(every(100));
        assert_eq!(dues(&plain, 5, 3), [105, 205, 305]);
        assert_eq!(dues(&plain, 104, 1), [105]);
        assert_eq!(dues(&plain, 105, 1), [205]);
        let started = timer(Recurrence {
            start: Some(Millis(1_000)),
            end: Some(Millis(1_200)),
            ..every(100)
        });
        assert_eq!(dues(&started, 5, 9), [1_000, 1_100, 1_200]);
        assert_eq!(dues(&started, 1_100, 9), [1_200]);
        assert_eq!(dues(&started, 1_200, 9), [0_i64; 0]);
        let anchored = Beat::Every {
            ms: 100,
            anchor: Some(Millis(30)),
        };
        let anchored = timer(Recurrence {
            start: Some(Millis(1_000)),
            ..Recurrence::of(anchored)
        });
        assert_eq!(dues(&anchored, 5, 2), [1_030, 1_130]);
    }

    #[test]
    fn a_million_occurrences_drift_by_nothing() {
        let timer = timer(every(250));
        let first = timer.first(Millis(5)).unwrap();
        let mut due = first;
        for _ in 0..1_000_000 {
            due = timer.next(due).unwrap();
        }
        assert_eq!(due.since(first), 250_000_000);
    }

    #[test]
    fn spread_occurrences_keep_their_order_and_their_time() {
        let spread = timer(Recurrence {
            jitter_ms: 5_000,
            window_ms: 60_000,
            ..every(1_000)
        });
        let mut due = spread.first(Millis(5)).unwrap();
        let mut late = std::collections::BTreeSet::new();
        for _ in 0..1_000 {
            let next = spread.next(due).unwrap();
            assert!(next > due);
            assert_eq!(spread.first(due), Some(next));
            late.insert((next.0 - 5).rem_euclid(1_000));
            due = next;
        }
        assert!(late.len() > 500, "each has a time of its own");
    }

    #[test]
    fn a_fixed_delay_counts_from_the_end_before() {
        let delay = timer(Recurrence {
            end: Some(Millis(1_000)),
            ..Recurrence::of(Beat::AfterEach(300))
        });
        assert_eq!(delay.first(Millis(5)), Some(Millis(305)));
        assert_eq!(delay.next(Millis(305)), None);
        let behind = |at| delay.behind_end(Millis(at));
        assert_eq!((behind(700), behind(701)), (Some(Millis(1_000)), None));
    }
}
