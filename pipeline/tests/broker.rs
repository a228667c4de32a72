//! What only a real broker shows. Needs `TIDEWHEEL_TEST_KAFKA=host:port`; without it every test is
//! skipped with a message, in CI it fails.
#![cfg(feature = "kafka")]

#[path = "broker/support.rs"]
mod support;

use schemas::{Role, Topic};
use support::{World, at, position, record};

const INPUT: Topic = Topic::Registrations;
const OUTPUT: Topic = Topic::Outcomes;

#[test]
fn a_turn_is_read_back_with_its_positions_and_notes() {
    let Some(world) = World::new(2, &[INPUT, OUTPUT]) else {
        return;
    };
    let mut member = world.member(Role::Planner, "one");
    let (driver, output) = (at(INPUT, 0), at(OUTPUT, 1));
    assert_eq!(member.committed(&[driver, output]), [None, None]);
    let records = (0..3)
        .map(|n| record(output, &format!("value {n}")))
        .collect();
    let note = "n".repeat(4_096);
    let positions = vec![(driver, position(7, &note)), (output, position(0, ""))];
    member.commit(records, positions).unwrap();
    assert_eq!(
        member.committed(&[output, driver]),
        [Some(position(0, "")), Some(position(7, &note))]
    );
    let ends = member.ends(&[output, driver]);
    assert_eq!(ends, [(0, 4), (0, 0)], "three records and the marker");
    member.log.read(output, 0).unwrap();
    let values = member.values_until(output, 4);
    assert_eq!(values, ["value 0", "value 1", "value 2"]);
}
