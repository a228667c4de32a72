//! Calls over plain HTTP/1.1, where neither TLS nor another protocol lies between us and the socket.
//!
//! What a general client does for each call (layers of middleware, a task for each connection, channels
//! between it and the caller) costs more than the call. Here the caller itself drives the connection that
//! it took from the pool, and nothing is woken but the caller.

use std::error::Error as StdError;
use std::future::{Future, poll_fn};
use std::pin::pin;
use std::task::Poll;
use std::time::{Duration, Instant};

use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::body::{Body as _, Incoming};
use hyper::client::conn::http1::{self, SendRequest};
use hyper::header::{HeaderMap, HeaderValue, USER_AGENT};
use hyper::{Request, Response, Uri};
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioIo;
use reqwest::Url;
use tokio::net::TcpStream;
use tower_service::Service as _;

use super::kept::{Connections, Opening};
use super::resolve::Guarded;
use super::{Host, Prepared};
use crate::config::Config;
use crate::event::BODY_READ;

type Error = Box<dyn StdError + Send + Sync>;
type Connection = http1::Connection<TokioIo<TcpStream>, Full<Bytes>>;

/// Where a plain call goes.
#[derive(Debug)]
pub(super) struct Target {
    pub(super) host: Host,
    /// What is connected to.
    authority: Uri,
    /// What is asked for there.
    path: Uri,
}

/// What came of a call that was answered.
pub(super) struct Answer {
    pub(super) status: u16,
    pub(super) headers: HeaderMap,
    pub(super) body: Vec<u8>,
    /// Whether there was more of it, or should have been.
    pub(super) cut: bool,
}

/// Why a call came to nothing.
pub(super) enum Broken {
    Connecting(Error),
    ConnectingTooLong,
    /// At whatever point; the status if that had come.
    TooLong(Option<u16>),
    Broke(Error),
}

/// Makes plain calls and keeps their connections. Clones share them.
#[derive(Clone, Debug)]
pub(super) struct Plain {
    connector: HttpConnector<Guarded>,
    connect_timeout: Duration,
    kept: Connections,
}

/// A connection. Only who holds it drives it.
#[derive(Debug)]
pub(super) struct Line {
    sender: SendRequest<Full<Bytes>>,
    /// None once it is over.
    connection: Option<Connection>,
    /// When it was last of use.
    pub(super) since: Instant,
}

/// Why nothing came back over a line.
enum Failure {
    /// It was over before anything was sent.
    Unsent,
    Broke(hyper::Error),
}

impl Target {
    /// Of a URL that is called without TLS; none where it cannot be called this way.
    pub(super) fn of(url: &Url) -> Option<Self> {
        if url.scheme() != "http" {
            return None;
        }
        let host = match url.port() {
            Some(port) => format!("{}:{port}", url.host_str()?),
            None => url.host_str()?.to_owned(),
        };
        let path = match url.query() {
            Some(query) => format!("{}?{query}", url.path()),
            None => url.path().to_owned(),
        };
        Some(Self {
            authority: format!("http://{host}/").parse().ok()?,
            host: Host(HeaderValue::from_str(&host).ok()?),
            path: path.parse().ok()?,
        })
    }
}

impl Plain {
    pub(super) fn new(config: &Config, guarded: Guarded) -> Self {
        let connect_timeout = Duration::from_millis(config.connect_timeout_ms);
        let mut connector = HttpConnector::new_with_resolver(guarded);
        connector.set_connect_timeout(Some(connect_timeout));
        connector.set_nodelay(true);
        Self {
            connector,
            connect_timeout,
            kept: Connections::new(config),
        }
    }

    /// Sends `request` to `target` and waits for its answer, at most as long as its timeout. Whoever makes
    /// calls to one host in turn keeps `line` from one to the next.
    pub(super) async fn send(
        &self,
        target: &Target,
        request: Prepared,
        line: &mut Option<Line>,
    ) -> Result<Answer, Broken> {
        let limit = request.timeout;
        let mut status = None;
        let answered = self.exchange(target, request, line, &mut status);
        match tokio::time::timeout(limit, answered).await {
            Ok(answer) => answer,
            Err(_) => Err(Broken::TooLong(status)),
        }
    }

    async fn exchange(
        &self,
        target: &Target,
        request: Prepared,
        kept: &mut Option<Line>,
        status: &mut Option<u16>,
    ) -> Result<Answer, Broken> {
        let mut request = into_request(target, request);
        loop {
            let used = kept.take().or_else(|| self.kept.take(&target.host));
            let fresh = used.is_none();
            let mut line = match used {
                Some(line) => line,
                // Seldom, and large: not in the future of every call.
                None => Box::pin(self.connect(target)).await?,
            };
            let response = match line.send(&mut request).await {
                Ok(response) => response,
                // The endpoint had closed it meanwhile: it has seen nothing of this call.
                Err(Failure::Unsent) if !fresh => continue,
                Err(Failure::Unsent) => return Err(Broken::Broke("nothing was sent".into())),
                Err(Failure::Broke(error)) => return Err(Broken::Broke(error.into())),
            };
            *status = Some(response.status().as_u16());
            let (answer, whole) = line.read(response).await;
            if whole && line.connection.is_some() {
                *kept = Some(line);
            }
            return Ok(answer);
        }
    }

    /// Keeps a connection that its maker has no call for.
    pub(super) fn keep(&self, host: &Host, line: Line) {
        self.kept.give(host, line);
    }

    /// A place among the connections to `host` that wait for calls or are being opened, unless those are `most`.
    pub(super) fn may_open(&self, host: &Host, most: usize) -> Option<Opening> {
        self.kept.may_open(host, most)
    }

    /// Opens a connection and keeps it.
    pub(super) async fn open(&self, target: &Target) {
        if let Ok(line) = self.connect(target).await {
            self.keep(&target.host, line);
        }
    }

    async fn connect(&self, target: &Target) -> Result<Line, Broken> {
        let mut connector = self.connector.clone();
        let connecting = async {
            poll_fn(|cx| connector.poll_ready(cx)).await?;
            let stream = connector.call(target.authority.clone()).await?;
            http1::handshake(stream).await.map_err(Error::from)
        };
        match tokio::time::timeout(self.connect_timeout, connecting).await {
            Ok(Ok((sender, connection))) => Ok(Line {
                sender,
                connection: Some(connection),
                since: Instant::now(),
            }),
            Ok(Err(error)) => Err(Broken::Connecting(error)),
            Err(_) => Err(Broken::ConnectingTooLong),
        }
    }
}

impl Line {
    /// Sends what is in `request`, which is left there if nothing of it was sent.
    async fn send(
        &mut self,
        request: &mut Request<Full<Bytes>>,
    ) -> Result<Response<Incoming>, Failure> {
        let Self {
            sender, connection, ..
        } = self;
        // A look at the socket as well: what the endpoint closed is found closed here.
        if driving(connection, sender.ready()).await.is_err() || connection.is_none() {
            return Err(Failure::Unsent);
        }
        let sent = std::mem::take(request);
        match driving(connection, sender.try_send_request(sent)).await {
            Ok(response) => Ok(response),
            Err(mut error) => match error.take_message() {
                Some(unsent) => {
                    *request = unsent;
                    Err(Failure::Unsent)
                }
                None => Err(Failure::Broke(error.into_error())),
            },
        }
    }

    /// Reads what of an answer is of use, and whether that was all. A body that breaks off does not undo
    /// what the endpoint did.
    async fn read(&mut self, response: Response<Incoming>) -> (Answer, bool) {
        let (head, mut body) = response.into_parts();
        let mut answer = Answer {
            status: head.status.as_u16(),
            headers: head.headers,
            body: Vec::new(),
            cut: false,
        };
        while !body.is_end_stream() {
            match driving(&mut self.connection, body.frame()).await {
                Some(Ok(frame)) => {
                    let Ok(chunk) = frame.into_data() else {
                        continue;
                    };
                    let room = BODY_READ - answer.body.len();
                    let taken = room.min(chunk.len());
                    answer.body.extend_from_slice(&chunk[..taken]);
                    if chunk.len() > room {
                        answer.cut = true;
                        return (answer, false);
                    }
                }
                Some(Err(_)) => {
                    answer.cut = true;
                    return (answer, false);
                }
                None => break,
            }
        }
        (answer, true)
    }
}

/// Waits for `work` and drives the connection that it waits for.
async fn driving<F: Future>(connection: &mut Option<Connection>, work: F) -> F::Output {
    let mut work = pin!(work);
    poll_fn(|cx| {
        if let Poll::Ready(out) = work.as_mut().poll(cx) {
            return Poll::Ready(out);
        }
        let Some(driven) = connection.as_mut() else {
            return Poll::Pending;
        };
        if pin!(driven).poll(cx).is_ready() {
            // Whoever waits for something of it is told that nothing comes.
            *connection = None;
        }
        work.as_mut().poll(cx)
    })
    .await
}

fn into_request(target: &Target, request: Prepared) -> Request<Full<Bytes>> {
    let mut out = Request::new(Full::new(request.body));
    *out.method_mut() = request.method;
    *out.uri_mut() = target.path.clone();
    let mut headers = request.headers;
    headers.insert(hyper::header::HOST, target.host.0.clone());
    headers.insert(USER_AGENT, super::AGENT);
    headers
        .entry(hyper::header::ACCEPT)
        .or_insert(HeaderValue::from_static("*/*"));
    *out.headers_mut() = headers;
    out
}
