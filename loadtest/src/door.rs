//! The HTTP door as a client sees it: registrations, commands, answers.

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::{Method, Request, StatusCode, header};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::{TokioExecutor, TokioTimer};
use serde_json::Value;
use tokio::sync::Semaphore;

use crate::clock;
use crate::register::{Errand, Fate, GIVE_UP_US, Ready};

/// A request that is not answered within this has failed.
const LIMIT: Duration = Duration::from_secs(40);
/// Pause before a request is made again.
const AGAIN: Duration = Duration::from_millis(200);

/// The door; clones share its connections.
#[derive(Clone)]
pub(crate) struct Door {
    client: Client<HttpConnector, Full<Bytes>>,
    url: Arc<str>,
    /// Where tasks are posted.
    tasks: &'static str,
    room: Arc<Semaphore>,
}

/// An answer, read whole.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) json: Value,
}

/// What an answer says of one registration.
#[derive(Debug, PartialEq, Eq)]
enum Said {
    Accepted,
    /// Worth another try.
    NotNow(String),
    Refused(String),
}

impl Door {
    /// The door at `url`, with at most `connections` registrations at once, in the bulk lane or not.
    pub(crate) fn new(url: &str, connections: usize, bulk: bool) -> Self {
        let mut connector = HttpConnector::new();
        connector.set_nodelay(true);
        let client = Client::builder(TokioExecutor::new())
            .pool_timer(TokioTimer::new())
            .pool_idle_timeout(Duration::from_secs(20))
            .build(connector);
        Self {
            client,
            url: url.into(),
            tasks: if bulk {
                "/v1/tasks?lane=bulk"
            } else {
                "/v1/tasks"
            },
            room: Arc::new(Semaphore::new(connections)),
        }
    }

    /// Makes one request.
    ///
    /// # Errors
    /// Where there is no answer, or none in time.
    pub(crate) async fn ask(&self, method: Method, path: &str, body: Bytes) -> Result<Answer> {
        let mut request = Request::builder()
            .method(method)
            .uri(format!("{}{path}", self.url));
        if !body.is_empty() {
            request = request.header(header::CONTENT_TYPE, "application/json");
        }
        let request = request.body(Full::new(body))?;
        let asked = async {
            let response = self.client.request(request).await?;
            let status = response.status();
            let bytes = response.into_body().collect().await?.to_bytes();
            anyhow::Ok((status, bytes))
        };
        let (status, bytes) = tokio::time::timeout(LIMIT, asked)
            .await
            .context("no answer in time")??;
        Ok(Answer {
            status,
            json: serde_json::from_slice(&bytes).unwrap_or(Value::Null),
        })
    }

    /// Whether it is there at all.
    ///
    /// # Errors
    /// Where it is not.
    pub(crate) async fn ensure_ready(&self) -> Result<()> {
        let asked = self.ask(Method::GET, "/ready", Bytes::new()).await;
        let answer = asked.with_context(|| format!("no door at {}", self.url))?;
        if answer.status != StatusCode::OK {
            bail!("the door at {} is not ready: {}", self.url, answer.status);
        }
        Ok(())
    }

    /// Registers them in one request, beside others, when there is room.
    pub(crate) async fn offer(&self, batch: Vec<Ready>, fate: &Fate) {
        let Ok(permit) = Arc::clone(&self.room).acquire_owned().await else {
            return;
        };
        let (door, fate) = (self.clone(), fate.clone());
        tokio::spawn(async move {
            door.register(batch, &fate).await;
            drop(permit);
        });
    }

    async fn send(&self, batch: &[Ready], fate: &Fate) -> Result<Answer> {
        match batch {
            [only] if only.errand == Errand::Cancel => {
                let (tenant, id) = (&fate.naming().tenant, fate.naming().id(only.number));
                let path = format!("/v1/tasks/{tenant}/{id}");
                self.ask(Method::DELETE, &path, Bytes::new()).await
            }
            _ => self.ask(Method::POST, self.tasks, body_of(batch)).await,
        }
    }

    async fn register(&self, mut batch: Vec<Ready>, fate: &Fate) {
        let began_us = clock::now_us();
        loop {
            let asked = self.send(&batch, fate).await;
            let over = clock::now_us() - began_us > GIVE_UP_US;
            let mut again = Vec::new();
            for (index, ready) in batch.drain(..).enumerate() {
                match said(&asked, index) {
                    Said::Accepted => fate.accepted(&ready),
                    Said::Refused(why) => fate.refused(&ready, &why),
                    Said::NotNow(why) if over => fate.refused(&ready, &why),
                    Said::NotNow(_) => again.push(ready),
                }
            }
            if again.is_empty() {
                return;
            }
            batch = again;
            fate.repeats();
            tokio::time::sleep(AGAIN).await;
        }
    }
}

/// One object, or an array of several.
fn body_of(batch: &[Ready]) -> Bytes {
    if let [one] = batch {
        return one.body.clone();
    }
    let length: usize = batch.iter().map(|ready| ready.body.len() + 1).sum();
    let mut out = Vec::with_capacity(length + 1);
    for (index, ready) in batch.iter().enumerate() {
        out.push(if index == 0 { b'[' } else { b',' });
        out.extend_from_slice(&ready.body);
    }
    out.push(b']');
    out.into()
}

fn said(asked: &Result<Answer>, index: usize) -> Said {
    let answer = match asked {
        Ok(answer) => answer,
        Err(error) => return Said::NotNow(format!("{error:#}")),
    };
    let (code, told) = match answer.status {
        StatusCode::MULTI_STATUS => {
            let told = &answer.json[index];
            (told["code"].as_u64().unwrap_or(0), told)
        }
        status => (u64::from(status.as_u16()), &answer.json),
    };
    match code {
        200..=202 => Said::Accepted,
        429 | 500.. => Said::NotNow(format!("{code}: {told}")),
        _ => Said::Refused(format!("{code}: {told}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn each_entry_of_an_array_is_told_its_own_fate() {
        let answer = |status: u16, json: Value| {
            Ok(Answer {
                status: StatusCode::from_u16(status).expect("a status"),
                json,
            })
        };
        let many = answer(
            207,
            json!([{"code": 202}, {"code": 503}, {"code": 422, "status": "refused"}]),
        );
        assert_eq!(said(&many, 0), Said::Accepted);
        assert!(matches!(said(&many, 1), Said::NotNow(_)));
        assert!(matches!(said(&many, 2), Said::Refused(_)));
        assert!(matches!(said(&many, 3), Said::Refused(_)));
        assert_eq!(said(&answer(202, json!({})), 0), Said::Accepted);
        assert!(matches!(said(&answer(429, json!({})), 0), Said::NotNow(_)));
        assert!(matches!(said(&answer(400, json!({})), 0), Said::Refused(_)));
    }
}
