//! What was registered and what was called: the judge of lost, early and doubled.
//!
//! Pure. Tasks are numbers from 0, so that millions of them are a few flat arrays: 21 bytes a task.
//! What happens to few (further attempts, doubles, calls of commanded tasks) is kept in maps beside.

mod timeline;

use std::collections::BTreeMap;

use hdrhistogram::Histogram;
use serde::Serialize;

pub(crate) use self::timeline::{Step, Timeline};

/// Doubled calls of which all is kept; beyond it they are only counted.
const DOUBLES_KEPT: usize = 100_000;

const ACCEPTED: u8 = 1;
const REFUSED: u8 = 2;
const FIRED: u8 = 4;
const AWAITED: u8 = 8;
const COMMANDED: u8 = 16;
const DOOMED: u8 = 32;
/// Of what is waited for, what has come.
const CAME: u8 = ACCEPTED | AWAITED | FIRED;

/// A call as it arrived.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Call<'a> {
    /// Which task.
    pub(crate) number: u32,
    pub(crate) webhook_id: &'a str,
    pub(crate) attempt: u32,
    /// The due time it carries, epoch ms.
    pub(crate) due: i64,
    /// Epoch microseconds.
    pub(crate) at_us: i64,
}

/// A call of a task that was given a command.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Seen {
    /// The due time it carried, epoch ms.
    pub(crate) due: i64,
    /// Epoch microseconds.
    pub(crate) at_us: i64,
}

/// A call that should not have been.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct Doubled {
    #[serde(skip)]
    pub(crate) number: u32,
    webhook_id: String,
    attempt: u32,
    /// False where it is another firing rather than the same attempt again.
    same: bool,
    due_ms: i64,
    /// The task's first call, epoch microseconds.
    pub(crate) first_us: i64,
    /// This call.
    pub(crate) again_us: i64,
}

/// Everything counted so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Counts {
    /// Planned so far.
    pub(crate) planned: u64,
    /// Acknowledged.
    pub(crate) accepted: u64,
    /// Given up: refused, or never acknowledged.
    pub(crate) refused: u64,
    /// Tasks that were called at least once.
    pub(crate) fired: u64,
    /// Of these, acknowledged tasks that are awaited.
    pub(crate) awaited_fired: u64,
    /// Acknowledged tasks whose call is awaited.
    pub(crate) awaited: u64,
    /// Acknowledged tasks that get a command.
    pub(crate) commanded: u64,
    /// Calls of any kind.
    pub(crate) calls: u64,
    pub(crate) early: u64,
    pub(crate) doubled: u64,
    /// Further attempts of a firing.
    pub(crate) retried: u64,
    /// Calls that carry another due time than was asked for.
    pub(crate) wrong_due: u64,
    /// Calls of tasks that are not of this run.
    pub(crate) foreign: u64,
    /// Cancels that were acknowledged, of tasks that are registered to be cancelled.
    pub(crate) cancelled: u64,
    /// Calls of such tasks: there must be none.
    pub(crate) called_cancelled: u64,
}

/// The judge.
pub(crate) struct Tally {
    due: Vec<i64>,
    state: Vec<u8>,
    /// [`mark`] of the first call's webhook-id and attempt; 0 before it came.
    first: Vec<u64>,
    /// When the first call came, ms behind `begun_us`.
    first_at: Vec<u32>,
    begun_us: i64,
    further: BTreeMap<u32, Vec<u64>>,
    commanded: BTreeMap<u32, Vec<Seen>>,
    doubles: Vec<Doubled>,
    counts: Counts,
    lateness_us: Histogram<u64>,
    timeline: Timeline,
    /// First and last first call of tasks without a command.
    span_us: Option<(i64, i64)>,
    last_call_us: i64,
    first_due: i64,
    last_due: i64,
}

impl Tally {
    /// Of a run that began at `begun_us`.
    pub(crate) fn new(begun_us: i64) -> Self {
        Self {
            due: Vec::new(),
            state: Vec::new(),
            first: Vec::new(),
            first_at: Vec::new(),
            begun_us,
            further: BTreeMap::new(),
            commanded: BTreeMap::new(),
            doubles: Vec::new(),
            counts: Counts::default(),
            lateness_us: histogram(),
            timeline: Timeline::default(),
            span_us: None,
            last_call_us: begun_us,
            first_due: i64::MAX,
            last_due: i64::MIN,
        }
    }

    /// A task that is about to be registered, due at `due` (epoch ms); its number.
    pub(crate) fn plan(&mut self, due: i64, awaited: bool, commanded: bool) -> u32 {
        let number = u32::try_from(self.due.len()).unwrap_or(u32::MAX);
        let mut state = 0;
        if commanded {
            state |= COMMANDED;
            self.commanded.insert(number, Vec::new());
        } else if awaited {
            state |= AWAITED;
        }
        if awaited {
            self.first_due = self.first_due.min(due);
            self.last_due = self.last_due.max(due);
        }
        self.due.push(due);
        self.state.push(state);
        self.first.push(0);
        self.first_at.push(0);
        self.counts.planned += 1;
        number
    }

    /// A task that is registered to be cancelled long before it is due; its number.
    pub(crate) fn doom(&mut self, due: i64) -> u32 {
        let number = self.plan(due, false, false);
        self.state[number as usize] |= DOOMED;
        number
    }

    /// The cancel of a doomed task was acknowledged.
    pub(crate) fn cancelled(&mut self) {
        self.counts.cancelled += 1;
    }

    /// The log or the door acknowledged it.
    pub(crate) fn accepted(&mut self, number: u32) {
        let state = &mut self.state[number as usize];
        if *state & (ACCEPTED | REFUSED) == 0 {
            *state |= ACCEPTED;
            self.counts.accepted += 1;
            self.counts.awaited += u64::from(*state & AWAITED != 0);
            // A call may be faster than the acknowledgement.
            self.counts.awaited_fired += u64::from(*state & CAME == CAME);
            self.counts.commanded += u64::from(*state & COMMANDED != 0);
        }
    }

    /// It was given up; if it is called all the same, that is no error.
    pub(crate) fn refused(&mut self, number: u32) {
        let state = &mut self.state[number as usize];
        if *state & (ACCEPTED | REFUSED) == 0 {
            *state |= REFUSED;
            self.counts.refused += 1;
        }
    }

    /// A call came.
    pub(crate) fn called(&mut self, call: &Call<'_>) {
        let index = call.number as usize;
        if index >= self.due.len() {
            self.counts.foreign += 1;
            return;
        }
        self.counts.calls += 1;
        self.last_call_us = self.last_call_us.max(call.at_us);
        let commanded = self.state[index] & COMMANDED != 0;
        self.counts.called_cancelled += u64::from(self.state[index] & DOOMED != 0);
        if let Some(seen) = self.commanded.get_mut(&call.number) {
            seen.push(Seen {
                due: call.due,
                at_us: call.at_us,
            });
        }
        // A commanded task is due when its call says: its judge knows better.
        let due = if commanded { call.due } else { self.due[index] };
        self.counts.wrong_due += u64::from(call.due != due);
        self.counts.early += u64::from(call.at_us < due * 1_000);
        let mark = mark(call.webhook_id, call.attempt);
        if self.first[index] == 0 {
            self.first_call(index, call, mark, due);
        } else {
            self.further_call(call, mark);
        }
    }

    fn first_call(&mut self, index: usize, call: &Call<'_>, mark: u64, due: i64) {
        self.first[index] = mark;
        let since = (call.at_us - self.begun_us).max(0) / 1_000;
        self.first_at[index] = u32::try_from(since).unwrap_or(u32::MAX);
        self.counts.fired += 1;
        self.state[index] |= FIRED;
        if self.state[index] & COMMANDED == 0 {
            let (first, last) = self.span_us.unwrap_or((call.at_us, call.at_us));
            self.span_us = Some((first.min(call.at_us), last.max(call.at_us)));
            self.counts.awaited_fired += u64::from(self.state[index] & CAME == CAME);
            let late = (call.at_us - due * 1_000).max(0);
            self.lateness_us.saturating_record(late.cast_unsigned());
            self.timeline.note(due - self.begun_us / 1_000, late);
        }
    }

    fn further_call(&mut self, call: &Call<'_>, mark: u64) {
        let index = call.number as usize;
        let first = self.first[index];
        let further = self.further.entry(call.number).or_default();
        let same = first == mark || further.contains(&mark);
        if !same {
            further.push(mark);
            // Attempts overtake each other where one was given up while it waited at this end.
            if first & FIRING == mark & FIRING {
                self.counts.retried += 1;
                return;
            }
        }
        self.counts.doubled += 1;
        if self.doubles.len() < DOUBLES_KEPT {
            self.doubles.push(Doubled {
                number: call.number,
                webhook_id: call.webhook_id.to_owned(),
                attempt: call.attempt,
                same,
                due_ms: call.due,
                first_us: self.begun_us + i64::from(self.first_at[index]) * 1_000,
                again_us: call.at_us,
            });
        }
    }

    /// Counts a call that no task of this run made.
    pub(crate) fn foreign(&mut self) {
        self.counts.foreign += 1;
    }

    pub(crate) fn counts(&self) -> Counts {
        self.counts
    }

    /// Acknowledged, awaited and not called.
    pub(crate) fn missing(&self) -> impl Iterator<Item = u32> {
        let wanted = ACCEPTED | AWAITED;
        (0..).zip(&self.state).filter_map(move |(number, state)| {
            (state & (wanted | FIRED) == wanted).then_some(number)
        })
    }

    /// How late first calls came, microseconds.
    pub(crate) fn lateness_us(&self) -> &Histogram<u64> {
        &self.lateness_us
    }

    /// How late first calls came, along the run.
    pub(crate) fn timeline(&self) -> &Timeline {
        &self.timeline
    }

    pub(crate) fn doubles(&self) -> &[Doubled] {
        &self.doubles
    }

    /// When the plan wants it, epoch ms.
    pub(crate) fn due_of(&self, number: u32) -> i64 {
        self.due[number as usize]
    }

    /// The calls of a commanded task.
    pub(crate) fn calls_of(&self, number: u32) -> &[Seen] {
        self.commanded.get(&number).map_or(&[], Vec::as_slice)
    }

    /// When the first task and the last one was called, of those without a command; epoch
    /// microseconds.
    pub(crate) fn span_us(&self) -> Option<(i64, i64)> {
        self.span_us
    }

    /// The last call of any kind, or the beginning; epoch microseconds.
    pub(crate) fn last_call_us(&self) -> i64 {
        self.last_call_us
    }

    /// First and last due time of awaited tasks, epoch ms.
    pub(crate) fn due_span(&self) -> Option<(i64, i64)> {
        (self.last_due >= self.first_due).then_some((self.first_due, self.last_due))
    }
}

/// From microseconds to hours at three digits.
pub(crate) fn histogram() -> Histogram<u64> {
    let made = Histogram::new_with_bounds(1, 86_400_000_000, 3);
    #[expect(clippy::expect_used, reason = "the bounds are constants")]
    made.expect("bounds of a histogram")
}

/// Of a [`mark`], what names the firing; the rest is the attempt.
const FIRING: u64 = !0xff;

/// 56 bits of a webhook-id's FNV-1a and 8 of the attempt, never 0.
fn mark(webhook_id: &str, attempt: u32) -> u64 {
    let hash = webhook_id
        .bytes()
        .fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
            (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
        });
    // Attempts count from 1, so the low byte is 0 for none of the first 255.
    (hash & FIRING) | u64::from(attempt.clamp(1, 255))
}

#[cfg(test)]
mod tests;
