//! What only a connection can keep: limits of the head, and an orderly end.
#![allow(clippy::unwrap_used, reason = "what fails here fails its test")]

mod door;

use std::net::SocketAddr;
use std::time::Duration;

use door::Fake;
use ingest::Config;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

async fn open(head_timeout: Duration) -> (SocketAddr, oneshot::Sender<()>, JoinHandle<()>) {
    let config = Config {
        allow_anonymous_loopback: true,
        max_head: 8 << 10,
        head_timeout,
        ..Config::default()
    };
    let router = ingest::router(Fake::with(config.clone()).door);
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let (stop, stopped) = oneshot::channel::<()>();
    let serving = tokio::spawn(async move {
        ingest::serve(
            listener,
            router,
            &config,
            async move { drop(stopped.await) },
        )
        .await;
    });
    (address, stop, serving)
}

async fn exchange(address: SocketAddr, request: &str) -> String {
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = Vec::new();
    // A server that turns a request away early may reset what was not read.
    drop(stream.read_to_end(&mut answer).await);
    String::from_utf8(answer).unwrap()
}

#[tokio::test]
async fn requests_are_served_until_the_door_is_closed() {
    let (address, stop, serving) = open(Duration::from_secs(10)).await;
    let request = "GET /openapi.json HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n";
    assert!(exchange(address, request).await.starts_with("HTTP/1.1 200"));
    let idle = TcpStream::connect(address).await.unwrap();
    stop.send(()).unwrap();
    serving.await.unwrap();
    assert!(TcpStream::connect(address).await.is_err(), "closed");
    drop(idle);
}

#[tokio::test]
async fn a_head_that_is_too_large_is_refused() {
    let (address, _stop, _serving) = open(Duration::from_secs(10)).await;
    let wide = format!(
        "GET / HTTP/1.1\r\nhost: localhost\r\nx: {}\r\n\r\n",
        "x".repeat(20_000)
    );
    assert!(exchange(address, &wide).await.starts_with("HTTP/1.1 431"));
}

#[tokio::test]
async fn a_head_that_does_not_come_is_not_waited_for() {
    let (address, _stop, _serving) = open(Duration::from_millis(20)).await;
    let answer = exchange(address, "GET / HTTP/1.1\r\nhost: loc").await;
    assert!(
        answer.is_empty() || answer.starts_with("HTTP/1.1 408"),
        "{answer}"
    );
}
