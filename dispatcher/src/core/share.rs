//! Which lane may begin a call when there are more due than may be in flight.
//!
//! The high lane goes first, but the others keep a part of the places, so that a lane in front that
//! never runs dry slows them down and does not stop them.

/// Lanes, first to last.
pub(crate) const LANES: usize = 3;

/// Places that only this lane may use, of `max` in all.
fn reserved(lane: usize, max: usize) -> usize {
    match lane {
        0 => 0,
        1 => max / 8,
        _ => max / 16,
    }
}

/// Whether `lane` may begin one more call, given those in flight by lane.
pub(crate) fn may_begin(lane: usize, in_flight: [usize; LANES], max: usize) -> bool {
    let total: usize = in_flight.iter().sum();
    let kept: usize = (0..LANES)
        .filter(|other| *other != lane)
        .map(|other| reserved(other, max).saturating_sub(in_flight[other]))
        .sum();
    total + kept < max
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_lane_gets_its_part_and_no_more_than_all_places_are_taken() {
        // in flight, may high, may normal, may low; of 32 places: 4 kept for normal, 2 for low
        let cases = [
            ([0, 0, 0], true, true, true),
            ([25, 0, 0], true, true, true),
            ([26, 0, 0], false, true, true),
            ([26, 3, 0], false, true, true),
            ([26, 4, 0], false, false, true),
            ([26, 4, 2], false, false, false),
            ([0, 30, 0], false, false, true),
            ([0, 0, 28], false, true, false),
            ([10, 20, 1], false, false, true),
        ];
        for (in_flight, high, normal, low) in cases {
            for (lane, may) in [high, normal, low].into_iter().enumerate() {
                assert_eq!(may_begin(lane, in_flight, 32), may, "{in_flight:?} {lane}");
            }
        }
    }

    #[test]
    fn a_single_place_is_used() {
        assert!(may_begin(2, [0, 0, 0], 1));
        assert!(!may_begin(0, [0, 0, 1], 1));
    }
}
