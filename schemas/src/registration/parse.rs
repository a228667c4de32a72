//! One JSON object → one [`Registration`], or everything that is wrong with it.

use serde_json::value::RawValue;

use super::object::{Complaints, Object, Path, text, whole, word};
use super::{
    Command, Complaint, Inbound, Patch, Refusal, Registration, Report, ReportResult, SweepOp,
};
use super::{backfill, call, needs, parts, recurring, removal, sweep, when};
use crate::id::{FireId, TaskId, TaskKey, TenantId};

/// Largest registration, bytes: what a record may hold with room to spare for its headers.
pub const LARGEST: usize = 1_000_000;
/// Deepest nesting of objects and lists, the payload's included.
pub const DEEPEST: usize = 64;

/// What is asked, by the word in `op`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Op {
    /// `register`, the default.
    Register,
    /// `update`.
    Update,
    /// `reschedule`.
    Reschedule,
    /// `touch`.
    Touch,
    /// `cancel`.
    Cancel,
    /// `pause`.
    Pause,
    /// `resume`.
    Resume,
    /// `run`.
    Run,
    /// `backfill`.
    Backfill,
    /// `kill`.
    Kill,
    /// `report`.
    Report,
}

impl Op {
    /// All, with the word each is asked by.
    pub const WORDS: [(&'static str, Self); 11] = [
        ("register", Self::Register),
        ("update", Self::Update),
        ("reschedule", Self::Reschedule),
        ("touch", Self::Touch),
        ("cancel", Self::Cancel),
        ("pause", Self::Pause),
        ("resume", Self::Resume),
        ("run", Self::Run),
        ("backfill", Self::Backfill),
        ("kill", Self::Kill),
        ("report", Self::Report),
    ];

    /// The word it is asked by.
    #[must_use]
    pub fn word(self) -> &'static str {
        Self::WORDS
            .iter()
            .find(|(_, op)| *op == self)
            .map_or("register", |(word, _)| *word)
    }
}

const DEFINES: &[Op] = &[Op::Register, Op::Update];
const TIMES: &[Op] = &[Op::Register, Op::Update, Op::Reschedule];
const CARRIES: &[Op] = &[Op::Register, Op::Update, Op::Run];
const REPORTS: &[Op] = &[Op::Report];
const BACKFILLS: &[Op] = &[Op::Backfill];
/// What can be done to many tasks at once.
pub(crate) const MANY: &[Op] = &[Op::Cancel, Op::Pause, Op::Resume];

/// Every field of a registration, and the ops it belongs to; empty where it belongs to all.
pub(crate) const FIELDS: [(&str, &[Op]); 30] = [
    ("op", &[]),
    ("tenant", &[]),
    ("id", &[]),
    ("if_version", &[]),
    ("schedule", TIMES),
    ("call", DEFINES),
    ("payload", CARRIES),
    ("payload_base64", CARRIES),
    ("content_type", CARRIES),
    ("timeout", DEFINES),
    ("retry", DEFINES),
    ("priority", DEFINES),
    ("tags", DEFINES),
    ("expires_after", DEFINES),
    ("misfire", DEFINES),
    ("overlap", DEFINES),
    ("broadcast", DEFINES),
    ("completion", DEFINES),
    ("needs", DEFINES),
    ("join", DEFINES),
    ("payload_from", DEFINES),
    ("tag", MANY),
    ("all", MANY),
    ("from", BACKFILLS),
    ("to", BACKFILLS),
    ("max", BACKFILLS),
    ("stop", BACKFILLS),
    ("fire_id", REPORTS),
    ("result", REPORTS),
    ("message", REPORTS),
];

pub(crate) const REPORT_RESULTS: [(&str, ReportResult); 3] = [
    ("success", ReportResult::Success),
    ("failure", ReportResult::Failure),
    ("progress", ReportResult::Progress),
];

/// Longest message of a report, in characters.
pub(crate) const LONGEST_MESSAGE: usize = 4_096;

pub(super) fn parse(bytes: &[u8]) -> Result<Inbound, Refusal> {
    let mut object = open(bytes)?;
    let mut complaints = Complaints::default();
    let names = FIELDS.map(|(name, _)| name);
    object.check_names(Path::Root, &names, &mut complaints);
    let op = match object.get("op") {
        None => Some(Op::Register),
        Some(raw) => word(raw, Path::Root.field("op"), &Op::WORDS, &mut complaints),
    };
    if let Some(op) = op {
        check_belonging(&object, op, &mut complaints);
    }
    let tenant = read_tenant(&object, &mut complaints);
    if let Some(of) = op
        .and_then(SweepOp::of)
        .filter(|_| sweep::is_sweep(&object))
    {
        let sweep = sweep::sweep(&object, of, tenant, &mut complaints);
        return complaints.or_else(sweep.map(Inbound::Many));
    }
    let task = read_task(&object, op, tenant, &mut complaints);
    let at = Path::Root;
    let if_version = object
        .get("if_version")
        .and_then(|raw| whole(raw, at.field("if_version"), &mut complaints));
    let removed = match op {
        Some(Op::Update) => removal::read(&mut object, &mut complaints),
        _ => Vec::new(),
    };
    let mut patch = read_patch(&object, task.as_ref(), &mut complaints);
    removed
        .iter()
        .for_each(|name| removal::remove(name, &mut patch));
    let changes = !removed.is_empty();
    let command = op.and_then(|op| read_command(op, &object, patch, changes, &mut complaints));
    let registration = task.zip(command).map(|(task, command)| Registration {
        task,
        if_version,
        command,
    });
    complaints.or_else(registration.map(Inbound::One))
}

/// Checks what must hold of any JSON before its fields are looked at.
fn open(bytes: &[u8]) -> Result<Object<'_>, Refusal> {
    if bytes.len() > LARGEST {
        let length = bytes.len();
        return Err(malformed(format!(
            "is {length} bytes long; a registration has at most {LARGEST}"
        )));
    }
    check_depth(bytes)?;
    let text = std::str::from_utf8(bytes)
        .map_err(|error| malformed(format!("is not UTF-8 from byte {} on", error.valid_up_to())))?;
    Object::root(text).map_err(|error| malformed(format!("is not a JSON object: {error}")))
}

/// Refuses JSON that nests deeper than [`DEEPEST`], before any parser descends into it.
///
/// # Errors
/// A malformed [`Refusal`] that names the limit.
pub fn check_depth(bytes: &[u8]) -> Result<(), Refusal> {
    let mut depth = 0_usize;
    let mut in_text = false;
    let mut escaped = false;
    for byte in bytes {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if in_text => escaped = true,
            b'"' => in_text = !in_text,
            b'{' | b'[' if !in_text => depth += 1,
            b'}' | b']' if !in_text => depth = depth.saturating_sub(1),
            _ => {}
        }
        if depth > DEEPEST {
            return Err(malformed(format!("nests deeper than {DEEPEST} levels")));
        }
    }
    Ok(())
}

fn malformed(problem: String) -> Refusal {
    Refusal {
        malformed: true,
        complaints: vec![Complaint::new("", problem)],
    }
}

fn check_belonging(object: &Object<'_>, op: Op, complaints: &mut Complaints) {
    for (name, ops) in FIELDS {
        if object.get(name).is_some() && !ops.is_empty() && !ops.contains(&op) {
            let words: Vec<String> = ops.iter().map(|op| format!("`{}`", op.word())).collect();
            let problem = format!(
                "does not belong to `{}`, only to {}",
                op.word(),
                words.join(", ")
            );
            complaints.add(Path::Root.field(name), problem);
        }
    }
}

fn read_tenant(object: &Object<'_>, complaints: &mut Complaints) -> Option<TenantId> {
    let raw = required(object, "tenant", complaints)?;
    let at = Path::Root.field("tenant");
    let name = text(raw, at, complaints)?;
    TenantId::new(&name)
        .map_err(|error| complaints.add(at, error.to_string()))
        .ok()
}

fn read_task(
    object: &Object<'_>,
    op: Option<Op>,
    tenant: Option<TenantId>,
    complaints: &mut Complaints,
) -> Option<TaskKey> {
    let at = Path::Root.field("id");
    let Some(raw) = object.get("id") else {
        let many = op.is_some_and(|op| MANY.contains(&op));
        let problem = if many {
            "is missing; or name many tasks by `tag`, or by `all`"
        } else {
            "is missing"
        };
        complaints.add(at, problem);
        return None;
    };
    let name = text(raw, at, complaints)?;
    let id = TaskId::new(&name)
        .map_err(|error| complaints.add(at, error.to_string()))
        .ok();
    Some(TaskKey {
        tenant: tenant?,
        id: id?,
    })
}

fn required<'a>(
    object: &Object<'a>,
    name: &str,
    complaints: &mut Complaints,
) -> Option<&'a RawValue> {
    let found = object.get(name);
    if found.is_none() {
        complaints.add(Path::Root.field(name), "is missing");
    }
    found
}

/// Reads every field of a definition that is there, whatever the op.
fn read_patch(object: &Object<'_>, task: Option<&TaskKey>, complaints: &mut Complaints) -> Patch {
    let at = Path::Root;
    if object.get("completion").is_some() {
        complaints.add(
            at.field("completion"),
            "is not available in this release; a 2xx answer completes a call",
        );
    }
    Patch {
        schedule: object
            .get("schedule")
            .and_then(|raw| when::schedule(raw, at.field("schedule"), complaints)),
        call: object
            .get("call")
            .and_then(|raw| call::call(raw, at.field("call"), complaints)),
        payload: parts::payload(object, complaints),
        timeout_ms: object.get("timeout").and_then(|raw| {
            parts::duration(raw, at.field("timeout"), parts::TIMEOUT_MS, complaints)
        }),
        retry: object
            .get("retry")
            .and_then(|raw| parts::retry(raw, at.field("retry"), complaints)),
        priority: object
            .get("priority")
            .and_then(|raw| word(raw, at.field("priority"), &parts::PRIORITIES, complaints)),
        tags: object
            .get("tags")
            .and_then(|raw| parts::tags(raw, at.field("tags"), complaints)),
        expires_after_ms: object.get("expires_after").and_then(|raw| {
            let at = at.field("expires_after");
            parts::duration(raw, at, parts::EXPIRY_MS, complaints).map(Some)
        }),
        needs: needs::needs(object, task, complaints).map(Some),
        misfire: object
            .get("misfire")
            .and_then(|raw| recurring::misfire(raw, at.field("misfire"), complaints)),
        overlap: object
            .get("overlap")
            .and_then(|raw| word(raw, at.field("overlap"), &recurring::OVERLAPS, complaints)),
        broadcast: object
            .get("broadcast")
            .and_then(|raw| parts::shards(raw, at.field("broadcast"), complaints))
            .map(Some),
    }
}

/// Puts together what the op needs; `None` only where a complaint was added. `changes`: whether the
/// patch does, whatever the object still holds.
fn read_command(
    op: Op,
    object: &Object<'_>,
    patch: Patch,
    changes: bool,
    complaints: &mut Complaints,
) -> Option<Command> {
    match op {
        Op::Register => {
            // `required` complains; a field that is there and wrong was complained of already.
            // A step with needs has a default for when.
            if object.get("needs").is_none() {
                required(object, "schedule", complaints);
            }
            required(object, "call", complaints);
            let definition = patch.into_definition().ok()?;
            for complaint in definition.complaints() {
                complaints.add(Path::Root.field(&complaint.field), complaint.problem);
            }
            Some(Command::Register(Box::new(definition)))
        }
        Op::Update => {
            let names = FIELDS.iter().filter(|(_, ops)| ops.contains(&Op::Update));
            let none = names.clone().all(|(name, _)| object.get(name).is_none());
            // What was misspelt was probably meant.
            if none && !changes && complaints.is_empty() {
                let names: Vec<String> = names.map(|(name, _)| format!("`{name}`")).collect();
                let names = names.join(", ");
                complaints.add(
                    Path::Root,
                    format!("changes nothing; name at least one of {names}"),
                );
            }
            Some(Command::Update(Box::new(patch)))
        }
        Op::Reschedule => {
            required(object, "schedule", complaints);
            patch.schedule.map(Command::Reschedule)
        }
        Op::Touch => Some(Command::Touch),
        Op::Cancel => Some(Command::Cancel),
        Op::Pause => Some(Command::Pause),
        Op::Resume => Some(Command::Resume),
        Op::Run => Some(Command::Run(patch.payload)),
        Op::Backfill => backfill::backfill(object, complaints).map(Command::Backfill),
        Op::Kill => Some(Command::Kill),
        Op::Report => read_report(object, complaints).map(Command::Report),
    }
}

fn read_report(object: &Object<'_>, complaints: &mut Complaints) -> Option<Report> {
    let at = Path::Root;
    let fire_id = required(object, "fire_id", complaints).and_then(|raw| {
        let found = text(raw, at.field("fire_id"), complaints)?;
        if FireId::parse(&found).is_none() {
            complaints.add(at.field("fire_id"), "is not a fire id: 32 hex digits");
        }
        Some(found.into_owned())
    });
    let result = required(object, "result", complaints)
        .and_then(|raw| word(raw, at.field("result"), &REPORT_RESULTS, complaints));
    let message = object.get("message").and_then(|raw| {
        let found = text(raw, at.field("message"), complaints)?;
        if found.chars().count() > LONGEST_MESSAGE {
            let problem = format!("has more than {LONGEST_MESSAGE} characters");
            complaints.add(at.field("message"), problem);
        }
        Some(found.into_owned())
    });
    Some(Report {
        fire_id: fire_id?,
        result: result?,
        message,
    })
}
