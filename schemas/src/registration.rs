//! Record 1: what a caller asks for, as one JSON object.
//!
//! The same object comes by Kafka and by HTTP. [`Registration::parse`] reports every complaint at
//! once, each with its field; unknown fields are refused by name, with the nearest known one as a
//! hint, because a misspelt option must not be silently ignored. A payload's bytes are taken as they
//! stand in the text. `definition.rs` holds the defaults, `parts.rs` and `call.rs` the limits.

use serde::{Deserialize, Serialize};

use crate::call::{Call, Definition, Payload, Priority, RetryPolicy};
use crate::flow::Needs;
use crate::id::TaskKey;
use crate::schedule::{Misfire, Overlap, Schedule};

mod backfill;
mod call;
mod definition;
mod form;
mod needs;
mod object;
mod parse;
mod parts;
mod recurring;
mod removal;
mod sweep;
mod when;

pub use backfill::Backfill;
pub use form::{call_json, definition_json, misfire_json, needs_json, retry_json, schedule_json};
pub use parse::{DEEPEST, LARGEST, Op, check_depth};
pub use sweep::{Inbound, Sweep, SweepOp};

/// The parser's own tables and limits, for the JSON Schema.
pub(crate) mod tables {
    pub(crate) use super::backfill::{MOST, MOST_ALLOWED};
    pub(crate) use super::call::{
        CONNECTION_HEADERS, LONGEST_NAME, LONGEST_URL, LONGEST_VALUE, METHODS, MOST_HEADERS,
        OUR_PREFIXES,
    };
    pub(crate) use super::needs::{JOINS, LONGEST_EQUALS, LONGEST_POINTER, MOST_NEEDS, ONS};
    pub(crate) use super::parse::{FIELDS, LONGEST_MESSAGE, MANY, Op, REPORT_RESULTS};
    pub(crate) use super::parts::{
        JITTERS, LARGEST_FACTOR, LONGEST_TAG, MOST_ATTEMPTS, MOST_TAGS, PRIORITIES, SHARDS,
    };
    pub(crate) use super::recurring::{
        FOLDS, GAPS, LONGEST_CRON, LONGEST_ZONE, MOST_CALENDARS, MOST_MISFIRES, ON_CLOSED,
        OVERLAPS, POLICIES, RECURRENCE,
    };
    pub(crate) use super::removal::REMOVABLE;
    pub(crate) use super::when::FORMS;
}

/// One command on one task.
#[derive(Clone, Debug, PartialEq)]
pub struct Registration {
    /// Which task.
    pub task: TaskKey,
    /// The command is refused as a conflict unless the task has this version.
    pub if_version: Option<u64>,
    /// What to do.
    pub command: Command,
}

/// What to do with a task.
#[derive(Clone, Debug, PartialEq)]
pub enum Command {
    /// Make it. Same id and content: unchanged. Other content: conflict.
    Register(Box<Definition>),
    /// Change what is named, keep the rest; where the task is unknown and the patch is a whole
    /// definition, make it (`PUT`).
    Update(Box<Patch>),
    /// Change only when.
    Reschedule(Schedule),
    /// Start an `after` schedule anew from this command's append time.
    Touch,
    /// End it before it fires.
    Cancel,
    /// Fire it now, with this payload if one is given.
    Run(Option<Payload>),
    /// Fire a past range belatedly.
    Backfill(Backfill),
    /// Stop planning it.
    Pause,
    /// Plan it again.
    Resume,
    /// End what runs.
    Kill,
    /// Tell how a call ended that answered 202.
    Report(Report),
}

/// What an update changes; `None` keeps. What it removes is there with its default.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Patch {
    /// When.
    pub schedule: Option<Schedule>,
    /// Whom.
    pub call: Option<Call>,
    /// What.
    pub payload: Option<Payload>,
    /// Limit of a call, ms.
    pub timeout_ms: Option<u64>,
    /// When it fails.
    pub retry: Option<RetryPolicy>,
    /// Which lane.
    pub priority: Option<Priority>,
    /// All tags anew.
    pub tags: Option<Vec<String>>,
    /// Expiry behind the due time, ms; `Some(None)` removes it.
    pub expires_after_ms: Option<Option<u64>>,
    /// What must have happened before; `Some(None)` removes it.
    pub needs: Option<Option<Needs>>,
    /// What becomes of occurrences that are too late.
    pub misfire: Option<Misfire>,
    /// What becomes of occurrences that overlap.
    pub overlap: Option<Overlap>,
    /// In how many calls it fires; `Some(None)`: in one.
    pub broadcast: Option<Option<u32>>,
}

/// How a call that answered 202 went on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Report {
    /// Which firing, as 32 hex digits.
    pub fire_id: String,
    /// How.
    pub result: ReportResult,
    /// In words.
    pub message: Option<String>,
}

/// The three things a report can say.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ReportResult {
    /// Done.
    Success,
    /// Failed; the retry policy goes on.
    Failure,
    /// Still at it.
    Progress,
}

/// One thing wrong with a registration.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Complaint {
    /// Path of the field, `retry.backoff.first`; empty for the whole.
    pub field: String,
    /// What is wrong and what would be right.
    pub problem: String,
    /// Characters of the field's text before the fault, where it has a place.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub position: Option<usize>,
}

impl Complaint {
    /// Of a field, or of the whole where its name is empty.
    #[must_use]
    pub fn new(field: impl Into<String>, problem: impl Into<String>) -> Self {
        Self {
            field: field.into(),
            problem: problem.into(),
            position: None,
        }
    }
}

/// Everything wrong with a registration.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{}", .complaints.iter().map(|c| if c.field.is_empty() { c.problem.clone() } else { format!("`{}`: {}", c.field, c.problem) }).collect::<Vec<_>>().join("; "))]
pub struct Refusal {
    /// Not a JSON object at all (HTTP 400), rather than a wrong one (422).
    pub malformed: bool,
    /// Each field that is wrong, at least one.
    pub complaints: Vec<Complaint>,
}

impl Registration {
    /// Reads one JSON object that names one task; [`Inbound::parse`] takes those of many too.
    ///
    /// # Errors
    /// [`Refusal`] holds everything that is wrong, not only the first.
    pub fn parse(bytes: &[u8]) -> Result<Self, Refusal> {
        match parse::parse(bytes)? {
            Inbound::One(registration) => Ok(registration),
            Inbound::Many(_) => Err(Refusal {
                malformed: false,
                complaints: vec![Complaint::new(
                    "id",
                    "is missing; one task is named here, not many",
                )],
            }),
        }
    }
}
