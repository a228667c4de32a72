//! Names: tenants, tasks, firings, requests.

use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::shard::{Shard, Shards, murmur2};

/// What is wrong with a name.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NameError {
    /// Not 1-64 of `[a-z0-9._-]`.
    #[error("a tenant is 1-64 characters of a-z, 0-9, `.`, `_`, `-`")]
    Tenant,
    /// Not 1-256 printable characters, or more than one step, or an empty part.
    #[error(
        "an id is 1-256 printable characters without spaces, `group` or `group/step`, neither part empty"
    )]
    Task,
}

/// Whose task it is: 1-64 of `[a-z0-9._-]`, so it never contains `/`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct TenantId(Arc<str>);

/// A task's name within its tenant: `group` or `group/step`, 1-256 printable characters without space.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct TaskId(Arc<str>);

/// A task everywhere: tenant and id.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct TaskKey {
    /// Whose it is.
    pub tenant: TenantId,
    /// Its name there.
    pub id: TaskId,
}

/// One firing, for ever: a 32-bit hash of the routing key, so that a report finds its shard, then 96
/// bits that name tenant, id, version, occurrence, broadcast part and kind of run. The receiver's
/// idempotency key, written as 32 lower-case hex digits.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct FireId(pub [u8; 16]);

/// Correlates one command with its answer. Chosen by who asks.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct RequestId(pub u128);

/// What makes two firings of one task different.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FiringName {
    /// The task version that planned it.
    pub version: u64,
    /// Which occurrence of the schedule, from 1.
    pub occurrence: u64,
    /// Part of a sharded broadcast, from 1; 0 for a firing as a whole.
    pub part: u32,
    /// 0 for what the schedule asked; n for the n-th manual run.
    pub manual: u64,
}

/// Which of a task's firings, where it has many.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct FiringPart {
    /// Which occurrence of the schedule, from 1; of a manual run the one that was next.
    pub occurrence: u64,
    /// Part of a sharded broadcast, from 1; 0 for a firing as a whole.
    pub part: u32,
    /// 0 for what the schedule asked; n for the n-th manual run; of a backfill, marked as that.
    pub manual: u64,
}

impl FiringPart {
    /// Marks the number of a run as that of a backfill.
    const BACKFILL: u64 = 1 << 62;

    /// The `nth` occurrence of a past range, fired belatedly as the run of that number.
    #[must_use]
    pub fn of_backfill(nth: u64, number: u64) -> Self {
        Self {
            occurrence: nth,
            part: 0,
            manual: number | Self::BACKFILL,
        }
    }

    /// The number of the backfill it belongs to, if it does.
    #[must_use]
    pub fn backfill(self) -> Option<u64> {
        (self.manual & Self::BACKFILL != 0).then_some(self.manual & !Self::BACKFILL)
    }

    /// What the schedule asked for, not in parts.
    #[must_use]
    pub fn occurrence(occurrence: u64) -> Self {
        Self {
            occurrence,
            part: 0,
            manual: 0,
        }
    }

    /// That shard of a broadcast, from 0.
    #[must_use]
    pub fn of_shard(self, shard: u32) -> Self {
        Self {
            part: shard.saturating_add(1),
            ..self
        }
    }

    /// Which shard of a broadcast it is, from 0, if it is one.
    #[must_use]
    pub fn shard(self) -> Option<u32> {
        self.part.checked_sub(1)
    }

    /// The firing it is a shard of.
    #[must_use]
    pub fn whole(self) -> Self {
        Self { part: 0, ..self }
    }

    /// The firing's full name, planned by that version.
    #[must_use]
    pub fn named(self, version: u64) -> FiringName {
        FiringName {
            version,
            occurrence: self.occurrence,
            part: self.part,
            manual: self.manual,
        }
    }
}

impl TenantId {
    /// Takes a name that follows the rule of the type.
    ///
    /// # Errors
    /// [`NameError::Tenant`] where it does not.
    pub fn new(name: &str) -> Result<Self, NameError> {
        let good = (1..=64).contains(&name.len())
            && name
                .bytes()
                .all(|b| matches!(b, b'a'..=b'z' | b'0'..=b'9' | b'.' | b'_' | b'-'));
        if good {
            Ok(Self(name.into()))
        } else {
            Err(NameError::Tenant)
        }
    }

    /// The name as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl TaskId {
    /// Takes a name that follows the rule of the type.
    ///
    /// # Errors
    /// [`NameError::Task`] where it does not.
    pub fn new(name: &str) -> Result<Self, NameError> {
        let printable = name.chars().all(|c| !c.is_control() && !c.is_whitespace());
        let length = (1..=256).contains(&name.chars().count());
        let mut parts = name.split('/');
        let shape = parts.by_ref().take(2).all(|part| !part.is_empty()) && parts.next().is_none();
        if printable && length && shape {
            Ok(Self(name.into()))
        } else {
            Err(NameError::Task)
        }
    }

    /// The name as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// What stands before the `/`, or the whole: tasks of one group share a shard.
    #[must_use]
    pub fn group(&self) -> &str {
        self.0.split('/').next().unwrap_or(&self.0)
    }

    /// What stands behind the `/`, if there is one: the step of a flow.
    #[must_use]
    pub fn step(&self) -> Option<&str> {
        self.0.split_once('/').map(|(_, step)| step)
    }
}

impl TaskKey {
    /// The Kafka key of this task's registrations: `tenant/group`.
    #[must_use]
    pub fn routing_key(&self) -> String {
        format!("{}/{}", self.tenant, self.id.group())
    }

    /// Another step of its group; `None` where that is no name for one.
    #[must_use]
    pub fn sibling(&self, step: &str) -> Option<Self> {
        let id = TaskId::new(&format!("{}/{step}", self.id.group())).ok()?;
        Some(Self {
            tenant: self.tenant.clone(),
            id,
        })
    }

    /// The shard this task lives in.
    #[must_use]
    pub fn shard(&self, shards: Shards) -> Shard {
        shards.of_key(self.routing_key().as_bytes())
    }
}

impl FireId {
    /// The stable id of one firing.
    #[must_use]
    pub fn new(task: &TaskKey, name: FiringName) -> Self {
        let mut hash = Sha256::new();
        hash.update(task.tenant.as_str());
        hash.update([0]);
        hash.update(task.id.as_str());
        hash.update([0]);
        hash.update(name.version.to_be_bytes());
        hash.update(name.occurrence.to_be_bytes());
        hash.update(name.part.to_be_bytes());
        hash.update(name.manual.to_be_bytes());
        let digest = hash.finalize();
        let mut id = [0; 16];
        id[..4].copy_from_slice(&murmur2(task.routing_key().as_bytes()).to_be_bytes());
        id[4..].copy_from_slice(&digest[..12]);
        Self(id)
    }

    /// The shard of the task it belongs to.
    #[must_use]
    pub fn shard(&self, shards: Shards) -> Shard {
        let [a, b, c, d, ..] = self.0;
        shards.of_hash(u32::from_be_bytes([a, b, c, d]))
    }

    /// Reads the 32 hex digits that [`fmt::Display`] writes.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        if text.len() != 32 || !text.bytes().all(|b| b.is_ascii_hexdigit()) {
            return None;
        }
        u128::from_str_radix(text, 16)
            .ok()
            .map(|n| Self(n.to_be_bytes()))
    }
}

impl RequestId {
    /// Stands before a number: nobody outside is called so.
    const OF_SWEEP: u64 = u64::from_be_bytes(*b"sweep no");

    /// The name under which the sweep of that number asks for what it does to one task, within its
    /// planner.
    #[must_use]
    pub fn of_sweep(number: u64) -> Self {
        Self(u128::from(Self::OF_SWEEP) << 64 | u128::from(number))
    }

    /// The number of the sweep that asks, if one does.
    #[must_use]
    pub fn sweep(self) -> Option<u64> {
        let number = u64::try_from(self.0 & u128::from(u64::MAX)).ok()?;
        (self == Self::of_sweep(number)).then_some(number)
    }

    /// Of what somebody wrote who named nothing: from where it stands.
    #[must_use]
    pub fn of_place(topic: &str, shard: Shard, offset: i64) -> Self {
        let mut hash = Sha256::new();
        hash.update(topic);
        hash.update([0]);
        hash.update(shard.0.to_be_bytes());
        hash.update(offset.to_be_bytes());
        let digest = hash.finalize();
        let mut id = [0; 16];
        id.copy_from_slice(&digest[..16]);
        Self(u128::from_be_bytes(id))
    }
}

impl TryFrom<String> for TenantId {
    type Error = NameError;
    fn try_from(name: String) -> Result<Self, NameError> {
        Self::new(&name)
    }
}

impl TryFrom<String> for TaskId {
    type Error = NameError;
    fn try_from(name: String) -> Result<Self, NameError> {
        Self::new(&name)
    }
}

impl From<TenantId> for String {
    fn from(name: TenantId) -> Self {
        name.as_str().to_owned()
    }
}

impl From<TaskId> for String {
    fn from(name: TaskId) -> Self {
        name.as_str().to_owned()
    }
}

impl fmt::Display for TenantId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Display for TaskId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Display for TaskKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.tenant, self.id)
    }
}

impl fmt::Display for FireId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:032x}", u128::from_be_bytes(self.0))
    }
}

impl fmt::Debug for FireId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl fmt::Display for RequestId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:032x}", self.0)
    }
}

impl fmt::Debug for RequestId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}
