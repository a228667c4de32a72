//! Random commands at random places of tasks' lives, and whether their answers were true (T4).
//!
//! Each chosen task gets one command: soon behind its registration, anywhere before it is due, in the
//! last moments, or too late. A command follows the acknowledgement of its task, so `unknown` is a
//! false answer. This receiver answers every call with 200 at once: a call that came is a call that
//! counts, and a cancelled task must never have been called at all.

mod judge;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use hyper::Method;
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use tokio::sync::mpsc::UnboundedReceiver;

use crate::arrivals::Arrivals;
use crate::clock;
use crate::door::{Answer, Door};
use crate::flags::Settings;
use crate::receiver::Shared;

/// What may be asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Command {
    Cancel,
    Reschedule,
    Touch,
    Run,
}

/// Which tasks get a command, and which one: follows from the seed.
#[derive(Clone, Debug)]
pub(crate) struct Chooser {
    seed: u64,
    every: u64,
    count: u64,
}

/// One command, and what was answered.
#[derive(Clone, Debug)]
struct Trial {
    number: u32,
    command: Command,
    /// Epoch microseconds.
    sent_us: i64,
    answered_us: i64,
    /// `None`: not in time, or not at all.
    answer: Option<String>,
    /// The new due time by the answer, epoch ms.
    due: Option<i64>,
}

/// All commands of a run.
#[derive(Default)]
pub(crate) struct Trials {
    ended: Mutex<Vec<Trial>>,
}

/// What is said of the commands of a run.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Verdict {
    pub(crate) commands: u64,
    pub(crate) unanswered: u64,
    pub(crate) false_answers: u64,
    /// By command, by answer.
    pub(crate) answers: BTreeMap<String, BTreeMap<String, u64>>,
    /// By way to lie.
    pub(crate) ways: BTreeMap<String, u64>,
    /// The first few, for people.
    pub(crate) examples: Vec<String>,
}

const EXAMPLES: usize = 5;
const MIX: u64 = 0x9e37_79b9_7f4a_7c15;

impl Command {
    /// Whether its task must be registered with `after`.
    pub(crate) fn needs_after(self) -> bool {
        self == Self::Touch
    }

    fn name(self) -> &'static str {
        match self {
            Self::Cancel => "cancel",
            Self::Reschedule => "reschedule",
            Self::Touch => "touch",
            Self::Run => "run",
        }
    }
}

impl Chooser {
    /// Spreads the commands evenly over the tasks of the plan.
    pub(crate) fn new(settings: &Settings) -> Self {
        let count = settings.commands;
        let planned = if count == 0 {
            0
        } else {
            Arrivals::new(settings).count() as u64
        };
        Self {
            seed: settings.seed,
            every: (planned / count.max(1)).max(1),
            count,
        }
    }

    /// The command that the task of this number gets.
    pub(crate) fn choose(&self, number: u64) -> Option<Command> {
        let chosen = number.is_multiple_of(self.every) && number / self.every < self.count;
        chosen.then(|| match self.rng(number).random_range(0..20) {
            0..8 => Command::Cancel,
            8..13 => Command::Reschedule,
            13..16 => Command::Touch,
            _ => Command::Run,
        })
    }

    fn rng(&self, number: u64) -> ChaCha8Rng {
        ChaCha8Rng::seed_from_u64(self.seed.wrapping_add(number.wrapping_mul(MIX)))
    }

    /// When the command goes out, epoch microseconds, for a task acknowledged now.
    fn place(rng: &mut ChaCha8Rng, now_us: i64, due_us: i64) -> i64 {
        let at = match rng.random_range(0..10) {
            0..3 => now_us + rng.random_range(0..50_000),
            3..6 if due_us > now_us => rng.random_range(now_us..due_us),
            6..9 => due_us + rng.random_range(-300_000..50_000),
            _ => due_us + rng.random_range(0..1_000_000),
        };
        // A task due in days is not waited for.
        at.clamp(now_us, now_us + 60_000_000)
    }
}

impl Trials {
    /// Gives each task that comes from `follow` its command; ends when no more can come.
    pub(crate) async fn run(
        self: Arc<Self>,
        chooser: Chooser,
        door: Door,
        shared: Arc<Shared>,
        mut follow: UnboundedReceiver<u32>,
    ) {
        while let Some(number) = follow.recv().await {
            let Some(command) = chooser.choose(u64::from(number)) else {
                continue;
            };
            let mut rng = chooser.rng(u64::from(number) ^ MIX);
            let due_us = shared.tally().due_of(number) * 1_000;
            let at_us = Chooser::place(&mut rng, clock::now_us(), due_us);
            let ahead_ms = rng.random_range(500..8_000);
            let (trials, door) = (Arc::clone(&self), door.clone());
            let id = format!("{}/{}", shared.naming.tenant, shared.naming.id(number));
            tokio::spawn(async move {
                clock::sleep_until_us(at_us).await;
                let trial = attempt(&door, number, command, &id, ahead_ms).await;
                trials.lock().push(trial);
            });
        }
    }

    /// How many ended.
    pub(crate) fn ended(&self) -> u64 {
        self.lock().len() as u64
    }

    /// When the last call is due that a command led to, of those before `before`; epoch ms.
    pub(crate) fn last_due_before(&self, before: i64) -> Option<i64> {
        let ended = self.lock();
        let due = ended.iter().filter_map(|trial| trial.due);
        due.filter(|due| *due < before).max()
    }

    /// Whether a call that an answer promised is still to come, of those due before `before` (epoch ms).
    pub(crate) fn is_waiting(&self, shared: &Shared, before: i64) -> bool {
        let ended = self.lock();
        let tally = shared.tally();
        ended.iter().any(|trial| {
            let promised = trial.due.is_some_and(|due| due < before);
            promised && tally.calls_of(trial.number).is_empty()
        })
    }

    /// Holds every answer against the calls that came until `end_us`.
    pub(crate) fn judge(&self, shared: &Shared, end_us: i64) -> Verdict {
        let mut verdict = Verdict::default();
        let tally = shared.tally();
        for trial in self.lock().iter() {
            verdict.commands += 1;
            let answer = trial.answer.as_deref().unwrap_or("none");
            *verdict
                .answers
                .entry(trial.command.name().to_owned())
                .or_default()
                .entry(answer.to_owned())
                .or_default() += 1;
            verdict.unanswered += u64::from(trial.answer.is_none());
            let calls = tally.calls_of(trial.number);
            let Some(lie) = judge::lie(trial, calls, end_us) else {
                continue;
            };
            verdict.false_answers += 1;
            *verdict.ways.entry(lie.to_owned()).or_default() += 1;
            if verdict.examples.len() < EXAMPLES {
                let of = shared.naming.id(trial.number);
                verdict
                    .examples
                    .push(format!("{lie}: {of}: {trial:?}, calls {calls:?}"));
            }
        }
        verdict
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Trial>> {
        self.ended.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

async fn attempt(door: &Door, number: u32, command: Command, id: &str, ahead_ms: u32) -> Trial {
    let (method, verb, body) = match command {
        Command::Cancel => (Method::DELETE, "", String::new()),
        Command::Reschedule => (
            Method::POST,
            ":reschedule",
            format!("{{\"schedule\":{{\"after\":\"{ahead_ms}ms\"}}}}"),
        ),
        Command::Touch => (Method::POST, ":touch", "{}".to_owned()),
        Command::Run => (Method::POST, ":run", "{}".to_owned()),
    };
    let path = format!("/v1/tasks/{id}{verb}?wait=20s");
    let sent_us = clock::now_us();
    let asked = door.ask(method, &path, Bytes::from(body)).await;
    let answered_us = clock::now_us();
    let (answer, due) = asked.map_or((None, None), |answer| read(&answer));
    Trial {
        number,
        command,
        sent_us,
        answered_us,
        answer,
        due,
    }
}

/// The word of an answer, and the due time with it. An answer that the door could not get in time
/// is none.
fn read(answer: &Answer) -> (Option<String>, Option<i64>) {
    let word = answer.json["answer"].as_str().map(str::to_owned);
    let status = answer.status.as_u16();
    let refused = (400..429).contains(&status).then(|| status.to_string());
    (word.or(refused), answer.json["due"].as_i64())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn as_many_tasks_are_chosen_as_asked_and_the_same_in_every_run() {
        let settings = Settings::for_test(&["steady", "--tasks", "1000", "--commands", "100"]);
        let chooser = Chooser::new(&settings);
        let chosen = || {
            (0..1_000)
                .map(|n| chooser.choose(n))
                .collect::<Vec<Option<Command>>>()
        };
        assert_eq!(chosen().iter().flatten().count(), 100);
        assert_eq!(chosen(), chosen());
        for command in [
            Command::Cancel,
            Command::Reschedule,
            Command::Touch,
            Command::Run,
        ] {
            assert!(chosen().contains(&Some(command)), "{command:?}");
        }
    }
}
