//! What every log promises, held against each of them: in memory, on disk, over Kafka.
//!
//! Kafka needs `TIDEWHEEL_TEST_KAFKA=host:port`; without it its cases are skipped with a message, and
//! fail in CI. Every case gets a log of its own: a fresh broker, a fresh directory, a fresh prefix.
#![expect(clippy::unwrap_used, reason = "a test, its labs too")]

#[path = "conformance/labs.rs"]
mod labs;
#[path = "conformance/members.rs"]
mod members;
#[path = "conformance/positions.rs"]
mod positions;
#[path = "conformance/records.rs"]
mod records;
#[path = "conformance/support.rs"]
mod support;

/// One test per log and case, printed as it passes: the list of what is promised.
macro_rules! cases {
    ($($log:ident),* => $($module:ident: $($case:ident),*;)*) => {
        cases!(@logs [$($log),*] {$($($module::$case)*)*});
    };
    (@logs [$($log:ident),*] $cases:tt) => {
        $(cases!(@log $log $cases);)*
    };
    (@log $log:ident {$($module:ident::$case:ident)*}) => {
        mod $log {
            $(
                #[test]
                fn $case() {
                    if let Some(lab) = crate::labs::$log() {
                        crate::$module::$case(lab);
                        println!("ok  {}  {}", stringify!($log), stringify!($case));
                    }
                }
            )*
        }
    };
}

macro_rules! all_cases {
    ($($log:ident),*) => {
        cases! { $($log),* =>
            records:
                records_are_read_in_the_order_they_were_sent,
                a_turn_is_visible_as_a_whole_and_markers_are_passed,
                what_a_fenced_member_writes_is_never_visible,
                keys_headers_and_tombstones_come_back_as_sent,
                reading_begins_at_the_offset_asked_for,
                a_stopped_partition_is_left_alone,
                appetite_bounds_what_is_handed_out,
                ends_tell_where_a_partition_begins_and_ends,
                what_is_deleted_is_gone_and_the_rest_stays,
                records_outside_are_durable_before_the_commit_is_told,
                a_producer_is_told_the_offset_of_every_record,
                records_survive_a_restart;
            positions:
                positions_come_back_with_their_longest_notes,
                a_turn_of_positions_alone_is_committed,
                roles_do_not_share_positions,
                a_successor_finds_what_its_predecessor_committed,
                positions_survive_a_restart,
                the_time_of_the_proof_is_that_of_the_commit;
            members:
                a_lone_member_is_assigned_every_shard,
                a_second_member_takes_what_the_first_releases,
                a_replaced_member_is_told_and_cannot_commit,
                a_waker_ends_the_wait;
        }
    };
}

#[cfg(all(feature = "embedded", feature = "kafka"))]
all_cases!(memory, embedded, kafka);
#[cfg(all(feature = "embedded", not(feature = "kafka")))]
all_cases!(memory, embedded);
#[cfg(all(not(feature = "embedded"), feature = "kafka"))]
all_cases!(memory, kafka);
#[cfg(not(any(feature = "embedded", feature = "kafka")))]
all_cases!(memory);
