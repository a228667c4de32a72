//! The endpoint that is called: notes each call and answers 200.

use std::convert::Infallible;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use anyhow::{Context, Result};
use bytes::Bytes;
use http_body_util::{BodyExt, Empty};
use hyper::body::Incoming;
use hyper::header::HeaderMap;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::{TokioIo, TokioTimer};

use crate::clock;
use crate::tally::{Call, Tally};
use crate::task::Naming;

/// What all parts of a run share.
pub(crate) struct Shared {
    pub(crate) naming: Naming,
    tally: Mutex<Tally>,
}

/// A bound address, not yet served: its URL goes into the tasks.
pub(crate) struct Bound {
    listener: TcpListener,
    pub(crate) address: SocketAddr,
}

impl Shared {
    pub(crate) fn new(naming: Naming, tally: Tally) -> Self {
        Self {
            naming,
            tally: Mutex::new(tally),
        }
    }

    /// The tally; held for no longer than a note takes.
    pub(crate) fn tally(&self) -> MutexGuard<'_, Tally> {
        self.tally.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Bound {
    /// Any free port of the loopback interface.
    ///
    /// # Errors
    /// Where there is none.
    pub(crate) fn new() -> Result<Self> {
        let any = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
        let listener = TcpListener::bind(any).context("listen for calls")?;
        listener.set_nonblocking(true)?;
        let address = listener.local_addr()?;
        Ok(Self { listener, address })
    }

    /// Serves on `threads` threads of its own, until the process ends.
    ///
    /// # Errors
    /// Where a thread cannot be started.
    pub(crate) fn serve(&self, threads: usize, shared: &Arc<Shared>) -> Result<()> {
        for number in 0..threads {
            let listener = self.listener.try_clone()?;
            let shared = Arc::clone(shared);
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build()?;
            std::thread::Builder::new()
                .name(format!("receiver-{number}"))
                .spawn(move || {
                    let served = runtime.block_on(accept(listener, shared));
                    if let Err(error) = served {
                        eprintln!("error: the receiver ended: {error:#}");
                    }
                })
                .context("start a receiver")?;
        }
        Ok(())
    }
}

async fn accept(listener: TcpListener, shared: Arc<Shared>) -> Result<()> {
    let listener = tokio::net::TcpListener::from_std(listener)?;
    loop {
        let stream = match listener.accept().await {
            Ok((stream, _)) => stream,
            Err(error) => {
                // Out of descriptors, or a caller that left at once: the next may be better.
                eprintln!("warning: accept: {error}");
                tokio::time::sleep(std::time::Duration::from_millis(10)).await;
                continue;
            }
        };
        stream.set_nodelay(true).ok();
        let shared = Arc::clone(&shared);
        tokio::spawn(async move {
            let service = service_fn(|request| take(request, &shared));
            // A caller that is killed breaks its connections; what it sent whole was noted.
            let _ = http1::Builder::new()
                .timer(TokioTimer::new())
                .serve_connection(TokioIo::new(stream), service)
                .await;
        });
    }
}

async fn take(
    request: Request<Incoming>,
    shared: &Shared,
) -> Result<Response<Empty<Bytes>>, Infallible> {
    note(request.headers(), clock::now_us(), shared);
    let mut body = request.into_body();
    // Read to its end, so that the connection can be used again.
    while let Some(Ok(_)) = body.frame().await {}
    Ok(Response::new(Empty::new()))
}

fn note(headers: &HeaderMap, at_us: i64, shared: &Shared) {
    let call = call_of(headers, at_us, &shared.naming);
    let mut tally = shared.tally();
    match call {
        Some(call) => tally.called(&call),
        None => tally.foreign(),
    }
}

fn call_of<'a>(headers: &'a HeaderMap, at_us: i64, naming: &Naming) -> Option<Call<'a>> {
    let text = |name: &str| headers.get(name)?.to_str().ok();
    Some(Call {
        number: naming.number(text("tidewheel-task")?)?,
        webhook_id: text("webhook-id")?,
        attempt: text("tidewheel-attempt")?.parse().ok()?,
        due: text("tidewheel-due")?.parse().ok()?,
        at_us,
    })
}
