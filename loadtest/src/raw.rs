//! How many plain HTTP calls a second the receiver takes: what a drain rate is to be compared with.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::Request;
use hyper::client::conn::http1;
use hyper::header::{CONTENT_TYPE, HOST};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;

use crate::callback::RAW;

const CONNECTIONS: u32 = 64;
const FOR: Duration = Duration::from_secs(3);

/// Calls `receiver` as fast as it goes, headers and payload like those of a task; calls a second.
pub(crate) async fn measure(receiver: SocketAddr, task: &str, payload: usize) -> Result<f64> {
    let began = Instant::now();
    let mut callers = Vec::new();
    for number in 0..CONNECTIONS {
        let (task, body) = (task.to_owned(), Bytes::from(vec![b'x'; payload]));
        callers.push(tokio::spawn(call(receiver, number, task, body)));
    }
    let mut calls = 0_u64;
    for caller in callers {
        calls += caller.await??;
    }
    Ok(calls as f64 / began.elapsed().as_secs_f64())
}

async fn call(receiver: SocketAddr, caller: u32, task: String, body: Bytes) -> Result<u64> {
    let stream = TcpStream::connect(receiver).await.context("connect")?;
    stream.set_nodelay(true)?;
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
    let driven = tokio::spawn(connection);
    let began = Instant::now();
    let mut calls = 0_u64;
    while began.elapsed() < FOR {
        let fire_id = u128::from(caller) << 64 | u128::from(calls);
        let request = Request::post(RAW)
            .header(HOST, receiver.to_string())
            .header(CONTENT_TYPE, "application/json")
            .header("webhook-id", format!("{fire_id:032x}"))
            .header("webhook-timestamp", "1796086800")
            .header("tidewheel-task", &task)
            .header("tidewheel-due", "1796086800000")
            .header("tidewheel-occurrence", "1")
            .header("tidewheel-attempt", "1")
            .body(Full::new(body.clone()))?;
        let response = sender.send_request(request).await.context("call")?;
        response.into_body().collect().await?;
        calls += 1;
    }
    drop(sender);
    driven.await??;
    Ok(calls)
}
