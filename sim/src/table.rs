//! The archive's database: a table that may be away.

use std::collections::BTreeMap;

use archive::Row;
use schemas::FireId;

/// What was written.
#[derive(Debug, Default)]
pub struct Table {
    /// By firing and leg.
    pub rows: BTreeMap<(FireId, u32), Row>,
    /// Rows that were written again with other content.
    pub contradictions: Vec<String>,
    /// Away until then, ms since the beginning.
    pub away_until: u64,
}

impl Table {
    /// Writes rows; writing one again changes nothing.
    pub fn write(&mut self, rows: Vec<Row>) {
        for row in rows {
            let before = self.rows.insert((row.fire_id, row.leg), row.clone());
            if let Some(before) = before.filter(|before| *before != row) {
                self.contradictions
                    .push(format!("{before:?} became {row:?}"));
            }
        }
    }
}
