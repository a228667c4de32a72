//! `GET /v1/tasks`: a tenant's tasks, page by page across all shards.
//!
//! Pages go shard by shard in the order of their numbers, within a shard by id. A list is no moment's
//! picture: what changes while somebody turns pages may be seen or not, but a task that stays is seen
//! once. A page may hold fewer tasks than asked for, none even, and still be followed by another: the
//! end is where `page` is null.

use axum::Json;
use axum::extract::Request;
use axum::http::Uri;
use axum::response::{IntoResponse, Response};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use schemas::answer::ListQuery;
use schemas::{Shard, Shards, TaskId, TaskState, TaskView, TenantId};
use serde::Serialize;

use crate::door::Door;
use crate::problem::Problem;
use crate::query::{Pairs, time};

/// The names a list is asked by.
pub(crate) const NAMES: [&str; 8] = [
    "tenant", "state", "tag", "due_from", "due_to", "moved", "limit", "page",
];
/// Tasks of a page unless asked otherwise, and at most.
const LIMIT: (usize, usize) = (100, 1_000);
/// Questions to owners for one page, beyond one for each shard.
const FURTHER_QUESTIONS: usize = 8;

#[derive(Serialize)]
struct Page {
    tasks: Vec<TaskView>,
    page: Option<String>,
}

/// Where the next page begins.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Place {
    shard: u16,
    after: Option<TaskId>,
}

pub(crate) async fn list(door: &Door, request: Request) -> Result<Response, Problem> {
    let caller = door.access.admit(request.headers())?;
    let (tenant, mut query, place) = read(request.uri(), door.shards)?;
    caller.check(&tenant)?;
    query.tenant = Some(tenant);
    let page = collect(door, query, place).await?;
    Ok(Json(page).into_response())
}

async fn collect(door: &Door, query: ListQuery, mut place: Place) -> Result<Page, Problem> {
    let limit = query.limit;
    let mut tasks = Vec::new();
    let most = usize::from(door.shards.count()) + FURTHER_QUESTIONS;
    for _ in 0..most {
        if tasks.len() >= limit || place.shard >= door.shards.count() {
            break;
        }
        let part = ListQuery {
            after: place.after.take(),
            limit: limit - tasks.len(),
            ..query.clone()
        };
        let part = door.owners.list(Shard(place.shard), part).await;
        let part = part.map_err(|error| Problem::unavailable(error.to_string()))?;
        tasks.extend(part.tasks);
        place = match part.next {
            None => Place {
                shard: place.shard + 1,
                after: None,
            },
            after => Place { after, ..place },
        };
    }
    let more = place.shard < door.shards.count();
    Ok(Page {
        tasks,
        page: more.then(|| place.token()),
    })
}

fn read(uri: &Uri, shards: Shards) -> Result<(TenantId, ListQuery, Place), Problem> {
    let mut pairs = Pairs::read(uri, &NAMES)?;
    if pairs.get("tenant").is_none() {
        pairs.complain("tenant", "is missing; a list is of one tenant".to_owned());
    }
    let tenant = pairs.take("tenant", |it| {
        TenantId::new(it).map_err(|error| error.to_string())
    });
    let query = ListQuery {
        tenant: None,
        state: pairs.take("state", state),
        tag: pairs.take("tag", |it| Ok(it.to_owned())),
        due_from: pairs.take("due_from", time),
        due_to: pairs.take("due_to", time),
        moved: pairs.take("moved", moved).unwrap_or(false),
        after: None,
        limit: pairs.take("limit", limit).unwrap_or(LIMIT.0),
    };
    let place = pairs.take("page", |it| {
        Place::read(it, shards).ok_or_else(|| "is not the `page` of a list".to_owned())
    });
    match tenant {
        Some(tenant) if pairs.complaints.is_empty() => {
            Ok((tenant, query, place.unwrap_or_default()))
        }
        _ => Err(Problem::invalid(pairs.complaints)),
    }
}

fn state(name: &str) -> Result<TaskState, String> {
    let found = TaskState::WORDS.iter().find(|(word, _)| *word == name);
    found.map(|(_, state)| *state).ok_or_else(|| {
        let words = TaskState::WORDS.map(|(word, _)| word);
        format!("is one of {}", words.join(", "))
    })
}

fn moved(text: &str) -> Result<bool, String> {
    (text == "true")
        .then_some(true)
        .ok_or_else(|| "is `true`, or left out".to_owned())
}

fn limit(text: &str) -> Result<usize, String> {
    let limit = text
        .parse()
        .ok()
        .filter(|limit| (1..=LIMIT.1).contains(limit));
    limit.ok_or_else(|| format!("is a number from 1 to {}", LIMIT.1))
}

impl Place {
    /// As text that means nothing to the caller.
    fn token(&self) -> String {
        let after = self.after.as_ref().map_or("", TaskId::as_str);
        URL_SAFE_NO_PAD.encode(format!("{} {after}", self.shard))
    }

    fn read(token: &str, shards: Shards) -> Option<Self> {
        let text = String::from_utf8(URL_SAFE_NO_PAD.decode(token).ok()?).ok()?;
        let (shard, after) = text.split_once(' ')?;
        let shard = shard.parse().ok().filter(|shard| *shard < shards.count())?;
        let after = match after {
            "" => None,
            name => Some(TaskId::new(name).ok()?),
        };
        Some(Self { shard, after })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_leads_back_to_its_place() {
        let after = Some(TaskId::new("grüppe/é").expect("an id"));
        for place in [
            Place { shard: 3, after },
            Place {
                shard: 0,
                after: None,
            },
        ] {
            assert_eq!(Place::read(&place.token(), Shards::DEFAULT), Some(place));
        }
        let beyond = Place {
            shard: 8,
            after: None,
        }
        .token();
        for bad in ["", "!", "MQ", &beyond] {
            assert_eq!(Place::read(bad, Shards::DEFAULT), None, "{bad}");
        }
    }
}
