//! `tidewheel-load`: how late Tidewheel is, and whether it loses, hurries or doubles, under load.
//!
//! *Reads*: its flags, and the calls that come to its own receiver. *Writes*: registrations, through
//! Kafka or the HTTP door, then one JSON file and a summary. *Promises* to look at T1 (lost), T2 (early),
//! T3 (doubled) and T4 (answers to commands) from outside, by what a receiver sees and nothing else.
//!
//! How it measures:
//! - **Open loop.** When each task is registered and when it is due follows from the seed alone
//!   (`arrivals`): Poisson arrivals at `--rate`, due times uniform in `--ahead` unless the profile says
//!   otherwise. A slow answer delays no later arrival; when this program itself falls behind,
//!   `behind_ms_max` tells.
//! - **Lateness** is arrival at the receiver minus the due time that the plan gave, not the time since
//!   something was sent: what waits anywhere counts in full, so omission is not coordinated.
//! - **Lost**: acknowledged by the log or the door, and never called until everything was silent for
//!   `--settle` behind the last due time. **Early**: arrived before its due time. **Doubled**: a second
//!   call with one `webhook-id` and attempt, or a second firing of a task that fires once.
//! - The receiver answers every call with 200 at once.
//! - `--harm` kills or stops processes named by `--pids` while the load runs; starting them again is for
//!   whoever started them. `doubled_at_harm` tells how many doubled calls a harm explains.
//!
//! `raw-log` and `raw-http` put no load on Tidewheel: they tell what the machine could do at best, with the
//! same log client and the same receiver.
//!
//! Start reading at `run`; `tally` is the judge, `commands` judges answers.

mod arrivals;
mod cancels;
mod clock;
mod commands;
mod door;
mod flags;
mod harm;
mod kafka;
mod lag;
mod raw;
mod raw_log;
mod receiver;
mod register;
mod report;
mod run;
mod tally;
mod task;
mod watch;

use std::process::ExitCode;

use clap::Parser;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    let flags = flags::Flags::parse();
    match flags::Settings::from_flags(flags).and_then(measure) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::from(2)
        }
    }
}

/// Whether everything was as promised.
fn measure(settings: flags::Settings) -> anyhow::Result<bool> {
    match settings.profile {
        flags::Profile::RawLog => raw_log::run(&settings).map(|()| true),
        flags::Profile::RawHttp => raw::alone(&settings).map(|()| true),
        _ => run::run(settings).map(|report| report.is_exact()),
    }
}
