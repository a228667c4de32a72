//! pipe.11: what nobody understands, and what is too much, harms nobody else.

use super::clients::{self, Bulk};
use super::report::{Aim, Report};
use super::tasks;
use super::{ShowArgs, program};
use crate::harness::{Deployment, ROLES};
use crate::services::Services;
use anyhow::{Context, Result, bail};
use serde_json::{Value, json};
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::sleep;
use std::time::{Duration, Instant};

const RECORDS: u64 = 10_000;
const BULK: u64 = 1_000_000;
const NOWHERE: &str = "http://127.0.0.1:1/never";

pub(super) fn harmless(args: &ShowArgs, report: &mut Report) -> Result<()> {
    let tidewheel = program(args, "server", "tidewheel")?;
    let services = Services::up(false)?;
    let mut pipe = Deployment::prepare(&tidewheel, &services, "garbage")?;
    pipe.start_all()?;
    malformed(&pipe, report)?;
    let bulk = if args.debug { BULK / 20 } else { BULK };
    bulk_beside_cancels(&mut pipe, bulk, report)?;
    let alive = pipe
        .workers
        .iter_mut()
        .filter_map(|worker| worker.is_alive().then_some(()))
        .count();
    report.figure("roles alive", alive as f64, "", Aim::Is(ROLES.len() as f64));
    Ok(())
}

/// Each malformed record is found in `dead-letters` once, with its reason.
fn malformed(pipe: &Deployment, report: &mut Report) -> Result<()> {
    let kinds = clients::garbage(pipe, "registrations", RECORDS)?;
    report.figure("kinds of garbage", kinds as f64, "", Aim::Told);
    let read = clients::wait_lag_zero(pipe, "registrations", Duration::from_secs(120))?;
    report.figure(
        "read to the end",
        f64::from(u8::from(read)),
        "",
        Aim::Is(1.0),
    );
    let letters = clients::read_all(pipe, "dead-letters", 2 * RECORDS)?;
    let reasoned = letters.iter().filter(|letter| has_reason(letter)).count();
    report.figure("malformed records", RECORDS as f64, "", Aim::Told);
    report.figure(
        "dead letters",
        letters.len() as f64,
        "",
        Aim::Is(RECORDS as f64),
    );
    report.figure(
        "with a reason",
        reasoned as f64,
        "",
        Aim::Is(RECORDS as f64),
    );
    Ok(())
}

fn has_reason(letter: &str) -> bool {
    let letter: Value = serde_json::from_str(letter).unwrap_or(Value::Null);
    letter["reason"]
        .as_str()
        .is_some_and(|reason| !reason.is_empty())
}

/// While a bulk import runs, single tasks are registered and cancelled, each answer timed.
fn bulk_beside_cancels(pipe: &mut Deployment, count: u64, report: &mut Report) -> Result<()> {
    let door = pipe.door()?;
    let begun = Instant::now();
    let bulk = Bulk {
        topic: "registrations.bulk",
        tenant: "bulk",
        first: 0,
        count,
        url: NOWHERE,
        days_ahead: (1.0, 30.0),
    };
    let mut producer = clients::start_bulk(pipe, &bulk)?;
    let over = AtomicBool::new(false);
    let (planned, waits) = std::thread::scope(|scope| {
        let cancels = scope.spawn(|| cancel_until(door, &over));
        let produced = producer.wait();
        let planned = clients::wait_lag_zero(pipe, bulk.topic, Duration::from_secs(1_800));
        over.store(true, Ordering::Relaxed);
        if !produced.is_ok_and(|status| status.success()) {
            bail!("the bulk producer failed");
        }
        let waits = cancels
            .join()
            .ok()
            .context("the cancelling thread failed")??;
        Ok((planned?, waits))
    })?;
    let seconds = begun.elapsed().as_secs_f64();
    report.figure("bulk registrations", count as f64, "", Aim::Told);
    report.figure(
        "bulk planned to its end",
        f64::from(u8::from(planned)),
        "",
        Aim::Is(1.0),
    );
    report.figure("bulk planned at", count as f64 / seconds, "/s", Aim::Told);
    let worst = waits.iter().max().map_or(f64::NAN, Duration::as_secs_f64);
    report.figure(
        "cancels beside it",
        waits.len() as f64,
        "",
        Aim::AtLeast(10.0),
    );
    report.figure(
        "slowest cancel",
        worst * 1_000.0,
        "ms",
        Aim::AtMost(1_000.0),
    );
    Ok(())
}

fn cancel_until(door: SocketAddr, over: &AtomicBool) -> Result<Vec<Duration>> {
    let mut waits = Vec::new();
    while !over.load(Ordering::Relaxed) {
        let id = format!("one-{}", waits.len());
        let task = tasks::register("single", &id, json!({"after": "1h"}), NOWHERE);
        tasks::register_and_wait(door, &task)?;
        let begun = Instant::now();
        let answer = tasks::cancel(door, "single", &id)?;
        waits.push(begun.elapsed());
        if answer != "cancelled" {
            bail!("the cancel of `single/{id}`, due in an hour, was answered `{answer}`");
        }
        sleep(Duration::from_millis(100));
    }
    Ok(waits)
}
