//! Registrations in, commands or complaints out; the JSON Schema says the same.

mod examples;

use examples::{GOOD, Refused, accepted};
use schemas::call::Jitter;
use schemas::json_schema;
use schemas::registration::{
    Inbound, LARGEST, Op, Sweep, SweepOp, call_json, definition_json, schedule_json,
};
use schemas::{
    Command, Definition, Millis, Priority, Registration, RetryPlan, RetryPolicy, Schedule, TenantId,
};

#[test]
fn every_accepted_example_is_taken() {
    for text in accepted() {
        if let Err(refusal) = Inbound::parse(text.as_bytes()) {
            panic!("{text}: {refusal}");
        }
    }
}

#[test]
fn every_refused_example_names_each_wrong_field_and_nothing_else() {
    for case in Refused::all() {
        let whole = case.whole().to_string();
        let refusal = Inbound::parse(whole.as_bytes()).expect_err(&whole);
        assert!(!refusal.malformed, "{whole}");
        let mut found = refusal.complaints;
        for (field, piece) in &case.complaints {
            let place = found
                .iter()
                .position(|it| it.field == *field && it.problem.contains(piece));
            let Some(place) = place else {
                panic!("{whole}: no complaint `{field}`: {piece} in {found:?}");
            };
            found.remove(place);
        }
        assert!(found.is_empty(), "{whole}: also {found:?}");
    }
}

fn definition(text: &str) -> Definition {
    match Registration::parse(text.as_bytes()).map(|it| it.command) {
        Ok(Command::Register(definition)) => *definition,
        other => panic!("{text}: {other:?}"),
    }
}

#[test]
fn a_command_on_many_tasks_names_them_by_tag_or_all() {
    let parse = |text: &str| Inbound::parse(text.as_bytes());
    let sweep = |op, tag: Option<&str>| {
        Ok(Inbound::Many(Sweep {
            tenant: TenantId::new("shop").expect("a tenant"),
            tag: tag.map(str::to_owned),
            op,
        }))
    };
    assert_eq!(
        parse(r#"{"op": "resume", "tenant": "shop", "tag": "a b"}"#),
        sweep(SweepOp::Resume, Some("a b"))
    );
    let all = r#"{"op": "cancel", "tenant": "shop", "all": true}"#;
    assert_eq!(parse(all), sweep(SweepOp::Cancel, None));
    let refusal = Registration::parse(all.as_bytes()).expect_err("no task");
    assert_eq!(refusal.complaints[0].field, "id");
}

#[test]
fn the_contracts_example_is_read_field_by_field() {
    let definition = definition(accepted()[0]);
    assert_eq!(definition.schedule, Schedule::After(1_800_000));
    assert_eq!(definition.call.url, "http://127.0.0.1:9000/orders/close");
    assert_eq!(definition.call.method, "POST");
    let header = ("x-team".to_owned(), "orders".to_owned());
    assert_eq!(definition.call.headers, [header]);
    assert_eq!(&definition.payload.bytes[..], br#"{"order": 42}"#);
    assert_eq!(definition.timeout_ms, 5_000);
    assert_eq!(definition.retry, RetryPolicy::default());
    assert_eq!(definition.priority, Priority::Normal);
    assert_eq!(definition.tags, ["orders"]);
    assert_eq!(definition.expires_after_ms, Some(7_200_000));
    let shown = definition_json(&definition);
    assert_eq!(shown["schedule"], serde_json::json!({"after": "30m"}));
    assert_eq!(shown["retry"]["backoff"]["max"], "10m");
    assert_eq!(shown["expires_after"], "2h");
}

#[test]
fn what_is_not_named_has_its_default() {
    let definition = definition(GOOD);
    assert_eq!(definition.payload, schemas::Payload::default());
    assert_eq!(definition.timeout_ms, 5_000);
    assert_eq!(definition.retry.max_attempts, 5);
    let plan = RetryPlan::Backoff {
        first_ms: 1_000,
        factor: 2.0,
        max_ms: 600_000,
        jitter: Jitter::Full,
    };
    assert_eq!(definition.retry.plan, plan);
    assert_eq!(definition.priority, Priority::Normal);
    assert_eq!(definition.expires_after_ms, None);
}

#[test]
fn a_payloads_bytes_stay_as_they_were_written() {
    let cases = [
        "{ \"b\" : 1.50 ,\n \"a\":1e2, \"a\":2}",
        "null",
        "\"\\u00e9\"",
        "123456789012345678901234567890.10",
    ];
    for payload in cases {
        let whole = GOOD.replacen('{', &format!("{{\"payload\": {payload} ,"), 1);
        let payload_read = definition(&whole).payload;
        assert_eq!(payload_read.bytes, payload.as_bytes());
        assert_eq!(
            payload_read.content_type.as_deref(),
            Some("application/json")
        );
    }
    let base64 = definition(accepted()[4]).payload;
    assert_eq!(&base64.bytes[..], b"hello");
    assert_eq!(base64.content_type.as_deref(), Some("text/plain"));
}

#[test]
fn a_time_is_read_to_the_millisecond_and_never_early() {
    let cases = [
        ("\"2026-12-01T09:00:00+08:00\"", 1_796_086_800_000),
        ("\"2026-12-01T01:00:00Z\"", 1_796_086_800_000),
        ("\"2026-12-01T01:00:00.0001Z\"", 1_796_086_800_001),
        ("\"1969-12-31T23:59:59.9985Z\"", -1),
        ("1796086800000", 1_796_086_800_000),
        ("-5", -5),
        ("253402300799999", 253_402_300_799_999),
    ];
    for (at, ms) in cases {
        let whole = GOOD.replace("\"after\": \"1s\"", &format!("\"at\": {at}"));
        let schedule = definition(&whole).schedule;
        assert_eq!(schedule, Schedule::At(Millis(ms)), "{at}");
        assert_eq!(schedule_json(&schedule), serde_json::json!({"at": ms}));
    }
}

#[test]
fn an_explicit_retry_schedule_sets_the_number_of_attempts() {
    let retry = definition(accepted()[5]).retry;
    assert_eq!(retry.max_attempts, 3);
    assert_eq!(retry.plan, RetryPlan::Explicit(vec![1_000, 5_000]));
}

#[test]
fn secrets_in_headers_are_not_shown() {
    let whole = GOOD.replace(
        "\"http://h/x\"",
        "\"http://h/x\", \"headers\": {\"Authorization\": \"Bearer s\", \"x-api-key\": \"s\", \"x-team\": \"a\"}",
    );
    let shown = call_json(&definition(&whole).call);
    assert_eq!(shown["headers"]["authorization"], "(hidden)");
    assert_eq!(shown["headers"]["x-api-key"], "(hidden)");
    assert_eq!(shown["headers"]["x-team"], "a");
}

#[test]
fn an_update_takes_only_what_is_named_and_a_whole_one_makes_a_task() {
    let Ok(Registration {
        command: Command::Update(patch),
        ..
    }) = Registration::parse(accepted()[7].as_bytes())
    else {
        panic!("an update");
    };
    let mut changed = definition(GOOD);
    let missing = patch.clone().into_definition().expect_err("no schedule");
    assert_eq!(missing.complaints.len(), 2);
    patch.apply(&mut changed);
    assert_eq!(
        changed,
        Definition {
            timeout_ms: 600_000,
            ..definition(GOOD)
        }
    );
    let whole = GOOD.replacen('{', "{\"op\": \"update\", ", 1);
    let Ok(Registration {
        command: Command::Update(patch),
        ..
    }) = Registration::parse(whole.as_bytes())
    else {
        panic!("an update");
    };
    assert_eq!(patch.into_definition(), Ok(definition(GOOD)));
}

#[test]
fn what_is_no_json_object_is_malformed() {
    let deep = format!("{{\"payload\": {}{}}}", "[".repeat(64), "]".repeat(64));
    let long = format!("{{\"payload\": \"{}\"}}", "x".repeat(LARGEST));
    let wide: String = (0..300).map(|n| format!("\"f{n}\":1,")).collect();
    let wide = format!("{{{wide}\"g\":1}}");
    let cases: [(&[u8], &str); 12] = [
        (b"", "not a JSON object"),
        (b"\xff{}", "UTF-8 from byte 0"),
        (b"[]", "not a JSON object"),
        (b"null", "not a JSON object"),
        (b"{", "not a JSON object"),
        (b"{} {}", "not a JSON object"),
        (b"{\"a\":1,}", "not a JSON object"),
        (b"{'a':1}", "not a JSON object"),
        (b"\xef\xbb\xbf{}", "not a JSON object"),
        (deep.as_bytes(), "deeper than 64"),
        (long.as_bytes(), "at most 1000000"),
        (wide.as_bytes(), "more fields"),
    ];
    for (bytes, piece) in cases {
        let refusal = Registration::parse(bytes).expect_err(piece);
        assert!(refusal.malformed, "{piece}");
        assert!(refusal.to_string().contains(piece), "{refusal}");
    }
    let quoted = r#"{"payload": "[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[\"["}"#;
    let refusal = Registration::parse(quoted.as_bytes()).expect_err("no tenant");
    assert!(!refusal.malformed, "brackets in text do not nest");
}

#[test]
fn a_field_given_twice_is_refused() {
    let twice = GOOD.replacen('{', "{\"id\": \"b\", ", 1);
    let refusal = Registration::parse(twice.as_bytes()).expect_err("twice");
    assert_eq!(refusal.to_string(), "`id`: is given twice");
}

#[test]
fn no_prefix_and_no_flipped_byte_of_an_example_panics() {
    for text in accepted() {
        for cut in 0..text.len() {
            let _refused = Registration::parse(&text.as_bytes()[..cut]).expect_err("cut short");
            let mut bytes = text.as_bytes().to_vec();
            for flip in [0x01, 0x20, 0x80] {
                bytes[cut] ^= flip;
                let parsed = Registration::parse(&bytes);
                assert!(parsed.map_or_else(|it| !it.complaints.is_empty(), |_| true));
                bytes[cut] ^= flip;
            }
        }
    }
}

#[test]
fn every_op_is_asked_by_its_word() {
    for (word, op) in Op::WORDS {
        assert_eq!(op.word(), word);
    }
}

const SCHEMA_TEXT: &str = include_str!("../json/registration.schema.json");

#[test]
fn the_checked_in_schema_is_what_the_tables_say() {
    let mut text = serde_json::to_string_pretty(&json_schema::registration()).expect("JSON");
    text.push('\n');
    if std::env::var_os("WRITE_SCHEMA").is_some() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/json/registration.schema.json");
        std::fs::write(path, &text).expect("the schema is writable");
        return;
    }
    assert!(
        text == SCHEMA_TEXT,
        "json/registration.schema.json is out of date: WRITE_SCHEMA=1 cargo test -p schemas"
    );
}

#[test]
fn what_the_parser_takes_the_schema_takes() {
    let validator = jsonschema::validator_for(&json_schema::registration()).expect("a schema");
    for text in accepted() {
        let value = serde_json::from_str(text).expect(text);
        let errors: Vec<String> = validator
            .iter_errors(&value)
            .map(|it| it.to_string())
            .collect();
        assert!(errors.is_empty(), "{text}: {errors:?}");
    }
}

#[test]
fn what_the_parser_refuses_the_schema_refuses_where_a_schema_can_tell() {
    let validator = jsonschema::validator_for(&json_schema::registration()).expect("a schema");
    for case in Refused::all() {
        let whole = case.whole();
        assert!(
            Registration::parse(whole.to_string().as_bytes()).is_err(),
            "{whole}"
        );
        assert_eq!(validator.is_valid(&whole), case.only_parser, "{whole}");
    }
}

#[test]
fn null_in_an_update_removes_what_a_task_may_be_without() {
    let parse = |text: &str| Registration::parse(text.as_bytes());
    let whole = definition(accepted()[0]);
    let nulls = r#"{"op": "update", "tenant": "t", "id": "a", "payload": null, "timeout": null,
        "retry": null, "priority": null, "tags": null, "expires_after": null}"#;
    let Ok(Command::Update(patch)) = parse(nulls).map(|it| it.command) else {
        panic!("{nulls}");
    };
    let mut changed = whole.clone();
    patch.apply(&mut changed);
    let mut bare = definition(GOOD);
    (bare.schedule, bare.call) = (whole.schedule, whole.call);
    assert_eq!(changed, bare);
    let update = r#"{"op": "update", "tenant": "t", "id": "a/b", "#;
    for (fields, complained) in [
        (
            r#""schedule": null, "call": null}"#,
            &["schedule", "call"][..],
        ),
        (r#""payload": null, "payload_base64": ""}"#, &["payload"]),
        (r#""tags": null, "content_type": "a/b"}"#, &["content_type"]),
        (r#""needs": null, "join": "any"}"#, &["join"]),
        (r#""tags": null, "tags": []}"#, &["tags"]),
    ] {
        let refusal = parse(&format!("{update}{fields}")).expect_err(fields);
        let found: Vec<_> = refusal.complaints.iter().map(|it| &it.field).collect();
        assert_eq!(found, complained, "{fields}");
    }
    for (op, field) in [("register", "tags"), ("run", "payload_base64")] {
        let text = format!(r#"{{"op": "{op}", "tenant": "t", "id": "a", "{field}": null}}"#);
        assert!(parse(&text).is_err(), "{text}");
    }
}
