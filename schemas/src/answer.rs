//! What the planner says to whoever asked: answers to commands, views of tasks.

use serde::{Deserialize, Serialize};

use crate::id::{FireId, TaskId, TenantId};
use crate::index::{ShareTally, SweepCount};
use crate::outcome;
use crate::registration::{Complaint, SweepOp};
use crate::time::Millis;

/// The header that carries a [`crate::RequestId`] (32 hex digits) on a registration record.
pub const REQUEST_HEADER: &str = "tidewheel-request";

/// How a command was decided, told only after its turn committed (T4).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "answer", rename_all = "snake_case")]
pub enum CommandAnswer {
    /// A new task, or a successor of a finished or cancelled one.
    Created {
        /// Its version.
        version: u64,
        /// Its next due time.
        due: Millis,
    },
    /// Same id, same content: nothing was done.
    Unchanged {
        /// Its version.
        version: u64,
        /// Its next due time.
        due: Millis,
    },
    /// The task is as the command asked (update, reschedule, touch, run, pause, resume).
    Changed {
        /// Its new version.
        version: u64,
        /// Its next due time.
        due: Millis,
    },
    /// The task exists with other content, or has another version than `if_version`.
    Conflict {
        /// The version it has.
        version: u64,
        /// In words.
        reason: String,
    },
    /// The task ended; no call follows, ever (T4).
    Cancelled,
    /// A call of the task began before the command reached it.
    TooLate,
    /// No such task, or calendar, here; nothing is promised.
    Unknown,
    /// A calendar is as the record asked.
    Calendar {
        /// The number of its last change.
        version: u64,
        /// What the record did.
        change: CalendarChange,
    },
    /// The command was understood but is impossible for this task.
    Refused {
        /// Each field that is wrong.
        complaints: Vec<Complaint>,
    },
}

/// What a record did to its calendar.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CalendarChange {
    /// There was none of this name.
    Created,
    /// It says something else now.
    Changed,
    /// It said so before.
    Unchanged,
    /// There is none any more.
    Removed,
}

/// Where a task stands, in users' words.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TaskState {
    /// A step of a flow that waits for others.
    Held,
    /// In the index, further away than the horizon.
    Pending,
    /// Planted in a slot.
    Scheduled,
    /// Its call began and has not ended, as far as the planner knows.
    Running,
    /// Done.
    Completed,
    /// The last call failed; it will be tried again.
    Failed,
    /// Given up.
    Dead,
    /// Ended by a cancel.
    Cancelled,
    /// Ended because its time had passed.
    Expired,
    /// A step of a flow that ended without a call, because of how others ended.
    Skipped,
    /// Held by a pause.
    Paused,
    /// A recurring task of which nothing is planned until a calendar is there, or changes.
    Parked,
}

impl TaskState {
    /// All, with the word each has in requests and answers.
    pub const WORDS: [(&'static str, Self); 12] = [
        ("held", Self::Held),
        ("pending", Self::Pending),
        ("scheduled", Self::Scheduled),
        ("running", Self::Running),
        ("completed", Self::Completed),
        ("failed", Self::Failed),
        ("dead", Self::Dead),
        ("cancelled", Self::Cancelled),
        ("expired", Self::Expired),
        ("skipped", Self::Skipped),
        ("paused", Self::Paused),
        ("parked", Self::Parked),
    ];
}

/// `GET /v1/tasks/{tenant}/{id}`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct TaskView {
    /// Whose.
    pub tenant: TenantId,
    /// Its name there.
    pub id: TaskId,
    /// The number its accepting command got.
    pub version: u64,
    /// Where it stands.
    pub state: TaskState,
    /// When its schedule wants the next firing, or wanted the one under way or last, epoch ms.
    pub due: Millis,
    /// When it is called again, of a task whose last call failed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retry_at: Option<Millis>,
    /// `bucket.NN` while planted.
    pub slot: Option<String>,
    /// As registered: one of the forms of the contract.
    pub schedule: serde_json::Value,
    /// Method and URL.
    pub call: serde_json::Value,
    /// As registered.
    pub tags: Vec<String>,
    /// As registered.
    pub priority: crate::Priority,
    /// What a step needs of others, as registered.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub flow: Option<serde_json::Value>,
    /// The needs that are not met, of a step that is held.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub waits_for: Vec<WaitView>,
    /// Why a step was skipped, or given up without a call; why a task is parked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// What other time zone data did to its next occurrence, of a recurring task.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub moved: Option<MovedView>,
    /// The last firings, oldest first; of a recurring task those that ended, then those that are live.
    pub firings: Vec<FiringView>,
    /// Of a recurring task: what became of its occurrences.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub occurrences: Option<OccurrencesView>,
    /// Of a recurring task: past ranges that are being fired belatedly, or were just now.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub backfills: Vec<BackfillView>,
    /// Of a sharded broadcast: where its shards stand; of a recurring task each firing has its own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub broadcast: Option<SharesView>,
}

/// What a change of the time zone data did to the next occurrence of a recurring task.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct MovedView {
    /// When it was to be due, epoch ms; `None` for never.
    pub before: Option<Millis>,
    /// When it was due from then on.
    pub after: Option<Millis>,
    /// The version of the data before; empty where it was not known.
    pub tzdata_before: String,
    /// The version since.
    pub tzdata: String,
    /// When that was seen.
    pub at: Millis,
}

/// Where the shards of a broadcast stand; those that are not counted are not planted yet.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SharesView {
    /// What became of those that ended.
    #[serde(flatten)]
    pub tally: ShareTally,
    /// Planted, called, or to be tried again.
    pub live: u32,
}

/// A past range of a recurring task.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct BackfillView {
    /// Occurrences due at this or later.
    pub from: Millis,
    /// Occurrences due before this.
    pub to: Millis,
    /// How many were released.
    pub released: u64,
    /// Of those, how many are live.
    pub live: u32,
    /// The due time of the next one, if one is left.
    pub next: Option<Millis>,
    /// It was stopped before its end.
    pub stopped: bool,
    /// When the last of its firings was over.
    pub ended_at: Option<Millis>,
}

/// What became of the occurrences of a recurring task.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct OccurrencesView {
    /// The number of the next one; the task's `due` is its due time. `None` where none follows, or
    /// none is known before a firing ends.
    pub next: Option<u64>,
    /// Fired, and over.
    pub ended: u64,
    /// Left out by the overlap policy.
    pub skipped: u64,
    /// Left out because they were too late.
    pub missed: u64,
    /// Taken back by a command before their call began.
    pub taken: u64,
    /// Wait for the firing before to end.
    pub buffered: u64,
    /// Planted, called, or to be tried again; manual runs included.
    pub live: u32,
}

/// One need in a [`TaskView`] that is not met.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct WaitView {
    /// The needed step.
    pub step: String,
    /// Where that stands; `None` where there is no such task (lists do not tell).
    pub state: Option<TaskState>,
    /// It is decided: this need never will be met.
    pub unmet: bool,
}

/// One firing in a [`TaskView`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct FiringView {
    /// Which firing.
    #[serde(
        serialize_with = "fire_id_as_text",
        deserialize_with = "fire_id_from_text"
    )]
    pub fire_id: FireId,
    /// When the schedule wanted it.
    pub due: Millis,
    /// Which occurrence, from 1.
    pub occurrence: u64,
    /// Where it stands.
    pub state: TaskState,
    /// The last attempts, oldest first.
    pub attempts: Vec<AttemptView>,
    /// Of the last leg, once it ended.
    pub phases: Option<outcome::Phases>,
    /// Which shard of a broadcast it is, from 0, if it is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub shard: Option<u32>,
    /// Where its shards stand, if it is a broadcast.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub shares: Option<SharesView>,
}

/// One attempt in a [`FiringView`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AttemptView {
    /// Call began, epoch ms.
    pub started: Option<Millis>,
    /// Call ended, epoch ms.
    pub finished: Millis,
    /// HTTP status.
    pub status: Option<u16>,
    /// What went wrong.
    pub error: Option<String>,
}

/// What `GET /v1/tasks` asks of one shard.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ListQuery {
    /// Whose; required, keeps the scan bounded.
    pub tenant: Option<TenantId>,
    /// Only in this state.
    pub state: Option<TaskState>,
    /// Only with this tag.
    pub tag: Option<String>,
    /// [`TaskView::due`] at or behind.
    pub due_from: Option<Millis>,
    /// [`TaskView::due`] before.
    pub due_to: Option<Millis>,
    /// Only those whose next occurrence other time zone data moved.
    #[serde(default)]
    pub moved: bool,
    /// Only ids behind this one.
    pub after: Option<TaskId>,
    /// At most so many; the shard may look at more and return fewer.
    pub limit: usize,
}

/// One shard's part of a page, ascending by id.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ListPage {
    /// What matched.
    pub tasks: Vec<TaskView>,
    /// Ask again behind this id; `None` at the end.
    pub next: Option<TaskId>,
}

/// How a command on many tasks stands in one shard.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SweepView {
    /// `pause`, `resume` or `cancel`.
    pub op: SweepOp,
    /// Whose tasks.
    pub tenant: TenantId,
    /// Only those with this tag.
    pub tag: Option<String>,
    /// When it was taken in here, epoch ms.
    pub begun_at: Millis,
    /// When the last task was looked at, and once all are decided, when the last was; epoch ms.
    pub ended_at: Option<Millis>,
    /// What it came to.
    #[serde(flatten)]
    pub count: SweepCount,
}

fn fire_id_as_text<S: serde::Serializer>(id: &FireId, to: S) -> Result<S::Ok, S::Error> {
    to.collect_str(id)
}

fn fire_id_from_text<'de, D: serde::Deserializer<'de>>(from: D) -> Result<FireId, D::Error> {
    let text = String::deserialize(from)?;
    FireId::parse(&text).ok_or_else(|| serde::de::Error::custom("a fire id is 32 hex digits"))
}
