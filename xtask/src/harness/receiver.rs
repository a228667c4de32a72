//! A business endpoint of our own: remembers every call and answers as its path says.
//!
//! `/slow/…` answers 200 after [`SLOW`], `/fail/…` answers 500, every other path 200 at once.

use anyhow::{Context, Result};
use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// How long `/slow/…` keeps its caller waiting.
pub(crate) const SLOW: Duration = Duration::from_millis(1_500);

/// One call as it came in.
#[derive(Debug, Clone)]
pub(crate) struct Call {
    /// `tenant/id`.
    pub task: String,
    pub fire_id: String,
    /// Epoch ms.
    pub due: i64,
    /// Epoch ms at which its last byte had been read.
    pub at: i64,
    pub attempt: u32,
}

/// The endpoint; it serves until the process ends.
#[derive(Debug, Clone)]
pub(crate) struct Receiver {
    address: SocketAddr,
    calls: Arc<Mutex<Vec<Call>>>,
}

/// What the calls say together.
#[derive(Debug, Default, PartialEq)]
pub(crate) struct Seen {
    /// Distinct fire ids.
    pub fires: usize,
    /// Calls that began before their due time.
    pub early: usize,
    /// Calls with a (fire_id, attempt) that was seen before.
    pub doubled: usize,
    /// Lateness in ms, ascending, one per distinct fire.
    pub lateness: Vec<i64>,
}

impl Receiver {
    /// Listens on a free port of the loopback interface.
    pub(crate) fn start() -> Result<Self> {
        let listener =
            TcpListener::bind(SocketAddr::from((Ipv4Addr::LOCALHOST, 0))).context("listen")?;
        let receiver = Self {
            address: listener.local_addr()?,
            calls: Arc::default(),
        };
        let served = receiver.clone();
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let each = served.clone();
                std::thread::spawn(move || each.serve(stream));
            }
        });
        Ok(receiver)
    }

    /// What a task's call names: `http://127.0.0.1:PORT/PATH`.
    pub(crate) fn url(&self, path: &str) -> String {
        format!("http://{}/{path}", self.address)
    }

    /// Every call so far.
    pub(crate) fn calls(&self) -> Vec<Call> {
        self.calls
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    pub(crate) fn count(&self) -> usize {
        self.calls
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .len()
    }

    /// Sums up the calls of tasks whose id begins with `prefix`.
    pub(crate) fn seen(&self, prefix: &str) -> Seen {
        sum_up(
            self.calls()
                .iter()
                .filter(|call| call.task.starts_with(prefix)),
        )
    }

    fn serve(&self, stream: TcpStream) -> Option<()> {
        stream.set_nodelay(true).ok()?;
        let mut writer = stream.try_clone().ok()?;
        let mut reader = BufReader::new(stream);
        loop {
            let Asked { path, call, close } = read_call(&mut reader)?;
            self.calls
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .push(call);
            let status = match path.trim_start_matches('/').split('/').next() {
                Some("fail") => "500 Internal Server Error",
                Some("slow") => {
                    std::thread::sleep(SLOW);
                    "200 OK"
                }
                _ => "200 OK",
            };
            let answer = format!("HTTP/1.1 {status}\r\ncontent-length: 0\r\n\r\n");
            writer.write_all(answer.as_bytes()).ok()?;
            if close {
                return None;
            }
        }
    }
}

fn sum_up<'a>(calls: impl Iterator<Item = &'a Call>) -> Seen {
    let mut seen = Seen::default();
    let mut attempts: BTreeMap<(String, u32), ()> = BTreeMap::new();
    let mut first: BTreeMap<String, i64> = BTreeMap::new();
    for call in calls {
        seen.early += usize::from(call.at < call.due);
        let again = attempts
            .insert((call.fire_id.clone(), call.attempt), ())
            .is_some();
        seen.doubled += usize::from(again);
        first
            .entry(call.fire_id.clone())
            .or_insert(call.at - call.due);
    }
    seen.fires = first.len();
    seen.lateness = first.into_values().collect();
    seen.lateness.sort_unstable();
    seen
}

/// One request.
struct Asked {
    path: String,
    call: Call,
    /// Whether the client wants the connection closed behind the answer.
    close: bool,
}

/// Reads one request; none when the connection ended.
fn read_call(reader: &mut BufReader<TcpStream>) -> Option<Asked> {
    let mut headers = BTreeMap::new();
    let mut line = String::new();
    reader.read_line(&mut line).ok().filter(|read| *read > 0)?;
    let path = line.split(' ').nth(1)?.to_owned();
    loop {
        let mut line = String::new();
        reader.read_line(&mut line).ok().filter(|read| *read > 0)?;
        let Some((name, value)) = line.split_once(':') else {
            break;
        };
        headers.insert(name.to_ascii_lowercase(), value.trim().to_owned());
    }
    let header = |name: &str| headers.get(name).cloned().unwrap_or_default();
    let length = header("content-length").parse().unwrap_or(0);
    let mut body = vec![0; length];
    reader.read_exact(&mut body).ok()?;
    let call = Call {
        task: header("tidewheel-task"),
        fire_id: header("webhook-id"),
        due: header("tidewheel-due").parse().unwrap_or(0),
        attempt: header("tidewheel-attempt").parse().unwrap_or(0),
        at: now(),
    };
    let close = header("connection").eq_ignore_ascii_case("close");
    Some(Asked { path, call, close })
}

/// Epoch ms by this machine's clock, which is the dispatcher's too.
#[expect(
    clippy::disallowed_methods,
    reason = "the receiver judges lateness by its own clock"
)]
pub(crate) fn now() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since.map_or(0, |since| {
        i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn early_and_doubled_calls_are_counted_once_each() {
        let call = |fire_id: &str, attempt, at| Call {
            task: "a/b".to_owned(),
            fire_id: fire_id.to_owned(),
            due: 100,
            at,
            attempt,
        };
        let calls = [
            call("x", 1, 99),
            call("x", 2, 130),
            call("y", 1, 105),
            call("y", 1, 107),
        ];
        let seen = sum_up(calls.iter());
        assert_eq!(
            seen,
            Seen {
                fires: 2,
                early: 1,
                doubled: 1,
                lateness: vec![-1, 5]
            }
        );
    }

    #[test]
    fn a_call_is_remembered_and_answered_by_its_path() {
        let receiver = Receiver::start().expect("listens");
        for (path, status) in [("/ok/1", 200), ("/fail/1", 500)] {
            let answer = crate::harness::http::request(receiver.address, "POST", path, Some("{}"));
            assert_eq!(answer.expect("answers").status, status, "{path}");
        }
        assert_eq!(receiver.count(), 2);
    }
}
