//! How fast one core with its table on disk is, alone: `pace [tasks] [ahead]`, for example
//! `pace 200000 10s` (planted at once, each answered by a success) or `pace 2000000 30d` (kept).
//! Prints tasks per second of one thread, and how much memory the process took.

#![allow(
    clippy::unwrap_used,
    reason = "a tool for whoever measures; it fails loudly"
)]

mod tasks;

use std::collections::VecDeque;
use std::time::Instant;

use bytes::Bytes;
use pipeline::{Factory, Stage};
use planner::PlannerConfig;
use planner::run::factory;
use schemas::{Shard, Shards, Topic};

use crate::tasks::{at, command, numbered, open, turn};

/// Commands handed in between two turns: 100 ms of 15,000 a second.
const BATCH: usize = 1_500;

fn main() {
    let mut arguments = std::env::args().skip(1);
    let tasks: usize = arguments.next().map_or(200_000, |n| n.parse().unwrap());
    let ahead = arguments.next().unwrap_or_else(|| "10s".to_owned());
    let directory = std::env::temp_dir().join(format!("planner-pace-{}", std::process::id()));
    let shards = Shards::new(1).unwrap();
    let mut factory = factory(PlannerConfig::default(), &directory, shards).unwrap();
    let mut core = open(&mut factory, Shard(0), shards);
    let mut work = VecDeque::new();
    let (mut asked, mut answered, mut turns) = (0, 0, 0);
    let (mut in_offset, mut out_offset) = (0, 0);
    let begin = Instant::now();
    while asked < tasks || !work.is_empty() {
        let now = at(turns * 100);
        let count = BATCH.min(tasks - asked);
        let commands = (asked..asked + count).map(|n| command(n, &ahead));
        let commands = numbered(commands.collect(), &mut in_offset, now);
        core.handle_batch(Topic::Registrations, commands, in_offset, now);
        asked += count;
        let outcomes: Vec<Bytes> = work.drain(..).collect();
        answered += outcomes.len();
        let outcomes = numbered(outcomes, &mut out_offset, now);
        core.handle_batch(Topic::Outcomes, outcomes, out_offset, now);
        work.extend(turn(&mut core, now));
        turns += 1;
    }
    let seconds = begin.elapsed().as_secs_f64();
    #[expect(clippy::cast_precision_loss, reason = "a rate for people")]
    let rate = tasks as f64 / seconds;
    println!("{tasks} tasks due in {ahead}, {answered} ended: {seconds:.1} s, {rate:.0}/s");
    println!("rows in memory {}, {}", core.rows_in_memory(), resident());
    factory.close(Shard(0), core);
    drop(factory);
    std::fs::remove_dir_all(directory).unwrap();
}

/// As the system says: resident memory now and at most.
fn resident() -> String {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let lines = status
        .lines()
        .filter(|line| line.starts_with("VmRSS") || line.starts_with("VmHWM"));
    lines
        .map(|line| line.replace('\t', " "))
        .collect::<Vec<_>>()
        .join(", ")
}
