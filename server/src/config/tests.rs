use super::*;

fn problems(text: &str, env: &[(&str, &str)]) -> Vec<String> {
    let env = env
        .iter()
        .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
    Config::from_text(text, env).err().unwrap_or_default()
}

#[test]
fn the_default_file_is_complete_and_valid() {
    assert_eq!(problems("", &[]), Vec::<String>::new());
}

#[test]
fn every_problem_is_reported_at_once() {
    let text = r#"
        [log]
        shards = 0
        kidn = "kafka"
        [kafka]
        session_timeout = "1 fortnight"
        [dispatcher]
        allow_private = "yes"
        [triger]
        lead = "1s"
    "#;
    let found = problems(text, &[("TIDEWHEEL__HTTP__LISTEN", "nowhere")]);
    for part in [
        "log.kidn",
        "did you mean `kind`",
        "session",
        "dispatcher.allow_private",
        "`triger`",
    ] {
        assert!(
            found.iter().any(|line| line.contains(part)),
            "{part} in {found:#?}"
        );
    }
}

#[test]
fn values_that_no_type_refuses_are_checked() {
    let cases = [
        ("[log]\nshards = 0", "log.shards"),
        ("[kafka]\nmin_insync_replicas = 2", "min_insync_replicas"),
        ("[http]\nlisten = \"here\"", "http.listen"),
        ("[worker]\nclock_bound = \"1ms\"", "worker.clock_bound"),
        ("[worker]\ngive_way = \"1h\"", "worker.give_way"),
        ("[internal]\nlisten = \"0.0.0.0:7801\"", "internal.token"),
        ("[planner]\nhorizon = \"1h\"", "planner.horizon"),
        ("[planner]\nslot_bytes = 1", "planner.slot_bytes"),
        ("[archive]\nurl = \"postgres://\"", "archive.url"),
        (
            "[ingest]\nkeys = [{ name = \"a\", sha256 = \"12\", tenants = [] }]",
            "64 hex digits",
        ),
        (
            "[planner]\nintakes = [{ topic = \"t\", tenant = \"Not One\" }]",
            "planner.intakes",
        ),
    ];
    for (text, part) in cases {
        let found = problems(text, &[]);
        assert!(
            found.iter().any(|line| line.contains(part)),
            "{part} in {found:#?}"
        );
    }
}

#[test]
fn the_environment_goes_on_top() {
    let env = [
        ("TIDEWHEEL__KAFKA__BOOTSTRAP", "b:1"),
        ("TIDEWHEEL__LOG__SHARDS", "4"),
        ("TIDEWHEEL__DISPATCHER__ALLOW_LOOPBACK", "true"),
        ("HOME", "/root"),
    ];
    let env = env
        .iter()
        .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
    let config = Config::from_text("[log]\nshards = 2", env).unwrap();
    assert_eq!(config.kafka.bootstrap, "b:1");
    assert_eq!(config.log.shards, 4);
    assert!(config.dispatcher.allow_loopback);
    assert_eq!(problems("", &[("TIDEWHEEL__LOG", "x")]).len(), 1);
    assert_eq!(problems("", &[("TIDEWHEEL__LOG__SHARD", "1")]).len(), 1);
}

#[test]
fn overrides_are_free() {
    let text = "[kafka.overrides]\n\"client.rack\" = \"a\"";
    let config = Config::from_text(text, std::iter::empty()).unwrap();
    assert_eq!(
        config
            .kafka
            .overrides
            .get("client.rack")
            .map(String::as_str),
        Some("a")
    );
}
