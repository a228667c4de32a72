//! Kinds of load, and ways that it goes.

use clap::ValueEnum;

use super::Span;
use crate::arrivals::Extent;

/// What kind of load.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Profile {
    /// Registered evenly, due anywhere in --ahead.
    Steady,
    /// Registered ahead, all due at one millisecond.
    Herd,
    /// Registered evenly, due in waves.
    Burst,
    /// Due far away: registered only, no call is awaited.
    Far,
    /// Steady, short, whole seconds and far together.
    Mixed,
    /// Due 200 ms to 1 s ahead.
    Short,
    /// No load: what the log does at best, written, read, and in turns.
    RawLog,
    /// No load: what a plain HTTP client and the receiver do at best.
    RawHttp,
}

/// The way registrations go.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Via {
    /// As records of the registrations topic.
    Kafka,
    /// Through the HTTP door.
    Http,
    /// Into a directory, with raw-log.
    Embedded,
}

/// What a profile is unless told otherwise.
pub(super) struct Usual {
    pub(super) rate: f64,
    pub(super) extent: Extent,
    pub(super) ahead: Span,
    pub(super) batch: usize,
}

impl Profile {
    pub(super) fn usual(self) -> Usual {
        const DAY: u64 = 86_400_000;
        let of = |rate, extent, (min, max), batch| Usual {
            rate,
            extent,
            ahead: Span { min, max },
            batch,
        };
        let (tasks, minute) = (Extent::Tasks(100_000), Extent::Millis(60_000));
        match self {
            Self::Steady => of(1_000.0, minute, (2_000, 60_000), 1),
            // Planned long before it is due: what is measured is the herd, not its registration.
            Self::Herd => of(5_000.0, tasks, (20_000, 20_000), 100),
            Self::Burst => of(1_000.0, minute, (5_000, 60_000), 1),
            Self::Far => of(5_000.0, tasks, (DAY, 40 * DAY), 100),
            Self::Mixed => of(500.0, minute, (2_000, 60_000), 1),
            Self::Short => of(500.0, Extent::Millis(30_000), (200, 1_000), 1),
            Self::RawLog | Self::RawHttp => of(1e6, Extent::Tasks(500_000), (0, 0), 1),
        }
    }

    /// As typed.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Steady => "steady",
            Self::Herd => "herd",
            Self::Burst => "burst",
            Self::Far => "far",
            Self::Mixed => "mixed",
            Self::Short => "short",
            Self::RawLog => "raw-log",
            Self::RawHttp => "raw-http",
        }
    }
}

impl Via {
    pub(super) fn target(self) -> &'static str {
        match self {
            Self::Kafka => "127.0.0.1:9092",
            Self::Http => "http://127.0.0.1:7800",
            Self::Embedded => "raw-log.data",
        }
    }

    /// As typed.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Kafka => "kafka",
            Self::Http => "http",
            Self::Embedded => "embedded",
        }
    }
}
