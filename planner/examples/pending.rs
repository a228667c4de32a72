//! What a planner's cores with their tables on disk take while more and more is pending, alone: `pending [millions]...`,
//! for example `pending 1 10 30`. For each it registers as fast as one thread can until so many are pending, rests, and
//! hands in 400,000 tasks that are planted at once and answered, 12,500 a second. Prints resident MiB (of both parts the
//! most, and the second as it went) and core-microseconds a task. With `RANDOM_IDS` set ids come in no order.

#![allow(
    clippy::unwrap_used,
    clippy::cast_precision_loss,
    reason = "a tool for whoever measures; it fails loudly"
)]

mod tasks;

use std::time::{Duration, Instant};

use pipeline::Factory;
use planner::PlannerConfig;
use planner::run::factory;
use schemas::{Shard, Shards};

use crate::tasks::{One, at, command, kilobytes};

/// As roles take it.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const SHARDS: u16 = 4;
/// Tasks of one turn of all shards, while growing and behind it.
const GROWING: usize = 6_000;
const STEADY: usize = 1_000;
/// Between two turns behind it.
const PACE: Duration = Duration::from_millis(80);
/// Tasks handed in behind it.
const BEHIND: usize = 400_000;
/// Of a processor in three seconds, below which the tables are at rest.
const RESTING: f64 = 0.3;

/// All shards of a process.
struct All {
    ones: Vec<One>,
    tasks: usize,
    turns: u64,
    random: bool,
}

fn main() {
    let directory = std::env::temp_dir().join(format!("planner-pending-{}", std::process::id()));
    let shards = Shards::new(SHARDS).unwrap();
    let mut factory = factory(PlannerConfig::default(), &directory).unwrap();
    let one = |shard| One::open(&mut factory, Shard(shard), shards);
    let mut all = All {
        ones: (0..SHARDS).map(one).collect(),
        tasks: 0,
        turns: 0,
        random: std::env::var_os("RANDOM_IDS").is_some(),
    };
    for millions in std::env::args().skip(1) {
        let pending: usize = millions.parse().unwrap();
        println!(
            "{pending},000,000 pending: {}",
            all.grow(pending * 1_000_000)
        );
        rest();
        println!("  behind it: {}", all.behind());
    }
    for (shard, one) in (0..).zip(all.ones) {
        factory.close(Shard(shard), one.core);
    }
    drop(factory);
    std::fs::remove_dir_all(directory).unwrap();
}

impl All {
    /// Registers far tasks until there are so many.
    fn grow(&mut self, pending: usize) -> String {
        let (begin, before, spent) = (Instant::now(), self.tasks, processor_seconds());
        let mut most = 0;
        while self.tasks < pending {
            self.step(GROWING, "60d");
            most = most.max(resident_mib());
        }
        let count = (self.tasks - before) as f64;
        let rate = count / begin.elapsed().as_secs_f64();
        let each = (processor_seconds() - spent) * 1e6 / count;
        format!("{rate:.0}/s, {each:.1} us a task, {most} MiB at most")
    }

    /// Hands in tasks that are planted at once.
    fn behind(&mut self) -> String {
        let (begin, spent) = (Instant::now(), processor_seconds());
        let mut course = Vec::new();
        for round in 1..=BEHIND / STEADY {
            self.step(STEADY, "10s");
            course.push(resident_mib());
            let due = PACE * u32::try_from(round).unwrap();
            if let Some(left) = due.checked_sub(begin.elapsed()) {
                std::thread::sleep(left);
            }
        }
        let each = (processor_seconds() - spent) * 1e6 / BEHIND as f64;
        let most = course.iter().max().unwrap();
        let course: Vec<_> = course.iter().step_by(20).collect();
        format!("{each:.1} us a task, {most} MiB at most; {course:?}")
    }

    /// One turn of each shard: `count` commands in all, and the answers to what its last turn planted.
    fn step(&mut self, count: usize, ahead: &str) {
        let now = at(self.turns * 100);
        let each = count / self.ones.len();
        for one in &mut self.ones {
            let numbers = self.tasks..self.tasks + each;
            let commands =
                numbers.map(|n| command(if self.random { scattered(n) } else { n }, ahead));
            one.turn(commands.collect(), now);
            self.tasks += each;
        }
        self.turns += 1;
    }
}

/// Another number for each, in no order.
fn scattered(n: usize) -> usize {
    n.wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 8
}

/// Until the tables have merged what there is to merge.
fn rest() {
    loop {
        let before = processor_seconds();
        std::thread::sleep(Duration::from_secs(3));
        if processor_seconds() - before < RESTING {
            return;
        }
    }
}

fn resident_mib() -> u64 {
    kilobytes("VmRSS") / 1_024
}

/// Of this process, user and system.
fn processor_seconds() -> f64 {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap();
    let fields: Vec<&str> = stat
        .rsplit(')')
        .next()
        .unwrap()
        .split_whitespace()
        .collect();
    let ticks: u64 = fields[11].parse::<u64>().unwrap() + fields[12].parse::<u64>().unwrap();
    ticks as f64 / 100.0
}
