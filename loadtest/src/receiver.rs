//! The endpoint that is called: notes each call and answers 200.

use std::convert::Infallible;
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
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
use tokio::sync::mpsc::{self, UnboundedReceiver, UnboundedSender};

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

/// Connections that wait to be accepted. A herd opens thousands at once; one that finds no place is
/// tried again by its kernel a second later, and that would count as lateness of Tidewheel.
const BACKLOG: u32 = 16_384;

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
    /// Any free port of the loopback interface; call it within a runtime.
    ///
    /// # Errors
    /// Where there is none.
    pub(crate) fn new() -> Result<Self> {
        let any = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
        let socket = tokio::net::TcpSocket::new_v4().context("open a socket")?;
        socket.bind(any).context("find a port for calls")?;
        let listener = socket.listen(BACKLOG).context("listen for calls")?;
        let listener = listener.into_std()?;
        listener.set_nonblocking(false)?;
        let address = listener.local_addr()?;
        Ok(Self { listener, address })
    }

    /// Serves on `threads` threads of its own, and accepts on another that does nothing else, until
    /// the process ends.
    ///
    /// # Errors
    /// Where a thread cannot be started.
    pub(crate) fn serve(&self, threads: usize, shared: &Arc<Shared>) -> Result<()> {
        let mut lines = Vec::with_capacity(threads);
        for number in 0..threads {
            let (line, accepted) = mpsc::unbounded_channel();
            lines.push(line);
            let shared = Arc::clone(shared);
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build()?;
            std::thread::Builder::new()
                .name(format!("receiver-{number}"))
                .spawn(move || runtime.block_on(serve(accepted, shared)))
                .context("start a receiver")?;
        }
        let listener = self.listener.try_clone()?;
        std::thread::Builder::new()
            .name("acceptor".to_owned())
            .spawn(move || accept(&listener, &lines))
            .context("start the acceptor")?;
        Ok(())
    }
}

fn accept(listener: &TcpListener, lines: &[UnboundedSender<TcpStream>]) {
    for line in lines.iter().cycle() {
        match listener.accept() {
            // A receiver ends with the process only.
            Ok((stream, _)) => drop(line.send(stream)),
            Err(error) => {
                // Out of descriptors, or a caller that left at once: the next may be better.
                eprintln!("warning: a call was not accepted: {error}");
                std::thread::sleep(std::time::Duration::from_millis(10));
            }
        }
    }
}

async fn serve(mut accepted: UnboundedReceiver<TcpStream>, shared: Arc<Shared>) {
    while let Some(stream) = accepted.recv().await {
        let shared = Arc::clone(&shared);
        tokio::spawn(async move {
            // A caller that is killed breaks its connections; what it sent whole was noted.
            let _ = serve_one(stream, &shared).await;
        });
    }
}

async fn serve_one(stream: TcpStream, shared: &Shared) -> Result<()> {
    stream.set_nonblocking(true)?;
    stream.set_nodelay(true)?;
    let stream = tokio::net::TcpStream::from_std(stream)?;
    let service = service_fn(|request| take(request, shared));
    http1::Builder::new()
        .timer(TokioTimer::new())
        .serve_connection(TokioIo::new(stream), service)
        .await?;
    Ok(())
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
