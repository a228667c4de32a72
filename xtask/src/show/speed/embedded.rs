//! speed.10: the same figures of `tidewheel dev`, beside those of Kafka where those were taken.

use super::lateness;
use super::register;
use super::stand::{self, seconds};
use super::sustained::{self, RATE};
use super::{QUICK, herd, quiet};
use crate::harness::Dev;
use crate::repo;
use crate::services::remove_dir;
use crate::show::ShowArgs;
use crate::show::load::{self, Seen};
use crate::show::report::{self, Aim, Report};
use crate::show::timing::{Programs, pids, words};
use anyhow::Result;

/// Claims whose figures of the same name stand beside.
const BESIDE: [&str; 5] = ["speed.1", "speed.3", "speed.4", "speed.5", "speed.6"];

struct Embedded {
    programs: Programs,
    dev: Dev,
    quick: bool,
}

pub(super) fn same(args: &ShowArgs, report: &mut Report) -> Result<()> {
    let programs = Programs::build(args)?;
    raw_log(&programs, args, report)?;
    let dev = Dev::start(&programs.tidewheel, "speed-embedded")?;
    let it = Embedded {
        programs,
        dev,
        quick: args.quick,
    };
    it.load("warm-up", "steady --rate 1000 --for 10s --ahead 1s..5s")?;
    it.sustained(args, report)?;
    it.lateness(report)?;
    it.herds(report)?;
    it.registration(report)?;
    beside(report);
    Ok(())
}

fn raw_log(programs: &Programs, args: &ShowArgs, report: &mut Report) -> Result<()> {
    let dir = repo::root().join("target/show/runs/raw-embedded");
    remove_dir(&dir)?;
    let tasks = if args.quick { 500_000 / QUICK } else { 500_000 };
    let flags = format!(
        "raw-log --via embedded --tasks {tasks} --target {}",
        dir.display()
    );
    let raw = stand::raw(&programs.load, "raw-embedded", &flags)?;
    stand::report_raw_log(&raw, report);
    remove_dir(&dir)
}

impl Embedded {
    fn load(&self, name: &str, flags: &str) -> Result<Seen> {
        let flags = format!(
            "{flags} --via http --target http://{} --pids",
            self.dev.worker.http
        );
        let mut args = words(&flags);
        args.push(pids(&self.dev.watched()));
        load::run(&self.programs.load, &format!("embedded-{name}"), &args)
    }

    /// Registered by arrays: the embedded log has no door but HTTP.
    fn sustained(&self, args: &ShowArgs, report: &mut Report) -> Result<()> {
        let load = |name: &str, rate: f64, seconds: u64, raw: bool| {
            let raw = if raw { " --raw" } else { "" };
            let flags = sustained::flags(rate, seconds, raw);
            self.load(name, &format!("{flags} --batch 100"))
        };
        let found = sustained::find(args, report, &load)?;
        let (kept, seen) = (if found.kept { found.rate } else { 0.0 }, found.seen);
        report.figure(RATE, kept, "/s", Aim::AtLeast(1.0));
        seen.report_exact(report, "whole pipe");
        seen.report_lateness(report, "whole pipe", Aim::Told);
        seen.report_costs(report, "whole pipe");
        let raw = seen.raw_http_per_s.unwrap_or(f64::NAN);
        report.figure("raw HTTP of the same run", raw, "/s", Aim::Told);
        Ok(())
    }

    fn lateness(&self, report: &mut Report) -> Result<()> {
        let seconds = seconds(self.quick, 60);
        let flags = format!("steady --rate 1000 --for {seconds}s --ahead 2s..60s");
        let seen = self.load("lateness", &flags)?;
        seen.report_exact(report, "1,000/s");
        lateness::tell(&seen, report, "1,000/s", [1.0, 5.0, 50.0]);
        let seen = self.load("short", &format!("short --rate 2000 --for {seconds}s"))?;
        seen.report_exact(report, "alone");
        seen.report_lateness(report, "alone", Aim::AtMost(50.0));
        Ok(())
    }

    /// Beside the million no raw HTTP: behind it the one process makes up at once for ends that gave way, and
    /// leaves half of the machine to a plain client.
    fn herds(&self, report: &mut Report) -> Result<()> {
        let [(small, rate), (large, large_rate)] = herd::HERDS;
        let tasks = |tasks| if self.quick { tasks / QUICK } else { tasks };
        let load = |flags: &str| self.load("herd", &format!("{flags} --batch 100"));
        herd::middle_of(report, tasks(small), rate, &load)?;
        quiet::rest()?;
        let seen = load(&herd::flags(tasks(large), large_rate))?;
        let of = format!("herd of {}", tasks(large));
        seen.report_exact(report, &of);
        seen.report_lateness(report, &of, Aim::Told);
        let first = seen.first_call_ms.unwrap_or(f64::NAN);
        report.figure(format!("{of}: first call"), first, "ms", Aim::Told);
        report.figure(format!("{of}: drained"), seen.drain_per_s, "/s", Aim::Told);
        seen.report_costs(report, &of);
        Ok(())
    }

    fn registration(&self, report: &mut Report) -> Result<()> {
        for (of, rate, further) in register::BY_HTTP {
            let seconds = seconds(self.quick, 30);
            let flags = format!("far --rate {rate:.0} --for {seconds}s{further}");
            register::tell(&self.load("register", &flags)?, report, of, rate);
        }
        Ok(())
    }
}

/// What Kafka's claims found under the same names.
fn beside(report: &mut Report) {
    for name in BESIDE {
        for (figure, kafka) in report::earlier(name) {
            if let Some(here) = report.value(&figure) {
                let (there, unit) = (kafka.value, &kafka.unit);
                report.note(format!(
                    "{figure}: embedded {here:.1}, Kafka {there:.1} {unit}"
                ));
            }
        }
    }
}
