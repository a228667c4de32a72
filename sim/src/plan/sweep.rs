//! Commands on many tasks, put beside a plan from numbers of their own.

use rand::seq::IndexedRandom;
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use schemas::{TaskKey, shard::murmur2};
use serde_json::{Value, json};

use super::{Op, Plan};
use crate::planted::Bug;

/// One command on many tasks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sweep {
    /// Of whose tasks.
    pub tenant: &'static str,
    /// Only of those with this tag.
    pub tag: Option<&'static str>,
    /// What.
    pub op: &'static str,
    /// The partition it is written to.
    pub shard: u16,
    /// Whether to the lane of bulk.
    pub bulk: bool,
}

const TAGS: [&str; 2] = ["even", "odd"];

/// The tag of a task: every task has one.
#[must_use]
pub fn tag_of(task: &TaskKey) -> &'static str {
    let even = murmur2(task.id.as_str().as_bytes()).is_multiple_of(2);
    TAGS[usize::from(!even)]
}

/// A registration, with its task's tag.
#[must_use]
pub fn tagged(command: &str, op: &Op, task: &TaskKey) -> String {
    let Ok(mut value) = serde_json::from_str::<Value>(command) else {
        return command.to_owned();
    };
    if matches!(op, Op::Register(..)) {
        value["tags"] = json!([tag_of(task), "other"]);
    }
    value.to_string()
}

impl Sweep {
    /// The record's value.
    #[must_use]
    pub fn json(&self, bug: Option<Bug>) -> String {
        let mut command = json!({"op": self.op, "tenant": self.tenant});
        match self.tag {
            _ if bug == Some(Bug::SparedBySweep) => command["tag"] = json!("none"),
            Some(tag) => command["tag"] = json!(tag),
            None => command["all"] = json!(true),
        }
        command.to_string()
    }

    /// Whether it is for a task.
    #[must_use]
    pub fn is_for(&self, task: &TaskKey) -> bool {
        let tag = tag_of(task);
        task.tenant.as_str() == self.tenant && self.tag.is_none_or(|wanted| wanted == tag)
    }
}

impl Plan {
    /// Adds a few, and at the end one for each tenant that lets everything go on.
    pub fn add_sweeps(&mut self) {
        let mut rng = ChaCha8Rng::seed_from_u64(self.seed ^ 0x53ee9);
        let span = self.over_at().max(20_000);
        let count = rng.random_range(1..=5);
        let shards = self.shards.count();
        let mut sweep = |op: &'static str, tenant, tag| Sweep {
            tenant,
            tag,
            op,
            shard: rng.random_range(0..shards),
            bulk: rng.random_bool(0.3),
        };
        let mut sweeps = Vec::new();
        let mut choices = ChaCha8Rng::seed_from_u64(self.seed ^ 0x53eea);
        for _ in 0..count {
            let op = *["pause", "pause", "resume", "cancel"]
                .choose(&mut choices)
                .unwrap_or(&"pause");
            let tenant = *["shop", "bank"].choose(&mut choices).unwrap_or(&"shop");
            let tag = [Some("even"), Some("odd"), None]
                .choose(&mut choices)
                .copied()
                .flatten();
            let at = choices.random_range(0..span);
            sweeps.push((at, sweep(op, tenant, tag)));
        }
        for tenant in ["shop", "bank"] {
            // Behind everything, outages included, so that what was paused ends.
            sweeps.push((span + 120_000, sweep("resume", tenant, None)));
        }
        sweeps.sort_by_key(|(at, _)| *at);
        self.sweeps = sweeps;
    }
}
