//! How a task of the run is named and written.

use std::fmt::Write as _;

use bytes::Bytes;
use schemas::TaskKey;
use serde_json::json;

/// What all tasks of a run share.
#[derive(Clone, Debug)]
pub(crate) struct Naming {
    /// Whose they are.
    pub(crate) tenant: String,
    /// A word that no other run has: ids of finished tasks stay taken for a while.
    pub(crate) run: String,
    /// Whom they call.
    pub(crate) url: String,
    /// Padding of the payload.
    pub(crate) pad: String,
}

/// When one task is due, as it is registered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum When {
    /// Epoch ms.
    At(i64),
    /// ms behind the append.
    After(u64),
}

impl Naming {
    /// The word of a run of this process that begins at `begun_us`. Two load programs may begin in the
    /// same millisecond, and a run of one must not register what the other did.
    pub(crate) fn run_of(begun_us: i64, process: u32) -> String {
        format!("{begun_us:x}.{process:x}")
    }

    /// The task's id; its number stands at its end.
    pub(crate) fn id(&self, number: u32) -> String {
        format!("{}-{number}", self.run)
    }

    /// The number in a `tidewheel-task` header; `None` for tasks of others.
    pub(crate) fn number(&self, task: &str) -> Option<u32> {
        let id = task.strip_prefix(self.tenant.as_str())?.strip_prefix('/')?;
        let number = id.strip_prefix(self.run.as_str())?.strip_prefix('-')?;
        number.parse().ok()
    }

    /// The task's key; `None` where tenant or run is no name.
    pub(crate) fn key(&self, number: u32) -> Option<TaskKey> {
        Some(TaskKey {
            tenant: schemas::TenantId::new(&self.tenant).ok()?,
            id: schemas::TaskId::new(&self.id(number)).ok()?,
        })
    }

    /// The registration of one task.
    pub(crate) fn registration(&self, number: u32, when: When) -> Bytes {
        let mut out = String::with_capacity(192 + self.pad.len());
        let schedule = match when {
            When::At(due) => json!({"at": due}),
            When::After(ms) => json!({"after": format!("{ms}ms")}),
        };
        // Names and URL are plain; writing to a string cannot fail.
        let _ = write!(
            out,
            "{{\"tenant\":\"{}\",\"id\":\"{}-{number}\",\"schedule\":{schedule},\
             \"call\":{{\"url\":\"{}\"}},\"payload\":{{\"n\":{number},\"pad\":\"{}\"}}}}",
            self.tenant, self.run, self.url, self.pad
        );
        out.into()
    }

    /// The cancel of one task, as a record.
    pub(crate) fn cancel(&self, number: u32) -> Bytes {
        let (tenant, id) = (&self.tenant, self.id(number));
        format!("{{\"op\":\"cancel\",\"tenant\":\"{tenant}\",\"id\":\"{id}\"}}").into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn runs_that_begin_together_have_no_task_in_common() {
        let naming = |process| Naming {
            tenant: "load".to_owned(),
            run: Naming::run_of(1_795_970_317_992_000, process),
            url: "http://127.0.0.1:1/".to_owned(),
            pad: String::new(),
        };
        let (one, other) = (naming(17), naming(0x171));
        let key = one.key(7).expect("a name");
        assert_ne!(Some(&key), other.key(7).as_ref());
        assert_eq!(other.number(&key.to_string()), None);
        assert_eq!(one.number(&key.to_string()), Some(7));
    }

    #[test]
    fn a_registration_is_understood_and_its_number_found_again() {
        let naming = Naming {
            tenant: "load".to_owned(),
            run: "1f-a".to_owned(),
            url: "http://127.0.0.1:1/".to_owned(),
            pad: "xx".to_owned(),
        };
        for when in [When::At(1_796_086_800_000), When::After(1_500)] {
            let bytes = naming.registration(7, when);
            let read = schemas::Registration::parse(&bytes).expect("a registration");
            assert_eq!(Some(read.task.clone()), naming.key(7));
            assert_eq!(naming.number(&read.task.to_string()), Some(7));
        }
        let cancel = schemas::Registration::parse(&naming.cancel(7)).expect("a cancel");
        assert_eq!(Some(cancel.task), naming.key(7));
        for other in ["load/1f-b-7", "loud/1f-a-7", "load/1f-a-x", "load/1f-a"] {
            assert_eq!(naming.number(other), None, "{other}");
        }
    }
}
