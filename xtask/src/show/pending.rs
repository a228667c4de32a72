//! pipe.12: what is far away costs disk, not memory, and is soon there again after a crash.

use super::clients::{self, Bulk};
use super::report::{Aim, Report};
use super::{ShowArgs, program};
use crate::harness::{Deployment, http};
use crate::services::{Services, remove_dir};
use crate::sys;
use anyhow::{Result, bail};
use std::net::SocketAddr;
use std::thread::sleep;
use std::time::{Duration, Instant};

const MILLION: u64 = 1_000_000;
/// Tasks asked for to know that a planner answers for all its shards again.
const SAMPLES: u64 = 40;
const PLANNER: &str = "planner-1";

pub(super) fn flat(args: &ShowArgs, report: &mut Report) -> Result<()> {
    let tidewheel = program(args, "server", "tidewheel")?;
    let services = Services::up(false)?;
    let mut pipe = Deployment::prepare(&tidewheel, &services, "pending")?;
    pipe.start_all()?;
    let step = if args.debug { MILLION / 20 } else { MILLION };
    let one = grow(&mut pipe, 0, step, report)?;
    let two = grow(&mut pipe, step, step, report)?;
    for (before, after) in one.iter().zip(&two) {
        before.report(step, report);
        after.report(2 * step, report);
        let mut grown = |what: &str, from: f64, to: f64| {
            let name = format!("{}: {what}", after.role);
            let growth = (to / from - 1.0) * 100.0;
            report.figure(name, growth, "%", Aim::AtMost(15.0));
        };
        grown("growth", before.at_rest, after.at_rest);
        grown("growth of the most", before.most, after.most);
    }
    let with = come_back(&mut pipe, 2 * step, true)?;
    report.figure(
        "planner killed, all answers back, with its store",
        with,
        "min",
        Aim::Told,
    );
    let without = come_back(&mut pipe, 2 * step, false)?;
    report.figure(
        "planner killed, all answers back, without",
        without,
        "min",
        Aim::Told,
    );
    Ok(())
}

/// Resident memory of one role, MiB: at rest, and the most it ever was. At rest a planner's holds more or less
/// of the rows that are not on disk yet; the most shows what it needs room for.
struct Memory {
    role: String,
    at_rest: f64,
    most: f64,
}

impl Memory {
    fn report(&self, tasks: u64, report: &mut Report) {
        let mut put = |what: &str, mib: f64| {
            let name = format!("{}: {what} at {tasks}", self.role);
            report.figure(name, mib, "MiB", Aim::Told);
        };
        put("memory at rest", self.at_rest);
        put("most memory", self.most);
    }
}

/// Registers `count` tasks, waits until they are planned, and reads every role's memory.
fn grow(pipe: &mut Deployment, first: u64, count: u64, report: &mut Report) -> Result<Vec<Memory>> {
    let begun = Instant::now();
    let bulk = Bulk {
        topic: "registrations.bulk",
        tenant: "bulk",
        first,
        count,
        url: "http://127.0.0.1:1/never",
        days_ahead: (2.0, 40.0),
    };
    let produced = clients::start_bulk(pipe, &bulk)?.wait()?;
    if !produced.success() || !clients::wait_lag_zero(pipe, bulk.topic, Duration::from_secs(3_600))?
    {
        bail!("{count} bulk registrations were not planned within an hour");
    }
    let rate = count as f64 / begun.elapsed().as_secs_f64();
    report.figure(format!("planned from {first} on"), rate, "/s", Aim::Told);
    // Compactions of the store and of its caches come to rest.
    sleep(Duration::from_secs(15));
    pipe.workers
        .iter()
        .map(|worker| {
            Ok(Memory {
                role: worker.name.clone(),
                at_rest: worker.rss_mib()?,
                most: worker.peak_rss_mib()?,
            })
        })
        .collect()
}

/// Kills the planner, starts it again and waits until it answers for tasks of every shard; minutes.
fn come_back(pipe: &mut Deployment, tasks: u64, with_store: bool) -> Result<f64> {
    let door = pipe.door()?;
    pipe.worker(PLANNER)?.kill()?;
    if !with_store {
        remove_dir(&pipe.store(PLANNER))?;
    }
    let begun = Instant::now();
    pipe.restart(PLANNER)?;
    let mut next = 0;
    let back = sys::wait_until(Duration::from_secs(3_600), || {
        while next < SAMPLES && is_found(door, next * tasks / SAMPLES) {
            next += 1;
        }
        next == SAMPLES
    });
    if !back {
        bail!("the planner does not answer for all tasks an hour after its restart");
    }
    Ok(begun.elapsed().as_secs_f64() / 60.0)
}

fn is_found(door: SocketAddr, number: u64) -> bool {
    let path = format!("/v1/tasks/bulk/b-{number}");
    http::request(door, "GET", &path, None).is_ok_and(|answer| answer.status == 200)
}
