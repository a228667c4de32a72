//! What an update takes away from a task.

use super::Patch;
use super::object::{Complaints, Object, Path};
use crate::call::{Definition, Payload, Priority, RetryPolicy};
use crate::schedule::{Misfire, Overlap};

/// What an `update` removes by `null`: it is as if it had never been named.
pub(crate) const REMOVABLE: [&str; 11] = [
    "payload",
    "payload_base64",
    "timeout",
    "retry",
    "priority",
    "tags",
    "expires_after",
    "misfire",
    "overlap",
    "broadcast",
    "needs",
];
/// What a task is nothing without.
const REQUIRED: [&str; 2] = ["schedule", "call"];

/// Takes the fields out of an update that are null, which removes them from the task.
pub(super) fn read(object: &mut Object<'_>, complaints: &mut Complaints) -> Vec<&'static str> {
    for name in object.take_nulls(&REQUIRED) {
        let problem = "cannot be removed; leave the field out to keep it, or give another";
        complaints.add(Path::Root.field(name), problem);
    }
    let removed = object.take_nulls(&REMOVABLE);
    for (name, other) in [("payload", "payload_base64"), ("payload_base64", "payload")] {
        if removed.contains(&name) && object.get(other).is_some() {
            let problem = format!("cannot stand beside `{other}`; give one of them");
            complaints.add(Path::Root.field(name), problem);
        }
    }
    removed
}

/// What is removed is as it is where it was never named.
pub(super) fn remove(name: &str, patch: &mut Patch) {
    match name {
        "payload" | "payload_base64" => patch.payload = Some(Payload::default()),
        "timeout" => patch.timeout_ms = Some(Definition::TIMEOUT_MS),
        "retry" => patch.retry = Some(RetryPolicy::default()),
        "priority" => patch.priority = Some(Priority::default()),
        "tags" => patch.tags = Some(Vec::new()),
        "expires_after" => patch.expires_after_ms = Some(None),
        "misfire" => patch.misfire = Some(Misfire::default()),
        "overlap" => patch.overlap = Some(Overlap::default()),
        "broadcast" => patch.broadcast = Some(None),
        "needs" => patch.needs = Some(None),
        _ => {}
    }
}
