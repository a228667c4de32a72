//! TLS and SASL to a real broker. Needs `TIDEWHEEL_TEST_KAFKA_SASL_SSL=host:port` and
//! `TIDEWHEEL_TEST_KAFKA_CA=file` as `cargo xtask kafka up` prints them; without them every test is skipped with
//! a message, in CI it fails. `cargo xtask test` runs it in a build of its own.
#![cfg(feature = "kafka-ssl")]
#![expect(
    clippy::unwrap_used,
    reason = "what a test is made of is as good a failure as its assertions"
)]

#[expect(dead_code, reason = "a file shared with the other tests of the broker")]
#[path = "broker/support.rs"]
mod support;

use std::sync::mpsc::channel;

use pipeline::kafka::{KafkaBroker, KafkaConfig, Protocol, Security};
use pipeline::{Broker, LogError};
use schemas::{Role, Shards, Topic};
use support::{PATIENCE, World, at, position, prefix, record};

const INPUT: Topic = Topic::Registrations;
const OUTPUT: Topic = Topic::Outcomes;

/// With the right authority and the right password; `None` says that the test is to be skipped.
fn secure() -> Option<KafkaConfig> {
    let told = |name: &str| std::env::var(name).ok().filter(|value| !value.is_empty());
    let (address, ca) = (
        told("TIDEWHEEL_TEST_KAFKA_SASL_SSL"),
        told("TIDEWHEEL_TEST_KAFKA_CA"),
    );
    let (Some(bootstrap), Some(ca)) = (address, ca) else {
        let missing = "TIDEWHEEL_TEST_KAFKA_SASL_SSL and TIDEWHEEL_TEST_KAFKA_CA name no brokers";
        assert!(
            std::env::var_os("CI").is_none(),
            "{missing}; in CI they must"
        );
        eprintln!("skipped: {missing}");
        return None;
    };
    Some(KafkaConfig {
        bootstrap,
        prefix: prefix(),
        shards: Shards::new(1).unwrap(),
        session_timeout_ms: 3_000,
        security: Security {
            protocol: Protocol::SaslSsl,
            ca,
            sasl_mechanism: "PLAIN".to_owned(),
            sasl_username: "tidewheel".to_owned(),
            sasl_password: "tidewheel".to_owned(),
            ..Security::default()
        },
        ..KafkaConfig::default()
    })
}

/// Every client is refused for good, in these words: the one that looks at topics, one that joins.
fn refused(config: &KafkaConfig, words: &[&str]) {
    let broker = KafkaBroker::new(config.clone()).unwrap();
    let looked = broker.admin().missing().map(drop);
    let joined = broker.join(Role::Planner, "one").map(drop);
    for (what, result) in [("looking", looked), ("joining", joined)] {
        let Err(LogError::Config(why)) = &result else {
            panic!("{what}: {result:?} is nothing that a person must mend");
        };
        for word in words {
            assert!(why.contains(word), "{what}: no `{word}` in {why}");
        }
    }
}

#[test]
fn turns_travel_by_tls_with_a_password() {
    let Some(config) = secure() else { return };
    let world = World::with(config, &[INPUT, OUTPUT]);
    let mut member = world.member(Role::Planner, "one");
    let (driver, output) = (at(INPUT, 0), at(OUTPUT, 0));
    let records = vec![record(output, "a"), record(output, "b")];
    member
        .commit(records, vec![(driver, position(3, "note"))])
        .unwrap();
    assert_eq!(member.committed(&[driver]), [Some(position(3, "note"))]);
    // Beside transactions, as the door writes.
    let producer = world.broker.producer().unwrap();
    let (tell, told) = channel();
    producer.send(
        record(output, "c"),
        Box::new(move |written| tell.send(written).unwrap()),
    );
    // Behind two records and the marker of their transaction.
    assert_eq!(told.recv_timeout(PATIENCE).unwrap(), Ok(3));
    member.log.read(output, 0).unwrap();
    assert_eq!(member.values_until(output, 4), ["a", "b", "c"]);
}

#[test]
fn a_wrong_password_is_refused_and_said() {
    let Some(mut config) = secure() else { return };
    config.security.sasl_password = "wrong".to_owned();
    refused(
        &config,
        &["Invalid username or password", "`kafka.sasl_password`"],
    );
}

#[test]
fn a_mechanism_that_the_brokers_do_not_have_is_refused_and_said() {
    let Some(mut config) = secure() else { return };
    config.security.sasl_mechanism = "SCRAM-SHA-512".to_owned();
    refused(&config, &["PLAIN", "`kafka.sasl_mechanism`"]);
}

#[test]
fn a_certificate_that_nobody_vouches_for_is_refused_and_said() {
    let Some(mut config) = secure() else { return };
    // The system's authorities did not sign it.
    config.security.ca = String::new();
    refused(&config, &["certificate", "`kafka.ssl_ca`"]);
}

#[test]
fn a_file_of_authorities_that_is_not_there_is_refused_at_once() {
    let Some(mut config) = secure() else { return };
    config.security.ca = "/nowhere/ca.pem".to_owned();
    let made = KafkaBroker::new(config).map(drop);
    assert!(
        matches!(&made, Err(LogError::Config(why)) if why.contains("ssl.ca.location")),
        "{made:?}"
    );
}
