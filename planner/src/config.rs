//! Options of the planner.

use pipeline::Pace;
use schemas::{TenantId, slot};
use timetable::{Zone, ZoneError};

/// Of turns: far below what a task needs to get from its registration into its slot in time.
pub(crate) const PACE: Pace = Pace {
    least_ms: 40,
    most_ms: 120,
    busy_rate: 40_000,
};

/// Options of every planner core of a process.
#[derive(Clone, Debug)]
pub struct PlannerConfig {
    /// Tasks due within this are planted, ms: the planner may be gone so long and nothing is late.
    pub horizon_ms: u64,
    /// Finished tasks are remembered so long, ms.
    pub dedup_window_ms: u64,
    /// A cancel of an unknown task stops a register forwarded within this, ms.
    pub mark_ms: u64,
    /// Tenants of [`schemas::Topic::Intake`] 0, 1, …
    pub intakes: Vec<TenantId>,
    /// Commands taken in one turn, all lanes together.
    pub turn_commands: usize,
    /// Outcomes taken in one turn.
    pub turn_outcomes: usize,
    /// Where the machine has no time left, what ended well and is followed by nothing waits for at most so
    /// long, ms; 0: it never does,
    pub put_off_ms: u64,
    /// and only where calls begin so late, ms.
    pub put_off_late_ms: u64,
    /// Bytes written by one turn, about.
    pub turn_bytes: usize,
    /// Tasks that one turn plants from the index.
    pub turn_placements: usize,
    /// Rows that one turn forgets.
    pub turn_forgotten: usize,
    /// Steps of flows that one turn tells how one they need ended.
    pub turn_followed: usize,
    /// Tasks that one turn looks at for commands on many.
    pub turn_swept: usize,
    /// What became of a command on many tasks is told for so long behind its end, ms.
    pub sweep_kept_ms: u64,
    /// Tasks and firings that one turn looks at after a calendar changed.
    pub turn_replanned: usize,
    /// Work that can wait a little is done at most so often, ms.
    pub pace_ms: u64,
    /// An instance takes at most so many bytes of placements.
    pub instance_bytes: u64,
    /// Of those, at most so many of overdue work.
    pub late_bytes: u64,
    /// A local table that was not written for longer than this is not trusted, ms: the changelog may
    /// have dropped tombstones it never saw. Half of the topic's `delete.retention.ms`.
    pub store_max_age_ms: u64,
    /// Late firings of recurring tasks that are released in one second, per shard.
    pub late_per_second: u32,
    /// Rows that one list looks at.
    pub list_rows: usize,
    /// The time zone data to plan by.
    pub zones: Zones,
}

/// Time zone data: an argument, so that a core can be shown other data than those compiled in.
#[derive(Clone, Debug)]
pub struct Zones {
    /// Their version.
    pub version: String,
    /// The zone of a name.
    pub find: fn(&str) -> Result<Zone, ZoneError>,
}

impl Default for Zones {
    /// Those compiled in.
    fn default() -> Self {
        Self {
            version: timetable::tzdata_version().to_owned(),
            find: Zone::parse,
        }
    }
}

impl Default for PlannerConfig {
    fn default() -> Self {
        Self {
            horizon_ms: slot::HORIZON_MS,
            dedup_window_ms: 15 * 60_000,
            mark_ms: 10 * 60_000,
            intakes: Vec::new(),
            turn_commands: 4_096,
            turn_outcomes: 8_192,
            put_off_ms: 30_000,
            put_off_late_ms: 100,
            turn_bytes: 8 << 20,
            turn_placements: 10_000,
            turn_forgotten: 4_096,
            turn_followed: 1_024,
            turn_swept: 4_096,
            sweep_kept_ms: 3_600_000,
            turn_replanned: 1_024,
            pace_ms: 1_000,
            instance_bytes: 32 << 20,
            late_bytes: 24 << 20,
            store_max_age_ms: 84 * 3_600_000,
            late_per_second: 1_000,
            list_rows: 1_000,
            zones: Zones::default(),
        }
    }
}

impl PlannerConfig {
    /// Everything that is wrong with it, in words.
    #[must_use]
    pub fn problems(&self) -> Vec<String> {
        let longest = u64::from(slot::RING - 4) * u64::try_from(slot::WIDTH_MS).unwrap_or(0);
        let mut problems = Vec::new();
        if self.horizon_ms == 0 || self.horizon_ms > longest {
            problems.push(format!(
                "the horizon is {} ms; it must be above 0 and at most {longest} ms",
                self.horizon_ms
            ));
        }
        if self.late_bytes > self.instance_bytes {
            problems.push(format!(
                "overdue work may take {} bytes of an instance of {}",
                self.late_bytes, self.instance_bytes
            ));
        }
        if self.turn_commands < 16 {
            problems.push(format!(
                "a turn takes {} commands; it must take at least 16",
                self.turn_commands
            ));
        }
        if self.late_per_second == 0 || self.late_per_second > 1_000_000 {
            problems.push(format!(
                "{} late firings are released a second; it must be from 1 to 1000000",
                self.late_per_second
            ));
        }
        if self.intakes.len() > usize::from(u16::MAX) {
            problems.push(format!("{} intakes are too many", self.intakes.len()));
        }
        problems
    }
}
