//! /live /ready /metrics /state: what a process says about itself.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::Json;
use axum::Router;
use axum::extract::State;
use axum::http::StatusCode;
use axum::routing::get;
use metrics_exporter_prometheus::PrometheusHandle;
use pipeline::worker::{Phase, Status};
use schemas::Role;
use serde::Serialize;

use crate::broker::TopicsSeen;

/// What the routes look at.
#[derive(Clone)]
pub(crate) struct Admin {
    /// The stages of this process.
    pub(crate) stages: Arc<Vec<(Role, Arc<Status>)>>,
    /// Whether the topics are there.
    pub(crate) topics: TopicsSeen,
    /// Renders the metrics.
    pub(crate) metrics: PrometheusHandle,
}

/// One stage in `/state`.
#[derive(Debug, Serialize)]
struct StageState {
    role: &'static str,
    phase: &'static str,
    shards_owned: usize,
    shards_open: Vec<u16>,
    /// Those that stand still, and why.
    shards_still: BTreeMap<u16, String>,
    /// Why it is to own nothing, if it is.
    held: Option<String>,
}

/// The routes.
pub(crate) fn router(admin: Admin) -> Router {
    Router::new()
        .route("/live", get(live))
        .route("/ready", get(ready))
        .route("/metrics", get(metrics))
        .route("/state", get(state))
        .with_state(admin)
}

/// The process serves; a stage that ended on its own makes it dead.
async fn live(State(admin): State<Admin>) -> (StatusCode, &'static str) {
    let dead = admin
        .stages
        .iter()
        .any(|(_, status)| status.phase() == Phase::Stopped);
    if dead {
        (StatusCode::SERVICE_UNAVAILABLE, "a role has stopped\n")
    } else {
        (StatusCode::OK, "live\n")
    }
}

/// The topics are there, every stage is connected, was told what it owns, and all of that is at work.
async fn ready(State(admin): State<Admin>) -> (StatusCode, String) {
    if let Some(problem) = admin.topics.borrow().problem() {
        return (StatusCode::SERVICE_UNAVAILABLE, format!("{problem}\n"));
    }
    let waiting: Vec<String> = admin
        .stages
        .iter()
        .filter(|(_, status)| !status.is_ready())
        .map(|(role, status)| match why_not(status) {
            None => role.name().to_owned(),
            Some(why) => format!("{} ({why})", role.name()),
        })
        .collect();
    if waiting.is_empty() {
        (StatusCode::OK, "ready\n".to_owned())
    } else {
        (
            StatusCode::SERVICE_UNAVAILABLE,
            format!("waiting for {}\n", waiting.join(", ")),
        )
    }
}

/// What there is to say about a stage that is not ready.
fn why_not(status: &Status) -> Option<String> {
    let owned = status.owned();
    let still = owned.still.iter();
    let still: Vec<String> = still
        .map(|(shard, why)| format!("shard {} stands still: {why}", shard.0))
        .collect();
    if let Some(why) = status.held() {
        Some(why)
    } else if !still.is_empty() {
        Some(still.join("; "))
    } else if status.phase() == Phase::Running && !owned.settled {
        Some("its group has not said yet which shards it owns".to_owned())
    } else {
        None
    }
}

async fn metrics(State(admin): State<Admin>) -> String {
    admin.metrics.render()
}

async fn state(State(admin): State<Admin>) -> Json<serde_json::Value> {
    let stages: Vec<StageState> = admin
        .stages
        .iter()
        .map(|(role, status)| {
            let owned = status.owned();
            StageState {
                role: role.name(),
                phase: match status.phase() {
                    Phase::Joining => "joining",
                    Phase::Running => "running",
                    Phase::Held => "held",
                    Phase::Stopped => "stopped",
                },
                shards_owned: owned.count,
                held: status.held(),
                shards_open: owned.open.iter().map(|shard| shard.0).collect(),
                shards_still: owned
                    .still
                    .into_iter()
                    .map(|(it, why)| (it.0, why))
                    .collect(),
            }
        })
        .collect();
    Json(serde_json::json!({
        "version": env!("CARGO_PKG_VERSION"),
        "tzdata": timetable::tzdata_version(),
        "stages": stages,
    }))
}
