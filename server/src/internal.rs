//! Planners answering the doors of other processes: JSON over HTTP, one route a question.

use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, header};
use axum::routing::post;
use axum::{Json, Router};
use bytes::Bytes;
use http_body_util::{BodyExt, Full, Limited};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use planner::run::Desk;
use schemas::answer::ListQuery;
use schemas::calendar::CalendarQuery;
use schemas::{CalendarKey, RequestId, Shard, TaskKey};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

/// Largest answer, a page of tasks.
const MAX_ANSWER: usize = 16 << 20;
/// What an answer may take beyond the wait that was asked for.
const GRACE: Duration = Duration::from_secs(1);

/// One question to the planner of a shard.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Question {
    shard: Shard,
    ask: Ask,
}

/// What is asked.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) enum Ask {
    /// How a command was decided.
    Answer {
        /// Which, 32 hex digits.
        request: String,
        /// How long to wait for it, ms.
        wait_ms: u64,
    },
    /// One task.
    Get(TaskKey),
    /// Some of a tenant's tasks.
    List(ListQuery),
    /// One calendar.
    Calendar(CalendarKey),
    /// Some of a tenant's calendars.
    Calendars(CalendarQuery),
    /// How a command on many tasks stands: its id, 32 hex digits.
    Sweep(String),
}

#[derive(Clone)]
struct Routes {
    desk: Desk,
    token: Arc<str>,
}

/// The route of a process that plans.
pub(crate) fn router(desk: Desk, token: &str) -> Router {
    Router::new()
        .route("/internal/v1/ask", post(ask))
        .with_state(Routes {
            desk,
            token: token.into(),
        })
}

async fn ask(
    State(routes): State<Routes>,
    headers: HeaderMap,
    Json(question): Json<Question>,
) -> Result<Json<serde_json::Value>, (StatusCode, String)> {
    if !may_ask(&headers, &routes.token) {
        return Err((
            StatusCode::UNAUTHORIZED,
            "set `internal.token` alike everywhere\n".to_owned(),
        ));
    }
    let Question { shard, ask } = question;
    let answer = answer(&routes.desk, shard, ask).await;
    match answer {
        Ok(value) => Ok(Json(value)),
        Err(error) => Err((StatusCode::SERVICE_UNAVAILABLE, format!("{error:#}\n"))),
    }
}

/// What the planner of this process says.
pub(crate) async fn answer(
    desk: &Desk,
    shard: Shard,
    ask: Ask,
) -> anyhow::Result<serde_json::Value> {
    let value = match ask {
        Ask::Answer { request, wait_ms } => {
            let request = u128::from_str_radix(&request, 16).context("request is not hex")?;
            let wait = Duration::from_millis(wait_ms);
            serde_json::to_value(desk.answer(RequestId(request), wait).await)
        }
        Ask::Get(task) => serde_json::to_value(desk.get(shard, task).await?),
        Ask::Sweep(id) => {
            let id = u128::from_str_radix(&id, 16).context("the id is not hex")?;
            serde_json::to_value(desk.sweep(shard, RequestId(id)).await?)
        }
        Ask::List(query) => serde_json::to_value(desk.list(shard, query).await?),
        Ask::Calendar(calendar) => serde_json::to_value(desk.calendar(shard, calendar).await?),
        Ask::Calendars(query) => serde_json::to_value(desk.calendars(shard, query).await?),
    };
    value.context("an answer cannot be written as JSON")
}

/// Constant time over the token, so that it cannot be guessed byte by byte.
fn may_ask(headers: &HeaderMap, token: &str) -> bool {
    let given = headers
        .get(header::AUTHORIZATION)
        .and_then(|value| value.to_str().ok())
        .and_then(|value| value.strip_prefix("Bearer "))
        .unwrap_or_default();
    token.is_empty() || ingest::same_secret(given.as_bytes(), token.as_bytes())
}

/// Asks planners of other processes.
#[derive(Clone, Debug)]
pub(crate) struct Remote {
    client: Client<HttpConnector, Full<Bytes>>,
    token: Arc<str>,
}

impl Remote {
    pub(crate) fn new(token: &str) -> Self {
        let client = Client::builder(TokioExecutor::new()).build_http();
        Self {
            client,
            token: token.into(),
        }
    }

    /// Asks the planner at `address`.
    pub(crate) async fn ask<T: DeserializeOwned>(
        &self,
        address: &str,
        shard: Shard,
        ask: Ask,
        wait: Duration,
    ) -> anyhow::Result<T> {
        let body = serde_json::to_vec(&Question { shard, ask })?;
        let request = hyper::Request::post(format!("http://{address}/internal/v1/ask"))
            .header(header::CONTENT_TYPE, "application/json")
            .header(header::AUTHORIZATION, format!("Bearer {}", self.token))
            .body(Full::new(Bytes::from(body)))?;
        let exchange = async {
            let response = self.client.request(request).await?;
            let status = response.status();
            let body = Limited::new(response.into_body(), MAX_ANSWER)
                .collect()
                .await
                .map_err(|error| anyhow::anyhow!("answer broke off: {error}"))?
                .to_bytes();
            anyhow::ensure!(
                status.is_success(),
                "answered {status}: {}",
                String::from_utf8_lossy(&body).trim()
            );
            Ok(serde_json::from_slice(&body)?)
        };
        tokio::time::timeout(wait + GRACE, exchange)
            .await
            .with_context(|| format!("planner at {address} did not answer"))?
            .with_context(|| format!("planner at {address}"))
    }
}
