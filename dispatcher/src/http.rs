//! How a call is made: the request an endpoint gets, and what its answer is worth.

mod kept;
mod plain;
mod reply;
mod resolve;

use std::collections::HashMap;
use std::fmt::Write as _;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use foldhash::fast::RandomState;
use reqwest::header::{CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue};
use reqwest::{Method, Request, Url};
use schemas::{Millis, TaskKey};

use crate::config::Config;
use crate::error::Error;
use crate::event::{CallOrder, Reply};
use crate::guard::{Forbidden, Guard};
use plain::{Line, Plain, Target};
use reply::{broken_reply, failure, into_reply, read, root};
use resolve::Guarded;

/// The firing's id, the same on every attempt: the receiver's idempotency key.
pub const WEBHOOK_ID: HeaderName = HeaderName::from_static("webhook-id");
/// When this attempt began, epoch seconds.
pub const WEBHOOK_TIMESTAMP: HeaderName = HeaderName::from_static("webhook-timestamp");
/// `tenant/id`, percent-encoded where it is not visible ASCII.
pub const TASK: HeaderName = HeaderName::from_static("tidewheel-task");
/// The due time the schedule gave, epoch ms.
pub const DUE: HeaderName = HeaderName::from_static("tidewheel-due");
/// Which occurrence, from 1.
pub const OCCURRENCE: HeaderName = HeaderName::from_static("tidewheel-occurrence");
/// Which attempt, from 1.
pub const ATTEMPT: HeaderName = HeaderName::from_static("tidewheel-attempt");
/// Of a sharded broadcast: which of its shards, from 0.
pub const SHARD: HeaderName = HeaderName::from_static("tidewheel-shard");
/// Of a sharded broadcast: how many shards it has.
pub const SHARDS: HeaderName = HeaderName::from_static("tidewheel-shards");
const AGENT: HeaderValue =
    HeaderValue::from_static(concat!("tidewheel/", env!("CARGO_PKG_VERSION")));
/// Room for ours and those of the connection.
const OWN_HEADERS: usize = 12;
/// Good URLs that are remembered.
const URLS_KNOWN: usize = 1_024;
/// Headers that belong to the connection, not to the user, beside ours.
const CONNECTION_HEADERS: [&str; 9] = [
    "connection",
    "content-length",
    "expect",
    "host",
    "keep-alive",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
];

/// Makes calls. Clones share the connections.
#[derive(Clone, Debug)]
pub struct Http {
    client: reqwest::Client,
    /// For what needs nothing that only `client` can: most calls inside a network.
    plain: Plain,
    guard: Guard,
    /// URLs that were found to be good.
    known: Arc<Mutex<HashMap<String, Arc<Known>, RandomState>>>,
}

/// A URL that may be called.
#[derive(Debug)]
struct Known {
    url: Url,
    /// Where it can be called without the client.
    plain: Option<Target>,
}

/// Whom a call goes to: its URL, understood and found to be allowed.
#[derive(Clone, Debug)]
pub struct Callee(Arc<Known>);

impl Callee {
    /// The host, where calls to it are made over connections of our own.
    pub fn host(&self) -> Option<&Host> {
        self.0.plain.as_ref().map(|target| &target.host)
    }
}

/// A request as it will be sent.
#[derive(Debug)]
pub struct Prepared {
    to: Arc<Known>,
    method: Method,
    headers: HeaderMap,
    body: Bytes,
    timeout: Duration,
}

/// A host whose calls are made over connections of our own, with its port: its `host` header.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Host(HeaderValue);

#[cfg(test)]
impl Host {
    pub(crate) fn named(name: &'static str) -> Self {
        Self(HeaderValue::from_static(name))
    }
}

/// The connection of the last call, for the next one of whoever makes calls to one host in turn. Kept for
/// others when it is dropped.
#[derive(Debug)]
pub struct Turn<'a> {
    http: &'a Http,
    kept: Option<(Host, Line)>,
}

/// Why no request can be made of a call; trying again would not help.
#[derive(Clone, Debug, thiserror::Error)]
pub enum Unsendable {
    /// Not a URL.
    #[error("url `{url}` is not understood: {problem}")]
    Url {
        /// As registered.
        url: String,
        /// The parser's words.
        problem: String,
    },
    /// A user name or password in the URL.
    #[error("the url holds credentials; send them in a header")]
    Credentials,
    /// Not a method.
    #[error("method `{0}` is not an HTTP method")]
    Method(String),
    /// A header that cannot be sent.
    #[error("header `{0}` cannot be sent: its name or value holds forbidden characters")]
    Header(String),
    /// A place that may not be called.
    #[error(transparent)]
    Forbidden(#[from] Forbidden),
}

impl Http {
    /// A client by `config`.
    ///
    /// # Errors
    /// [`Error::Client`].
    pub fn new(config: &Config) -> Result<Self, Error> {
        let guard = Guard {
            allow_loopback: config.allow_loopback,
            allow_private: config.allow_private,
        };
        // Whoever was first in this process has chosen; any provider will do.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let client = builder(config, guard).build().or_else(|error| {
            // A machine without certificates can still call http.
            tracing::warn!(
                error = root(&error),
                "no certificate authorities found; calls over https will fail"
            );
            builder(config, guard).tls_certs_only([]).build()
        });
        Ok(Self {
            client: client.map_err(|error| Error::Client(Box::new(error)))?,
            plain: Plain::new(config, Guarded(guard)),
            guard,
            known: Arc::default(),
        })
    }

    /// The request of `order`, beginning at `now`.
    #[cfg(test)]
    pub(crate) fn request(&self, order: &CallOrder, now: Millis) -> Result<Prepared, Unsendable> {
        Self::request_to(&self.callee(&order.work.call.url)?, order, now)
    }

    /// The request of `order`, which goes to `to`, beginning at `now`.
    ///
    /// # Errors
    /// [`Unsendable`]: it can never be sent.
    pub fn request_to(to: &Callee, order: &CallOrder, now: Millis) -> Result<Prepared, Unsendable> {
        let work = &order.work;
        let method = Method::from_bytes(work.call.method.as_bytes())
            .map_err(|_| Unsendable::Method(work.call.method.clone()))?;
        let mut headers = HeaderMap::with_capacity(OWN_HEADERS + work.call.headers.len());
        put_own_headers(&mut headers, order, now)?;
        put_user_headers(&mut headers, &work.call.headers)?;
        Ok(Prepared {
            to: Arc::clone(&to.0),
            method,
            headers,
            body: order.payload.clone(),
            timeout: Duration::from_millis(work.timeout_ms),
        })
    }

    /// `text` as a URL that may be called. Most calls go to few of them.
    ///
    /// # Errors
    /// [`Unsendable`]: it may not, or is none.
    pub fn callee(&self, text: &str) -> Result<Callee, Unsendable> {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(found) = known.get(text) {
            return Ok(Callee(Arc::clone(found)));
        }
        let url = Url::parse(text).map_err(|error| Unsendable::Url {
            url: text.to_owned(),
            problem: error.to_string(),
        })?;
        self.guard.check_url(&url)?;
        if !url.username().is_empty() || url.password().is_some() {
            return Err(Unsendable::Credentials);
        }
        if known.len() >= URLS_KNOWN {
            known.clear();
        }
        let plain = Target::of(&url);
        let found = Arc::new(Known { url, plain });
        known.insert(text.to_owned(), Arc::clone(&found));
        Ok(Callee(found))
    }

    /// Opens a connection for a later call of `to`, unless `most` wait for calls or are being opened.
    pub fn open(
        &self,
        to: Callee,
        most: usize,
    ) -> Option<impl Future<Output = ()> + Send + 'static> {
        let target = to.0.plain.as_ref()?;
        let opening = self.plain.may_open(&target.host, most)?;
        let plain = self.plain.clone();
        Some(async move {
            // Why it cannot be opened is said of the call.
            if let Some(target) = to.0.plain.as_ref() {
                plain.open(target).await;
            }
            drop(opening);
        })
    }

    /// Nothing called yet.
    pub fn turn(&self) -> Turn<'_> {
        Turn {
            http: self,
            kept: None,
        }
    }

    async fn send_by_client(&self, to: &Known, request: Prepared) -> Reply {
        let limit = request.timeout;
        let mut whole = Request::new(request.method, to.url.clone());
        *whole.timeout_mut() = Some(limit);
        *whole.headers_mut() = request.headers;
        if !request.body.is_empty() {
            *whole.body_mut() = Some(request.body.into());
        }
        match self.client.execute(whole).await {
            Ok(response) => read(response, limit).await,
            Err(error) => failure(&error, None, limit),
        }
    }
}

impl Turn<'_> {
    /// Sends `request` and waits for its answer, at most as long as its timeout.
    pub async fn send(&mut self, request: Prepared) -> Reply {
        let to = Arc::clone(&request.to);
        let Some(target) = &to.plain else {
            // Large, and not for most: not in the future of every call.
            return Box::pin(self.http.send_by_client(&to, request)).await;
        };
        let limit = request.timeout;
        let mut line = self.take(&target.host);
        let sent = self.http.plain.send(target, request, &mut line).await;
        self.kept = line.map(|line| (target.host.clone(), line));
        match sent {
            Ok(answer) => into_reply(answer),
            Err(broken) => broken_reply(broken, limit),
        }
    }

    fn take(&mut self, host: &Host) -> Option<Line> {
        if self.kept.as_ref().is_some_and(|(of, _)| of != host) {
            self.let_go();
        }
        self.kept.take().map(|(_, line)| line)
    }

    fn let_go(&mut self) {
        if let Some((host, line)) = self.kept.take() {
            self.http.plain.keep(&host, line);
        }
    }
}

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        self.let_go();
    }
}

fn builder(config: &Config, guard: Guard) -> reqwest::ClientBuilder {
    let builder = reqwest::Client::builder()
        .redirect(reqwest::redirect::Policy::none())
        .retry(reqwest::retry::never())
        .no_proxy()
        .user_agent(AGENT)
        .connect_timeout(Duration::from_millis(config.connect_timeout_ms))
        .pool_idle_timeout(Duration::from_millis(config.idle_timeout_ms))
        .pool_max_idle_per_host(config.idle_per_host)
        .tcp_keepalive(None)
        .dns_resolver(Guarded(guard));
    if config.http2 {
        builder
    } else {
        builder.http1_only()
    }
}

fn put_own_headers(
    headers: &mut HeaderMap,
    order: &CallOrder,
    now: Millis,
) -> Result<(), Unsendable> {
    let work = &order.work;
    let text = |name: &HeaderName, value: String| {
        HeaderValue::try_from(value).map_err(|_| Unsendable::Header(name.to_string()))
    };
    let id = text(&WEBHOOK_ID, order.fire.fire_id.to_string())?;
    headers.insert(WEBHOOK_ID, id);
    headers.insert(
        WEBHOOK_TIMESTAMP,
        HeaderValue::from(now.0.div_euclid(1_000)),
    );
    headers.insert(TASK, text(&TASK, task_header(&work.task))?);
    headers.insert(DUE, HeaderValue::from(work.due.0));
    headers.insert(OCCURRENCE, HeaderValue::from(work.occurrence));
    headers.insert(ATTEMPT, HeaderValue::from(work.attempt));
    let shard = work.part.and_then(schemas::FiringPart::shard);
    if let (Some(shard), Some(shards)) = (shard, work.shards) {
        headers.insert(SHARD, HeaderValue::from(shard));
        headers.insert(SHARDS, HeaderValue::from(shards));
    }
    if let Some(content_type) = &work.content_type {
        headers.insert(CONTENT_TYPE, text(&CONTENT_TYPE, content_type.clone())?);
    }
    Ok(())
}

/// Adds the user's headers behind ours, which they never replace.
fn put_user_headers(headers: &mut HeaderMap, of: &[(String, String)]) -> Result<(), Unsendable> {
    let has_content_type = headers.contains_key(CONTENT_TYPE);
    for (name, value) in of {
        let unsendable = || Unsendable::Header(name.clone());
        let key = HeaderName::from_bytes(name.as_bytes()).map_err(|_| unsendable())?;
        if is_ours(key.as_str()) || (has_content_type && key == CONTENT_TYPE) {
            continue;
        }
        let value = HeaderValue::from_str(value).map_err(|_| unsendable())?;
        headers.append(key, value);
    }
    Ok(())
}

fn is_ours(name: &str) -> bool {
    name.starts_with("webhook-")
        || name.starts_with("tidewheel-")
        || name.starts_with("proxy-")
        || CONNECTION_HEADERS.contains(&name)
}

/// `tenant/id`; what is not visible ASCII, and `%` itself, as `%XX`.
fn task_header(task: &TaskKey) -> String {
    let mut out = String::with_capacity(task.tenant.as_str().len() + task.id.as_str().len() + 1);
    out.push_str(task.tenant.as_str());
    out.push('/');
    for byte in task.id.as_str().bytes() {
        if byte.is_ascii_graphic() && byte != b'%' {
            out.push(char::from(byte));
        } else {
            // Writing to a string cannot fail.
            let _ = write!(out, "%{byte:02X}");
        }
    }
    out
}

#[cfg(test)]
#[path = "http/tests.rs"]
mod tests;

#[cfg(test)]
#[path = "http/wire_tests.rs"]
mod wire_tests;
