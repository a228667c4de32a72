//! pipe.8: cancel, reschedule, touch and run at every place where a task can be, under load: what
//! is answered is what happens.

mod trial;

use super::report::{Aim, Report};
use super::steady::Load;
use super::{ShowArgs, program};
use crate::harness::Deployment;
use crate::harness::receiver::{Call, Receiver, now};
use crate::services::Services;
use anyhow::{Context, Result};
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::{Mutex, PoisonError};
use std::thread::{Builder, sleep};
use std::time::Duration;
use trial::{Done, Trial};

const TRIALS: u64 = 10_000;
/// Trials begun in a second; most of them sleep most of their time.
const RATE: u64 = 100;
/// A trial's thread does little.
const STACK: usize = 256 * 1024;

pub(super) fn truthful(args: &ShowArgs, report: &mut Report) -> Result<()> {
    let tidewheel = program(args, "server", "tidewheel")?;
    let services = Services::up(false)?;
    let receiver = Receiver::start()?;
    let mut pipe = Deployment::prepare(&tidewheel, &services, "cancel")?;
    pipe.start_all()?;
    let door = pipe.door()?;
    let trials = if args.debug { TRIALS / 20 } else { TRIALS };
    let done = Mutex::new(Vec::new());
    let load = Load {
        door,
        url: receiver.url("beside"),
        name: "beside".to_owned(),
    };
    let beside = load.beside(|| run_all(trials, door, &receiver, &done).map(|()| Vec::new()))?;
    let done = done.into_inner().unwrap_or_else(PoisonError::into_inner);
    let (done, failed): (Vec<_>, Vec<_>) = done.into_iter().partition(Result::is_ok);
    let done: Vec<Done> = done.into_iter().flatten().collect();
    for error in failed
        .iter()
        .filter_map(|failed| failed.as_ref().err())
        .take(5)
    {
        report.note(format!("not answered: {error:#}"));
    }
    report.figure("commands", trials as f64, "", Aim::Told);
    report.figure("not answered", failed.len() as f64, "", Aim::Is(0.0));
    await_calls(&done);
    beside.judge(&receiver, &[], &[], report)?;
    judge(&done, &receiver.calls(), report);
    Ok(())
}

/// Each trial has a thread of its own; they begin at a steady rate.
fn run_all(
    trials: u64,
    door: SocketAddr,
    receiver: &Receiver,
    done: &Mutex<Vec<Result<Done>>>,
) -> Result<()> {
    std::thread::scope(|scope| {
        for number in 0..trials {
            let run = move || {
                let ended = Trial::of(number, receiver).run(door);
                done.lock()
                    .unwrap_or_else(PoisonError::into_inner)
                    .push(ended);
            };
            let builder = Builder::new().stack_size(STACK);
            builder.spawn_scoped(scope, run).context("start a trial")?;
            sleep(Duration::from_millis(1_000 / RATE));
        }
        Ok(())
    })
}

/// Waits until everything that was promised for the next minutes must have happened.
fn await_calls(done: &[Done]) {
    let soon = now() + trial::FAR_AHEAD.as_millis() as i64 / 2;
    let last = done
        .iter()
        .filter_map(|done| done.due)
        .filter(|due| *due < soon)
        .max();
    let left = last.unwrap_or(0) + 15_000 - now();
    sleep(Duration::from_millis(u64::try_from(left).unwrap_or(0)));
}

fn judge(done: &[Done], calls: &[Call], report: &mut Report) {
    let mut by_task: BTreeMap<&str, Vec<&Call>> = BTreeMap::new();
    for call in calls {
        by_task.entry(call.task.as_str()).or_default().push(call);
    }
    let mut answers: BTreeMap<String, u64> = BTreeMap::new();
    let mut broken: BTreeMap<&'static str, u64> = BTreeMap::new();
    for done in done {
        let of_task = by_task
            .get(done.task.as_str())
            .map_or(&[][..], Vec::as_slice);
        *answers
            .entry(format!(
                "{:?} {:?}: {}",
                done.place, done.command, done.answer
            ))
            .or_default() += 1;
        if let Some(how) = done.broken(of_task, now()) {
            *broken.entry(how).or_default() += 1;
            if broken[how] <= 3 {
                report.note(format!("{how}: {done:?}, calls {of_task:?}"));
            }
        }
    }
    for (answer, count) in answers {
        report.note(format!("{answer} {count}"));
    }
    for how in trial::WAYS_TO_LIE {
        let count = broken.get(how).copied().unwrap_or(0);
        report.figure(how, count as f64, "", Aim::Is(0.0));
    }
    let early = calls.iter().filter(|call| call.at < call.due).count();
    report.figure("early", early as f64, "", Aim::Is(0.0));
}
