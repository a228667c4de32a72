//! `tidewheel echo`: a receiver that prints every call it gets, with how late it came.

use std::fmt::Write as _;
use std::net::SocketAddr;

use anyhow::{Context, Result};
use axum::Router;
use axum::body::Bytes;
use axum::http::{HeaderMap, Method, StatusCode, Uri};
use pipeline::{Clock, clock::SystemClock};

/// So much of a payload is printed, bytes.
const PRINTED: usize = 2_048;

/// Listens on `listen`, prints each call and answers it with 200, until interrupted.
///
/// # Errors
/// Where it cannot listen there.
pub(crate) async fn serve(listen: SocketAddr) -> Result<()> {
    let listener = tokio::net::TcpListener::bind(listen)
        .await
        .with_context(|| format!("listen on {listen}"))?;
    println!("listening on http://{}", listener.local_addr()?);
    let app = Router::new().fallback(take);
    axum::serve(listener, app)
        .with_graceful_shutdown(interrupted())
        .await
        .context("serve")
}

async fn interrupted() {
    if let Err(error) = tokio::signal::ctrl_c().await {
        tracing::warn!(%error, "interrupts cannot be heard; stop this with a kill");
        std::future::pending::<()>().await;
    }
}

async fn take(method: Method, uri: Uri, headers: HeaderMap, body: Bytes) -> StatusCode {
    let now = SystemClock.now().wall.0;
    // One write: calls come at once, their lines stay together.
    print!("{}", picture(now, &method, &uri, &headers, &body));
    StatusCode::OK
}

/// What is printed of one call that came at `now`, epoch ms.
fn picture(now: i64, method: &Method, uri: &Uri, headers: &HeaderMap, body: &[u8]) -> String {
    let due = headers
        .get("tidewheel-due")
        .and_then(|value| value.to_str().ok())
        .and_then(|text| text.parse::<i64>().ok());
    let lateness = match due {
        Some(due) => format!("{:+} ms", now.saturating_sub(due)),
        None => "no due time".to_owned(),
    };
    let mut out = format!("{method} {uri}  {lateness}\n");
    for (name, value) in headers {
        let _ = writeln!(out, "  {name}: {}", printable(value.as_bytes()));
    }
    if !body.is_empty() {
        let shown = &body[..body.len().min(PRINTED)];
        let _ = writeln!(out, "  {}", printable(shown));
        if shown.len() < body.len() {
            let _ = writeln!(out, "  … {} bytes in all", body.len());
        }
    }
    out
}

/// Text that cannot play tricks on a terminal.
fn printable(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes)
        .chars()
        .map(|c| {
            if c.is_control() && c != '\n' {
                '\u{fffd}'
            } else {
                c
            }
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_call_is_shown_with_its_lateness_headers_and_payload() {
        let mut headers = HeaderMap::new();
        headers.insert("tidewheel-due", "1000".parse().expect("a value"));
        let (method, uri) = (Method::POST, Uri::from_static("/orders/close"));
        let shown = picture(1_007, &method, &uri, &headers, b"{\"a\":\"\x1b[31m\"}");
        assert_eq!(
            shown,
            "POST /orders/close  +7 ms\n  tidewheel-due: 1000\n  {\"a\":\"\u{fffd}[31m\"}\n"
        );
        let shown = picture(7, &method, &uri, &HeaderMap::new(), &[b'x'; 3_000]);
        assert!(shown.starts_with("POST /orders/close  no due time\n"));
        assert!(shown.ends_with("x\n  … 3000 bytes in all\n"));
    }
}
