use rand::rngs::SmallRng;
use rand::{Rng, SeedableRng};

use super::*;

fn set(offsets: &[i64]) -> BTreeSet<i64> {
    offsets.iter().copied().collect()
}

/// Reads `offsets` (gaps are markers) up to `position`, answers some, and returns the frontier.
fn frontier(start: i64, offsets: &[i64], position: i64, answered: &[i64]) -> Frontier {
    let mut it = Frontier::new(None, start);
    for offset in offsets {
        assert!(it.take(*offset));
    }
    assert_eq!(it.pass(position), 0);
    assert!(it.answer(&set(answered)));
    it
}

#[test]
fn a_position_is_the_lowest_unanswered_offset_and_what_is_answered_above_it() {
    // start, read, read up to, answered, committed offset, note
    type Case<'a> = (i64, &'a [i64], i64, &'a [i64], i64, &'a str);
    let cases: [Case<'_>; 9] = [
        (0, &[], 0, &[], 0, "d1:"),
        (7, &[], 7, &[], 7, "d1:"),
        (0, &[0, 1, 2], 3, &[], 0, "d1:"),
        (0, &[0, 1, 2], 3, &[0, 1, 2], 3, "d1:"),
        // The marker at 3 was passed: nothing is left below 4.
        (0, &[0, 1, 2], 4, &[0, 1, 2], 4, "d1:"),
        (0, &[0, 1, 2], 3, &[1], 0, "d1:00"),
        (0, &[0, 1, 2], 3, &[0, 2], 1, "d1:00"),
        // Markers at 1 and 3 lie between and count as answered; what is behind 4 is not told.
        (0, &[0, 2, 4, 6], 8, &[4], 0, "d1:0001"),
        (0, &[0, 1, 2, 3, 4], 5, &[1, 3], 0, "d1:0000"),
    ];
    for (start, offsets, position, answered, offset, note) in cases {
        let got = frontier(start, offsets, position, answered).position_after(&set(&[]));
        let expected = Position {
            offset,
            note: note.to_owned(),
        };
        assert_eq!(got, expected, "{offsets:?} answered {answered:?}");
    }
}

#[test]
fn after_a_restart_exactly_the_unanswered_are_done_again() {
    let offsets: Vec<i64> = (0..40).filter(|offset| offset % 7 != 3).collect();
    let mut rng = SmallRng::seed_from_u64(1);
    for round in 0..200 {
        let answered: Vec<i64> = offsets
            .iter()
            .copied()
            .filter(|_| rng.random_bool(f64::from(round) / 200.0))
            .collect();
        let committed = frontier(0, &offsets, 41, &answered).position_after(&set(&[]));
        let mut again = Frontier::new(Some(&committed), 0);
        let mut done = Vec::new();
        let from = again.read_from();
        for offset in offsets.iter().copied().filter(|offset| *offset >= from) {
            // A turn may be cut at any moment of the second reading, and tells the same.
            assert_eq!(again.position_after(&set(&[])), committed);
            if again.take(offset) {
                done.push(offset);
            }
            assert_eq!(again.pass(offset + 1), 0);
        }
        let expected: Vec<i64> = offsets
            .iter()
            .copied()
            .filter(|offset| !answered.contains(offset))
            .collect();
        assert_eq!(done, expected, "{committed:?}");
    }
}

#[test]
fn an_empty_or_foreign_note_means_that_all_is_done_again_from_the_offset() {
    for note in ["", "t1:1,2,3", "d9:00", "d1:0"] {
        let committed = Position {
            offset: 5,
            note: note.to_owned(),
        };
        let mut it = Frontier::new(Some(&committed), 0);
        assert_eq!(it.read_from(), 5, "{note}");
        assert!((5..9).all(|offset| it.take(offset)), "{note}");
    }
}

#[test]
fn an_answer_twice_or_never_asked_for_is_told() {
    let mut it = frontier(0, &[0, 1], 2, &[0]);
    assert!(!it.answer(&set(&[0])));
    assert!(!it.answer(&set(&[9])));
    assert!(it.answer(&set(&[1])));
}

#[test]
fn what_the_note_tells_but_the_log_has_lost_is_counted_and_let_go() {
    let committed = frontier(0, &[0, 1, 2, 3], 4, &[1, 3]).position_after(&set(&[]));
    let mut it = Frontier::new(Some(&committed), 0);
    assert_eq!(it.pass(2), 1);
    assert!(it.take(2));
    assert_eq!(it.pass(4), 0);
    assert!(it.answer(&set(&[2])));
    assert_eq!(it.position_after(&set(&[])).offset, 4);
}

#[test]
fn a_record_handed_in_twice_is_done_once() {
    let mut it = Frontier::new(None, 0);
    assert!(it.take(0));
    assert!(!it.take(0));
    it.pass(5);
    assert!(!it.take(4));
    assert!(it.take(5));
}
