//! A steady load that survives what is done to the pipe beside it, and a judge who knows each task.

use super::report::{Aim, Report};
use super::tasks;
use crate::harness::receiver::{Call, Receiver, now};
use crate::sys;
use anyhow::{Context, Result, bail};
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::sleep;
use std::time::{Duration, Instant};

/// Tasks registered in one request, ten times a second.
const BATCH: usize = 50;
const TICK: Duration = Duration::from_millis(100);
/// A call that began longer than this before a kill had been committed by then: calls end at
/// once here, and a turn takes less than a tenth of it.
const UNCOMMITTED: i64 = 5_000;

/// Tasks that keep coming, each due one to four seconds later.
pub(super) struct Load {
    pub door: SocketAddr,
    pub url: String,
    /// Of its figures.
    pub name: String,
}

/// What a load registered, and when a process was killed beside it.
pub(super) struct Run {
    name: String,
    tenant: String,
    registered: BTreeSet<String>,
    /// Epoch ms just behind each kill.
    pub disturbed: Vec<i64>,
}

impl Load {
    /// Registers until `harm` is done.
    pub(super) fn beside(&self, harm: impl FnOnce() -> Result<Vec<i64>>) -> Result<Run> {
        let over = AtomicBool::new(false);
        let (registered, disturbed) = std::thread::scope(|scope| {
            let registering = scope.spawn(|| self.register_until(&over));
            let disturbed = harm();
            over.store(true, Ordering::Relaxed);
            let registered = registering
                .join()
                .ok()
                .context("the registering thread failed")?;
            anyhow::Ok((registered?, disturbed?))
        })?;
        Ok(Run {
            name: self.name.clone(),
            tenant: self.tenant(),
            registered,
            disturbed,
        })
    }

    fn tenant(&self) -> String {
        format!("kill-{}", self.name.replace(' ', "-"))
    }

    fn register_until(&self, over: &AtomicBool) -> Result<BTreeSet<String>> {
        let tenant = self.tenant();
        let mut ids = BTreeSet::new();
        while !over.load(Ordering::Relaxed) {
            let begun = Instant::now();
            let batch: Vec<Value> = (0..BATCH)
                .map(|index| {
                    let number = ids.len() + index;
                    let due = now() + 1_000 + (number as i64 * 7_919) % 3_000;
                    let id = format!("t-{number}");
                    tasks::register(&tenant, &id, json!({"at": due}), &self.url)
                })
                .collect();
            self.register_surely(&batch)?;
            ids.extend(
                (0..BATCH)
                    .map(|index| format!("t-{}", ids.len() + index))
                    .collect::<Vec<_>>(),
            );
            sleep(TICK.saturating_sub(begun.elapsed()));
        }
        Ok(ids)
    }

    /// The door may be the one that is killed; asking the same again is what a client does.
    fn register_surely(&self, batch: &[Value]) -> Result<()> {
        let mut last = None;
        let accepted = sys::wait_until(Duration::from_secs(60), || {
            last = tasks::register_all(self.door, batch).err();
            last.is_none()
        });
        match last {
            Some(error) if !accepted => Err(error.context("no answer from the door for a minute")),
            _ => Ok(()),
        }
    }
}

impl Run {
    /// Waits until everything has fired, then judges every call.
    pub(super) fn judge(
        &self,
        receiver: &Receiver,
        kills: &[i64],
        journals: &[PathBuf],
        report: &mut Report,
    ) -> Result<()> {
        let prefix = format!("{}/", self.tenant);
        let of_run = || {
            let mut calls = receiver.calls();
            calls.retain(|call| call.task.starts_with(&prefix));
            calls
        };
        let fired = |calls: &[Call]| {
            let tasks = calls.iter().map(|call| call.task.clone());
            tasks.collect::<BTreeSet<_>>().len()
        };
        sys::wait_until(Duration::from_secs(60), || {
            fired(&of_run()) >= self.registered.len()
        });
        // A second call of the same firing would come with the next owner's first turns.
        sleep(Duration::from_secs(3));
        let calls = of_run();
        let name = &self.name;
        let lost = self.registered.len() as f64 - fired(&calls) as f64;
        let early = calls.iter().filter(|call| call.at < call.due).count();
        let calls: Vec<&Call> = calls.iter().collect();
        let doubled = doubled(&calls);
        let unexplained = unexplained(&calls, kills, journals)?;
        let count = self.registered.len() as f64;
        report.figure(
            format!("{name}: kills"),
            self.disturbed.len() as f64,
            "",
            Aim::Told,
        );
        report.figure(format!("{name}: registered"), count, "", Aim::AtLeast(1.0));
        report.figure(format!("{name}: lost"), lost, "", Aim::Is(0.0));
        report.figure(format!("{name}: early"), early as f64, "", Aim::Is(0.0));
        report.figure(
            format!("{name}: called twice"),
            doubled.len() as f64,
            "",
            Aim::Told,
        );
        let text = format!("{name}: called twice, but not begun and uncommitted at a kill");
        report.figure(text, unexplained as f64, "", Aim::Is(0.0));
        if calls.is_empty() {
            bail!("{name}: no calls at all");
        }
        Ok(())
    }
}

/// How many firings were called twice though no kill explains it: the first call begun shortly before
/// it, both in the journals.
pub(super) fn unexplained(calls: &[&Call], kills: &[i64], journals: &[PathBuf]) -> Result<usize> {
    let begun = begun(journals)?;
    let doubled = doubled(calls);
    let unexplained = doubled.iter().filter(|(fire_id, times)| {
        let noted_twice = begun.get(*fire_id).copied().unwrap_or(0) >= 2;
        !noted_twice || !kills.iter().any(|kill| straddles(times, *kill))
    });
    Ok(unexplained.count())
}

/// Firings with more than one call of the same attempt, and when those came.
fn doubled(calls: &[&Call]) -> BTreeMap<String, Vec<i64>> {
    let mut times: BTreeMap<(String, u32), Vec<i64>> = BTreeMap::new();
    for call in calls {
        times
            .entry((call.fire_id.clone(), call.attempt))
            .or_default()
            .push(call.at);
    }
    times.retain(|_, times| times.len() > 1);
    times
        .into_iter()
        .map(|((fire_id, _), times)| (fire_id, times))
        .collect()
}

/// Whether the calls lie on both sides of a kill, the first shortly before it.
fn straddles(times: &[i64], kill: i64) -> bool {
    let (first, last) = (times.iter().min(), times.iter().max());
    first.is_some_and(|first| (kill - UNCOMMITTED..=kill).contains(first))
        && last.is_some_and(|last| *last >= kill)
}

/// How often each firing stands in the dispatchers' journals of begun calls: one a line, its id
/// first.
fn begun(journals: &[PathBuf]) -> Result<BTreeMap<String, usize>> {
    let mut counts = BTreeMap::new();
    for journal in journals {
        let text = std::fs::read_to_string(journal)
            .with_context(|| format!("read the journal `{}`", journal.display()))?;
        for fire_id in text
            .lines()
            .filter_map(|line| line.split_whitespace().next())
        {
            *counts.entry(fire_id.to_owned()).or_insert(0) += 1;
        }
    }
    Ok(counts)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_second_call_is_explained_by_a_kill_between_the_two() {
        let cases = [
            (vec![9_000, 11_000], 10_000, true),
            (vec![4_000, 11_000], 10_000, false),
            (vec![8_000, 9_000], 10_000, false),
            (vec![10_500, 11_000], 10_000, false),
        ];
        for (times, kill, expected) in cases {
            assert_eq!(straddles(&times, kill), expected, "{times:?}");
        }
    }
}
