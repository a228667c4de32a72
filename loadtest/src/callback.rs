//! The endpoint that is called: HTTP/1.1 on the loopback interface, kept alive, one ledger entry for
//! each call.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::time::Duration;

use anyhow::{Context, Result};
use bytes::Bytes;
use http_body_util::{BodyExt, Empty};
use hyper::body::Incoming;
use hyper::header::HeaderMap;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use pipeline::Clock;
use pipeline::clock::SystemClock;
use tokio::net::{TcpListener, TcpStream};

use crate::ledger::{Call, Ledger};

/// How long an endpoint under [`SLOW`] takes.
const SLOW_FOR: Duration = Duration::from_millis(250);
/// Path of endpoints that take their time.
pub(crate) const SLOW: &str = "/slow";
/// Path of calls that only measure.
pub(crate) const RAW: &str = "/raw";
/// Path of all others.
pub(crate) const PROMPT: &str = "/call";

/// Takes calls of the tasks of one run.
#[derive(Clone, Debug)]
pub(crate) struct Receiver {
    /// `tenant/run-`, in front of a task's number.
    prefix: String,
    ledger: Ledger,
    /// For calls that only measure: the same work, another book.
    scratch: Ledger,
}

impl Receiver {
    pub(crate) fn new(prefix: String, ledger: Ledger) -> Self {
        Self {
            prefix,
            ledger,
            scratch: Ledger::new(),
        }
    }

    /// Listens at `at` until the process ends; returns where that is.
    pub(crate) async fn listen(self, at: SocketAddr) -> Result<SocketAddr> {
        let listener = TcpListener::bind(at)
            .await
            .with_context(|| format!("listen at {at}"))?;
        let at = listener.local_addr()?;
        tokio::spawn(async move {
            loop {
                // Out of file descriptors, most likely: others are given back.
                let Ok((stream, _)) = listener.accept().await else {
                    tokio::time::sleep(Duration::from_millis(10)).await;
                    continue;
                };
                tokio::spawn(serve(self.clone(), stream));
            }
        });
        Ok(at)
    }

    async fn answer(&self, request: Request<Incoming>) -> Response<Empty<Bytes>> {
        let arrived = SystemClock.now().wall.0;
        let (head, body) = request.into_parts();
        let path = head.uri.path();
        let ledger = if path.starts_with(RAW) {
            &self.scratch
        } else {
            &self.ledger
        };
        match self.read(&head.headers, arrived) {
            Some(call) => ledger.call(call),
            None => ledger.stranger(),
        }
        if path.starts_with(SLOW) {
            tokio::time::sleep(SLOW_FOR).await;
        }
        // The connection can only be kept if the body was read; one cut short was a call all the same.
        drop(body.collect().await);
        Response::new(Empty::new())
    }

    fn read(&self, headers: &HeaderMap, arrived: i64) -> Option<Call> {
        let text = |name: &str| headers.get(name)?.to_str().ok();
        let task = text("tidewheel-task")?.strip_prefix(&self.prefix)?;
        Some(Call {
            task: task.parse().ok()?,
            fire_id: u128::from_str_radix(text("webhook-id")?, 16).ok()?,
            attempt: text("tidewheel-attempt")?.parse().ok()?,
            due: text("tidewheel-due")?.parse().ok()?,
            arrived,
        })
    }
}

async fn serve(receiver: Receiver, stream: TcpStream) {
    // Without it small answers may wait for the peer's acknowledgement; the call counts all the same.
    drop(stream.set_nodelay(true));
    let answer = service_fn(|request| {
        let receiver = receiver.clone();
        async move { Ok::<_, Infallible>(receiver.answer(request).await) }
    });
    let connection = hyper::server::conn::http1::Builder::new()
        .keep_alive(true)
        .serve_connection(TokioIo::new(stream), answer);
    // A peer that was killed breaks off: that is what some runs are about.
    drop(connection.await);
}
