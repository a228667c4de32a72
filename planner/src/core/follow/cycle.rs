//! Whether steps would wait for each other in a circle.

use std::collections::BTreeMap;

use schemas::index::NeedState;
use schemas::{CommandAnswer, Needs, TaskKey};

use crate::core::PlannerCore;
use crate::core::answer::refused;
use crate::store::Store;

/// Steps that are looked at before a flow counts as too large to be looked through.
const MOST_STEPS: usize = 10_000;
/// Needs likewise.
const MOST_NEEDS: usize = 100_000;
/// Steps of a circle that are named.
const MOST_NAMED: usize = 8;

impl<S: Store> PlannerCore<S> {
    /// The answer where `needs` of that step cannot be met before it ended itself. A step that
    /// nobody waits for closes no circle, and one that is not registered yet is looked at again
    /// when it is: whoever closes the circle is refused.
    pub(in crate::core) fn closes_a_cycle(
        &mut self,
        key: &TaskKey,
        needs: &Needs,
    ) -> Option<CommandAnswer> {
        if !self.table.is_needed(key) {
            return None;
        }
        let mut why: BTreeMap<TaskKey, TaskKey> = BTreeMap::new();
        let steps = needs.of.iter().map(|need| need.step.as_str());
        let mut open: Vec<(TaskKey, TaskKey)> = steps
            .filter_map(|step| Some((key.sibling(step)?, key.clone())))
            .collect();
        let mut looked = open.len();
        while let Some((step, because)) = open.pop() {
            if step == *key {
                let problem = format!("waits for itself: {}", circle(key, because, &why));
                return Some(refused("needs", &problem));
            }
            if why.contains_key(&step) {
                continue;
            }
            let task = self.table.load(&step);
            let held = task.as_ref().and_then(|task| task.row.held());
            for need in held.iter().flat_map(|held| &held.needs) {
                let needed = step.sibling(&need.step);
                if let (NeedState::Open, Some(needed)) = (need.state, needed) {
                    looked += 1;
                    open.push((needed, step.clone()));
                }
            }
            why.insert(step, because);
            if why.len() > MOST_STEPS || looked > MOST_NEEDS {
                let problem = "too many steps come before this one to see that none waits for it; \
                    register a step before those that need it";
                return Some(refused("needs", problem));
            }
        }
        None
    }
}

/// `a` needs … needs `a`, in words.
fn circle(key: &TaskKey, last: TaskKey, why: &BTreeMap<TaskKey, TaskKey>) -> String {
    let name = |key: &TaskKey| format!("`{}`", key.id.step().unwrap_or_default());
    let mut names = vec![name(key)];
    let mut at = last;
    while at != *key {
        names.push(name(&at));
        match why.get(&at) {
            Some(because) => at = because.clone(),
            None => break,
        }
    }
    names.push(name(key));
    names.reverse();
    if names.len() > MOST_NAMED {
        let surplus = names.len() - MOST_NAMED;
        let middle = MOST_NAMED - 2;
        names.splice(middle..middle + surplus, ["…".to_owned()]);
    }
    names.join(" needs ")
}
