//! Commands on many tasks: `POST /v1/tasks:pause`, `:resume`, `:cancel`, and how one of them stands.
//!
//! One record is written, in whatever partition the tenant's name leads to; the planner there passes it on
//! to all others. It is called by the name of its request, which every shard keeps beside its part.

use axum::Json;
use axum::extract::Request;
use axum::http::{HeaderValue, StatusCode, Uri, header};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use futures_util::future::try_join_all;
use schemas::answer::SweepView;
use schemas::index::SweepCount;
use schemas::registration::{Complaint, Op, Sweep, SweepOp};
use schemas::{RequestId, TenantId};
use serde::Serialize;

use crate::body::{self, Expect};
use crate::door::{Door, Ready};
use crate::problem::Problem;
use crate::query::{Manner, Pairs};
use crate::tasks::{self, Admitted};

/// What can be done to many tasks at once.
pub(crate) const VERBS: [Op; 3] = [Op::Pause, Op::Resume, Op::Cancel];
/// Where they are asked after.
const SWEEPS: &str = "/v1/sweeps/";

/// `POST /v1/tasks:{verb}`.
pub(crate) async fn begin(door: &Door, request: Request) -> Result<Response, Problem> {
    let (head, body) = request.into_parts();
    let caller = door.access.admit(&head.headers)?;
    let path = head.uri.path();
    let verb = path.rsplit_once(':').map_or("", |(_, verb)| verb);
    let op = VERBS.into_iter().find(|op| op.word() == verb);
    let op = op.ok_or_else(|| Problem::no_such_route(path))?;
    let held = body::read(door, &head.headers, body, Expect::Object).await?;
    let mut complaints = Vec::new();
    let value = tasks::complete(op, None, &held.bytes, &mut complaints)?;
    match tasks::admit(caller, &value, complaints)? {
        Admitted::Many(sweep) => submit(door, &head.uri, sweep, value).await,
        Admitted::One(task) => {
            let problem = format!("is one task: post to `{}:{verb}`", crate::path::of(&task));
            Err(Problem::invalid(vec![Complaint::new("id", problem)]))
        }
    }
}

/// Writes it; its name is in the answer.
pub(crate) async fn submit(
    door: &Door,
    uri: &Uri,
    sweep: Sweep,
    value: Bytes,
) -> Result<Response, Problem> {
    let (manner, mut complaints) = Manner::read(uri, door.config.max_wait)?;
    if manner.wait.is_some() {
        let problem =
            "is of one task; ask for what becomes of many at the `location` of the answer";
        complaints.push(Complaint::new("wait", problem));
    }
    if !complaints.is_empty() {
        return Err(Problem::invalid(complaints));
    }
    let id = door.request_id();
    let ready = Ready::sweep(&sweep.tenant, value, manner.lane);
    door.durable(door.send(ready, Some(id))).await?;
    let accepted = Accepted {
        tenant: sweep.tenant,
        sweep: id.to_string(),
        status: "accepted",
    };
    let mut response = (StatusCode::ACCEPTED, Json(accepted)).into_response();
    if let Ok(place) = HeaderValue::from_str(&format!("{SWEEPS}{id}")) {
        response.headers_mut().insert(header::LOCATION, place);
    }
    Ok(response)
}

#[derive(Serialize)]
struct Accepted {
    tenant: TenantId,
    sweep: String,
    status: &'static str,
}

/// `GET /v1/sweeps/{id}`: what every shard says, and the sum.
pub(crate) async fn get(door: &Door, request: Request) -> Result<Response, Problem> {
    let caller = door.access.admit(request.headers())?;
    let pairs = Pairs::read(request.uri(), &[])?;
    if !pairs.complaints.is_empty() {
        return Err(Problem::invalid(pairs.complaints));
    }
    let name = request.uri().path().strip_prefix(SWEEPS).unwrap_or("");
    let hex = name.len() == 32 && name.bytes().all(|byte| byte.is_ascii_hexdigit());
    let id = u128::from_str_radix(name, 16).ok().filter(|_| hex);
    let Some(id) = id.map(RequestId) else {
        let problem = "is not the name of a command on many tasks: 32 hex digits".to_owned();
        return Err(Problem::invalid(vec![Complaint::new("sweep", problem)]));
    };
    let shards = door.shards.all();
    let views = try_join_all(shards.map(|shard| door.owners.sweep(shard, id))).await;
    let views = views.map_err(|error| Problem::unavailable(error.to_string()))?;
    let Some(first) = views.iter().flatten().next() else {
        return Err(Problem::no_such_sweep(name));
    };
    // Whose it is, is nobody else's business.
    caller
        .check(&first.tenant)
        .map_err(|_| Problem::no_such_sweep(name))?;
    Ok(Json(Shown::of(id, first, &views)).into_response())
}

/// Where it stands, as a whole or in one shard.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
enum State {
    /// On its way there.
    Accepted,
    /// Not all tasks were looked at, or some are not decided.
    Running,
    /// Nothing is left to be done or decided.
    Done,
}

#[derive(Serialize)]
struct Shown {
    sweep: String,
    op: SweepOp,
    tenant: TenantId,
    tag: Option<String>,
    state: State,
    #[serde(flatten)]
    count: SweepCount,
    shards: Vec<Part>,
}

#[derive(Serialize)]
struct Part {
    shard: usize,
    state: State,
    #[serde(flatten)]
    count: Option<SweepCount>,
}

impl Shown {
    fn of(id: RequestId, first: &SweepView, views: &[Option<SweepView>]) -> Self {
        let parts = views.iter().enumerate().map(|(shard, view)| Part {
            shard,
            state: view.as_ref().map_or(State::Accepted, state),
            count: view.as_ref().map(|view| view.count),
        });
        let shards: Vec<Part> = parts.collect();
        let done = shards.iter().all(|part| part.state == State::Done);
        let mut count = SweepCount::default();
        for view in views.iter().flatten() {
            count.add(&view.count);
        }
        Self {
            sweep: id.to_string(),
            op: first.op,
            tenant: first.tenant.clone(),
            tag: first.tag.clone(),
            state: if done { State::Done } else { State::Running },
            count,
            shards,
        }
    }
}

fn state(view: &SweepView) -> State {
    match view.ended_at {
        Some(_) if view.count.undecided == 0 => State::Done,
        _ => State::Running,
    }
}
