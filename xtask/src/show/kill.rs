//! pipe.7: kill -9 of every role and of the whole, under load: nothing is lost, nothing early, and
//! nothing called twice but what had begun and was not yet committed.

use super::report::Report;
use super::steady::Load;
use super::{ShowArgs, program};
use crate::harness::receiver::{Receiver, now};
use crate::harness::{Deployment, Dev, ROLES};
use crate::services::Services;
use anyhow::Result;
use std::path::Path;
use std::thread::sleep;
use std::time::Duration;

const KILLS: usize = 3;
const BETWEEN: Duration = Duration::from_secs(10);

pub(super) fn survives(args: &ShowArgs, report: &mut Report) -> Result<()> {
    let tidewheel = program(args, "server", "tidewheel")?;
    each_role(&tidewheel, report)?;
    workers(&tidewheel, report)?;
    dev(&tidewheel, report)
}

/// One process a role; each killed three times while tasks come in and fall due.
fn each_role(tidewheel: &Path, report: &mut Report) -> Result<()> {
    let services = Services::up(false)?;
    let receiver = Receiver::start()?;
    let mut pipe = Deployment::prepare(tidewheel, &services, "kill")?;
    pipe.start_all()?;
    for role in ROLES {
        let name = format!("{role}-1");
        let load = Load {
            door: pipe.door()?,
            url: receiver.url("kill"),
            name: role.to_owned(),
        };
        let run = load.beside(|| {
            let mut kills = Vec::new();
            for _ in 0..KILLS {
                sleep(BETWEEN);
                pipe.restart(&name)?;
                kills.push(now());
                pipe.worker(&name)?.wait_ready()?;
            }
            sleep(BETWEEN);
            Ok(kills)
        })?;
        let kills = if role == "dispatcher" {
            run.disturbed.clone()
        } else {
            Vec::new()
        };
        let journals = [pipe.journal("dispatcher-1")];
        run.judge(&receiver, &kills, &journals, report)?;
    }
    Ok(())
}

/// Three workers of every role go to two and back: once drained, once killed, and once stopped for
/// longer than its session, so that it wakes up as a zombie.
fn workers(tidewheel: &Path, report: &mut Report) -> Result<()> {
    let services = Services::up(false)?;
    let receiver = Receiver::start()?;
    let mut pipe = Deployment::prepare(tidewheel, &services, "workers")?;
    pipe.start("ingest-1", "ingest")?;
    let names = ["all-1", "all-2", "all-3"];
    for name in names {
        pipe.start(name, "planner,trigger,dispatcher,archive")?;
    }
    pipe.wait_ready()?;
    let door = pipe.door()?;
    let load = Load {
        door,
        url: receiver.url("workers"),
        name: "three to two".to_owned(),
    };
    let run = load.beside(|| {
        sleep(BETWEEN);
        pipe.worker("all-2")?.terminate(Duration::from_secs(30))?;
        sleep(BETWEEN);
        pipe.restart("all-2")?;
        sleep(BETWEEN);
        pipe.worker("all-3")?.kill()?;
        let killed = now();
        // Longer than a session: its shards move to the two that are left.
        sleep(2 * BETWEEN);
        pipe.restart("all-3")?;
        sleep(BETWEEN);
        let stopped = now();
        pipe.worker("all-1")?.pause()?;
        sleep(2 * BETWEEN);
        pipe.worker("all-1")?.resume()?;
        sleep(BETWEEN);
        Ok(vec![killed, stopped])
    })?;
    let journals = names.map(|name| pipe.journal(name));
    run.judge(&receiver, &run.disturbed, &journals, report)
}

/// The whole of `dev`, killed three times.
fn dev(tidewheel: &Path, report: &mut Report) -> Result<()> {
    let receiver = Receiver::start()?;
    let mut dev = Dev::start(tidewheel, "kill-dev")?;
    let load = Load {
        door: dev.worker.http,
        url: receiver.url("dev"),
        name: "dev".to_owned(),
    };
    let run = load.beside(|| {
        let mut kills = Vec::new();
        for _ in 0..KILLS {
            sleep(BETWEEN);
            dev.kill_and_restart()?;
            kills.push(now());
            dev.worker.wait_ready()?;
        }
        sleep(BETWEEN);
        Ok(kills)
    })?;
    run.judge(&receiver, &run.disturbed, &[dev.journal()], report)
}
