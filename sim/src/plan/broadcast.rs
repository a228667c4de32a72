//! Which tasks of a plan are broadcasts, drawn from numbers of their own.

use rand::seq::IndexedRandom;
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

use super::{Op, Sending, TaskPlan};

/// Makes a part of the tasks broadcasts; with `commands`, has some of them changed or cancelled around
/// their due time, where shards are found everywhere at once.
pub(super) fn add(
    seed: u64,
    commands: bool,
    tasks: &mut [TaskPlan],
    sendings: &mut Vec<(u64, Sending)>,
) {
    let rng = &mut ChaCha8Rng::seed_from_u64(seed ^ 0xb0ad_ca57);
    let share = *[0.1, 0.4, 1.0].choose(rng).unwrap_or(&0.4);
    for (n, task) in tasks.iter_mut().enumerate() {
        if !rng.random_bool(share) {
            continue;
        }
        task.broadcast = Some(*[2, 3, 3, 5, 16].choose(rng).unwrap_or(&3));
        let first = sendings.iter().find(|(_, it)| it.task == n);
        let Some((at, Op::Register(..))) = first.map(|(at, it)| (*at, &it.op)) else {
            continue;
        };
        if !commands || task.recurring.is_some() || !rng.random_bool(0.3) {
            continue;
        }
        let ops: &[Op] = match rng.random_range(0..6) {
            0 => &[Op::Touch],
            1 => &[Op::Pause, Op::Resume],
            2 => &[Op::Update(1)],
            3 => &[Op::Touch, Op::Cancel],
            4 => &[Op::Run, Op::Cancel],
            _ => &[Op::Cancel],
        };
        let mut last = at;
        for op in ops {
            last += rng.random_range(1..5_000);
            let op = op.clone();
            sendings.push((last, Sending { task: n, op }));
        }
    }
    sendings.sort_by_key(|(at, sending)| (*at, sending.task));
}
