//! A callback endpoint that tells of every call.

use std::time::Duration;

use axum::Router;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::routing::post;
use pipeline::Clock;
use pipeline::clock::SystemClock;
use tokio::net::TcpListener;
use tokio::sync::mpsc;

/// Longest wait for a call that must come.
const PATIENCE: Duration = Duration::from_secs(60);

/// One call, as it arrived.
#[derive(Clone, Debug)]
pub(crate) struct Call {
    /// `webhook-id`.
    pub(crate) id: String,
    pub(crate) task: String,
    /// Epoch ms.
    pub(crate) due: i64,
    pub(crate) attempt: u32,
    pub(crate) body: String,
    /// When it arrived, epoch ms.
    pub(crate) at: i64,
}

pub(crate) struct Endpoint {
    base: String,
    calls: mpsc::UnboundedReceiver<Call>,
}

impl Endpoint {
    /// `/ok` answers 200; `/fail-once` 500 to the first attempt.
    pub(crate) async fn open() -> Self {
        let (tell, calls) = mpsc::unbounded_channel();
        let router = Router::new()
            .route("/ok", post(take))
            .route("/fail-once", post(take_second))
            .with_state(tell);
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("its address");
        tokio::spawn(async move { axum::serve(listener, router).await });
        Self {
            base: format!("http://{address}"),
            calls,
        }
    }

    pub(crate) fn url(&self, path: &str) -> String {
        format!("{}{path}", self.base)
    }

    pub(crate) async fn next(&mut self) -> Call {
        let next = tokio::time::timeout(PATIENCE, self.calls.recv()).await;
        next.expect("no call came").expect("the endpoint is open")
    }
}

type Tell = State<mpsc::UnboundedSender<Call>>;

async fn take(tell: Tell, headers: HeaderMap, body: String) -> StatusCode {
    told(tell, &headers, body);
    StatusCode::OK
}

async fn take_second(tell: Tell, headers: HeaderMap, body: String) -> StatusCode {
    match told(tell, &headers, body) {
        1 => StatusCode::INTERNAL_SERVER_ERROR,
        _ => StatusCode::OK,
    }
}

/// The number of the attempt.
fn told(State(tell): Tell, headers: &HeaderMap, body: String) -> u32 {
    let text = |name: &str| {
        let value = headers.get(name).unwrap_or_else(|| panic!("no `{name}`"));
        value.to_str().expect("text").to_owned()
    };
    let attempt = text("tidewheel-attempt").parse().expect("a number");
    let call = Call {
        id: text("webhook-id"),
        task: text("tidewheel-task"),
        due: text("tidewheel-due").parse().expect("a number"),
        attempt,
        body,
        at: now_ms(),
    };
    // Nobody listens any more once a test has ended.
    tell.send(call).ok();
    attempt
}

pub(crate) fn now_ms() -> i64 {
    SystemClock.now().wall.0
}
