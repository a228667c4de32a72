//! Calls against listeners that behave as real endpoints do on bad days.

use std::sync::atomic::{AtomicUsize, Ordering};

use schemas::AnswerBody;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use super::tests::order;
use super::*;
use crate::event::BODY_READ;

/// What an endpoint does once it has read a request.
#[derive(Clone)]
enum Act {
    /// Writes, goes on with the connection.
    Say(Vec<u8>),
    /// Writes, then closes.
    SayAndClose(Vec<u8>),
    /// Writes, then says nothing more for ever.
    SayAndHang(Vec<u8>),
    /// Closes so that the peer sees a reset.
    Reset,
}

struct Endpoint {
    url: String,
    port: u16,
    connections: Arc<AtomicUsize>,
    requests: Arc<Mutex<Vec<String>>>,
}

async fn endpoint(act: Act) -> Endpoint {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let port = listener.local_addr().expect("bound").port();
    let it = Endpoint {
        url: format!("http://127.0.0.1:{port}/x"),
        port,
        connections: Arc::default(),
        requests: Arc::default(),
    };
    let (connections, requests) = (Arc::clone(&it.connections), Arc::clone(&it.requests));
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            connections.fetch_add(1, Ordering::SeqCst);
            tokio::spawn(serve(stream, act.clone(), Arc::clone(&requests)));
        }
    });
    it
}

async fn serve(mut stream: TcpStream, act: Act, requests: Arc<Mutex<Vec<String>>>) {
    while let Some(request) = read_request(&mut stream).await {
        requests.lock().expect("unpoisoned").push(request);
        match &act {
            Act::Say(bytes) => {
                if stream.write_all(bytes).await.is_err() {
                    return;
                }
            }
            Act::SayAndClose(bytes) => {
                let _ = stream.write_all(bytes).await;
                return;
            }
            Act::SayAndHang(bytes) => {
                let _ = stream.write_all(bytes).await;
                std::future::pending::<()>().await;
            }
            Act::Reset => {
                let _ = stream.set_zero_linger();
                return;
            }
        }
    }
}

/// Head and body of one request; `None` at the end of the connection.
async fn read_request(stream: &mut TcpStream) -> Option<String> {
    let mut bytes = Vec::new();
    loop {
        let text = String::from_utf8_lossy(&bytes).into_owned();
        if let Some((head, body)) = text.split_once("\r\n\r\n") {
            let length = head
                .lines()
                .find_map(|line| {
                    line.to_ascii_lowercase()
                        .strip_prefix("content-length:")?
                        .trim()
                        .parse()
                        .ok()
                })
                .unwrap_or(0usize);
            if body.len() >= length {
                return Some(text);
            }
        }
        match stream.read_buf(&mut bytes).await {
            Ok(0) | Err(_) => return None,
            Ok(_) => {}
        }
    }
}

fn local() -> Http {
    Http::new(&Config {
        allow_loopback: true,
        ..Config::default()
    })
    .expect("a client")
}

async fn call(http: &Http, url: &str, timeout_ms: u64) -> Reply {
    let order = order(url, "POST", &[("x-team", "orders")], b"{\"a\":1}");
    let mut request = http.request(&order, Millis(2_500)).expect("sendable");
    request.timeout = Duration::from_millis(timeout_ms);
    http.turn().send(request).await
}

fn answered(status: u16, body: Option<&str>, retry_after: Option<&str>) -> Reply {
    Reply::Status {
        status,
        body: body.map(|text| AnswerBody {
            bytes: text.to_owned().into(),
            content_type: None,
            cut: false,
        }),
        retry_after: retry_after.map(str::to_owned),
    }
}

fn cut_off(mut reply: Reply) -> Reply {
    if let Reply::Status {
        body: Some(body), ..
    } = &mut reply
    {
        body.cut = true;
    }
    reply
}

#[tokio::test]
async fn an_answer_is_its_status_and_the_beginning_of_its_body() {
    let say = |text: &str| Act::Say(text.as_bytes().to_vec());
    let mut huge = b"HTTP/1.1 200 OK\r\ncontent-length: 10485760\r\n\r\n".to_vec();
    huge.resize(huge.len() + 10_485_760, b'x');
    let kept = "x".repeat(BODY_READ);
    let whole = format!("HTTP/1.1 200 OK\r\ncontent-length: {BODY_READ}\r\n\r\n{kept}");
    let whole = whole.into_bytes();
    let cases = [
        (
            say("HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok"),
            answered(200, Some("ok"), None),
        ),
        (
            say("HTTP/1.1 204 No Content\r\n\r\n"),
            answered(204, None, None),
        ),
        (
            say("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n"),
            answered(200, Some("ok"), None),
        ),
        (
            say("HTTP/1.1 429 Slow Down\r\nretry-after: 120\r\ncontent-length: 0\r\n\r\n"),
            answered(429, None, Some("120")),
        ),
        (
            say(
                "HTTP/1.1 503 No\r\nretry-after: Sun, 06 Nov 1994 08:49:37 GMT\r\ncontent-length: 0\r\n\r\n",
            ),
            answered(503, None, Some("Sun, 06 Nov 1994 08:49:37 GMT")),
        ),
        (
            say("HTTP/1.1 410 Gone\r\ncontent-length: 0\r\n\r\n"),
            answered(410, None, None),
        ),
        (
            Act::SayAndClose(huge),
            cut_off(answered(200, Some(&kept), None)),
        ),
        (Act::SayAndClose(whole), answered(200, Some(&kept), None)),
        // The body breaks off; what the endpoint did stays done.
        (
            Act::SayAndClose(b"HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nok".to_vec()),
            cut_off(answered(200, Some("ok"), None)),
        ),
    ];
    let http = local();
    for (act, expected) in cases {
        let endpoint = endpoint(act).await;
        assert_eq!(call(&http, &endpoint.url, 10_000).await, expected);
    }
}

#[tokio::test]
async fn a_redirect_is_an_answer_and_is_never_followed() {
    let inside = endpoint(Act::Say(
        b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n".to_vec(),
    ))
    .await;
    for status in [301, 302, 303, 307, 308] {
        let head = format!(
            "HTTP/1.1 {status} Elsewhere\r\nlocation: {}\r\ncontent-length: 0\r\n\r\n",
            inside.url
        );
        let outside = endpoint(Act::Say(head.into_bytes())).await;
        let reply = call(&local(), &outside.url, 10_000).await;
        assert_eq!(reply, answered(status, None, None));
    }
    assert_eq!(inside.connections.load(Ordering::SeqCst), 0);
}

#[tokio::test]
async fn what_goes_wrong_is_told_in_words() {
    let closed = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let nobody = format!("http://{}/", closed.local_addr().expect("bound"));
    drop(closed);
    let hang = endpoint(Act::SayAndHang(Vec::new())).await;
    let half_head = endpoint(Act::SayAndHang(b"HTTP/1.1 200 OK\r\nx-a".to_vec())).await;
    let slow_body = endpoint(Act::SayAndHang(
        b"HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nok".to_vec(),
    ))
    .await;
    let reset = endpoint(Act::Reset).await;
    let close = endpoint(Act::SayAndClose(Vec::new())).await;
    let no_http = endpoint(Act::SayAndClose(b"220 mail.example ESMTP\r\n".to_vec())).await;
    let long_head = endpoint(Act::SayAndClose(
        format!("HTTP/1.1 200 OK\r\nx-a: {}\r\n\r\n", "x".repeat(1 << 20)).into_bytes(),
    ))
    .await;
    let tls = hang.url.replace("http://", "https://");
    // url, timeout, beginning of the error, status
    let cases = [
        (nobody.as_str(), 10_000, "cannot connect: ", None),
        ("http://nowhere.invalid/", 10_000, "cannot connect: ", None),
        (&hang.url, 100, "timed out after 100 ms", None),
        (&half_head.url, 100, "timed out after 100 ms", None),
        (&slow_body.url, 100, "timed out after 100 ms", Some(200)),
        (&reset.url, 10_000, "connection broke: ", None),
        (&close.url, 10_000, "connection broke: ", None),
        (&no_http.url, 10_000, "connection broke: ", None),
        (&long_head.url, 10_000, "connection broke: ", None),
        (&tls, 100, "", None),
    ];
    let http = local();
    for (url, timeout_ms, beginning, expected) in cases {
        match call(&http, url, timeout_ms).await {
            Reply::Failed { error, status } => {
                assert!(error.starts_with(beginning), "{url}: {error}");
                assert!(error.len() > 5, "{url}: {error}");
                assert_eq!(status, expected, "{url}: {error}");
            }
            other => panic!("{url}: {other:?}"),
        }
    }
}

#[tokio::test]
async fn a_forbidden_address_behind_a_name_gets_no_connection() {
    let endpoint = endpoint(Act::Say(
        b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n".to_vec(),
    ))
    .await;
    let http = Http::new(&Config::default()).expect("a client");
    let url = format!("http://localhost:{}/", endpoint.port);
    match call(&http, &url, 10_000).await {
        Reply::Refused { reason } => assert!(reason.contains("loopback"), "{reason}"),
        other => panic!("{other:?}"),
    }
    assert_eq!(endpoint.connections.load(Ordering::SeqCst), 0);
    assert!(matches!(
        call(&local(), &url, 10_000).await,
        Reply::Status { status: 200, .. }
    ));
}

#[tokio::test]
async fn calls_share_a_connection_and_the_endpoint_gets_what_was_registered() {
    let ok = b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n".to_vec();
    let endpoint = endpoint(Act::Say(ok)).await;
    let http = local();
    for _ in 0..5 {
        let reply = call(&http, &endpoint.url, 10_000).await;
        assert_eq!(reply, answered(200, None, None));
    }
    assert_eq!(endpoint.connections.load(Ordering::SeqCst), 1);
    let requests = endpoint.requests.lock().expect("unpoisoned");
    assert_eq!(requests.len(), 5);
    let (head, body) = requests[0].split_once("\r\n\r\n").expect("a head");
    assert!(head.starts_with("POST /x HTTP/1.1\r\n"), "{head}");
    assert_eq!(body, "{\"a\":1}");
    for line in [
        "webhook-id: 07070707070707070707070707070707",
        "tidewheel-due: 1000",
        "x-team: orders",
        "content-type: application/json",
        "content-length: 7",
    ] {
        assert!(head.lines().any(|have| have == line), "{line} in {head}");
    }
}

#[tokio::test]
async fn connections_opened_ahead_are_those_that_calls_go_over() {
    let good = Act::Say(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n".to_vec());
    let endpoint = endpoint(good).await;
    let http = local();
    let callee = || http.callee(&endpoint.url).expect("may be called");
    let opening = [http.open(callee(), 2), http.open(callee(), 2)];
    assert!(http.open(callee(), 2).is_none(), "two are being opened");
    for opening in opening {
        opening.expect("room").await;
    }
    assert!(http.open(callee(), 2).is_none(), "two are open");
    for _ in 0..3 {
        let reply = call(&http, &endpoint.url, 5_000).await;
        assert_eq!(reply, answered(200, None, None));
    }
    assert_eq!(endpoint.connections.load(Ordering::SeqCst), 2);
    assert!(http.open(callee(), 3).is_some());
}

#[tokio::test]
async fn what_cannot_be_opened_ahead_is_said_of_the_call_alone() {
    let endpoint = endpoint(Act::Reset).await;
    let closed = format!("http://127.0.0.1:{}/", endpoint.port);
    let http = Http::new(&Config::default()).expect("a client");
    // Loopback is forbidden here: nothing is connected to.
    assert!(http.callee(&closed).is_err());
    let named = "http://localhost:9/";
    let callee = http
        .callee(named)
        .expect("its addresses are looked at later");
    http.open(callee.clone(), 1).expect("room").await;
    assert!(http.open(callee, 1).is_some(), "the place is free again");
    let https = http.callee("https://example.com/").expect("may be called");
    assert!(
        http.open(https, 9).is_none(),
        "not over connections of ours"
    );
    assert_eq!(endpoint.connections.load(Ordering::SeqCst), 0);
}
