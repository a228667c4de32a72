//! A past range of a recurring task that is to be fired belatedly.

use super::object::{Complaints, Object, Path, truth, whole};
use super::when;
use crate::time::Millis;

/// Occurrences of one backfill unless said, and at most.
pub(crate) const MOST: u32 = 1_000;
pub(crate) const MOST_ALLOWED: u32 = 10_000;

/// What of a task is to be fired belatedly.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Backfill {
    /// Occurrences due at this or later.
    pub from: Millis,
    /// Occurrences due before this.
    pub to: Millis,
    /// Refused where there are more.
    pub max: u32,
    /// Release no more of this range.
    pub stop: bool,
}

/// Reads the fields of a backfill.
pub(super) fn backfill(object: &Object<'_>, complaints: &mut Complaints) -> Option<Backfill> {
    let at = Path::Root;
    let time = |name: &'static str, complaints: &mut Complaints| match object.get(name) {
        Some(raw) => when::time(raw, at.field(name), complaints),
        None => {
            complaints.add(at.field(name), "is missing");
            None
        }
    };
    let (from, to) = (time("from", complaints), time("to", complaints));
    let max = match object.get("max") {
        None => Some(MOST),
        Some(raw) => whole(raw, at.field("max"), complaints).and_then(|found| {
            let max = u32::try_from(found).ok();
            let max = max.filter(|max| (1..=MOST_ALLOWED).contains(max));
            if max.is_none() {
                let problem = format!("must be from 1 to {MOST_ALLOWED}, is {found}");
                complaints.add(at.field("max"), problem);
            }
            max
        }),
    };
    let stop = match object.get("stop") {
        None => Some(false),
        Some(raw) => truth(raw, at.field("stop"), complaints),
    };
    let (from, to) = (from?, to?);
    if from >= to {
        complaints.add(at.field("to"), "must be later than `from`");
    }
    Some(Backfill {
        from,
        to,
        max: max?,
        stop: stop?,
    })
}
