//! What a row says of an outcome.

use schemas::outcome::{Unplanted, UnplantedEnd};
use schemas::{FireId, Millis, OutcomeRecord, TaskId, TaskKey, TenantId};

#[test]
fn what_was_overdue_when_it_came_counts_for_the_day_it_came() {
    let task = TaskKey {
        tenant: TenantId::new("shop").unwrap(),
        id: TaskId::new("t1").unwrap(),
    };
    let cases = [(5, 90_000_000, 1), (90_000_000, 5, 1), (5, 6, 0)];
    for (due, registered_at, day) in cases {
        let row = archive::Row::of(OutcomeRecord::Unplanted(Unplanted {
            task: task.clone(),
            version: 1,
            occurrence: 1,
            fire_id: FireId([1; 16]),
            due: Millis(due),
            registered_at: Millis(registered_at),
            end: UnplantedEnd::Cancelled,
            reason: None,
            at: Millis(7),
        }));
        assert_eq!(row.unwrap()[0].day(), day, "{due} {registered_at}");
    }
}
