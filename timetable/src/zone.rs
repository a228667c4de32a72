//! IANA time zones as stretches of one offset each.
//!
//! The data are those compiled in with `chrono-tz`, up to the year 2100; later years keep the last offset.

use chrono::{Offset, TimeZone};
use chrono_tz::{OffsetName, TZ_VARIANTS, Tz};
use std::sync::{LazyLock, OnceLock};

/// No zone changes its clocks twice within this, in seconds.
const PROBE: i64 = 6 * 3600;
/// Changes are looked for from 1970-01-01 to 2101-01-01.
const LAST_PROBE: i64 = 4_133_980_800;

/// The stretches of every zone that was asked for, in the order of [`TZ_VARIANTS`].
static STRETCHES: LazyLock<Vec<OnceLock<Vec<Stretch>>>> =
    LazyLock::new(|| TZ_VARIANTS.iter().map(|_| OnceLock::new()).collect());

/// The version of the time zone data, such as `2025b`.
#[must_use]
pub fn tzdata_version() -> &'static str {
    chrono_tz::IANA_TZDB_VERSION
}

/// A name that is none of the IANA's.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{name}` is not an IANA time zone{}", hint(.near))]
pub struct ZoneError {
    /// What was written.
    pub name: String,
    /// What may have been meant.
    pub near: Option<&'static str>,
}

fn hint(near: &Option<&'static str>) -> String {
    match near {
        Some(near) => format!("; did you mean `{near}`?"),
        None => "; write one such as `Europe/Paris` or `UTC`".to_owned(),
    }
}

/// A time zone.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Zone {
    tz: Tz,
    stretches: &'static [Stretch],
}

/// A stretch of time with one distance from UTC.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Stretch {
    /// Its first second; [`i64::MIN`] for the first stretch.
    pub(crate) begin: i64,
    /// Seconds to add to UTC for the wall clock.
    pub(crate) offset: i64,
}

/// A stretch between its neighbours. All times are seconds since the epoch.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Place {
    pub(crate) begin: i64,
    /// The first second behind it; [`i64::MAX`] for the last stretch.
    pub(crate) end: i64,
    pub(crate) offset: i64,
    /// The offset before `begin`; the same as `offset` for the first stretch.
    pub(crate) before: i64,
    /// The offset from `end` on.
    pub(crate) after: i64,
}

impl Zone {
    /// Coordinated universal time.
    pub const fn utc() -> Self {
        const ONLY: &[Stretch] = &[Stretch {
            begin: i64::MIN,
            offset: 0,
        }];
        Self {
            tz: Tz::UTC,
            stretches: ONLY,
        }
    }

    /// Reads an IANA name such as `Asia/Shanghai`, with its capitals.
    ///
    /// # Errors
    /// [`ZoneError`] names the zone that may have been meant.
    pub fn parse(name: &str) -> Result<Self, ZoneError> {
        let near = || {
            TZ_VARIANTS.iter().map(|tz| tz.name()).find(|known| {
                let place = known.rsplit('/').next().unwrap_or(known);
                known.eq_ignore_ascii_case(name) || place.eq_ignore_ascii_case(name)
            })
        };
        let tz: Tz = name.parse().map_err(|_| ZoneError {
            name: name.chars().take(64).collect(),
            near: near(),
        })?;
        let stretches = STRETCHES
            .get(tz as usize)
            .map_or(Self::utc().stretches, |cell| {
                cell.get_or_init(|| stretches(tz)).as_slice()
            });
        Ok(Self { tz, stretches })
    }

    /// Its IANA name.
    #[must_use]
    pub fn name(self) -> &'static str {
        self.tz.name()
    }

    /// Seconds to add to UTC for the wall clock, at a time in seconds since the epoch.
    #[must_use]
    pub fn offset(self, at: i64) -> i64 {
        self.place(at).offset
    }

    /// The abbreviation in use at a time in seconds since the epoch, such as `CEST`; `None` where the zone has none.
    #[must_use]
    pub fn abbreviation(self, at: i64) -> Option<String> {
        let utc = chrono::DateTime::from_timestamp(at, 0)?.naive_utc();
        let offset = self.tz.offset_from_utc_datetime(&utc);
        offset.abbreviation().map(str::to_owned)
    }

    /// The next time after `at` at which the clocks change; both in seconds since the epoch.
    #[must_use]
    pub fn next_change(self, at: i64) -> Option<i64> {
        Some(self.place(at).end).filter(|end| *end != i64::MAX)
    }

    /// The stretch that a second lies in.
    pub(crate) fn place(self, at: i64) -> Place {
        let behind = self
            .stretches
            .partition_point(|stretch| stretch.begin <= at);
        let index = behind.saturating_sub(1);
        let here = self.stretches.get(index).copied().unwrap_or(Stretch {
            begin: i64::MIN,
            offset: 0,
        });
        let before = index
            .checked_sub(1)
            .and_then(|index| self.stretches.get(index));
        let after = self.stretches.get(index + 1);
        Place {
            begin: here.begin,
            end: after.map_or(i64::MAX, |after| after.begin),
            offset: here.offset,
            before: before.map_or(here.offset, |before| before.offset),
            after: after.map_or(here.offset, |after| after.offset),
        }
    }
}

impl std::fmt::Debug for Zone {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name())
    }
}

impl std::fmt::Display for Zone {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name())
    }
}

/// Finds every change of a zone's offset by looking at it every few hours.
fn stretches(tz: Tz) -> Vec<Stretch> {
    let mut offset = offset_of(tz, 0);
    let mut found = vec![Stretch {
        begin: i64::MIN,
        offset,
    }];
    let mut seen = 0;
    while seen < LAST_PROBE {
        let probe = seen + PROBE;
        let changed = offset_of(tz, probe);
        if changed != offset {
            // The first second with the new offset is in (seen, probe].
            let (mut low, mut high) = (seen, probe);
            while high - low > 1 {
                let middle = low + (high - low) / 2;
                if offset_of(tz, middle) == offset {
                    low = middle;
                } else {
                    high = middle;
                }
            }
            found.push(Stretch {
                begin: high,
                offset: changed,
            });
            offset = changed;
        }
        seen = probe;
    }
    found
}

fn offset_of(tz: Tz, at: i64) -> i64 {
    let utc = chrono::DateTime::from_timestamp(at, 0)
        .unwrap_or_default()
        .naive_utc();
    i64::from(tz.offset_from_utc_datetime(&utc).fix().local_minus_utc())
}
