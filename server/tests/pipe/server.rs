//! A process of all roles, and the log that it and its successors work on.

use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;
use std::time::Duration;

use axum::http::{Request, header};
use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper_util::client::legacy::Client;
use hyper_util::rt::TokioExecutor;
use serde_json::Value;
use tempfile::TempDir;

#[cfg(feature = "kafka")]
use super::topics::Topics;

pub(crate) const BINARY: &str = env!("CARGO_BIN_EXE_tidewheel");
const ALL: &str = "ingest,planner,trigger,dispatcher,archive";
/// Longest wait for a process to listen.
const PATIENCE: Duration = Duration::from_secs(60);

/// Where a server keeps what must outlive it.
pub(crate) struct Ground {
    data: TempDir,
    settings: Vec<(&'static str, String)>,
    #[cfg(feature = "kafka")]
    topics: Option<Topics>,
}

impl Ground {
    pub(crate) fn embedded() -> Self {
        Self::with(vec![("TIDEWHEEL__LOG__KIND", "embedded".to_owned())])
    }

    /// Topics of its own on the broker of the tests; `None` says that the test is to be skipped.
    #[cfg(feature = "kafka")]
    pub(crate) fn kafka() -> Option<Self> {
        let topics = Topics::made()?;
        let mut ground = Self::with(topics.settings());
        ground.topics = Some(topics);
        Some(ground)
    }

    fn with(mut settings: Vec<(&'static str, String)>) -> Self {
        let data = tempfile::tempdir().expect("a directory");
        let below = |name: &str| data.path().join(name).display().to_string();
        let archive = format!("sqlite://{}", below("archive.db"));
        settings.extend([
            ("TIDEWHEEL__LOG__SHARDS", "2".to_owned()),
            ("TIDEWHEEL__EMBEDDED__DATA", below("log")),
            ("TIDEWHEEL__PLANNER__DATA", below("planner")),
            ("TIDEWHEEL__ARCHIVE__URL", archive),
            ("TIDEWHEEL__HTTP__LISTEN", "127.0.0.1:0".to_owned()),
            ("TIDEWHEEL__WORKER__MEMBER", "one".to_owned()),
            (
                "TIDEWHEEL__INGEST__ALLOW_ANONYMOUS_LOOPBACK",
                "true".to_owned(),
            ),
            ("TIDEWHEEL__DISPATCHER__ALLOW_LOOPBACK", "true".to_owned()),
        ]);
        Self {
            data,
            settings,
            #[cfg(feature = "kafka")]
            topics: None,
        }
    }

    fn command(&self) -> Command {
        let mut command = Command::new(BINARY);
        command.args(["server", "--role", ALL]);
        command.current_dir(self.data.path());
        command.envs(self.settings.iter().map(|(name, value)| (name, value)));
        command
    }
}

/// A running process; killed when dropped.
pub(crate) struct Server {
    child: Child,
    base: String,
}

impl Server {
    /// Starts one and waits until its door listens.
    pub(crate) async fn start(ground: &Ground) -> Self {
        let mut child = ground
            .command()
            .stderr(Stdio::piped())
            .spawn()
            .expect("it starts");
        let log = BufReader::new(child.stderr.take().expect("its log"));
        let (tell, address) = mpsc::channel();
        std::thread::spawn(move || {
            for line in log.lines().map_while(Result::ok) {
                if let Some((_, address)) = line.split_once("listening address=") {
                    tell.send(address.to_owned()).ok();
                }
                eprintln!("{line}");
            }
        });
        let address = tokio::task::spawn_blocking(move || address.recv_timeout(PATIENCE));
        let address = address.await.expect("no panic").expect("it listens");
        Self {
            child,
            base: format!("http://{address}"),
        }
    }

    pub(crate) async fn post(&self, path: &str, body: String) -> (u16, Value) {
        self.request("POST", path, body).await
    }

    pub(crate) async fn delete(&self, path: &str) -> (u16, Value) {
        self.request("DELETE", path, String::new()).await
    }

    async fn request(&self, method: &str, path: &str, body: String) -> (u16, Value) {
        let client = Client::builder(TokioExecutor::new()).build_http::<Full<Bytes>>();
        let request = Request::builder()
            .method(method)
            .uri(format!("{}{path}", self.base))
            .header(header::CONTENT_TYPE, "application/json")
            .body(Full::new(Bytes::from(body)))
            .expect("a request");
        let answer = client.request(request).await.expect("an answer");
        let status = answer.status().as_u16();
        let body = answer.into_body().collect().await.expect("a body");
        let body = serde_json::from_slice(&body.to_bytes()).expect("JSON");
        (status, body)
    }

    /// As `kill -9` does it.
    pub(crate) fn kill(mut self) {
        self.child.kill().expect("it runs");
        self.child.wait().expect("it ends");
    }

    /// SIGTERM: it must end in order.
    pub(crate) async fn drain(mut self) {
        let pid = self.child.id().to_string();
        let told = Command::new("kill").args(["-TERM", &pid]).status();
        assert!(told.expect("a shell's kill").success());
        let ended = tokio::task::spawn_blocking(move || self.child.wait());
        let status = ended.await.expect("no panic").expect("it ends");
        assert!(status.success(), "{status}");
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.child.kill().ok();
        self.child.wait().ok();
    }
}
