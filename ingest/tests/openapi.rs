//! The OpenAPI document: its text is what the builder says, and every operation in it is a route.

mod door;

use door::{Fake, request};

const TEXT: &str = include_str!("../openapi.json");

#[test]
fn the_checked_in_document_is_what_the_builder_says() {
    let mut text = serde_json::to_string_pretty(&ingest::document()).expect("JSON");
    text.push('\n');
    if std::env::var_os("WRITE_SCHEMA").is_some() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/openapi.json");
        std::fs::write(path, &text).expect("the document is writable");
        return;
    }
    assert!(
        text == TEXT,
        "openapi.json is out of date: WRITE_SCHEMA=1 cargo test -p ingest"
    );
}

#[tokio::test]
async fn every_operation_is_a_route_and_every_other_method_is_refused() {
    let fake = Fake::new();
    let document = ingest::document();
    let paths = document["paths"].as_object().expect("paths");
    for (path, methods) in paths {
        let at = path
            .replace("{tenant}", "shop")
            .replace("{id}", "a")
            .replace("{name}", "a")
            .replace("{sweep}", "0123456789abcdef0123456789abcdef")
            .replace("{fire_id}", "0123456789abcdef0123456789abcdef");
        for method in ["GET", "PUT", "POST", "DELETE", "PATCH"] {
            let described = methods.get(method.to_lowercase()).is_some();
            let answer = fake.answer(request(method, &at, "")).await;
            let routed = !matches!(answer.kind(), "unknown-route" | "method");
            // An id may end in what looks like a verb; what reads and changes takes it for an id.
            let id_like_verb = at.contains("/tasks/shop/a:") && method != "POST" && routed;
            assert!(
                routed == described || id_like_verb,
                "{method} {at}: {answer:?}"
            );
        }
    }
}

#[tokio::test]
async fn the_document_is_served() {
    let answer = Fake::new()
        .answer(request("GET", "/openapi.json", ""))
        .await;
    assert_eq!(answer.status, 200);
    assert!(
        answer.body == ingest::document(),
        "another document is served"
    );
}
