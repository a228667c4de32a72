//! Random commands on tasks of the run while it goes on, each answer noted for the ledger to judge.

use std::time::Duration;

use bytes::Bytes;
use hyper::{Method, StatusCode};
use pipeline::Clock;
use pipeline::clock::SystemClock;
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use serde_json::Value;

use crate::ledger::{Answered, Ledger, Told};
use crate::post::Door;
use crate::task::Tasks;

/// Commands in flight at once.
const LANES: u64 = 64;
const WAIT: &str = "?wait=20s";
/// A rescheduled task is due within this, ms.
const MOVED_WITHIN_MS: u64 = 8_000;
/// Wait for another task to come by.
const LOOK_AGAIN: Duration = Duration::from_millis(20);

#[derive(Clone, Copy, Debug)]
enum Command {
    Cancel,
    Reschedule(u64),
    Touch,
    Run,
}

/// Sends `count` commands, spread over `span`; returns how many were answered.
pub(crate) async fn run(
    count: u64,
    span: Duration,
    seed: u64,
    door: Door,
    tasks: Tasks,
    ledger: Ledger,
) -> u64 {
    let lanes = LANES.min(count);
    let pace = span.div_f64(count as f64) * u32::try_from(lanes).unwrap_or(u32::MAX);
    let mut running = Vec::new();
    for lane in 0..lanes {
        let share = count / lanes + u64::from(lane < count % lanes);
        let (door, tasks, ledger) = (door.clone(), tasks.clone(), ledger.clone());
        running.push(tokio::spawn(async move {
            let mut rng = ChaCha8Rng::seed_from_u64(seed ^ (lane + 1));
            let mut tick = tokio::time::interval(pace);
            tick.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
            let mut answered = 0;
            for _ in 0..share {
                tick.tick().await;
                let Some(number) = pick(&mut rng, &ledger, span).await else {
                    break;
                };
                answered += u64::from(one(number, &mut rng, &door, &tasks, &ledger).await);
            }
            answered
        }));
    }
    let mut answered = 0;
    for lane in running {
        answered += lane.await.unwrap_or(0);
    }
    answered
}

/// A task that was taken in and neither called nor commanded; `None` when none came by for as long
/// as the run lasts.
async fn pick(rng: &mut ChaCha8Rng, ledger: &Ledger, span: Duration) -> Option<u32> {
    let looks = span.as_millis() / LOOK_AGAIN.as_millis() + 1;
    for _ in 0..looks {
        let begun = ledger.begun();
        for _ in 0..16 {
            let number = rng.random_range(0..begun.max(1));
            if ledger.command(number) {
                return Some(number);
            }
        }
        tokio::time::sleep(LOOK_AGAIN).await;
    }
    None
}

async fn one(
    number: u32,
    rng: &mut ChaCha8Rng,
    door: &Door,
    tasks: &Tasks,
    ledger: &Ledger,
) -> bool {
    let command = match rng.random_range(0..4) {
        0 => Command::Run,
        1 => Command::Reschedule(rng.random_range(0..MOVED_WITHIN_MS)),
        2 if ledger.counts_from_append(number) => Command::Touch,
        _ => Command::Cancel,
    };
    let path = format!("/v1/tasks/{}/{}", tasks.tenant, tasks.id(number));
    let (method, path, body) = match command {
        Command::Cancel => (Method::DELETE, format!("{path}{WAIT}"), String::new()),
        Command::Reschedule(ms) => {
            let body = format!(r#"{{"schedule":{{"after":"{ms}ms"}}}}"#);
            (Method::POST, format!("{path}:reschedule{WAIT}"), body)
        }
        Command::Touch => (Method::POST, format!("{path}:touch{WAIT}"), "{}".to_owned()),
        Command::Run => (Method::POST, format!("{path}:run{WAIT}"), "{}".to_owned()),
    };
    let answer = door.send(method, &path, Bytes::from(body)).await;
    let at = SystemClock.now().wall.0;
    match answer {
        Ok((status, body)) if status != StatusCode::ACCEPTED => {
            let told = told(command, &body);
            ledger.answered(number, Answered { told, at });
            true
        }
        // Not decided in time, or not heard: the command may have been done or not.
        Ok(_) | Err(_) => {
            ledger.unanswered(number);
            false
        }
    }
}

fn told(command: Command, body: &[u8]) -> Told {
    let body: Value = serde_json::from_slice(body).unwrap_or_default();
    match (body["answer"].as_str(), command) {
        (Some("cancelled"), _) => Told::Cancelled,
        (Some("too_late"), _) => Told::TooLate,
        (Some("changed"), Command::Run) => Told::Run,
        (Some("changed"), Command::Reschedule(_) | Command::Touch) => match body["due"].as_i64() {
            Some(due) => Told::MovedTo(due),
            None => Told::Nothing,
        },
        _ => Told::Nothing,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_are_understood() {
        let cases = [
            (
                Command::Cancel,
                r#"{"answer":"cancelled"}"#,
                Told::Cancelled,
            ),
            (Command::Cancel, r#"{"answer":"too_late"}"#, Told::TooLate),
            (Command::Cancel, r#"{"answer":"unknown"}"#, Told::Nothing),
            (
                Command::Touch,
                r#"{"answer":"changed","version":2,"due":5}"#,
                Told::MovedTo(5),
            ),
            (
                Command::Reschedule(1),
                r#"{"answer":"changed","due":7}"#,
                Told::MovedTo(7),
            ),
            (Command::Run, r#"{"answer":"changed","due":7}"#, Told::Run),
            (Command::Run, "not json", Told::Nothing),
        ];
        for (command, body, expected) in cases {
            assert_eq!(told(command, body.as_bytes()), expected, "{body}");
        }
    }
}
