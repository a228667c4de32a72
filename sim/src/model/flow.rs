//! Whether steps went as what they need says.

use schemas::flow::{Join, On};
use schemas::{AnswerBody, Command, Needs, Registration, TaskKey};

use super::facts::{Fact, Facts, Final};
use crate::history::History;
use crate::plan::{Op, Plan, TaskPlan};
use crate::verdict::Verdict;
use schemas::outcome::End;

/// How a step ended, as the log shows it.
struct Ended {
    how: How,
    /// Ms behind the beginning.
    at: u64,
    /// What its call answered, if it came to one.
    answer: Option<AnswerBody>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum How {
    Completed,
    Failed,
    Cancelled,
    Skipped,
}

/// What a step's needs came to, and when.
enum Came {
    Met(u64),
    Never,
}

/// Holds every step against the ends of those it needs: taken or not, when, with which payload.
pub(super) fn steps_follow_their_needs(
    plan: &Plan,
    history: &History,
    facts: &Facts,
    verdict: &mut Verdict,
) {
    for task in &plan.tasks {
        let Some(needs) = needs_of(task) else {
            continue;
        };
        let key = &task.key;
        let sent = history
            .sent
            .iter()
            .any(|sent| plan.tasks[sent.task].key == *key);
        let mut ends = Vec::with_capacity(needs.of.len());
        for need in &needs.of {
            let step = key.sibling(&need.step);
            match step.and_then(|step| ended(plan, facts, &step)) {
                Some(end) => ends.push(end),
                None => verdict
                    .lost
                    .push(format!("`{}`, which {key} needs, has no end", need.step)),
            }
        }
        if ends.len() < needs.of.len() || !sent {
            continue;
        }
        let own = ended(plan, facts, key);
        let skipped = own.as_ref().is_some_and(|own| own.how == How::Skipped);
        let calls = history.calls.iter().filter(|call| call.task == *key);
        match came(&needs, &ends) {
            Came::Never => {
                for call in calls {
                    verdict
                        .early
                        .push(format!("{key} was called at {}, and is not taken", call.at));
                }
                if own.is_none_or(|own| !matches!(own.how, How::Skipped | How::Cancelled)) {
                    verdict
                        .lost
                        .push(format!("{key} does not say that it is not taken"));
                }
            }
            Came::Met(from) => {
                if skipped {
                    verdict
                        .lost
                        .push(format!("{key} was skipped, and its needs are met"));
                }
                let wanted = payload(&needs, &ends);
                for call in calls {
                    if call.at < from {
                        let at = call.at;
                        verdict.early.push(format!(
                            "{key} was called at {at}, its needs were met at {from}"
                        ));
                    }
                    if wanted
                        .as_ref()
                        .is_some_and(|wanted| *wanted != call.payload)
                    {
                        verdict.lost.push(format!(
                            "{key} was called with {:?}, not {wanted:?}",
                            call.payload
                        ));
                    }
                }
            }
        }
    }
}

/// As registered.
fn needs_of(task: &TaskPlan) -> Option<Needs> {
    task.needs.as_ref()?;
    let json = Op::Register(crate::plan::When::After(0), 0).json(task, None);
    match Registration::parse(json.as_bytes()).ok()?.command {
        Command::Register(definition) => definition.needs,
        _ => None,
    }
}

fn ended(plan: &Plan, facts: &Facts, step: &TaskKey) -> Option<Ended> {
    let task = plan.tasks.iter().find(|task| task.key == *step);
    if let Some(shards) = task.and_then(|task| task.broadcast) {
        return joined(facts, step, shards);
    }
    let mut skipped = None;
    for fact in facts.of_task(step) {
        let how = match &fact.end {
            Final::Ended(End::Success) => How::Completed,
            Final::Skipped => How::Skipped,
            _ => How::Failed,
        };
        let end = Ended {
            how,
            at: fact.at,
            answer: fact.answer.clone(),
        };
        if how != How::Skipped {
            return Some(end);
        }
        skipped = skipped.filter(|it: &Ended| it.at <= end.at).or(Some(end));
    }
    let taken_back = facts.taken_back.get(step).map(|at| Ended {
        how: How::Cancelled,
        at: *at,
        answer: None,
    });
    skipped.or(taken_back)
}

/// How a broadcast ended: with the last of its shards, and as the worst of them.
fn joined(facts: &Facts, step: &TaskKey, shards: u32) -> Option<Ended> {
    // One that was skipped may be registered anew, and skipped again.
    let of_shares = |it: &&Fact| it.end != Final::Skipped;
    let all: Vec<_> = facts.of_task(step).filter(of_shares).collect();
    let skipped = facts.of_task(step).map(|fact| fact.at).min();
    let taken_back = facts.taken_back.get(step).copied();
    let last = all.iter().map(|fact| fact.at).chain(taken_back).max();
    let any = |is: fn(&Final) -> bool| all.iter().any(|fact| is(&fact.end));
    let completed = all
        .iter()
        .filter(|fact| fact.end == Final::Ended(End::Success));
    let completed = u32::try_from(completed.count()).unwrap_or(0);
    let how = if any(|end| {
        matches!(
            end,
            Final::Ended(End::Dead { .. } | End::Expired) | Final::Expired
        )
    }) {
        How::Failed
    } else if completed == shards {
        How::Completed
    } else if all.is_empty() && skipped.is_some() {
        How::Skipped
    } else {
        How::Cancelled
    };
    Some(Ended {
        how,
        at: if how == How::Skipped { skipped } else { last }?,
        answer: None,
    })
}

fn came(needs: &Needs, ends: &[Ended]) -> Came {
    let met: Vec<bool> = needs
        .of
        .iter()
        .zip(ends)
        .map(|(need, end)| {
            let fits = match need.on {
                On::Success => end.how == How::Completed,
                On::Failure => end.how == How::Failed,
                On::Always => true,
            };
            let holds = need.when.as_ref().is_none_or(|when| {
                let text = end.answer.as_ref().map(|answer| answer.bytes.to_vec());
                text == Some(format!("{{\"said\":{}}}", when.equals).into_bytes())
            });
            fits && holds
        })
        .collect();
    let times = ends.iter().zip(&met).filter(|(_, met)| **met);
    let times = times.map(|(end, _)| end.at);
    match needs.join {
        Join::All if met.iter().all(|met| *met) => Came::Met(times.max().unwrap_or(0)),
        Join::Any if met.contains(&true) => Came::Met(times.min().unwrap_or(0)),
        Join::All | Join::Any => Came::Never,
    }
}

/// What its call must carry, where that does not hang on what came first.
fn payload(needs: &Needs, ends: &[Ended]) -> Option<bytes::Bytes> {
    let from = needs.payload_from.as_ref();
    let from = from.filter(|_| needs.join == Join::All)?;
    let at = needs.of.iter().position(|need| need.step == *from)?;
    let answer = ends.get(at)?.answer.as_ref();
    Some(match answer {
        Some(answer) => answer.bytes.clone(),
        None => bytes::Bytes::from_static(b"{\"n\":0}"),
    })
}
