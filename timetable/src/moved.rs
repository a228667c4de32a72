//! What a change moved: of the time zone data, or of a calendar.

use crate::calendar::Calendar;
use crate::timetable::Timetable;

/// A schedule whose next occurrence is not when it was said to be. Times are ms since the epoch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Moved<K> {
    /// Whose it is.
    pub key: K,
    /// When it was to be due; `None` for never.
    pub before: Option<i64>,
    /// When it is due by what is known now.
    pub after: Option<i64>,
}

/// Computes next occurrences anew and lists those that differ. For each schedule: its key, the schedule with its calendars, the
/// time that its next occurrence was computed from (the last due one), and what was said then.
pub fn moved<'a, K>(
    schedules: impl IntoIterator<Item = (K, &'a Timetable, &'a [&'a Calendar], i64, Option<i64>)>,
) -> impl Iterator<Item = Moved<K>> {
    schedules
        .into_iter()
        .filter_map(|(key, timetable, calendars, from, before)| {
            let next = timetable.next_after(from, calendars);
            let after = next.ok().map(|occurrence| occurrence.due);
            (after != before).then_some(Moved { key, before, after })
        })
}
