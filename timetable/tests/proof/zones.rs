//! The stretches of every zone there is against `chrono-tz` itself.

use super::brute::naive;
use chrono::{Offset, TimeZone};
use chrono_tz::{TZ_VARIANTS, Tz};
use rand::Rng;
use timetable::Zone;

/// Seconds since the epoch: 1970 to 2100.
const TO: i64 = 4_102_444_800;

/// Compares `count` random offsets of each zone. Gives the zones, the seconds between the closest two changes of one zone, and the offsets that
/// differ.
pub(crate) fn check(rng: &mut impl Rng, zones: &[Tz], count: u32) -> (usize, i64, Vec<String>) {
    let (mut closest, mut wrong) = (i64::MAX, Vec::new());
    for tz in zones {
        let zone = Zone::parse(tz.name()).expect("a zone");
        let mut last = zone.next_change(0);
        while let Some(change) = last {
            last = zone.next_change(change);
            closest = closest.min(last.map_or(i64::MAX, |next| next - change));
        }
        for _ in 0..count {
            let at = rng.random_range(0..TO);
            let offset = tz.offset_from_utc_datetime(&naive(at)).fix();
            if zone.offset(at) != i64::from(offset.local_minus_utc()) {
                wrong.push(format!("{tz} at {at}: {} s", zone.offset(at)));
            }
        }
    }
    (zones.len(), closest, wrong)
}

/// All there are.
pub(crate) fn all() -> &'static [Tz] {
    &TZ_VARIANTS
}
