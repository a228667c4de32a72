//! How fast one core with its table on disk is, alone: `pace [tasks] [ahead]`, for example
//! `pace 200000 10s` (planted at once, each answered by a success) or `pace 2000000 30d` (kept).
//! Prints tasks per second of one thread, and how much memory the process took.

#![allow(
    clippy::unwrap_used,
    reason = "a tool for whoever measures; it fails loudly"
)]

mod tasks;

use std::time::Instant;

use pipeline::Factory;
use planner::PlannerConfig;
use planner::run::factory;
use schemas::{Shard, Shards};

use crate::tasks::{One, at, command, kilobytes};

/// Commands handed in between two turns: 100 ms of 15,000 a second.
const BATCH: usize = 1_500;

fn main() {
    let mut arguments = std::env::args().skip(1);
    let tasks: usize = arguments.next().map_or(200_000, |n| n.parse().unwrap());
    let ahead = arguments.next().unwrap_or_else(|| "10s".to_owned());
    let directory = std::env::temp_dir().join(format!("planner-pace-{}", std::process::id()));
    let shards = Shards::new(1).unwrap();
    let mut factory = factory(PlannerConfig::default(), &directory).unwrap();
    let mut one = One::open(&mut factory, Shard(0), shards);
    let (mut asked, mut turns) = (0, 0);
    let begin = Instant::now();
    while asked < tasks || !one.work.is_empty() {
        let count = BATCH.min(tasks - asked);
        let commands = (asked..asked + count).map(|n| command(n, &ahead));
        one.turn(commands.collect(), at(turns * 100));
        asked += count;
        turns += 1;
    }
    let seconds = begin.elapsed().as_secs_f64();
    #[expect(clippy::cast_precision_loss, reason = "a rate for people")]
    let rate = tasks as f64 / seconds;
    println!(
        "{tasks} tasks due in {ahead}, {} ended: {seconds:.1} s, {rate:.0}/s",
        one.answered
    );
    println!(
        "rows in memory {}, VmHWM: {} kB, VmRSS: {} kB",
        one.core.rows_in_memory(),
        kilobytes("VmHWM"),
        kilobytes("VmRSS")
    );
    factory.close(Shard(0), one.core);
    drop(factory);
    std::fs::remove_dir_all(directory).unwrap();
}
