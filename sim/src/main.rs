//! `sim`: runs seeds, prints what failed and how to run it again, and one JSON object last.

use std::process::ExitCode;
use std::time::{Duration, Instant};

use clap::Parser;
use sim::alarm::Alarm;
use sim::{Bug, Options, Verdict, run};
use tracing_subscriber::Layer;
use tracing_subscriber::filter::LevelFilter;
use tracing_subscriber::layer::SubscriberExt;

/// The whole pipe on a virtual clock, from seeds
#[derive(Debug, Parser)]
struct Args {
    /// How many seeds to run
    #[arg(long, default_value_t = 100)]
    seeds: u64,
    /// The first of them
    #[arg(long, default_value_t = 0)]
    from: u64,
    /// Run this seed only
    #[arg(long)]
    seed: Option<u64>,
    /// Run each seed so many times and hold the traces against each other
    #[arg(long, default_value_t = 1)]
    reruns: u64,
    /// Flows instead of tasks that have nothing to do with each other: of so many steps, or of up to
    /// 1,000 as the seed has it
    #[arg(long, num_args = 0..=1, default_missing_value = "0")]
    flows: Option<usize>,
    /// Print everything that happens
    #[arg(long)]
    trace: bool,
    /// Break something on purpose, to see the verdict find it
    #[arg(long)]
    planted_bug: Option<Bug>,
    /// Only tasks due in 40 days and in 100 years, in a world without faults
    #[arg(long)]
    far: bool,
    /// Recurring tasks beside the others
    #[arg(long)]
    recurring: bool,
    /// A part of the tasks are broadcasts: of those drawn alone, of flows, or of recurring ones
    #[arg(long)]
    broadcasts: bool,
    /// Commands on many tasks beside those on one
    #[arg(long)]
    sweeps: bool,
}

/// Counts over all seeds.
#[derive(Debug, Default)]
struct Sum {
    seeds: u64,
    failed: u64,
    lost: usize,
    early: usize,
    doubled: usize,
    false_answers: usize,
    undrained: usize,
    calls: usize,
    latest_ms: u64,
    elapsed_ms: u64,
    commands: usize,
    trace_hash: u64,
}

const EVERY: Duration = Duration::from_secs(5);

fn main() -> ExitCode {
    let args = Args::parse();
    listen(args.trace);
    // A panic is told with its seed; where it stands is worth knowing only when one is looked at.
    if args.seed.is_none() {
        std::panic::set_hook(Box::new(|_| {}));
    }
    let (from, count) = args.seed.map_or((args.from, args.seeds), |seed| (seed, 1));
    let mut sum = Sum::default();
    let (begun, mut told) = (Instant::now(), Instant::now());
    for seed in from..from + count {
        let verdict = one(seed, &args);
        sum.add(&verdict);
        if !verdict.is_good() {
            let bug = args
                .planted_bug
                .map_or(String::new(), |bug| format!(" --planted-bug {bug:?}"));
            let flows = args
                .flows
                .map_or_else(String::new, |steps| format!(" --flows {steps}"));
            let recurring = if args.recurring { " --recurring" } else { "" };
            let broadcasts = if args.broadcasts { " --broadcasts" } else { "" };
            let sweeps = if args.sweeps { " --sweeps" } else { "" };
            println!(
                "seed {seed} failed; again: cargo run --release -p sim -- --seed {seed}{flows}{recurring}{broadcasts}{sweeps}{bug}"
            );
            print!("{verdict}");
        }
        if told.elapsed() >= EVERY {
            told = Instant::now();
            let seconds = begun.elapsed().as_secs();
            println!(
                "{} of {count} seeds in {seconds} s, {} failed",
                sum.seeds, sum.failed
            );
        }
        if args.seed.is_some() {
            println!("seed {seed}: {:?}", verdict.size);
        }
    }
    println!("{}", sum.json());
    ExitCode::from(u8::from(sum.failed > 0))
}

/// One seed, as often as asked.
fn one(seed: u64, args: &Args) -> Verdict {
    let options = Options {
        print: args.trace,
        bug: args.planted_bug,
        flows: args.flows,
        far: args.far,
        recurring: args.recurring,
        broadcasts: args.broadcasts,
        sweeps: args.sweeps,
    };
    let mut first = run(seed, options);
    for _ in 1..args.reruns {
        let again = run(
            seed,
            Options {
                print: false,
                ..options
            },
        );
        if again.trace_hash != first.trace_hash {
            first.alarms.push(format!(
                "trace {:016x}, then {:016x}: the run is not deterministic",
                first.trace_hash, again.trace_hash
            ));
        }
    }
    first
}

impl Sum {
    fn add(&mut self, verdict: &Verdict) {
        self.seeds += 1;
        self.failed += u64::from(!verdict.is_good());
        self.lost += verdict.lost.len();
        self.early += verdict.early.len();
        self.doubled += verdict.doubled.len();
        self.false_answers += verdict.false_answers.len();
        // A run that was cut short by an alarm has drained nothing.
        self.undrained += verdict.undrained.len() + verdict.alarms.len();
        self.calls += verdict.size.calls;
        self.latest_ms = self.latest_ms.max(verdict.size.latest_ms);
        self.elapsed_ms = self.elapsed_ms.max(verdict.size.elapsed_ms);
        self.commands += verdict.size.commands;
        self.trace_hash = self.trace_hash.rotate_left(5) ^ verdict.trace_hash;
    }

    fn json(&self) -> String {
        serde_json::json!({
            "seeds": self.seeds,
            "failed": self.failed,
            "lost": self.lost,
            "early": self.early,
            "doubled": self.doubled,
            "false_answers": self.false_answers,
            "undrained": self.undrained,
            "commands": self.commands,
            "calls": self.calls,
            "latest_ms": self.latest_ms,
            "elapsed_ms": self.elapsed_ms,
            "trace_hash": format!("{:016x}", self.trace_hash),
        })
        .to_string()
    }
}

/// Errors are heard; with `all`, what is logged is printed too.
fn listen(all: bool) {
    let level = if all {
        LevelFilter::DEBUG
    } else {
        LevelFilter::OFF
    };
    let print = tracing_subscriber::fmt::layer()
        .without_time()
        .with_filter(level);
    let heard = Alarm.with_filter(LevelFilter::ERROR);
    let subscriber = tracing_subscriber::registry().with(print).with(heard);
    if tracing::subscriber::set_global_default(subscriber).is_err() {
        eprintln!("errors will not be heard");
    }
}
