//! Records of many legs that ended well.

use super::*;

/// One record of all of these.
fn together(numbers: std::ops::Range<i64>) -> OutcomeRecord {
    let one = |n| match ended(n) {
        OutcomeRecord::Ended(ended) => ended,
        other => panic!("{other:?}"),
    };
    OutcomeRecord::Completed(Completed::new(numbers.map(one).collect()))
}

#[test]
fn legs_that_came_in_one_record_are_rows_of_their_own_and_buried_alone() {
    let mut core = open(
        Config {
            batch_rows: 8,
            ..small()
        },
        None,
    );
    let records = vec![
        record(0, &together(0..3)),
        record(1, &together(3..7)),
        record(2, &ended(7)),
    ];
    core.handle_batch(Topic::Outcomes, records, 3, at(0));
    let (mut written, mut buried) = (Vec::new(), Vec::new());
    while let Some(Effect::Write { batch, rows }) = core.poll_effect() {
        written.extend(write_but_for_5(&mut core, batch, rows));
        let turn = core.take_turn(at(1));
        // What is left of a record keeps its place until all of it is dealt with.
        let through = turn.positions[0].1.offset;
        buried.extend(turn.records);
        let told = i64::try_from(written.len() + buried.len()).unwrap();
        let below = [0, 3, 7, 8][usize::try_from(through).unwrap()];
        assert!(below <= told, "{through}: {told}");
    }
    let all = [0, 1, 2, 3, 4, 6, 7].map(task);
    assert_eq!(written, all);
    let letters: Vec<DeadLetter> = buried
        .into_iter()
        .map(|record| DeadLetter::decode(&record.value.unwrap()).unwrap())
        .collect();
    assert_eq!(letters.len(), 1);
    assert_eq!(letters[0].original, ended(5).encode());
    assert_eq!(position(&mut core, at(1)), 3);
}
