//! Topics, settings, deleted records, and what goes wrong before anything works.

use std::time::Duration;

use pipeline::kafka::{Change, KafkaBroker, KafkaConfig};
use pipeline::{Broker, LogError};
use schemas::{Role, Shards, Topic};

use super::support::{World, at, bootstrap, patiently, position, prefix, record};
use super::{INPUT, OUTPUT};

#[test]
fn topics_are_planned_made_and_mended() {
    let Some(bootstrap) = bootstrap() else {
        return;
    };
    let config = KafkaConfig {
        bootstrap,
        prefix: prefix(),
        shards: Shards::new(1).unwrap(),
        ..KafkaConfig::default()
    };
    let all: Vec<Topic> = Topic::all().collect();
    let broker = KafkaBroker::new(config.clone()).unwrap();
    let planned = broker.admin().plan().unwrap();
    assert_eq!(planned.len(), all.len());
    assert!(
        planned
            .iter()
            .all(|change| matches!(change, Change::Create { .. }))
    );
    let world = World::with(config.clone(), &all);
    assert_eq!(world.broker.admin().check().unwrap(), Vec::<String>::new());
    // With other wishes the same topics differ.
    let wishes = KafkaConfig {
        shards: Shards::new(2).unwrap(),
        min_insync_replicas: 2,
        replication: 2,
        ..config
    };
    let other = KafkaBroker::new(wishes).unwrap();
    let problems = other.admin().check().unwrap();
    let index = problems.iter().filter(|problem| problem.contains("index"));
    let index: Vec<_> = index.map(String::as_str).collect();
    assert_eq!(index.len(), 3, "{index:?}");
    other.admin().apply().unwrap();
    let left = other.admin().plan().unwrap();
    assert!(!left.iter().any(Change::can_be_applied), "{left:?}");
    world.broker.admin().apply().unwrap();
    assert_eq!(world.broker.admin().check().unwrap(), Vec::<String>::new());
}

#[test]
fn deleted_records_are_gone_and_reading_them_is_an_alarm() {
    let Some(world) = World::new(1, &[INPUT, OUTPUT]) else {
        return;
    };
    let mut member = world.member(Role::Planner, "one");
    let output = at(OUTPUT, 0);
    let records = (0..10).map(|n| record(output, &format!("{n}"))).collect();
    member
        .commit(records, vec![(at(INPUT, 0), position(0, ""))])
        .unwrap();
    patiently(|| world.broker.delete_below(&[(output, 6)]));
    assert_eq!(member.ends(&[output]), [(6, 11)]);
    member.log.read(output, 6).unwrap();
    assert_eq!(member.values_until(output, 11), ["6", "7", "8", "9"]);
    member.log.read(output, 2).unwrap();
    let mut events = Vec::new();
    let error = loop {
        let wait = Duration::from_millis(500);
        if let Err(error) = member.log.poll(wait, &mut |_| 100, &mut events) {
            break error;
        }
    };
    assert!(
        matches!(&error, LogError::Fatal(why) if why.contains("no such offset")),
        "{error}"
    );
    assert_eq!(events, []);
    // Everything, the marker included.
    patiently(|| world.broker.delete_below(&[(output, 11)]));
    assert_eq!(member.ends(&[output]), [(11, 11)]);
}

#[test]
fn what_a_person_must_mend_is_told_in_words() {
    let Some(world) = World::new(2, &[INPUT]) else {
        return;
    };
    let joined = world.broker.join(Role::Archive, "one").map(drop);
    let expected = "run `tidewheel topics apply`";
    assert!(
        matches!(&joined, Err(LogError::Config(why)) if why.contains(expected)),
        "{joined:?}"
    );
    let config = KafkaConfig {
        shards: Shards::new(3).unwrap(),
        ..world.config.clone()
    };
    let joined = KafkaBroker::new(config)
        .unwrap()
        .join(Role::Planner, "one")
        .map(drop);
    let expected = "has 2 partitions, but 3 shards";
    assert!(
        matches!(&joined, Err(LogError::Config(why)) if why.contains(expected)),
        "{joined:?}"
    );
    let joined = world.broker.join(Role::Planner, "no name").map(drop);
    assert!(matches!(&joined, Err(LogError::Config(_))), "{joined:?}");
    let config = KafkaConfig {
        bootstrap: "127.0.0.1:1".to_owned(),
        ..world.config.clone()
    };
    let joined = KafkaBroker::new(config)
        .unwrap()
        .join(Role::Planner, "one")
        .map(drop);
    assert!(
        matches!(&joined, Err(LogError::Retry(why)) if why.contains("127.0.0.1:1")),
        "{joined:?}"
    );
}
