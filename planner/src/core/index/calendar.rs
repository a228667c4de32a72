//! Calendars in the table, and what is still to be done about their changes.

use bytes::{BufMut, Bytes, BytesMut};
use schemas::index::{CalendarRow, Phase, Replan, TableKey, TaskRow, Untold, named_calendar};
use schemas::{CalendarKey, TaskId, TaskKey};

use super::{STEP, Table};
use crate::core::overlay::{NAMED, after};
use crate::store::Store;

impl<S: Store> Table<S> {
    /// A calendar's row and JSON.
    pub(crate) fn calendar(&mut self, calendar: &CalendarKey) -> Option<(CalendarRow, Bytes)> {
        let key = TableKey::Calendar(calendar.clone()).encode();
        let value = self.rows.get(&key)?;
        self.understood(CalendarRow::decode(&value))
    }

    /// The same as of the last commit.
    pub(crate) fn committed_calendar(
        &mut self,
        calendar: &CalendarKey,
    ) -> Option<(CalendarRow, Bytes)> {
        let key = TableKey::Calendar(calendar.clone()).encode();
        let value = self.rows.committed(&key)?;
        self.understood(CalendarRow::decode(&value))
    }

    /// Without JSON there is none any more.
    pub(crate) fn set_calendar(
        &mut self,
        calendar: &CalendarKey,
        version: u64,
        json: Option<&Bytes>,
    ) {
        let key = TableKey::Calendar(calendar.clone()).encode();
        match json {
            Some(json) => self.rows.put(key, CalendarRow { version }.encode(json)),
            None => self.rows.remove(key),
        }
    }

    pub(crate) fn set_untold(&mut self, number: u64, calendar: CalendarKey) {
        let row = Untold { calendar };
        self.rows
            .put(TableKey::Untold(number).encode(), row.encode());
    }

    /// As of the last commit: the first changes that not all shards were told of.
    pub(crate) fn committed_untold(&mut self, most: usize) -> Vec<(u64, CalendarKey)> {
        let (from, to) = (TableKey::Untold(0), TableKey::Untold(u64::MAX));
        let rows = self.rows.committed_scan(&from.encode(), &to.encode(), most);
        let mut untold = Vec::with_capacity(rows.len());
        for (key, value) in rows {
            let row = self.understood(Untold::decode(&value));
            if let (Some(number), Some(row)) = (number_of(&key), row) {
                untold.push((number, row.calendar));
            }
        }
        untold
    }

    /// All were told of the changes up to that one.
    pub(crate) fn drop_untold(&mut self, up_to: u64) {
        let to = TableKey::Untold(up_to.saturating_add(1)).encode();
        for key in self.numbered(TableKey::Untold(0).encode(), &to) {
            self.rows.remove(key);
        }
    }

    /// The first change after which not all tasks were planned anew.
    pub(crate) fn first_replan(&mut self) -> Option<(u64, Replan)> {
        let (from, to) = (TableKey::Replan(0), TableKey::Replan(u64::MAX));
        let key = self.first(from.encode(), &to.encode())?;
        let value = self.rows.get(&key)?;
        let replan = self.understood(Replan::decode(&value))?;
        Some((number_of(&key)?, replan))
    }

    pub(crate) fn set_replan(&mut self, number: u64, replan: &Replan) {
        self.rows
            .put(TableKey::Replan(number).encode(), replan.encode());
    }

    pub(crate) fn drop_replan(&mut self, number: u64) {
        self.rows.remove(TableKey::Replan(number).encode());
    }

    /// Forgets what is to be done about earlier changes of a calendar: a later one does it.
    pub(crate) fn drop_replans_of(&mut self, calendar: &CalendarKey) {
        let to = TableKey::Replan(u64::MAX).encode();
        for key in self.numbered(TableKey::Replan(0).encode(), &to) {
            let value = self.rows.get(&key);
            let replan = value.and_then(|value| self.understood(Replan::decode(&value)));
            if replan.is_some_and(|replan| replan.calendar == *calendar) {
                self.rows.remove(key);
            }
        }
    }

    /// Whether any task that is not over names it.
    pub(crate) fn is_named(&mut self, calendar: &CalendarKey) -> bool {
        let (from, to) = naming(calendar, None);
        self.first(from, &to).is_some()
    }

    fn numbered(&mut self, from: Bytes, to: &[u8]) -> Vec<Bytes> {
        let (mut from, mut keys) = (from, Vec::new());
        loop {
            let scan = self.rows.scan(&from, to, STEP);
            keys.extend(scan.keys);
            match scan.next {
                Some(next) => from = next,
                None => return keys,
            }
        }
    }
}

fn number_of(key: &[u8]) -> Option<u64> {
    Some(u64::from_be_bytes(key.get(1..)?.try_into().ok()?))
}

/// The keys under which a recurring task stands by the calendars it names.
pub(super) fn names_of(key: &TaskKey, row: &TaskRow) -> Vec<Bytes> {
    let over = matches!(row.phase, Phase::Ended { .. });
    let series = row.series.iter().filter(|_| !over);
    let names = series.flat_map(|series| &series.calendars);
    names
        .map(|name| {
            let calendar = CalendarKey {
                tenant: key.tenant.clone(),
                name: name.clone(),
            };
            named_by(&calendar, key.id.as_str())
        })
        .collect()
}

/// `h` tenant 0 calendar 0 id.
fn named_by(calendar: &CalendarKey, id: &str) -> Bytes {
    let mut out = bound(calendar, 0);
    out.put_slice(id.as_bytes());
    out.freeze()
}

/// Where those stand that name a calendar, behind the one that was planned anew last.
pub(crate) fn naming(calendar: &CalendarKey, done: Option<&String>) -> (Bytes, Bytes) {
    let from = match done {
        Some(id) => after(&named_by(calendar, id)),
        None => named_by(calendar, ""),
    };
    (from, bound(calendar, 1).freeze())
}

/// Who names `calendar` by that key.
pub(crate) fn who_names(calendar: &CalendarKey, key: &[u8]) -> Option<TaskKey> {
    let id = key.get(bound(calendar, 0).len()..)?;
    Some(TaskKey {
        tenant: calendar.tenant.clone(),
        id: TaskId::new(std::str::from_utf8(id).ok()?).ok()?,
    })
}

fn bound(calendar: &CalendarKey, end: u8) -> BytesMut {
    let mut out = BytesMut::from(&named_calendar(NAMED, calendar)[..]);
    out.put_u8(end);
    out
}
