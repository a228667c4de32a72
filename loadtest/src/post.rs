//! Registers tasks by HTTP, singly or in arrays, and sends commands.

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::header::{AUTHORIZATION, CONTENT_TYPE};
use hyper::{Method, Request, StatusCode};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use tokio::sync::{Mutex, Semaphore};

use crate::args::Args;
use crate::arrivals::Arrival;
use crate::ledger::{Ledger, Registered};
use crate::task::Tasks;

/// A register that was not answered is sent again: it is idempotent.
const TRIES: u32 = 20;
const TRY_AGAIN: Duration = Duration::from_millis(500);
const ANSWER_LIMIT: Duration = Duration::from_secs(30);
/// An array that is not full is sent after this.
const FILL_FOR: Duration = Duration::from_millis(20);

/// A client of the door.
#[derive(Clone)]
pub(crate) struct Door {
    client: Client<HttpConnector, Full<Bytes>>,
    url: String,
    key: Option<String>,
}

impl Door {
    pub(crate) fn new(url: &str, args: &Args) -> Self {
        let mut connector = HttpConnector::new();
        connector.set_nodelay(true);
        let client = Client::builder(TokioExecutor::new())
            .pool_max_idle_per_host(args.in_flight)
            .build(connector);
        let url = url.trim_end_matches('/');
        let url = match url.strip_prefix("http://") {
            Some(_) => url.to_owned(),
            None => format!("http://{url}"),
        };
        Self {
            client,
            url,
            key: args.api_key.clone(),
        }
    }

    /// Sends a request; its status and body.
    pub(crate) async fn send(
        &self,
        method: Method,
        path: &str,
        body: Bytes,
    ) -> Result<(StatusCode, Bytes)> {
        let mut request = Request::builder()
            .method(method)
            .uri(format!("{}{path}", self.url))
            .header(CONTENT_TYPE, "application/json");
        if let Some(key) = &self.key {
            request = request.header(AUTHORIZATION, format!("Bearer {key}"));
        }
        let request = request.body(Full::new(body)).context("make a request")?;
        let answer = async {
            let response = self.client.request(request).await.context("ask the door")?;
            let status = response.status();
            let body = response.into_body().collect().await?.to_bytes();
            anyhow::Ok((status, body))
        };
        match tokio::time::timeout(ANSWER_LIMIT, answer).await {
            Ok(answer) => answer,
            Err(_) => bail!("the door did not answer within {ANSWER_LIMIT:?}"),
        }
    }
}

/// Registers through the door.
pub(crate) struct ByHttp {
    shared: Arc<Shared>,
    waiting: Mutex<Vec<(u32, String)>>,
    places: Arc<Semaphore>,
    batch: usize,
}

struct Shared {
    door: Door,
    path: &'static str,
    tasks: Tasks,
    ledger: Ledger,
}

impl ByHttp {
    pub(crate) fn new(args: &Args, tasks: Tasks, ledger: Ledger) -> Self {
        Self {
            shared: Arc::new(Shared {
                door: Door::new(&args.target(), args),
                path: if args.bulk {
                    "/v1/tasks?lane=bulk"
                } else {
                    "/v1/tasks"
                },
                tasks,
                ledger,
            }),
            waiting: Mutex::new(Vec::new()),
            places: Arc::new(Semaphore::new(args.in_flight)),
            batch: args.batch,
        }
    }

    pub(crate) async fn send(self: &Arc<Self>, number: u32, arrival: &Arrival) {
        let body = self.shared.tasks.body(number, arrival);
        let mut waiting = self.waiting.lock().await;
        waiting.push((number, body));
        if waiting.len() >= self.batch {
            let full = std::mem::take(&mut *waiting);
            drop(waiting);
            self.post(full).await;
        } else if waiting.len() == 1 {
            let later = Arc::clone(self);
            tokio::spawn(async move {
                tokio::time::sleep(FILL_FOR).await;
                later.flush().await;
            });
        }
    }

    /// Sends what waits for its array to fill.
    pub(crate) async fn flush(&self) {
        let rest = std::mem::take(&mut *self.waiting.lock().await);
        if !rest.is_empty() {
            self.post(rest).await;
        }
    }

    async fn post(&self, items: Vec<(u32, String)>) {
        let Ok(place) = Arc::clone(&self.places).acquire_owned().await else {
            return;
        };
        let shared = Arc::clone(&self.shared);
        tokio::spawn(async move {
            shared.register(items).await;
            drop(place);
        });
    }
}

impl Shared {
    async fn register(&self, items: Vec<(u32, String)>) {
        let body: Bytes = match items.as_slice() {
            [(_, body)] => body.clone().into(),
            many => {
                let bodies: Vec<&str> = many.iter().map(|(_, body)| body.as_str()).collect();
                format!("[{}]", bodies.join(",")).into()
            }
        };
        for attempt in 1..=TRIES {
            let answer = self.door.send(Method::POST, self.path, body.clone()).await;
            match answer {
                Ok((StatusCode::MULTI_STATUS, body)) => return self.note_each(&items, &body),
                Ok((status, _)) if status.is_success() => {
                    return self.note(&items, Registered::Accepted);
                }
                Ok((status, body)) if attempt == 1 && is_refusal(status) => {
                    let text = String::from_utf8_lossy(&body);
                    eprintln!("refused with {status}: {text}");
                    return self.note(&items, Registered::Refused);
                }
                Ok(_) | Err(_) => tokio::time::sleep(TRY_AGAIN).await,
            }
        }
        self.note(&items, Registered::Unclear);
    }

    fn note(&self, items: &[(u32, String)], how: Registered) {
        for (number, _) in items {
            self.ledger.registered(*number, how);
        }
    }

    /// Notes the entries of an array's answer; what is not told of stays unclear.
    fn note_each(&self, items: &[(u32, String)], body: &[u8]) {
        let entries: Vec<serde_json::Value> = serde_json::from_slice(body).unwrap_or_default();
        for (place, (number, _)) in items.iter().enumerate() {
            let code = entries.get(place).and_then(|entry| entry["code"].as_u64());
            let how = match code {
                Some(200..=299) => Registered::Accepted,
                Some(400..=499) => Registered::Refused,
                _ => Registered::Unclear,
            };
            self.ledger.registered(*number, how);
        }
    }
}

/// Whether the same request would be refused again.
fn is_refusal(status: StatusCode) -> bool {
    status.is_client_error() && status != StatusCode::TOO_MANY_REQUESTS
}
