//! time.5: a calendar that changes plans the tasks that name it anew, in the simulator, on Kafka and
//! embedded.

use super::report::{Aim, Report};
use super::{ShowArgs, program, simulator, steady};
use crate::harness::receiver::{Call, Receiver, now};
use crate::harness::{Deployment, Dev, http};
use crate::services::Services;
use anyhow::{Result, ensure};
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::thread::sleep;
use std::time::Duration;

const TENANT: &str = "calendars";
const AT: &str = "/v1/calendars/calendars/hours?wait=10s";
/// Every second task moves what is closed, and occurs at half seconds; every fifth names no calendar.
const TASKS: i64 = 400;
/// From the beginning to the first occurrence, s.
const AHEAD_S: i64 = 25;
/// Behind a change so much is not judged: it is on its way, s.
const SETTLES_S: i64 = 8;
/// How long it lasts, s.
const LASTS_S: i64 = 125;
/// Behind the end, for what is late.
const GRACE: Duration = Duration::from_secs(10);

/// Closed times: from, and the first second behind.
type Windows = &'static [(i64, i64)];

/// What the calendar closes from when on; seconds behind the first occurrence. Opens what was closed
/// and closes what is planted; goes; is there again.
const CHANGES: [(i64, Option<Windows>); 4] = [
    (-20, Some(&[(10, 20), (40, 50)])),
    (30, Some(&[(60, 70)])),
    (80, None),
    (95, Some(&[(110, 115)])),
];

/// time.5
pub(super) fn changed(args: &ShowArgs, report: &mut Report) -> Result<()> {
    seeds(args, report)?;
    let tidewheel = program(args, "server", "tidewheel")?;
    on_kafka(&tidewheel, report)?;
    on_dev(&tidewheel, report)
}

fn seeds(args: &ShowArgs, report: &mut Report) -> Result<()> {
    let seeds = if args.debug { 20 } else { 500 };
    let verdict = simulator::simulate(args, &["--seeds", &seeds.to_string(), "--recurring"])?;
    let none = [
        ("open, and not called", verdict.lost),
        ("early", verdict.early),
        ("closed, but called, or doubled", verdict.doubled),
        ("false answers", verdict.false_answers),
        ("undrained", verdict.undrained),
        ("seeds that failed", verdict.failed),
    ];
    let figure = |what: &str| format!("simulator: {what}");
    report.figure(
        figure("seeds"),
        verdict.seeds as f64,
        "",
        Aim::Is(f64::from(seeds)),
    );
    report.figure(figure("calls"), verdict.calls as f64, "", Aim::Told);
    for (what, count) in none {
        report.figure(figure(what), count as f64, "", Aim::Is(0.0));
    }
    let flags = [
        "--seeds",
        "20",
        "--recurring",
        "--planted-bug",
        "calendar-ignored",
    ];
    let found = simulator::simulate(args, &flags)?.failed;
    let what = figure("of 20 seeds, a change that is ignored is found in");
    report.figure(what, found as f64, "", Aim::AtLeast(1.0));
    Ok(())
}

fn on_kafka(tidewheel: &Path, report: &mut Report) -> Result<()> {
    let services = Services::up(false)?;
    let receiver = Receiver::start()?;
    let mut pipe = Deployment::prepare(tidewheel, &services, "calendars")?;
    pipe.start_all()?;
    let run = Run::begin("kafka", pipe.door()?, &receiver)?;
    run.change_all(|| {
        pipe.restart("planner-1")?;
        pipe.worker("planner-1")?.wait_ready()
    })?;
    run.judge(&receiver, &[], &[pipe.journal("dispatcher-1")], report)
}

fn on_dev(tidewheel: &Path, report: &mut Report) -> Result<()> {
    let receiver = Receiver::start()?;
    let mut dev = Dev::start(tidewheel, "calendars-dev")?;
    let run = Run::begin("dev", dev.worker.http, &receiver)?;
    let mut killed = Vec::new();
    run.change_all(|| {
        dev.kill_and_restart()?;
        killed.push(now());
        dev.worker.wait_ready()
    })?;
    run.judge(&receiver, &killed, &[dev.journal()], report)
}

/// Tasks that occur every second, some of them kept to a calendar.
struct Run {
    name: &'static str,
    door: SocketAddr,
    /// Epoch ms, a full second.
    start: i64,
}

impl Run {
    fn begin(name: &'static str, door: SocketAddr, receiver: &Receiver) -> Result<Self> {
        let mut start = (now() / 1_000 + AHEAD_S) * 1_000;
        let day = start.div_euclid(86_400_000) * 86_400_000;
        if start + (LASTS_S + 5) * 1_000 > day + 86_400_000 {
            // Times of day are simpler to write within one day.
            start = day + 86_400_000 + 1_000;
        }
        let run = Self { name, door, start };
        run.sleep_until(-24);
        run.change(CHANGES[0].1)?;
        let url = receiver.url("calendars");
        let tasks: Vec<Value> = (0..TASKS).map(|n| run.task(n, &url)).collect();
        super::tasks::register_all(door, &tasks)?;
        ensure!(
            now() < start,
            "the tasks were not registered before their start"
        );
        Ok(run)
    }

    fn task(&self, n: i64, url: &str) -> Value {
        let half = if keeps(n) && moves(n) { 500 } else { 0 };
        let mut schedule = json!({"every": "1s", "anchor": self.start + half, "start": self.start,
            "end": self.start + LASTS_S * 1_000});
        if keeps(n) {
            schedule["calendars"] = json!(["hours"]);
            schedule["on_closed"] = json!(if moves(n) { "move" } else { "skip" });
        }
        let mut task = super::tasks::register(TENANT, &format!("c-{n}"), schedule, url);
        task["misfire"] = json!({"policy": "skip", "threshold": "1s"});
        task
    }

    fn sleep_until(&self, second: i64) {
        let left = self.start + second * 1_000 - now();
        sleep(Duration::from_millis(u64::try_from(left).unwrap_or(0)));
    }

    /// All but the first; `kill` while the tasks are planned anew for the second.
    fn change_all(&self, mut kill: impl FnMut() -> Result<()>) -> Result<()> {
        for (n, (at, closed)) in CHANGES.iter().enumerate().skip(1) {
            self.sleep_until(*at);
            self.change(*closed)?;
            if n == 1 {
                kill()?;
            }
        }
        self.sleep_until(LASTS_S);
        sleep(GRACE);
        Ok(())
    }

    fn change(&self, closed: Option<&[(i64, i64)]>) -> Result<()> {
        let time = |second: i64| {
            let second = (self.start / 1_000 + second).rem_euclid(86_400);
            let (hour, minute) = (second / 3_600, second / 60 % 60);
            format!("{hour:02}:{minute:02}:{:02}", second % 60)
        };
        let answer = match closed {
            Some(closed) => {
                let windows: Vec<Value> = closed
                    .iter()
                    .map(|(from, to)| json!({"time": format!("{}-{}", time(*from), time(*to))}))
                    .collect();
                let body = json!({"excluded": windows}).to_string();
                http::request(self.door, "PUT", AT, Some(&body))?
            }
            None => http::request(self.door, "DELETE", AT, None)?,
        };
        let done = matches!(answer.status, 200 | 201);
        ensure!(
            done,
            "a calendar was answered {}: {}",
            answer.status,
            answer.body
        );
        Ok(())
    }

    /// What was open was called, at its time, once; nothing else was.
    fn judge(
        &self,
        receiver: &Receiver,
        kills: &[i64],
        journals: &[PathBuf],
        report: &mut Report,
    ) -> Result<()> {
        let calls = receiver.calls();
        let judged: Vec<&Call> = calls
            .iter()
            .filter(|call| is_judged((call.due - self.start).div_euclid(1_000)))
            .collect();
        let found: BTreeSet<(&str, i64)> = judged
            .iter()
            .map(|call| (call.task.as_str(), call.due - self.start))
            .collect();
        let (mut missing, mut closed, mut shut, mut opened, mut others) = (0, 0, 0, 0, 0);
        let mut known = 0;
        for n in 0..TASKS {
            let name = format!("{TENANT}/c-{n}");
            for second in (0..LASTS_S).filter(|second| is_judged(*second)) {
                for (due, open) in given(n, second) {
                    let called = found.contains(&(name.as_str(), due));
                    known += usize::from(called);
                    missing += u32::from(open && !called);
                    closed += u32::from(!open && called);
                    shut += u32::from(!open);
                    opened += u32::from(keeps(n) && open && was_closed(second));
                    others += u32::from(!keeps(n));
                }
            }
        }
        let strays = found.len() - known;
        let early = calls.iter().filter(|call| call.at < call.due).count();
        let unexplained = steady::unexplained(&judged, kills, journals)?;
        let late = judged
            .iter()
            .map(|call| call.at - call.due)
            .max()
            .unwrap_or(0);
        let figures = [
            ("occurrences judged", known as f64, Aim::AtLeast(1.0)),
            (
                "occurrences closed by a change, and not called",
                f64::from(shut - closed),
                Aim::AtLeast(1.0),
            ),
            ("closed, but called", f64::from(closed), Aim::Is(0.0)),
            (
                "occurrences opened by a change",
                f64::from(opened),
                Aim::AtLeast(1.0),
            ),
            (
                "occurrences of tasks without calendar",
                f64::from(others),
                Aim::AtLeast(1.0),
            ),
            ("open, but not called", f64::from(missing), Aim::Is(0.0)),
            ("at another time", strays as f64, Aim::Is(0.0)),
            ("early", early as f64, Aim::Is(0.0)),
            (
                "called twice, but not begun and uncommitted at a kill",
                unexplained as f64,
                Aim::Is(0.0),
            ),
        ];
        for (what, value, aim) in figures {
            report.figure(format!("{}: {what}", self.name), value, "", aim);
        }
        report.figure(
            format!("{}: latest", self.name),
            late as f64,
            "ms",
            Aim::Told,
        );
        Ok(())
    }
}

fn keeps(n: i64) -> bool {
    n % 5 != 0
}

fn moves(n: i64) -> bool {
    n % 2 == 1
}

/// Whether it is known what the calendar says at that second. What came due while it was gone is
/// late, and left out by the tasks' policy.
fn is_judged(second: i64) -> bool {
    let mut changes = CHANGES.iter().skip(1).map(|(at, _)| *at);
    let on_its_way = changes.any(|at| (at - 1..at + SETTLES_S).contains(&second));
    (0..LASTS_S).contains(&second) && !on_its_way
}

/// What the calendar closes at that second.
fn closed_at(second: i64) -> Option<Windows> {
    let said = CHANGES.iter().rev().find(|(at, _)| *at <= second);
    said.and_then(|(_, closed)| *closed)
}

/// The times within that second at which a task may occur, ms behind the start, and whether it does.
fn given(n: i64, second: i64) -> Vec<(i64, bool)> {
    let at = second * 1_000;
    if !keeps(n) {
        return vec![(at, true)];
    }
    let Some(windows) = closed_at(second) else {
        return vec![(at, false), (at + 500, false)];
    };
    let open = !windows
        .iter()
        .any(|(from, to)| (*from..*to).contains(&second));
    if moves(n) {
        // What was closed comes when that ends.
        let ends = windows.iter().any(|(_, to)| *to == second);
        return vec![(at, open && ends), (at + 500, open)];
    }
    vec![(at, open), (at + 500, false)]
}

/// Whether the version before closed it.
fn was_closed(second: i64) -> bool {
    let said = CHANGES
        .iter()
        .position(|(at, _)| *at > second)
        .unwrap_or(CHANGES.len());
    let before = said.checked_sub(2).and_then(|place| CHANGES.get(place));
    before
        .and_then(|(_, closed)| *closed)
        .is_some_and(|closed| {
            closed
                .iter()
                .any(|(from, to)| (*from..*to).contains(&second))
        })
}
