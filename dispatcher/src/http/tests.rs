use bytes::Bytes;
use schemas::call::{Call, RetryPlan};
use schemas::{Fire, FireId, FiringPart, RetryPolicy, TaskId, TenantId, Work};

use super::*;
use crate::event::Token;

pub(super) fn order(
    url: &str,
    method: &str,
    headers: &[(&str, &str)],
    payload: &'static [u8],
) -> CallOrder {
    let text = |text: &&str| (*text).to_owned();
    CallOrder {
        token: Token {
            core: 1,
            lane: 0,
            offset: 0,
        },
        fire: Fire {
            fire_id: FireId([7; 16]),
            leg: 2,
            due: Millis(2_000),
            expires_at: None,
            triggered_at: Millis(1_900),
        },
        work: Arc::new(Work {
            task: TaskKey {
                tenant: TenantId::new("shop").expect("a name"),
                id: TaskId::new("größe/100%").expect("a name"),
            },
            version: 1,
            occurrence: 3,
            part: None,
            shards: None,
            attempt: 2,
            due: Millis(1_000),
            registered_at: Millis(0),
            planted_at: Millis(0),
            call: Call {
                url: url.to_owned(),
                method: method.to_owned(),
                headers: headers.iter().map(|(k, v)| (text(k), text(v))).collect(),
            },
            content_type: Some("application/json".to_owned()),
            timeout_ms: 10_000,
            retry: RetryPolicy {
                max_attempts: 1,
                plan: RetryPlan::Explicit(Vec::new()),
            },
            expires_at: None,
        }),
        payload: Bytes::from_static(payload),
        begin_by: u64::MAX,
    }
}

fn http() -> Http {
    Http::new(&Config::default()).expect("a client")
}

#[test]
fn a_request_carries_our_headers_and_the_users_never_replace_them() {
    let users = [
        ("x-team", "orders"),
        ("x-many", "1"),
        ("x-many", "2"),
        ("traceparent", "00-1-2-01"),
        ("webhook-id", "forged"),
        ("webhook-signature", "forged"),
        ("tidewheel-due", "0"),
        ("content-type", "text/plain"),
        ("content-length", "9999"),
        ("transfer-encoding", "chunked"),
        ("host", "inside.example"),
        ("connection", "upgrade"),
        ("proxy-authorization", "x"),
    ];
    let order = order("https://example.org/a?b=c", "PUT", &users, b"{\"a\":1}");
    let request = http().request(&order, Millis(2_500)).expect("sendable");
    assert_eq!(request.method, Method::PUT);
    assert_eq!(request.to.url.as_str(), "https://example.org/a?b=c");
    assert_eq!(request.timeout, Duration::from_secs(10));
    assert_eq!(request.body, b"{\"a\":1}".as_slice());
    let mut got: Vec<(&str, &str)> = request
        .headers
        .iter()
        .map(|(name, value)| (name.as_str(), value.to_str().expect("text")))
        .collect();
    got.sort_unstable();
    let expected = [
        ("content-type", "application/json"),
        ("tidewheel-attempt", "2"),
        ("tidewheel-due", "1000"),
        ("tidewheel-occurrence", "3"),
        ("tidewheel-task", "shop/gr%C3%B6%C3%9Fe/100%25"),
        ("traceparent", "00-1-2-01"),
        ("webhook-id", "07070707070707070707070707070707"),
        ("webhook-timestamp", "2"),
        ("x-many", "1"),
        ("x-many", "2"),
        ("x-team", "orders"),
    ];
    assert_eq!(got, expected);
}

#[test]
fn a_call_of_a_broadcast_is_told_its_shard() {
    let mut order = order(
        "https://example.org/",
        "POST",
        &[("tidewheel-shard", "9")],
        b"",
    );
    let work = Arc::make_mut(&mut order.work);
    work.part = Some(FiringPart::occurrence(3).of_shard(0));
    work.shards = Some(4);
    let request = http().request(&order, Millis(2_500)).expect("sendable");
    let header = |name: &str| request.headers.get(name).map(|value| value.to_str().ok());
    assert_eq!(header("tidewheel-shard"), Some(Some("0")));
    assert_eq!(header("tidewheel-shards"), Some(Some("4")));
}

#[test]
fn what_can_never_be_sent_says_why() {
    type Case<'a> = (&'a str, &'a str, &'a [(&'a str, &'a str)], &'a str);
    let cases: [Case<'_>; 9] = [
        ("no url", "POST", &[], "url `no url` is not understood"),
        ("http://", "POST", &[], "url `http://` is not understood"),
        ("ftp://example.org/", "GET", &[], "scheme `ftp`"),
        ("http://127.0.0.1/", "POST", &[], "a loopback address"),
        ("http://[fe80::1]/", "POST", &[], "a link-local address"),
        ("http://a:b@example.org/", "POST", &[], "credentials"),
        ("http://example.org/", "P OST", &[], "method `P OST`"),
        (
            "http://example.org/",
            "POST",
            &[("x-a", "1\r\nx-b: 2")],
            "header `x-a`",
        ),
        (
            "http://example.org/",
            "POST",
            &[("x a", "1")],
            "header `x a`",
        ),
    ];
    for (url, method, headers, expected) in cases {
        let error = http()
            .request(&order(url, method, headers, b""), Millis(0))
            .expect_err(url)
            .to_string();
        assert!(error.contains(expected), "{url} {method}: {error}");
    }
}
