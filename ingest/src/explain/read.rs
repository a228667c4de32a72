//! JSON to a timetable, with every complaint at once.

use schemas::Millis;
use schemas::duration;
use schemas::registration::{Complaint, check_depth};
use schemas::time::parse_rfc3339;
use serde_json::{Map, Value};
use timetable::{Beat, Calendar, Cron, Every, Fold, Gap, OnClosed, Rule, Timetable, Zone};

use crate::problem::Problem;

/// Most occurrences of one explanation.
pub(crate) const MOST: u64 = 100;
const DEFAULT: u64 = 10;
/// What the body may have.
pub(crate) const FIELDS: [&str; 6] = ["schedule", "n", "from", "calendars", "tenant", "id"];
/// What its schedule may have.
pub(crate) const SCHEDULE: [&str; 12] = [
    "cron",
    "zone",
    "gap",
    "fold",
    "every",
    "anchor",
    "start",
    "end",
    "jitter",
    "window",
    "calendars",
    "on_closed",
];
/// The longest jitter and window, ms.
const LONGEST_SPREAD: u64 = 24 * 3_600_000;

/// What was asked.
#[derive(Debug)]
pub(super) struct Asked {
    pub(super) timetable: Timetable,
    pub(super) calendars: Vec<Calendar>,
    /// Occurrences after this, ms since the epoch.
    pub(super) from: i64,
    pub(super) n: usize,
}

/// Complaints so far.
#[derive(Default)]
struct Reader {
    complaints: Vec<Complaint>,
}

pub(super) fn read(bytes: &[u8], now: Millis) -> Result<Asked, Problem> {
    check_depth(bytes)?;
    let value: Value = serde_json::from_slice(bytes)
        .map_err(|error| Problem::malformed(format!("is not a JSON object: {error}")))?;
    let Value::Object(body) = value else {
        return Err(Problem::malformed("must be a JSON object with `schedule`"));
    };
    let mut reader = Reader::default();
    let asked = reader.body(&body, now);
    match asked {
        Some(asked) if reader.complaints.is_empty() => Ok(asked),
        _ => Err(Problem::invalid(reader.complaints)),
    }
}

impl Reader {
    fn complain(&mut self, field: &str, problem: impl Into<String>) {
        self.complaints.push(Complaint::new(field, problem));
    }

    fn body(&mut self, body: &Map<String, Value>, now: Millis) -> Option<Asked> {
        self.unknown(body, "", &FIELDS);
        let from = self.time(body, "", "from").unwrap_or(now.0);
        let n = match body.get("n") {
            None => Some(DEFAULT),
            Some(value) => value.as_u64().filter(|n| (1..=MOST).contains(n)),
        };
        if n.is_none() {
            self.complain("n", format!("must be a whole number from 1 to {MOST}"));
        }
        let known = self.calendars(body.get("calendars"));
        let tenant = self.text(body, "", "tenant").unwrap_or_default();
        let id = self.text(body, "", "id").unwrap_or_default();
        let Some(Value::Object(schedule)) = body.get("schedule") else {
            self.complain("schedule", "must be an object with `cron` or `every`");
            return None;
        };
        self.unknown(schedule, "schedule.", &SCHEDULE);
        let beat = self.beat(schedule, from);
        let mut timetable = Timetable::of(beat?);
        timetable.spread.seed = timetable::seed(&format!("{tenant}/{id}"));
        if let Beat::Cron(rule) = &timetable.beat {
            timetable.beat = Beat::Cron(rule.hashed(timetable.spread.seed));
        }
        timetable.start = self.time(schedule, "schedule.", "start");
        timetable.end = self.time(schedule, "schedule.", "end");
        timetable.spread.jitter_ms = self.spread(schedule, "jitter");
        timetable.spread.window_ms = self.spread(schedule, "window");
        timetable.on_closed = self.on_closed(schedule);
        Some(Asked {
            calendars: self.chosen(schedule, known),
            timetable,
            from,
            n: usize::try_from(n?).ok()?,
        })
    }

    fn beat(&mut self, schedule: &Map<String, Value>, from: i64) -> Option<Beat> {
        match (schedule.get("cron"), schedule.get("every")) {
            (Some(_), None) => self.rule(schedule, from).map(Beat::Cron),
            (None, Some(_)) => self.every(schedule).map(Beat::Every),
            _ => {
                self.complain("schedule", "takes exactly one of `cron` and `every`");
                None
            }
        }
    }

    fn rule(&mut self, schedule: &Map<String, Value>, from: i64) -> Option<Rule> {
        if schedule.contains_key("anchor") {
            self.complain("schedule.anchor", "does not belong to `cron`");
        }
        let expression = self.text(schedule, "schedule.", "cron");
        let cron = expression.and_then(|text| {
            Cron::parse_after(text, from)
                .map_err(|error| {
                    self.complaints.push(Complaint {
                        position: Some(error.position),
                        ..Complaint::new("schedule.cron", error.to_string())
                    });
                })
                .ok()
        });
        let zone = match self.text(schedule, "schedule.", "zone") {
            None => Some(Zone::utc()),
            Some(name) => Zone::parse(name)
                .map_err(|error| self.complain("schedule.zone", error.to_string()))
                .ok(),
        };
        let gap = self.word(schedule, "gap", Gap::parse, "skip, shift or end");
        let fold = self.word(schedule, "fold", Fold::parse, "first, last or both");
        Some(Rule::new(cron?, zone?, gap, fold))
    }

    fn every(&mut self, schedule: &Map<String, Value>) -> Option<Every> {
        for name in ["zone", "gap", "fold"] {
            if schedule.contains_key(name) {
                self.complain(&format!("schedule.{name}"), "does not belong to `every`");
            }
        }
        let anchor = self.time(schedule, "schedule.", "anchor");
        let start = schedule.get("start").and_then(time);
        let period = self.duration(schedule, "every")?;
        Every::new(anchor.or(start).unwrap_or(0), period)
            .map_err(|error| self.complain("schedule.every", error.to_string()))
            .ok()
    }

    fn on_closed(&mut self, schedule: &Map<String, Value>) -> OnClosed {
        let parse = |text: &str| match text {
            "skip" => Some(OnClosed::Skip),
            "move" => Some(OnClosed::Move),
            _ => None,
        };
        self.word(schedule, "on_closed", parse, "skip or move")
            .unwrap_or_default()
    }

    /// The calendars of the body, by name; a faulty one is `None`.
    fn calendars(&mut self, value: Option<&Value>) -> Vec<(String, Option<Calendar>)> {
        let Some(value) = value else {
            return Vec::new();
        };
        let Some(object) = value.as_object().filter(|object| object.len() <= 8) else {
            self.complain("calendars", "must be an object of at most 8 calendars");
            return Vec::new();
        };
        let read = |(name, value): (&String, &Value)| {
            let calendar = Calendar::parse(value).map_err(|problems| {
                for problem in problems {
                    let field = format!("calendars.{name}.{}", problem.field);
                    self.complain(field.trim_end_matches('.'), problem.reason);
                }
            });
            (name.clone(), calendar.ok())
        };
        object.iter().map(read).collect()
    }

    /// Those that the schedule names; all of the body's where it names none.
    fn chosen(
        &mut self,
        schedule: &Map<String, Value>,
        known: Vec<(String, Option<Calendar>)>,
    ) -> Vec<Calendar> {
        let Some(names) = schedule.get("calendars") else {
            return known
                .into_iter()
                .filter_map(|(_, calendar)| calendar)
                .collect();
        };
        let names: Option<Vec<&str>> = names
            .as_array()
            .and_then(|names| names.iter().map(Value::as_str).collect());
        let Some(names) = names else {
            self.complain("schedule.calendars", "must be a list of names");
            return Vec::new();
        };
        for (place, name) in names.iter().enumerate() {
            if !known.iter().any(|(known, _)| known == name) {
                let field = format!("schedule.calendars[{place}]");
                self.complain(&field, "is none of the request's own `calendars`");
            }
        }
        known
            .into_iter()
            .filter(|(name, _)| names.contains(&name.as_str()))
            .filter_map(|(_, calendar)| calendar)
            .collect()
    }

    fn unknown(&mut self, object: &Map<String, Value>, prefix: &str, known: &[&str]) {
        for name in object.keys().filter(|name| !known.contains(&name.as_str())) {
            self.complain(
                &format!("{prefix}{name}"),
                format!("is not known; there are {}", known.join(", ")),
            );
        }
    }

    fn text<'v>(
        &mut self,
        object: &'v Map<String, Value>,
        prefix: &str,
        name: &str,
    ) -> Option<&'v str> {
        let value = object.get(name)?;
        if value.as_str().is_none() {
            self.complain(&format!("{prefix}{name}"), "must be text");
        }
        value.as_str()
    }

    fn word<T>(
        &mut self,
        schedule: &Map<String, Value>,
        name: &str,
        parse: impl Fn(&str) -> Option<T>,
        words: &str,
    ) -> Option<T> {
        let value = schedule.get(name)?;
        let found = value.as_str().and_then(parse);
        if found.is_none() {
            self.complain(&format!("schedule.{name}"), format!("must be {words}"));
        }
        found
    }

    fn time(&mut self, object: &Map<String, Value>, prefix: &str, name: &str) -> Option<i64> {
        let value = object.get(name)?;
        let found = time(value);
        if found.is_none() {
            let problem = "must be epoch ms or a time such as `2026-12-01T09:00:00+08:00`";
            self.complain(&format!("{prefix}{name}"), problem);
        }
        found
    }

    fn duration(&mut self, schedule: &Map<String, Value>, name: &str) -> Option<u64> {
        let text = self.text(schedule, "schedule.", name)?;
        duration::parse(text)
            .map_err(|error| self.complain(&format!("schedule.{name}"), error.to_string()))
            .ok()
    }

    fn spread(&mut self, schedule: &Map<String, Value>, name: &str) -> u64 {
        let found = self.duration(schedule, name).unwrap_or(0);
        if found > LONGEST_SPREAD {
            self.complain(&format!("schedule.{name}"), "must be at most 1d");
        }
        found
    }
}

fn time(value: &Value) -> Option<i64> {
    let parsed = || value.as_str().and_then(parse_rfc3339).map(|time| time.0);
    value
        .as_i64()
        .or_else(parsed)
        .filter(|ms| (0..=Millis::LATEST_DUE.0).contains(ms))
}
