//! Calendars in the table, and what is still to be done about their changes.

use bytes::Bytes;
use schemas::CalendarKey;
use schemas::index::{CalendarRow, TableKey, Untold};

use super::{STEP, Table};
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
