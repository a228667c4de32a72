//! The `needs`, `join` and `payload_from` of a step.

use std::collections::BTreeSet;

use serde_json::value::RawValue;

use super::object::{Complaints, Object, Path, items, kind, quote, text, word};
use crate::flow::{Join, Need, Needs, On, When};
use crate::id::TaskKey;

/// Most needs of one step.
pub(crate) const MOST_NEEDS: usize = 1_000;
/// Longest JSON pointer, bytes.
pub(crate) const LONGEST_POINTER: usize = 256;
/// Longest value of a condition, bytes of JSON.
pub(crate) const LONGEST_EQUALS: usize = 1_024;

pub(crate) const ONS: [(&str, On); 3] = [
    ("success", On::Success),
    ("failure", On::Failure),
    ("always", On::Always),
];
pub(crate) const JOINS: [(&str, Join); 2] = [("all", Join::All), ("any", Join::Any)];

/// Reads all three; `task` is the step they belong to, where that is known.
pub(super) fn needs(
    object: &Object<'_>,
    task: Option<&TaskKey>,
    complaints: &mut Complaints,
) -> Option<Needs> {
    let root = Path::Root;
    let Some(raw) = object.get("needs") else {
        for name in ["join", "payload_from"] {
            if object.get(name).is_some() {
                complaints.add(root.field(name), "needs `needs` beside it");
            }
        }
        return None;
    };
    let join = match object.get("join") {
        Some(raw) => word(raw, root.field("join"), &JOINS, complaints),
        None => Some(Join::All),
    };
    let of = list(raw, root.field("needs"), task, complaints);
    let payload_from = object.get("payload_from").map(|raw| {
        let at = root.field("payload_from");
        let found = text(raw, at, complaints)?;
        let step = step_name(&found, at, task, complaints)?;
        if of
            .as_ref()
            .is_some_and(|of| of.iter().all(|need| need.step != step))
        {
            let problem = format!("`{}` is not among `needs`; name it there too", quote(&step));
            complaints.add(at, problem);
        }
        Some(step)
    });
    let payload_from = match payload_from {
        Some(None) => return None,
        Some(found) => found,
        None => None,
    };
    Some(Needs {
        of: of?,
        join: join?,
        payload_from,
    })
}

fn list(
    raw: &RawValue,
    at: Path<'_>,
    task: Option<&TaskKey>,
    complaints: &mut Complaints,
) -> Option<Vec<Need>> {
    if let Some(task) = task.filter(|task| task.id.step().is_none()) {
        let group = task.id.group();
        let problem = format!("belongs to a step of a flow: an id such as `{group}/step`");
        complaints.add(at, problem);
    }
    let items = items(raw, at, complaints)?;
    if !(1..=MOST_NEEDS).contains(&items.len()) {
        let found = items.len();
        complaints.add(
            at,
            format!("must hold 1 to {MOST_NEEDS} needs, holds {found}"),
        );
        return None;
    }
    let mut seen = BTreeSet::new();
    let mut of = Vec::with_capacity(items.len());
    for (index, raw) in items.into_iter().enumerate() {
        let at = at.item(index);
        let Some(need) = need(raw, at, task, complaints) else {
            continue;
        };
        if !seen.insert(need.step.clone()) {
            complaints.add(at, format!("names `{}` again", quote(&need.step)));
        }
        of.push(need);
    }
    Some(of)
}

/// A step's name, or an object that says more.
fn need(
    raw: &RawValue,
    at: Path<'_>,
    task: Option<&TaskKey>,
    complaints: &mut Complaints,
) -> Option<Need> {
    if kind(raw) == "text" {
        let step = text(raw, at, complaints)?;
        return step_name(&step, at, task, complaints).map(|step| Need::success(&step));
    }
    let object = Object::read(raw, at, &["step", "on", "when"], complaints)?;
    let step = match object.get("step") {
        Some(raw) => {
            let at = at.field("step");
            text(raw, at, complaints).and_then(|name| step_name(&name, at, task, complaints))
        }
        None => {
            complaints.add(at.field("step"), "is missing");
            None
        }
    };
    let on = match object.get("on") {
        Some(raw) => word(raw, at.field("on"), &ONS, complaints),
        None => Some(On::Success),
    };
    let when = object
        .get("when")
        .and_then(|raw| when(raw, at.field("when"), complaints));
    Some(Need {
        step: step?,
        on: on?,
        when,
    })
}

/// A name within the group; its group may stand before it.
fn step_name(
    found: &str,
    at: Path<'_>,
    task: Option<&TaskKey>,
    complaints: &mut Complaints,
) -> Option<String> {
    let (group, step) = match found.split_once('/') {
        Some((group, step)) => (Some(group), step),
        None => (None, found),
    };
    let own = task.map(|task| task.id.group());
    if let (Some(group), Some(own)) = (group, own)
        && group != own
    {
        let group = quote(group);
        let problem =
            format!("is in group `{group}`; a step needs steps of its own group, `{own}`");
        complaints.add(at, problem);
        return None;
    }
    let printable = |c: char| !c.is_control() && !c.is_whitespace() && c != '/';
    let room = 255_usize.saturating_sub(own.map_or(1, |own| own.chars().count()));
    let length = step.chars().count();
    if length == 0 || length > room || !step.chars().all(printable) {
        let problem = "is not the name of a step: printable characters without space or `/`";
        complaints.add(at, problem);
        return None;
    }
    if task.is_some_and(|task| task.id.step() == Some(step)) {
        complaints.add(at, "is this step itself");
        return None;
    }
    Some(step.to_owned())
}

fn when(raw: &RawValue, at: Path<'_>, complaints: &mut Complaints) -> Option<When> {
    let object = Object::read(raw, at, &["pointer", "equals"], complaints)?;
    for name in ["pointer", "equals"] {
        if object.get(name).is_none() {
            complaints.add(at.field(name), "is missing");
        }
    }
    let pointer = object.get("pointer").and_then(|raw| {
        let at = at.field("pointer");
        let found = text(raw, at, complaints)?;
        match pointer_problem(&found) {
            None => Some(found.into_owned()),
            Some(problem) => {
                complaints.add(at, problem);
                None
            }
        }
    });
    let equals = object.get("equals").and_then(|raw| {
        if raw.get().len() > LONGEST_EQUALS {
            let problem = format!("is longer than {LONGEST_EQUALS} bytes");
            complaints.add(at.field("equals"), problem);
            return None;
        }
        Some(raw.get().to_owned())
    });
    Some(When {
        pointer: pointer?,
        equals: equals?,
    })
}

fn pointer_problem(found: &str) -> Option<String> {
    if found.len() > LONGEST_POINTER {
        return Some(format!("is longer than {LONGEST_POINTER} bytes"));
    }
    if !found.is_empty() && !found.starts_with('/') {
        return Some("is not a JSON pointer: empty, or it begins with `/`".to_owned());
    }
    let escaped = |rest: &str| rest.starts_with('0') || rest.starts_with('1');
    let bad = found.split('~').skip(1).any(|rest| !escaped(rest));
    bad.then(|| "has a `~` that is not `~0` (for `~`) or `~1` (for `/`)".to_owned())
}
