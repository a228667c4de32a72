//! `/v1/tasks/{tenant}/{id}` and `/v1/tasks/{tenant}/{id}:{verb}`.

use schemas::registration::{Complaint, Op};
use schemas::{TaskId, TaskKey, TenantId};

use crate::problem::Problem;

/// Where the tasks are.
pub(crate) const TASKS: &str = "/v1/tasks/";

/// The verbs a path can end in.
pub(crate) const VERBS: [Op; 8] = [
    Op::Reschedule,
    Op::Touch,
    Op::Run,
    Op::Backfill,
    Op::Pause,
    Op::Resume,
    Op::Kill,
    Op::Cancel,
];

/// The task that a path names. An id may hold one `/`, plain or percent-encoded, and any `:`.
pub(crate) fn task(path: &str) -> Result<TaskKey, Problem> {
    let rest = path.strip_prefix(TASKS).unwrap_or_default();
    let (tenant, id) = rest
        .split_once('/')
        .ok_or_else(|| Problem::no_such_route(path))?;
    let (tenant, id) = (decode(tenant)?, decode(id)?);
    let (tenant, id) = (TenantId::new(&tenant), TaskId::new(&id));
    match (tenant, id) {
        (Ok(tenant), Ok(id)) => Ok(TaskKey { tenant, id }),
        (tenant, id) => {
            let complaints = [("tenant", tenant.err()), ("id", id.err())].into_iter();
            let complaints = complaints
                .filter_map(|(field, error)| Some(Complaint::new(field, error?.to_string())));
            Err(Problem::invalid(complaints.collect()))
        }
    }
}

/// The task and the verb behind its last `:`.
pub(crate) fn task_and_verb(path: &str) -> Result<(TaskKey, Op), Problem> {
    let (before, verb) = path
        .rsplit_once(':')
        .ok_or_else(|| Problem::method("POST", path))?;
    let verb = VERBS
        .into_iter()
        .find(|op| op.word() == verb)
        .ok_or_else(|| Problem::no_such_route(path))?;
    Ok((task(before)?, verb))
}

/// The path of a task.
pub(crate) fn of(task: &TaskKey) -> String {
    let mut out = format!("{TASKS}{}/", task.tenant);
    for byte in task.id.as_str().bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~/".contains(&byte) {
            out.push(char::from(byte));
        } else {
            out.push_str(&format!("%{byte:02X}"));
        }
    }
    out
}

fn decode(text: &str) -> Result<String, Problem> {
    let bad = || Problem::malformed("the path is not percent-encoded UTF-8");
    let mut out = Vec::with_capacity(text.len());
    let mut bytes = text.bytes();
    while let Some(byte) = bytes.next() {
        if byte == b'%' {
            let mut digit = || {
                bytes
                    .next()
                    .and_then(|it| char::from(it).to_digit(16))
                    .ok_or_else(bad)
            };
            let value = digit()? * 16 + digit()?;
            out.push(u8::try_from(value).map_err(|_| bad())?);
        } else {
            out.push(byte);
        }
    }
    String::from_utf8(out).map_err(|_| bad())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_names_a_task_and_leads_back_to_itself() {
        let cases = [
            ("/v1/tasks/shop/a", "shop", "a"),
            ("/v1/tasks/shop/group/step", "shop", "group/step"),
            ("/v1/tasks/shop/order:42", "shop", "order:42"),
            ("/v1/tasks/shop/%C3%A9%25", "shop", "é%"),
        ];
        for (path, tenant, id) in cases {
            let key = task(path).unwrap_or_else(|problem| panic!("{path}: {problem:?}"));
            assert_eq!((key.tenant.as_str(), key.id.as_str()), (tenant, id));
            assert_eq!(task(&of(&key)), Ok(key));
        }
        let encoded = task("/v1/tasks/shop/group%2Fstep").expect("one slash, encoded");
        assert_eq!(encoded.id.as_str(), "group/step");
    }

    #[test]
    fn a_verb_stands_behind_the_last_colon() {
        let cases = [
            ("/v1/tasks/t/a:run", "a", Op::Run),
            ("/v1/tasks/t/a:b:touch", "a:b", Op::Touch),
            ("/v1/tasks/t/a:run:run", "a:run", Op::Run),
            ("/v1/tasks/t/g/s:kill", "g/s", Op::Kill),
        ];
        for (path, id, verb) in cases {
            let (key, op) = task_and_verb(path).unwrap_or_else(|problem| panic!("{problem:?}"));
            assert_eq!((key.id.as_str(), op), (id, verb), "{path}");
        }
    }

    #[test]
    fn what_names_no_task_is_refused() {
        let cases = [
            ("/v1/tasks/Shop/a", 422),
            ("/v1/tasks/shop/a/b/c", 422),
            ("/v1/tasks/shop/", 422),
            ("/v1/tasks/shop", 404),
            ("/v1/tasks/shop/%zz", 400),
            ("/v1/tasks/shop/%", 400),
            ("/v1/tasks/shop/%ff", 400),
        ];
        for (path, status) in cases {
            let problem = task(path).expect_err(path);
            assert_eq!(problem.status.as_u16(), status, "{path}");
        }
        assert_eq!(
            task_and_verb("/v1/tasks/t/a")
                .expect_err("no verb")
                .status
                .as_u16(),
            405
        );
        assert_eq!(
            task_and_verb("/v1/tasks/t/a:fly")
                .expect_err("verb")
                .status
                .as_u16(),
            404
        );
    }
}
