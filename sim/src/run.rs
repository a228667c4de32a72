//! Runs seeds and tells how they went.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use crate::alarm::Alarm;
use crate::model;
use crate::plan::Plan;
use crate::planted::Bug;
use crate::verdict::{Size, Verdict};
use crate::world::World;

/// How to run a seed.
#[derive(Clone, Copy, Debug, Default)]
pub struct Options {
    /// Print everything that happens.
    pub print: bool,
    /// Break something on purpose.
    pub bug: Option<Bug>,
    /// Flows instead of tasks of their own: of so many steps, or 0 for what the seed has.
    pub flows: Option<usize>,
    /// Tasks far ahead only, and nothing goes wrong.
    pub far: bool,
    /// Recurring tasks beside the others; every fourth seed begins shortly before clocks change.
    pub recurring: bool,
    /// A part of the tasks are broadcasts.
    pub broadcasts: bool,
    /// Commands on many tasks beside those on one.
    pub sweeps: bool,
}

/// Runs one seed. Panics in the cores are part of the verdict.
#[must_use]
pub fn run(seed: u64, options: Options) -> Verdict {
    let mut verdict = Verdict {
        seed,
        ..Verdict::default()
    };
    // What an earlier seed on this thread left behind is not this one's.
    drop(Alarm::take());
    let mut plan = if options.far {
        Plan::far(seed)
    } else {
        Plan::new(seed, &options)
    };
    if options.sweeps {
        plan.add_sweeps();
    }
    let plan = Arc::new(plan);
    let mut world = match World::new(plan, options.print) {
        Ok(world) => world,
        Err(error) => {
            verdict.alarms.push(error.to_string());
            return verdict;
        }
    };
    let lived = catch_unwind(AssertUnwindSafe(|| world.run()));
    verdict.size = Size {
        commands: world.history.sent.len(),
        calls: world.history.calls.len(),
        elapsed_ms: world.clock.elapsed(),
        rounds: world.rounds,
        latest_ms: world.history.latest_first_call(),
        cuts: world.cuts(),
    };
    verdict.trace_hash = world.trace.hash();
    verdict.alarms.append(&mut world.history.alarms);
    verdict.alarms.extend(Alarm::take());
    if let Err(panic) = lived {
        verdict
            .alarms
            .push(format!("panic: {}", text(panic.as_ref())));
        // What a panic left behind may panic again when it is dropped.
        std::mem::forget(world);
        return verdict;
    }
    if verdict.alarms.is_empty() {
        model::judge(&mut world, &mut verdict);
    }
    verdict
}

fn text(panic: &(dyn std::any::Any + Send)) -> String {
    let text = panic.downcast_ref::<String>().map(String::as_str);
    text.or_else(|| panic.downcast_ref::<&str>().copied())
        .unwrap_or("of unknown kind")
        .to_owned()
}
