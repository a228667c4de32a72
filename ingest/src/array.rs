//! An array of registrations: each judged by itself, all written at once, one entry for each.

use std::fmt;
use std::time::Duration;

use axum::Json;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use schemas::registration::Complaint;
use schemas::{CommandAnswer, RequestId, TaskKey};
use serde::Serialize;
use serde::de::{DeserializeSeed, Deserializer, SeqAccess, Visitor};
use serde_json::value::RawValue;

use crate::access::Caller;
use crate::answer::{self, Told};
use crate::door::{Door, Ready};
use crate::problem::Problem;
use crate::query::Manner;
use crate::tasks::{self, Admitted};

/// One entry of a 207: what would have been answered to the item alone.
#[derive(Serialize)]
#[serde(untagged)]
enum Entry {
    Taken {
        /// The HTTP status.
        code: u16,
        #[serde(flatten)]
        told: Told,
    },
    Refused {
        code: u16,
        status: &'static str,
        problem: Problem,
    },
}

/// An item that was let in, and the name its answer is waited for by.
struct Item {
    task: TaskKey,
    ready: Ready,
    request: Option<RequestId>,
}

pub(crate) async fn register(
    door: &Door,
    caller: Caller<'_>,
    manner: Manner,
    body: &Bytes,
) -> Result<Response, Problem> {
    let items = split(body, door.config.max_items)?;
    let admitted: Vec<Result<Item, Problem>> = items
        .iter()
        .map(|raw| {
            let bytes = raw.get().as_bytes();
            let Admitted::One(task) = tasks::admit(caller, bytes, Vec::new())? else {
                let problem = "a command on many tasks is posted by itself, not in an array";
                return Err(Problem::invalid(vec![Complaint::new("", problem)]));
            };
            let ready = Ready::command(&task, body.slice_ref(bytes), manner.lane);
            Ok(Item {
                task,
                ready,
                request: manner.wait.map(|_| door.request_id()),
            })
        })
        .collect();
    // The questions first: answers may be told as soon as the commands are in the log.
    let (answers, written) = tokio::join!(
        biased;
        answers(door, &admitted, manner.wait),
        write(door, &admitted),
    );
    let entries: Vec<Entry> = admitted
        .into_iter()
        .zip(written)
        .zip(answers)
        .map(|((item, written), answer)| {
            item.and_then(|item| written.map(|()| item.task))
                .and_then(|task: TaskKey| answer::sort(&task, answer))
                .into()
        })
        .collect();
    Ok((StatusCode::MULTI_STATUS, Json(entries)).into_response())
}

/// Sends all in their order, then waits for all; in place of an item not let in stands a success.
async fn write(door: &Door, items: &[Result<Item, Problem>]) -> Vec<Result<(), Problem>> {
    let sent: Vec<_> = items
        .iter()
        .map(|item| {
            item.as_ref()
                .ok()
                .map(|item| door.send(item.ready.clone(), item.request))
        })
        .collect();
    let mut fates = Vec::with_capacity(sent.len());
    for written in sent {
        fates.push(match written {
            Some(written) => door.durable(written).await,
            None => Ok(()),
        });
    }
    fates
}

/// How each item was decided, as far as it is known in time.
async fn answers(
    door: &Door,
    items: &[Result<Item, Problem>],
    wait: Option<Duration>,
) -> Vec<Option<CommandAnswer>> {
    let mut answers = vec![None; items.len()];
    let Some(wait) = wait else { return answers };
    let mut asked: FuturesUnordered<_> = items
        .iter()
        .zip(&mut answers)
        .filter_map(|(item, answer)| {
            let item = item.as_ref().ok()?;
            let asked = door
                .owners
                .answer(door.shard(&item.ready), item.request?, wait);
            Some(async move { *answer = asked.await })
        })
        .collect();
    while let Some(()) = asked.next().await {}
    drop(asked);
    answers
}

impl From<Result<(StatusCode, Told), Problem>> for Entry {
    fn from(result: Result<(StatusCode, Told), Problem>) -> Self {
        match result {
            Ok((code, told)) => Self::Taken {
                code: code.as_u16(),
                told,
            },
            Err(problem) => Self::Refused {
                code: problem.status.as_u16(),
                status: "refused",
                problem,
            },
        }
    }
}

/// The items' own bytes, at most `most`.
fn split(body: &[u8], most: usize) -> Result<Vec<&RawValue>, Problem> {
    let mut from = serde_json::Deserializer::from_slice(body);
    let items = Items { most }
        .deserialize(&mut from)
        .and_then(|items| from.end().map(|()| items))
        .map_err(|error| Problem::malformed(format!("is not a JSON array: {error}")))?;
    if items.len() > most {
        return Err(Problem::too_large(format!(
            "an array has at most {most} items"
        )));
    }
    Ok(items)
}

/// Reads an array, but does not keep more than one item too many.
struct Items {
    most: usize,
}

impl<'de> DeserializeSeed<'de> for Items {
    type Value = Vec<&'de RawValue>;

    fn deserialize<D: Deserializer<'de>>(self, from: D) -> Result<Self::Value, D::Error> {
        from.deserialize_seq(self)
    }
}

impl<'de> Visitor<'de> for Items {
    type Value = Vec<&'de RawValue>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an array of registrations")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut from: A) -> Result<Self::Value, A::Error> {
        let mut items = Vec::new();
        while let Some(item) = from.next_element()? {
            if items.len() <= self.most {
                items.push(item);
            }
        }
        Ok(items)
    }
}
