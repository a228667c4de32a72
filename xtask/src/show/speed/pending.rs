//! speed.7: pending tasks cost disk, not time and not memory.

use super::QUICK;
use super::quiet;
use super::stand::{self, Stand};
use crate::harness::ROLES;
use crate::show::ShowArgs;
use crate::show::load::Seen;
use crate::show::report::{Aim, Report};
use crate::sys;
use anyhow::{Context, Result, bail};
use std::path::Path;
use std::process::Command;

/// Pending tasks at which it is looked, one after the other.
const SIZES: [u64; 3] = [1_000_000, 10_000_000, 30_000_000];
/// Tasks of one load run: what a run keeps of each would else be what is measured.
const CHUNK: u64 = 2_000_000;
/// Registered to measure the rate at a size: enough that a quarter of a second, at which it is looked
/// whether all is planned, does not matter.
const PROBE: u64 = 500_000;
/// Runs at a size, of which the middle one counts, figure by figure: the p99 of half a minute is
/// by itself up to a sixth off.
const ROUNDS: usize = 3;
/// Of which memory is told. A planner's goes up and down by half, as rows gather that are not on disk and are
/// written out together: a run that is too short for that once tells only when it was.
const CYCLE: &str = "steady --rate 3000 --ahead 2s..10s";
const CYCLE_S: u64 = 90;
/// Against the first size, %.
const FLAT: f64 = 15.0;
const RSS_MIB: f64 = 1_024.0;
/// Of the disk, a task, before it was measured: record, changelog before its compaction, table.
const BYTES_A_TASK: u64 = 1_500;
/// Left free whatever the claim asks for.
const SPARE_BYTES: u64 = 6 << 30;

/// What was found at one size.
struct Look {
    size: u64,
    rate: f64,
    lateness: [f64; 2],
    memory: Vec<(String, f64)>,
}

pub(super) fn flat(args: &ShowArgs, report: &mut Report) -> Result<()> {
    let stand = Stand::up(args, "pending")?;
    let mut looks: Vec<Look> = Vec::new();
    let mut seen = Vec::new();
    let mut pending = 0;
    let begun_with = used(&stand)?;
    for size in sizes(args) {
        let each = match pending {
            0 => BYTES_A_TASK,
            _ => (used(&stand)?.saturating_sub(begun_with) / pending).max(100) * 3 / 2,
        };
        let fits = pending + free(stand.pipe.kafka_data())?.saturating_sub(SPARE_BYTES) / each;
        if fits < size {
            report.note(format!(
                "the disk has room for {fits} tasks at {each} bytes each: {size} are not tried"
            ));
            report.figure(format!("{size} pending: tried"), 0.0, "", Aim::Is(1.0));
            break;
        }
        seen.extend(grow(&stand, size - pending)?);
        pending = size;
        looks.push(look(&stand, size, report, &mut seen)?);
    }
    peaks(&seen, report);
    let bytes = used(&stand)?.saturating_sub(begun_with) / pending.max(1);
    report.figure("disk of a pending task", bytes as f64, "bytes", Aim::Told);
    compare(&looks, report);
    Ok(())
}

pub(super) fn sizes(args: &ShowArgs) -> Vec<u64> {
    match (args.pending.as_slice(), args.quick) {
        ([], false) => SIZES.to_vec(),
        ([], true) => SIZES.iter().map(|size| size / (QUICK * 5)).collect(),
        (told, _) => told.to_vec(),
    }
}

/// Registers so many more tasks, due in days, as fast as it goes, and waits until all are planned.
pub(super) fn grow(stand: &Stand, mut tasks: u64) -> Result<Vec<Seen>> {
    let mut all = Vec::new();
    while tasks > 0 {
        let chunk = tasks.min(CHUNK);
        let seen = far(stand, chunk)?;
        if seen.registered < chunk {
            bail!("{} of {chunk} tasks were registered", seen.registered);
        }
        all.push(seen);
        tasks -= chunk;
    }
    quiet::rest()?;
    Ok(all)
}

/// The rate is beyond what is possible: as fast as the planner takes them.
fn far(stand: &Stand, tasks: u64) -> Result<Seen> {
    let flags = format!("far --tasks {tasks} --rate 200000 --settle 10m");
    stand.load("pending", &flags)
}

fn look(stand: &Stand, size: u64, report: &mut Report, all: &mut Vec<Seen>) -> Result<Look> {
    let probe = far(stand, PROBE)?;
    // Until planned, not until acknowledged; the load program lingers for two seconds behind that.
    let rate = probe.registered as f64 / (probe.seconds - 2.0).max(0.1);
    all.push(probe);
    let of = format!("{size} pending");
    report.figure(
        format!("{of}: registered and planned"),
        rate,
        "/s",
        Aim::Told,
    );
    quiet::rest()?;
    let seconds = stand.seconds(30);
    let steady = format!("steady --rate 1000 --for {seconds}s --ahead 2s..10s");
    let mut rounds = Vec::new();
    for round in 1..=ROUNDS {
        let seen = stand.load("pending-steady", &steady)?;
        let of = format!("{of}, run {round}");
        seen.report_exact(report, &of);
        seen.report_lateness(report, &of, Aim::Told);
        rounds.push(seen);
    }
    let middle_of = |figure: fn(&Seen) -> f64| stand::middle(rounds.iter().map(figure).collect());
    let cycle = format!("{CYCLE} --for {}s", stand.seconds(CYCLE_S));
    let cycle = stand.load("pending-memory", &cycle)?;
    cycle.report_exact(report, &format!("{of}, memory"));
    let memory = |role: &str| cycle.rss_mib.get(role).copied().unwrap_or(f64::NAN);
    let look = Look {
        size,
        rate,
        lateness: [
            middle_of(|seen| seen.lateness_ms.p50),
            middle_of(|seen| seen.lateness_ms.p99),
        ],
        memory: ROLES.map(|role| (role.to_owned(), memory(role))).to_vec(),
    };
    all.extend(rounds);
    all.push(cycle);
    Ok(look)
}

/// What each role had at most in any run, those that made what is pending too.
fn peaks(all: &[Seen], report: &mut Report) {
    for role in ROLES {
        let had = all.iter().filter_map(|seen| seen.rss_mib.get(role));
        let most = had.copied().fold(f64::NAN, f64::max);
        report.figure(
            format!("memory at most, {role}"),
            most,
            "MiB",
            Aim::AtMost(RSS_MIB),
        );
    }
}

fn compare(looks: &[Look], report: &mut Report) {
    let Some((first, others)) = looks.split_first() else {
        return;
    };
    for look in others {
        let of = format!("{} against {} pending", look.size, first.size);
        let mut put = |what: String, before: f64, after: f64| {
            let change = (after / before - 1.0) * 100.0;
            report.figure(format!("{of}: {what}"), change, "%", Aim::AtMost(FLAT));
        };
        // A rate that falls is a cost that grows.
        put("cost of registering".to_owned(), look.rate, first.rate);
        for (name, index) in [("p50", 0), ("p99", 1)] {
            put(
                format!("lateness {name}"),
                first.lateness[index],
                look.lateness[index],
            );
        }
        for ((role, before), (_, after)) in first.memory.iter().zip(&look.memory) {
            put(format!("memory of {role}"), *before, *after);
        }
    }
}

/// What brokers hold of this run's topics, and planners, on the disk, bytes.
fn used(stand: &Stand) -> Result<u64> {
    let mut dirs = vec![stand.pipe.dir.clone()];
    for node in std::fs::read_dir(stand.pipe.kafka_data())? {
        let node = node?.path();
        if !node.is_dir() {
            continue;
        }
        for partition in std::fs::read_dir(node)? {
            let partition = partition?;
            let name = partition.file_name();
            if name.to_string_lossy().starts_with(&stand.pipe.prefix) {
                dirs.push(partition.path());
            }
        }
    }
    // A file that was removed while `du` looked makes it complain, and still tell.
    let output = Command::new("du")
        .args(["-sc", "-B1"])
        .args(dirs)
        .output()?;
    let told = String::from_utf8_lossy(&output.stdout).into_owned();
    told.lines().last().and_then(first_number).context("ask du")
}

/// What the disk below `dir` has left, bytes.
fn free(dir: &Path) -> Result<u64> {
    let mut df = Command::new("df");
    df.args(["-B1", "--output=avail"]).arg(dir);
    let text = sys::capture(&mut df)?;
    text.lines().last().and_then(first_number).context("ask df")
}

fn first_number(text: &str) -> Option<u64> {
    text.split_whitespace().next()?.parse().ok()
}
