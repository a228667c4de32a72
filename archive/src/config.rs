//! Options of the archive.

/// How rows are gathered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Config {
    /// A batch is written when it has so many rows.
    pub batch_rows: usize,
    /// Or when its oldest row waits for so long, ms.
    pub batch_age_ms: u64,
    /// Rows held in memory for one shard at most (T9).
    pub max_rows: usize,
    /// Nothing more is read while rows of so many bytes of records are held for one shard (T9).
    pub max_bytes: usize,
    /// Where the machine has no time left, nothing is read and written for at most so long, ms; 0: never,
    pub give_way_ms: u64,
    /// and only while calls begin so late, ms.
    pub give_way_late_ms: u64,
    /// Wait before a batch is tried again, ms, doubled up to `retry_max_ms`.
    pub retry_ms: u64,
    /// Longest wait before a batch is tried again, ms.
    pub retry_max_ms: u64,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            batch_rows: 2_000,
            batch_age_ms: 1_000,
            max_rows: 8_000,
            max_bytes: 16 << 20,
            give_way_ms: 30_000,
            give_way_late_ms: 100,
            retry_ms: 100,
            retry_max_ms: 10_000,
        }
    }
}
