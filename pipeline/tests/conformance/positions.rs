//! Positions: with notes, with turns, across members and restarts.

use pipeline::Position;
use schemas::{Role, Topic};

use crate::labs::Lab;
use crate::support::{INPUT, OUTPUT, at, patiently, position, record};

pub(crate) fn positions_come_back_with_their_longest_notes(lab: Lab) {
    let mut member = lab.member(Role::Planner, "one");
    let of = [at(INPUT, 0), at(OUTPUT, 1), at(OUTPUT, 0)];
    assert_eq!(member.committed(&of), [None, None, None]);
    let printable: String = (' '..='~').cycle().take(Position::NOTE_MAX).collect();
    let positions = [
        position(7, &printable),
        position(0, ""),
        position(i64::MAX / 2, "x"),
    ];
    let turn = of.into_iter().zip(positions.clone()).collect();
    member.commit(vec![record(of[1], "a")], turn).unwrap();
    let expected = positions.map(Some);
    assert_eq!(member.committed(&of), expected);
    assert_eq!(
        patiently(|| lab.broker().committed(Role::Planner, &of)),
        expected
    );
    let turn = vec![(of[0], position(8, "shorter"))];
    member.commit(Vec::new(), turn).unwrap();
    let [_, second, third] = expected;
    assert_eq!(
        member.committed(&of),
        [Some(position(8, "shorter")), second, third]
    );
}

pub(crate) fn a_turn_of_positions_alone_is_committed(lab: Lab) {
    let mut member = lab.member(Role::Planner, "one");
    for offset in 0..3 {
        let turn = vec![
            (at(INPUT, 0), position(offset, "")),
            (at(INPUT, 1), position(0, "n")),
        ];
        member.commit(Vec::new(), turn).unwrap();
        let committed = [Some(position(offset, "")), Some(position(0, "n"))];
        assert_eq!(member.committed(&[at(INPUT, 0), at(INPUT, 1)]), committed);
    }
    assert_eq!(member.ends(&[at(INPUT, 0)]), [(0, 0)]);
}

pub(crate) fn roles_do_not_share_positions(lab: Lab) {
    let mut planner = lab.member(Role::Planner, "one");
    let mut archive = lab.member(Role::Archive, "one");
    let shared = at(Topic::Outcomes, 0);
    planner
        .commit(
            Vec::new(),
            vec![(at(INPUT, 0), position(0, "")), (shared, position(1, "p"))],
        )
        .unwrap();
    assert_eq!(archive.committed(&[shared]), [None]);
    archive
        .commit(Vec::new(), vec![(shared, position(2, "a"))])
        .unwrap();
    assert_eq!(planner.committed(&[shared]), [Some(position(1, "p"))]);
    for (role, expected) in [
        (Role::Planner, Some(position(1, "p"))),
        (Role::Archive, Some(position(2, "a"))),
    ] {
        assert_eq!(
            patiently(|| lab.broker().committed(role, &[shared])),
            [expected]
        );
    }
}

pub(crate) fn a_successor_finds_what_its_predecessor_committed(lab: Lab) {
    let mut old = lab.member(Role::Planner, "one");
    let (driver, output) = (at(INPUT, 0), at(OUTPUT, 0));
    old.commit(
        vec![record(output, "a")],
        vec![(driver, position(1, "first"))],
    )
    .unwrap();
    // The predecessor has no time to hear of its commit.
    let records = vec![record(output, "b")];
    old.log
        .commit(records, vec![(driver, position(2, "second"))], 0)
        .unwrap();
    let mut new = lab.member(Role::Planner, "one");
    let committed = new.committed(&[driver]);
    let values = new.values(output, 0);
    // All of it or nothing.
    if committed == [Some(position(2, "second"))] {
        assert_eq!(values, ["a", "b"]);
    } else {
        assert_eq!(committed, [Some(position(1, "first"))]);
        assert_eq!(values, ["a"]);
    }
}

pub(crate) fn positions_survive_a_restart(mut lab: Lab) {
    let of = [at(INPUT, 0), at(OUTPUT, 0)];
    let mut member = lab.member(Role::Planner, "one");
    let turn = of
        .into_iter()
        .zip([position(3, "n"), position(4, "")])
        .collect();
    member.commit(Vec::new(), turn).unwrap();
    drop(member);
    lab.restart();
    let mut member = lab.member(Role::Planner, "one");
    assert_eq!(
        member.committed(&of),
        [Some(position(3, "n")), Some(position(4, ""))]
    );
}

pub(crate) fn the_time_of_the_proof_is_that_of_the_commit(lab: Lab) {
    let mut member = lab.member(Role::Planner, "one");
    let before = pipeline::Clock::now(&pipeline::clock::SystemClock).mono;
    let proven_at = member
        .commit(Vec::new(), vec![(at(INPUT, 0), position(0, ""))])
        .unwrap();
    let after = pipeline::Clock::now(&pipeline::clock::SystemClock).mono;
    assert!(
        (before..=after).contains(&proven_at),
        "{before} {proven_at} {after}"
    );
}
