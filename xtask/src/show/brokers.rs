//! pipe.14: three brokers and three copies of everything; each broker killed under load in its turn.
//!
//! One after the other, because a broker leads a third of the partitions and of the coordinators, and
//! one of them leads the cluster as well: every kind of leader is lost once.

use super::report::{Aim, Report};
use super::steady::Load;
use super::{ShowArgs, program};
use crate::harness::receiver::{Receiver, now};
use crate::harness::{Deployment, ROLES};
use crate::services::{Running, Services, kafka};
use crate::sys;
use anyhow::{Result, bail};
use std::thread::sleep;
use std::time::{Duration, Instant};

const BROKERS: u16 = 3;
const BETWEEN: Duration = Duration::from_secs(8);
/// Longer than a session and than a transaction may be undecided.
const AWAY: Duration = Duration::from_secs(15);
const IN_SYNC: Duration = Duration::from_secs(60);

pub(super) fn outlived(args: &ShowArgs, report: &mut Report) -> Result<()> {
    let tidewheel = program(args, "server", "tidewheel")?;
    let mut services = Services::up_brokers(false, BROKERS)?;
    let receiver = Receiver::start()?;
    let options = [
        ("TIDEWHEEL__KAFKA__REPLICATION", "3"),
        ("TIDEWHEEL__KAFKA__MIN_INSYNC_REPLICAS", "2"),
    ];
    let mut pipe = Deployment::prepare_with(&tidewheel, &services, "brokers", &options)?;
    copies(&pipe, report)?;
    pipe.start_all()?;
    let load = Load {
        door: pipe.door()?,
        url: receiver.url("brokers"),
        name: "three brokers".to_owned(),
    };
    let cluster = &mut services.kafka;
    let mut ready_after = Duration::ZERO;
    let run = load.beside(|| {
        let mut kills = Vec::new();
        for node in 1..=BROKERS {
            sleep(BETWEEN);
            kafka::kill_broker(cluster, node)?;
            kills.push(now());
            let killed = Instant::now();
            sleep(AWAY);
            // A role that ended, or that does not come back while a broker is away, is an error here.
            pipe.wait_ready()?;
            ready_after = ready_after.max(killed.elapsed());
            kafka::start_again(cluster, node)?;
            in_sync(&pipe, cluster)?;
        }
        sleep(BETWEEN);
        pipe.wait_ready()?;
        Ok(kills)
    })?;
    let journals = [pipe.journal("dispatcher-1")];
    run.judge(&receiver, &run.disturbed, &journals, report)?;
    let text = "all roles ready beside two brokers (looked at from 15 s on)";
    report.figure(text, ready_after.as_secs_f64(), "s", Aim::AtMost(30.0));
    let late = receiver.calls().into_iter().map(|call| call.at - call.due);
    let latest = late.max().unwrap_or(0) as f64 / 1_000.0;
    report.figure("latest call", latest, "s", Aim::AtMost(30.0));
    for role in ROLES {
        if !pipe.worker(&format!("{role}-1"))?.is_alive() {
            bail!("{role} ended");
        }
    }
    Ok(())
}

/// By our own check, and by Kafka's own tool.
fn copies(pipe: &Deployment, report: &mut Report) -> Result<()> {
    pipe.topics("check")?;
    let described = describe(pipe, &[])?;
    let ours = |line: &&str| line.contains(&pipe.prefix) && line.contains("ReplicationFactor:");
    let topics = described.lines().filter(ours);
    let (right, wrong): (Vec<&str>, Vec<&str>) = topics.partition(|line| {
        line.contains("ReplicationFactor: 3") && line.contains("min.insync.replicas=2")
    });
    let (right, wrong) = (right.len() as f64, wrong.len() as f64);
    let text = "topics with three copies, two needed to write";
    report.figure(text, right, "", Aim::AtLeast(30.0));
    report.figure("topics with anything else", wrong, "", Aim::Is(0.0));
    Ok(())
}

/// Waits until every partition has all its copies again.
fn in_sync(pipe: &Deployment, cluster: &Running) -> Result<()> {
    let mut missing = String::new();
    let whole = sys::wait_until(IN_SYNC, || {
        match describe(pipe, &["--under-replicated-partitions"]) {
            Ok(text) => missing = text,
            Err(error) => missing = format!("{error:#}"),
        }
        missing.is_empty()
    });
    if !whole {
        let first = missing.lines().next().unwrap_or_default();
        bail!("{} has partitions out of sync: {first}", cluster.address);
    }
    Ok(())
}

fn describe(pipe: &Deployment, further: &[&str]) -> Result<String> {
    let bootstrap = ["--bootstrap-server", pipe.bootstrap(), "--describe"];
    let args = kafka::ToolArgs::of(&[&bootstrap, further].concat());
    let class = "org.apache.kafka.tools.TopicCommand";
    sys::capture(&mut kafka::tool_command(class, &args)?)
}
