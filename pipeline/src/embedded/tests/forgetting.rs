//! What goes, when, and what must stay.

use super::*;

#[test]
fn a_compacted_topic_keeps_the_latest_of_each_key_and_young_tombstones() {
    let dir = TempDir::new().unwrap();
    let small = EmbeddedConfig {
        memory_bytes: 0,
        segment_bytes: 2_000,
        compact_bytes: 100,
        ..config()
    };
    let broker = open(&dir, &small);
    let mut log = broker.join(Role::Planner, "a").unwrap();
    for n in 0..100 {
        let records = vec![
            outgoing(INDEX, "a", Some(&format!("a{n}"))),
            outgoing(INDEX, &format!("short-{n}"), Some("lived")),
            outgoing(INDEX, &format!("short-{n}"), None),
        ];
        commit(&mut *log, records, vec![]).unwrap();
    }
    commit(&mut *log, vec![outgoing(INDEX, "b", Some("b"))], vec![]).unwrap();
    let files = segment_files(&dir).len();
    sweep(&broker, Millis::MIN);
    let young = texts(&read(&broker, INDEX, 0));
    assert_eq!(young.iter().filter(|it| it.2.is_none()).count(), 100);
    assert_eq!(young.len(), 102);

    broker
        .inner
        .state()
        .partitions
        .get_mut(&INDEX)
        .unwrap()
        .bytes_compacted = 0;
    sweep(&broker, Millis::MAX);
    let left = [
        (297, "a".to_owned(), Some("a99".to_owned())),
        (300, "b".to_owned(), Some("b".to_owned())),
    ];
    assert_eq!(texts(&read(&broker, INDEX, 0)), left);
    assert!(segment_files(&dir).len() < files, "{files} before");
    drop((log, broker));

    let broker = open(&dir, &small);
    assert_eq!(texts(&read(&broker, INDEX, 0)), left);
    assert_eq!(broker.inner.state().extent(INDEX).end, 301);
}

#[test]
fn segments_go_once_nothing_in_them_counts_and_the_rest_of_them_moves() {
    let dir = TempDir::new().unwrap();
    let small = EmbeddedConfig {
        memory_bytes: 0,
        segment_bytes: 5_000,
        ..config()
    };
    let outcomes = TopicPartition::new(Topic::Outcomes, Shard(2));
    let broker = open(&dir, &small);
    let mut log = broker.join(Role::Trigger, "a").unwrap();
    for n in 0..200 {
        let at = |offset| {
            (
                FIRES,
                Position {
                    offset,
                    note: String::new(),
                },
            )
        };
        let mut records: Vec<_> = (0..10)
            .map(|_| outgoing(FIRES, "k", Some("gone")))
            .collect();
        records.push(outgoing(outcomes, "k", Some(&n.to_string())));
        commit(&mut *log, records, vec![at(n)]).unwrap();
    }
    let kept = read(&broker, outcomes, 0);
    let many = segment_files(&dir).len();
    broker.delete_below(&[(FIRES, 1_990)]).unwrap();
    assert_eq!(read(&broker, FIRES, 0).first().unwrap().offset, 1_990);
    sweep(&broker, Millis::MIN);
    assert!(segment_files(&dir).len() < many / 2, "{many} before");
    assert_eq!(read(&broker, outcomes, 0), kept);
    broker.delete_below(&[(FIRES, i64::MAX)]).unwrap();
    assert_eq!(broker.inner.state().ends(&[FIRES]), [(2_000, 2_000)]);
    drop((log, broker));

    let broker = open(&dir, &small);
    assert_eq!(read(&broker, outcomes, 0), kept);
    assert_eq!(broker.inner.state().ends(&[FIRES]), [(2_000, 2_000)]);
    let position = broker.committed(Role::Trigger, &[FIRES]).unwrap();
    assert_eq!(position[0].as_ref().unwrap().offset, 199);
}

#[test]
fn what_is_kept_by_age_goes_by_age() {
    let dir = TempDir::new().unwrap();
    let broker = open(&dir, &config());
    let letters = TopicPartition::new(Topic::DeadLetters, Shard(0));
    let mut log = broker.join(Role::Planner, "a").unwrap();
    commit(&mut *log, vec![outgoing(letters, "k", Some("v"))], vec![]).unwrap();
    let written = read(&broker, letters, 0)[0].appended;
    sweep::round(&broker.inner, written.plus(27 * 86_400_000), Millis::MIN).unwrap();
    assert_eq!(read(&broker, letters, 0).len(), 1);
    sweep::round(&broker.inner, written.plus(29 * 86_400_000), Millis::MIN).unwrap();
    assert_eq!(broker.inner.state().ends(&[letters]), [(1, 1)]);
}
