//! Who may come in, and for which tenants.
#![allow(clippy::unwrap_used, reason = "what fails here fails its test")]

mod door;

use door::{Fake, TASK, WHOLE, request};
use ingest::{ApiKey, Config};
use schemas::Shards;

fn keyed() -> Fake {
    // SHA-256 of "secret" and of "all".
    let key = |name: &str, sha256: &str, tenants: &[&str]| ApiKey {
        name: name.to_owned(),
        sha256: sha256.to_owned(),
        tenants: tenants.iter().map(|it| (*it).to_owned()).collect(),
    };
    Fake::with(Config {
        keys: vec![
            key(
                "shop",
                "2bb80d537b1da3e38bd30361aa855686bde0eacd7162fef6a25fe97bf527a25b",
                &["shop", "other"],
            ),
            key(
                "all",
                "5EF5EF0364B6939C4CA61F34B393F7B368D1BE8619647AAF83D5B395919AB629",
                &["*"],
            ),
        ],
        ..Config::default()
    })
}

#[tokio::test]
async fn a_key_opens_the_door_for_its_tenants_only() {
    let fake = keyed();
    let elsewhere = TASK.replace("shop", "bank");
    let cases = [
        (None, TASK, 401),
        (Some("Bearer wrong"), TASK, 401),
        (Some("Basic secret"), TASK, 401),
        (Some("Bearer"), TASK, 401),
        (Some("Bearer secret"), TASK, 202),
        (Some("bearer secret"), TASK, 202),
        (Some("Bearer secret"), elsewhere.as_str(), 403),
        (Some("Bearer all"), elsewhere.as_str(), 202),
    ];
    for (authorization, body, status) in cases {
        let mut request = request("POST", "/v1/tasks", body);
        if let Some(value) = authorization {
            request
                .headers_mut()
                .insert("authorization", value.parse().unwrap());
        }
        let answer = fake.answer(request).await;
        assert_eq!(answer.status, status, "{authorization:?}: {answer:?}");
        if status == 401 {
            assert_eq!(answer.header("www-authenticate"), "Bearer");
        }
    }
    for (method, path) in [
        ("GET", "/v1/tasks/bank/a"),
        ("GET", "/v1/tasks?tenant=bank"),
        ("PUT", "/v1/tasks/bank/a"),
        ("DELETE", "/v1/tasks/bank/a"),
        ("POST", "/v1/tasks/bank/a:run"),
    ] {
        for (authorization, status) in [(None, 401), (Some("Bearer secret"), 403)] {
            let body = if method == "PUT" { WHOLE } else { "" };
            let mut request = request(method, path, body);
            if let Some(value) = authorization {
                request
                    .headers_mut()
                    .insert("authorization", value.parse().unwrap());
            }
            assert_eq!(fake.answer(request).await.status, status, "{method} {path}");
        }
    }
    let mut both = request("POST", "/v1/tasks", &format!("[{TASK},{elsewhere}]"));
    both.headers_mut()
        .insert("authorization", "Bearer secret".parse().unwrap());
    let answer = fake.answer(both).await;
    assert_eq!(
        (&answer.body[0]["code"], &answer.body[1]["code"]),
        (&202.into(), &403.into())
    );
}

#[test]
fn a_door_without_keys_does_not_open() {
    let fake = Fake::new();
    let listen = ([127, 0, 0, 1], 7800).into();
    let door = ingest::Door::new(
        Config::default(),
        listen,
        Shards::DEFAULT,
        fake.world.clone(),
        fake.world.clone(),
    );
    assert!(door.is_err_and(|error| error.to_string().contains("`keys` is empty")));
}
