//! Names of the planner's metrics, in one place.

/// Counter by `command` and `answer`.
pub const COMMANDS: &str = "tidewheel_planner_commands_total";
/// Counter: placements written.
pub const PLACEMENTS: &str = "tidewheel_planner_placements_total";
/// Counter: placements that found no room and wait in the index.
pub const NO_ROOM: &str = "tidewheel_planner_no_room_total";
/// Counter: revokes written.
pub const REVOKES: &str = "tidewheel_planner_revokes_total";
/// Counter: instances sealed.
pub const SEALS: &str = "tidewheel_planner_seals_total";
/// Counter: backfills begun.
pub const BACKFILLS: &str = "tidewheel_planner_backfills_total";
/// Counter: commands on many tasks taken in.
pub const SWEEPS: &str = "tidewheel_planner_sweeps_total";
/// Counter by `outcome`: outcomes that met their live firing.
pub const OUTCOMES: &str = "tidewheel_planner_outcomes_total";
/// Counter: firings of recurring tasks, manual ones included.
pub const OCCURRENCES: &str = "tidewheel_planner_occurrences_total";
/// Counter: calls that firings were made into, as broadcasts.
pub const SHARES: &str = "tidewheel_planner_shares_total";
/// Counter: occurrences left out because they were too late.
pub const MISSED: &str = "tidewheel_planner_missed_total";
/// Counter: occurrences left out because the firing before went on.
pub const SKIPPED: &str = "tidewheel_planner_skipped_total";
/// Counter: outcomes of firings that are no longer live.
pub const STALE_OUTCOMES: &str = "tidewheel_planner_stale_outcomes_total";
/// Counter: records of completed legs put off while the machine had no time left; each is read again.
pub const PUT_OFF: &str = "tidewheel_planner_put_off_records_total";
/// Counter: records passed on to their home shard.
pub const FORWARDS: &str = "tidewheel_planner_forwards_total";
/// Counter: records not understood.
pub const DEAD_LETTERS: &str = "tidewheel_planner_dead_letters_total";
/// Counter: changes of calendars taken, from users or other shards.
pub const CALENDARS: &str = "tidewheel_planner_calendars_total";
/// Counter: records of `calendars` not understood; each is a dead letter too.
pub const CALENDARS_REFUSED: &str = "tidewheel_planner_calendars_refused_total";
/// Counter: tasks planned anew because a calendar changed.
pub const REPLANNED: &str = "tidewheel_planner_replanned_total";
/// Counter: recurring tasks whose next occurrence other time zone data moved.
pub const ZONES_MOVED: &str = "tidewheel_planner_zones_moved_total";
/// Counter: index records applied while restoring.
pub const RESTORED: &str = "tidewheel_planner_restored_records_total";
/// Counter: steps told how a step ended that they need.
pub const FOLLOWED: &str = "tidewheel_planner_followed_total";
/// Counter: local tables that could not be read, and were wiped.
pub const TABLES_WIPED: &str = "tidewheel_planner_tables_wiped_total";
/// Counter: rows forgotten behind the dedup window.
pub const FORGOTTEN: &str = "tidewheel_planner_forgotten_total";
