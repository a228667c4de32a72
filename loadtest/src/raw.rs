//! A plain HTTP client at full speed against the same receiver: what this machine can do at best.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::Request;
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;

use crate::clock;
use crate::flags::Settings;
use crate::receiver::{Bound, Shared};
use crate::tally::Tally;
use crate::task::Naming;
use crate::watch;

/// How long it calls.
const SPAN: Duration = Duration::from_secs(3);
/// Connections at once.
const CONNECTIONS: usize = 128;

/// What a plain client and the receiver do together, with nothing of Tidewheel between.
///
/// # Errors
/// What kept it from running.
pub(crate) fn alone(settings: &Settings) -> Result<()> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .context("start a runtime")?;
    let begun = Instant::now();
    let per_s = runtime.block_on(async {
        let bound = Bound::new()?;
        let naming = Naming {
            tenant: settings.tenant.clone(),
            run: "raw".to_owned(),
            url: String::new(),
            pad: "x".repeat(settings.payload),
        };
        let shared = Arc::new(Shared::new(naming, Tally::new(clock::now_us())));
        bound.serve(settings.receivers, &shared)?;
        rate(bound.address, &shared.naming).await
    })?;
    let told = serde_json::json!({
        "raw_http_per_s": per_s,
        "own_cpu_s": watch::own_processor_s(),
        "seconds": begun.elapsed().as_secs_f64(),
    });
    println!("raw HTTP               {per_s:.0}/s");
    match &settings.json {
        Some(path) => std::fs::write(path, format!("{told:#}\n"))
            .with_context(|| format!("write `{}`", path.display())),
        None => Ok(()),
    }
}

/// Calls a second over connections that are kept alive, with the headers and body of a real call.
///
/// # Errors
/// Where a connection breaks.
pub(crate) async fn rate(address: SocketAddr, naming: &Naming) -> Result<f64> {
    let begun = Instant::now();
    let callers: Vec<_> = (0..CONNECTIONS)
        .map(|_| tokio::spawn(call_until(address, begun + SPAN, naming.clone())))
        .collect();
    let mut calls = 0;
    for caller in callers {
        calls += caller.await.context("a caller ended")??;
    }
    Ok(calls as f64 / begun.elapsed().as_secs_f64())
}

async fn call_until(address: SocketAddr, end: Instant, naming: Naming) -> Result<u64> {
    let stream = tokio::net::TcpStream::connect(address).await?;
    stream.set_nodelay(true)?;
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
    let connection = tokio::spawn(connection);
    let mut calls = 0;
    while Instant::now() < end {
        sender.ready().await?;
        let response = sender.send_request(request(address, &naming)?).await?;
        response.into_body().collect().await?;
        calls += 1;
    }
    connection.abort();
    Ok(calls)
}

/// As a call of Tidewheel looks; the tenant is nobody's, so the tally leaves it aside.
fn request(address: SocketAddr, naming: &Naming) -> Result<Request<Full<Bytes>>> {
    let body = format!("{{\"n\":0,\"pad\":\"{}\"}}", naming.pad);
    Ok(Request::post("/")
        .header("host", address.to_string())
        .header("webhook-id", "00000000000000000000000000000000")
        .header("webhook-timestamp", 0)
        .header("tidewheel-task", format!("raw/{}-0", naming.run))
        .header("tidewheel-due", 0)
        .header("tidewheel-occurrence", 1)
        .header("tidewheel-attempt", 1)
        .header("content-type", "application/json")
        .body(Full::new(Bytes::from(body)))?)
}
