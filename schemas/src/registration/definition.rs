//! From what a caller named to a whole definition: the defaults, and how a patch changes a task.

use super::{Complaint, Patch, Refusal};
use crate::call::{Definition, Jitter, RetryPlan, RetryPolicy};
use crate::schedule::{Beat, Misfire, Overlap, Schedule};

impl RetryPolicy {
    /// Calls in all unless asked otherwise.
    pub const ATTEMPTS: u32 = 5;
    /// Wait behind the first attempt unless asked otherwise, ms.
    pub const FIRST_MS: u64 = 1_000;
    /// Growth of the wait unless asked otherwise.
    pub const FACTOR: f64 = 2.0;
    /// Longest wait unless asked otherwise, ms.
    pub const LONGEST_MS: u64 = 600_000;
}

/// Five calls, waits of 1 s, 2 s, 4 s, 8 s, each spread over [0, wait].
impl Default for RetryPolicy {
    fn default() -> Self {
        Self {
            max_attempts: Self::ATTEMPTS,
            plan: RetryPlan::Backoff {
                first_ms: Self::FIRST_MS,
                factor: Self::FACTOR,
                max_ms: Self::LONGEST_MS,
                jitter: Jitter::Full,
            },
        }
    }
}

impl Definition {
    /// Limit of a call unless asked otherwise, ms.
    pub const TIMEOUT_MS: u64 = 5_000;

    /// What does not go together in it, each with its field.
    #[must_use]
    pub fn complaints(&self) -> Vec<Complaint> {
        let mut complaints = Vec::new();
        let mut complain = |field: &str, problem: &str| {
            complaints.push(Complaint::new(field, problem));
        };
        let Some(recurrence) = self.schedule.recurrence() else {
            let once = "belongs to a recurring schedule: `cron`, `every` or `after_each`";
            if self.misfire != Misfire::default() {
                complain("misfire", once);
            }
            if self.overlap != Overlap::default() {
                complain("overlap", once);
            }
            return complaints;
        };
        if self.needs.is_some() {
            complain(
                "needs",
                "a recurring task waits for no step; register it without",
            );
        }
        if matches!(recurrence.beat, Beat::AfterEach(_)) {
            if self.overlap != Overlap::default() {
                complain(
                    "overlap",
                    "firings of `after_each` never overlap; leave it out",
                );
            }
            if self.misfire != Misfire::default() {
                let problem = "an occurrence of `after_each` is never left out; leave it away";
                complain("misfire", problem);
            }
        }
        complaints
    }
}

impl Patch {
    /// Makes a definition where the patch names both a schedule and a call; the rest has defaults: no
    /// body, 5 s, [`RetryPolicy::default`], normal priority, no tags, no expiry. A step with needs may
    /// leave the schedule out too: it is due at once when they are met.
    ///
    /// # Errors
    /// [`Refusal`] names what is missing.
    pub fn into_definition(self) -> Result<Definition, Refusal> {
        let needs = self.needs.flatten();
        let at_once = needs.is_some().then_some(Schedule::After(0));
        match (self.schedule.or(at_once), self.call) {
            (Some(schedule), Some(call)) => Ok(Definition {
                schedule,
                call,
                payload: self.payload.unwrap_or_default(),
                timeout_ms: self.timeout_ms.unwrap_or(Definition::TIMEOUT_MS),
                retry: self.retry.unwrap_or_default(),
                priority: self.priority.unwrap_or_default(),
                tags: self.tags.unwrap_or_default(),
                expires_after_ms: self.expires_after_ms.flatten(),
                needs,
                misfire: self.misfire.unwrap_or_default(),
                overlap: self.overlap.unwrap_or_default(),
                broadcast: self.broadcast.flatten(),
            }),
            (schedule, call) => Err(Refusal {
                malformed: false,
                complaints: [("schedule", schedule.is_none()), ("call", call.is_none())]
                    .into_iter()
                    .filter(|(_, missing)| *missing)
                    .map(|(field, _)| Complaint::new(field, "is missing"))
                    .collect(),
            }),
        }
    }

    /// Changes what the patch names and keeps the rest.
    pub fn apply(self, to: &mut Definition) {
        fn set<T>(to: &mut T, from: Option<T>) {
            if let Some(value) = from {
                *to = value;
            }
        }
        set(&mut to.schedule, self.schedule);
        set(&mut to.call, self.call);
        set(&mut to.payload, self.payload);
        set(&mut to.timeout_ms, self.timeout_ms);
        set(&mut to.retry, self.retry);
        set(&mut to.priority, self.priority);
        set(&mut to.tags, self.tags);
        set(&mut to.expires_after_ms, self.expires_after_ms);
        set(&mut to.needs, self.needs);
        set(&mut to.misfire, self.misfire);
        set(&mut to.overlap, self.overlap);
        set(&mut to.broadcast, self.broadcast);
    }
}
