//! A command on many tasks at once: those of a tenant with a tag, or all of them.

use serde::{Deserialize, Serialize};

use super::object::{Complaints, Object, Path, text, truth};
use super::parse::Op;
use super::parts;
use super::{Refusal, Registration};
use crate::id::TenantId;

/// What comes in by a command lane: a command on one task, or on many.
#[derive(Clone, Debug, PartialEq)]
pub enum Inbound {
    /// On one task.
    One(Registration),
    /// On many.
    Many(Sweep),
}

/// One command on many tasks: on every one that was accepted before it, in all shards.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sweep {
    /// Whose tasks.
    pub tenant: TenantId,
    /// Only those with this tag; `None` for all.
    pub tag: Option<String>,
    /// What to do with each.
    pub op: SweepOp,
}

/// What can be done with many tasks at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum SweepOp {
    /// Stop planning them.
    Pause,
    /// Plan them again.
    Resume,
    /// End them before they fire.
    Cancel,
}

impl SweepOp {
    /// The word it is asked by.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Pause => "pause",
            Self::Resume => "resume",
            Self::Cancel => "cancel",
        }
    }

    /// As the op of a registration.
    #[must_use]
    pub fn of(op: Op) -> Option<Self> {
        match op {
            Op::Pause => Some(Self::Pause),
            Op::Resume => Some(Self::Resume),
            Op::Cancel => Some(Self::Cancel),
            _ => None,
        }
    }
}

impl Inbound {
    /// Reads one JSON object.
    ///
    /// # Errors
    /// [`Refusal`] holds everything that is wrong, not only the first.
    pub fn parse(bytes: &[u8]) -> Result<Self, Refusal> {
        super::parse::parse(bytes)
    }
}

/// Whether it names many tasks.
pub(super) fn is_sweep(object: &Object<'_>) -> bool {
    object.get("tag").is_some() || object.get("all").is_some()
}

/// Reads what names them.
pub(super) fn sweep(
    object: &Object<'_>,
    op: SweepOp,
    tenant: Option<TenantId>,
    complaints: &mut Complaints,
) -> Option<Sweep> {
    let at = Path::Root;
    for name in ["id", "if_version"] {
        if object.get(name).is_some() {
            let problem = "is of one task; leave it out where `tag` or `all` names many";
            complaints.add(at.field(name), problem);
        }
    }
    let tag = object.get("tag").map(|raw| {
        let found = text(raw, at.field("tag"), complaints)?.into_owned();
        parts::check_tag(&found, at.field("tag"), complaints);
        Some(found)
    });
    let all = object.get("all");
    if let Some(raw) = all {
        if tag.is_some() {
            complaints.add(at.field("all"), "goes without `tag`, which names fewer");
        }
        if truth(raw, at.field("all"), complaints) == Some(false) {
            complaints.add(at.field("all"), "must be true; or name a `tag`");
        }
    }
    let tag = match tag {
        Some(tag) => Some(tag?),
        None => None,
    };
    Some(Sweep {
        tenant: tenant?,
        tag,
        op,
    })
}
