//! speed.1 to speed.10: how much, how late, at what cost, on the machine that also runs the brokers,
//! the database, the load and the receiver of the calls.

mod cancels;
mod costs;
mod embedded;
mod herd;
mod lateness;
mod pending;
mod perf;
mod quiet;
mod register;
mod restart;
pub(crate) mod stand;
pub(crate) mod sustained;

use super::Claim;

/// What `--quick` divides the length of runs by.
const QUICK: u64 = 6;

pub(super) static CLAIMS: [Claim; 10] = [
    Claim {
        name: "speed.1",
        text: "registered through Kafka, called by HTTP, archived, for two minutes: aim 16,700 tasks/s",
        show: sustained::most,
    },
    Claim {
        name: "speed.2",
        text: "where one task's microseconds go: by process, and by part from a profile",
        show: costs::table,
    },
    Claim {
        name: "speed.3",
        text: "lateness at 1,000/s, and at half of the rate of speed.1",
        show: lateness::steady,
    },
    Claim {
        name: "speed.4",
        text: "herds of 100,000 and 1,000,000 drain at 60 % of raw HTTP, the first call within 5 ms",
        show: herd::drained,
    },
    Claim {
        name: "speed.5",
        text: "delays of 200 ms to 1 s are kept, alone and beside far tasks; the smallest that is",
        show: lateness::short,
    },
    Claim {
        name: "speed.6",
        text: "registration alone: 50,000/s by Kafka, 30,000/s by arrays, 8,000/s one by one",
        show: register::alone,
    },
    Claim {
        name: "speed.7",
        text: "1M, 10M and 30M pending: rate, lateness and memory stay within 15 %",
        show: pending::flat,
    },
    Claim {
        name: "speed.8",
        text: "killed with 10M pending or 1M loaded: soon fires are on time again",
        show: restart::soon,
    },
    Claim {
        name: "speed.9",
        text: "200,000 cancels a minute beside 3,000 fires a second: no later than without",
        show: cancels::beside,
    },
    Claim {
        name: "speed.10",
        text: "the same figures of `tidewheel dev` on its embedded log",
        show: embedded::same,
    },
];
