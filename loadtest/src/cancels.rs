//! A stream of tasks that are registered only to be cancelled while they wait, planted, for their time.
//!
//! They come evenly, beside the run's own tasks, and none of them may ever be called.

use std::collections::VecDeque;
use std::time::Duration;

use crate::clock;
use crate::flags::Settings;
use crate::register::{Errand, Fate, Ready, Way};
use crate::task::When;

/// Long enough that a cancel has half a minute to be obeyed, short enough that the task is planted.
const AHEAD_MS: i64 = 40_000;
const CANCELLED_AFTER_US: i64 = 10_000_000;
const TICK: Duration = Duration::from_millis(5);

/// Registers at `--cancels` a second until `end_us`, cancels each, and waits until the last would have
/// been due.
pub(crate) async fn run(settings: &Settings, begun_us: i64, end_us: i64, way: &Way, fate: &Fate) {
    let mut doomed: VecDeque<(i64, u32)> = VecDeque::new();
    let mut made = 0_u64;
    loop {
        let now_us = clock::now_us();
        let mut batch = Vec::new();
        loop {
            let at_us = begun_us + (made as f64 * 1e6 / settings.cancels) as i64;
            if at_us > now_us.min(end_us) {
                break;
            }
            made += 1;
            let ready = register(at_us / 1_000 + AHEAD_MS, fate);
            doomed.push_back((at_us + CANCELLED_AFTER_US, ready.number));
            batch.push(ready);
        }
        while let Some((at_us, number)) = doomed.front().copied() {
            if at_us > now_us {
                break;
            }
            doomed.pop_front();
            batch.push(Ready {
                number,
                body: fate.naming().cancel(number),
                errand: Errand::Cancel,
            });
        }
        way.offer_each(batch, fate).await;
        if now_us > end_us && doomed.is_empty() {
            break;
        }
        tokio::time::sleep(TICK).await;
    }
    clock::sleep_until_us(end_us + AHEAD_MS * 1_000).await;
}

fn register(due: i64, fate: &Fate) -> Ready {
    let number = fate.tally().doom(due);
    Ready {
        number,
        body: fate.naming().registration(number, When::At(due)),
        errand: Errand::Register,
    }
}
