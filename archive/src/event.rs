//! What goes in and out beside records.

use crate::row::Row;

/// Tells how a write went, or something the core should know.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Input {
    /// The machine has no time left; said again and again for as long as that is so.
    Busy,
    /// The rows of this batch are in the database.
    Written {
        /// Which batch.
        batch: u64,
    },
    /// The database was not reached or was busy: to be tried again.
    Unavailable {
        /// Which batch.
        batch: u64,
        /// In words.
        reason: String,
    },
    /// The database refused the batch for what is in it: to be written in smaller parts.
    Refused {
        /// Which batch.
        batch: u64,
        /// In words.
        reason: String,
    },
}

/// Asks for a write. The caller must answer with one [`Input`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Effect {
    /// Write these rows, all or none.
    Write {
        /// Which batch.
        batch: u64,
        /// What.
        rows: Vec<Row>,
    },
}
