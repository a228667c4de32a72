//! Records: order, visibility, reading, deleting.

use std::sync::mpsc::channel;

use bytes::Bytes;
use pipeline::{LogEvent, Outgoing};
use schemas::Role;

use crate::labs::Lab;
use crate::support::{INPUT, OUTPUT, PATIENCE, at, patiently, position, record, text, values};

pub(crate) fn records_are_read_in_the_order_they_were_sent(lab: Lab) {
    let mut member = lab.member(Role::Planner, "one");
    let mut expected = [Vec::new(), Vec::new()];
    for turn in 0..5 {
        let mut records = Vec::new();
        for n in 0..40_u16 {
            let value = format!("{turn}.{n}");
            records.push(record(at(OUTPUT, n % 2), &value));
            expected[usize::from(n % 2)].push(value);
        }
        member
            .commit(records, vec![(at(INPUT, 0), position(turn, ""))])
            .unwrap();
    }
    for (shard, expected) in (0..).zip(expected) {
        let records = member.read_all(at(OUTPUT, shard), 0);
        assert!(records.is_sorted_by(|a, b| a.offset < b.offset));
        assert_eq!(records.iter().map(text).collect::<Vec<_>>(), expected);
        assert!(records.iter().all(|record| record.appended.0 > 0));
    }
}

pub(crate) fn a_turn_is_visible_as_a_whole_and_markers_are_passed(lab: Lab) {
    let mut member = lab.member(Role::Planner, "one");
    let (a, b) = (at(OUTPUT, 0), at(OUTPUT, 1));
    let mut reader = lab.broker().reader().unwrap();
    for turn in 1..=3 {
        let records = (0..50).flat_map(|n| [record(a, &n.to_string()), record(b, &n.to_string())]);
        member
            .commit(records.collect(), vec![(at(INPUT, 0), position(turn, ""))])
            .unwrap();
        for of in [a, b] {
            // Both read up to the end, where over Kafka a marker stands.
            let whole = usize::try_from(turn).unwrap() * 50;
            assert_eq!(member.read_all(of, 0).len(), whole, "{of}");
            assert_eq!(values(reader.as_mut(), of).len(), whole, "{of}");
        }
    }
}

pub(crate) fn what_a_fenced_member_writes_is_never_visible(lab: Lab) {
    let mut old = lab.member(Role::Planner, "one");
    let (output, driver) = (at(OUTPUT, 0), at(INPUT, 0));
    old.commit(
        vec![record(output, "before")],
        vec![(driver, position(1, "before"))],
    )
    .unwrap();
    let mut new = lab.member(Role::Planner, "one");
    let late = old.commit(
        vec![record(output, "late")],
        vec![(driver, position(2, "late"))],
    );
    assert!(late.is_err());
    assert_eq!(new.committed(&[driver]), [Some(position(1, "before"))]);
    new.commit(
        vec![record(output, "after")],
        vec![(driver, position(3, ""))],
    )
    .unwrap();
    assert_eq!(new.values(output, 0), ["before", "after"]);
    assert_eq!(
        values(lab.broker().reader().unwrap().as_mut(), output),
        ["before", "after"]
    );
}

pub(crate) fn keys_headers_and_tombstones_come_back_as_sent(lab: Lab) {
    let mut member = lab.member(Role::Planner, "one");
    let bytes = |text: &'static str| Some(Bytes::from_static(text.as_bytes()));
    let header = |name: &str, value: &'static [u8]| (name.to_owned(), Bytes::from_static(value));
    let shapes = [
        (bytes("k"), bytes("v"), vec![]),
        (None, bytes("no key"), vec![]),
        (bytes("tombstone"), None, vec![]),
        (
            bytes("headed tombstone"),
            None,
            vec![header("seq", &[0, 255, 7])],
        ),
        (bytes(""), bytes(""), vec![]),
        (
            bytes("h"),
            bytes("v"),
            vec![header("a", b"1"), header("a", b""), header("b", b"2")],
        ),
    ];
    let outgoing = shapes
        .iter()
        .cloned()
        .map(|(key, value, headers)| Outgoing {
            to: at(OUTPUT, 1),
            key,
            value,
            headers,
        });
    member
        .commit(outgoing.collect(), vec![(at(INPUT, 0), position(0, ""))])
        .unwrap();
    let read = member.read_all(at(OUTPUT, 1), 0);
    let read: Vec<_> = read
        .into_iter()
        .map(|it| (it.key, it.value, it.headers))
        .collect();
    assert_eq!(read, shapes);
}

pub(crate) fn reading_begins_at_the_offset_asked_for(lab: Lab) {
    let mut member = lab.member(Role::Planner, "one");
    let output = at(OUTPUT, 0);
    for turn in ["a", "b", "c"] {
        member.write(output, &[turn, turn]);
    }
    let all = member.read_all(output, 0);
    for from in &all {
        let expected: Vec<_> = all.iter().filter(|it| it.offset >= from.offset).collect();
        assert_eq!(
            member
                .read_all(output, from.offset)
                .iter()
                .collect::<Vec<_>>(),
            expected
        );
    }
    let end = member.ends(&[output])[0].1;
    member.log.read(output, end).unwrap();
    member
        .log
        .commit(
            vec![record(output, "d")],
            vec![(at(INPUT, 0), position(0, ""))],
            0,
        )
        .unwrap();
    let first = member.until("batch", |event| match event {
        LogEvent::Batch { records, .. } => records.first().map(text),
        _ => None,
    });
    assert_eq!(first, "d");
}

pub(crate) fn a_stopped_partition_is_left_alone(lab: Lab) {
    let mut member = lab.member(Role::Planner, "one");
    let (stopped, other) = (at(OUTPUT, 0), at(OUTPUT, 1));
    member.log.read(stopped, 0).unwrap();
    member.log.read(other, 0).unwrap();
    member.log.stop(stopped).unwrap();
    let records = vec![record(stopped, "1"), record(other, "2")];
    member
        .commit(records, vec![(at(INPUT, 0), position(0, ""))])
        .unwrap();
    member.until("batch", |event| match event {
        LogEvent::Batch { from, records, .. } if !records.is_empty() => Some(*from == other),
        _ => None,
    });
    let of_stopped =
        |event: &LogEvent| matches!(event, LogEvent::Batch { from, .. } if *from == stopped);
    assert!(!member.events.iter().any(of_stopped));
    assert_eq!(member.values(stopped, 0), ["1"]);
}

pub(crate) fn appetite_bounds_what_is_handed_out(lab: Lab) {
    let mut member = lab.member(Role::Planner, "one");
    let (flooded, other) = (at(OUTPUT, 0), at(OUTPUT, 1));
    let mut records: Vec<_> = (0..1_000)
        .map(|n| record(flooded, &n.to_string()))
        .collect();
    records.push(record(other, "small"));
    member
        .commit(records, vec![(at(INPUT, 0), position(0, ""))])
        .unwrap();
    member.log.read(flooded, 0).unwrap();
    member.log.read(other, 0).unwrap();
    let begun = std::time::Instant::now();
    let mut small = false;
    while !small {
        assert!(begun.elapsed() < PATIENCE, "the other partition starves");
        let mut events = Vec::new();
        let appetite = &mut |from| if from == flooded { 0 } else { 10 };
        member
            .log
            .poll(std::time::Duration::from_millis(50), appetite, &mut events)
            .unwrap();
        for event in events {
            if let LogEvent::Batch { from, .. } = event {
                assert_eq!(
                    from, other,
                    "an appetite of 0 leaves records where they are"
                );
                small = true;
            }
        }
    }
    let mut got = Vec::new();
    while got.len() < 1_000 {
        assert!(begun.elapsed() < PATIENCE, "only {} came", got.len());
        member.poll(7).unwrap();
        for event in std::mem::take(&mut member.events) {
            if let LogEvent::Batch { from, records, .. } = event {
                assert!(records.len() <= 7);
                got.extend(records.iter().filter(|_| from == flooded).map(text));
            }
        }
    }
    assert!(got.iter().map(|n| n.parse::<u32>().unwrap()).eq(0..1_000));
}

pub(crate) fn ends_tell_where_a_partition_begins_and_ends(lab: Lab) {
    let mut member = lab.member(Role::Planner, "one");
    let (output, empty) = (at(OUTPUT, 0), at(OUTPUT, 1));
    assert_eq!(member.ends(&[output, empty]), [(0, 0), (0, 0)]);
    let mut reader = lab.broker().reader().unwrap();
    for count in 1..4 {
        member.write(output, &["a"]);
        let last = member
            .read_all(output, 0)
            .last()
            .map(|record| record.offset)
            .unwrap();
        let ends = member.ends(&[empty, output]);
        assert_eq!(ends[0], (0, 0));
        assert_eq!(ends[1].0, 0);
        assert!(
            ends[1].1 > last && ends[1].1 >= count,
            "{ends:?} behind {last}"
        );
        assert_eq!(patiently(|| reader.ends(&[empty, output])), ends);
    }
}

pub(crate) fn what_is_deleted_is_gone_and_the_rest_stays(lab: Lab) {
    let mut member = lab.member(Role::Planner, "one");
    let output = at(OUTPUT, 0);
    member.write(output, &["a", "b", "c", "d"]);
    let third = member.read_all(output, 0)[2].offset;
    patiently(|| lab.broker().delete_below(&[(output, third)]));
    assert_eq!(member.ends(&[output])[0].0, third);
    assert_eq!(member.values(output, third), ["c", "d"]);
    assert_eq!(
        values(lab.broker().reader().unwrap().as_mut(), output),
        ["c", "d"]
    );
    member.write(output, &["e"]);
    assert_eq!(member.values(output, third), ["c", "d", "e"]);
}

pub(crate) fn records_outside_are_durable_before_the_commit_is_told(lab: Lab) {
    let mut member = lab.member(Role::Planner, "one");
    let outside = at(OUTPUT, 1);
    let expected: Vec<String> = (0..100).map(|n| n.to_string()).collect();
    for value in &expected {
        member.log.send_outside(record(outside, value)).unwrap();
    }
    member
        .commit(Vec::new(), vec![(at(INPUT, 0), position(1, ""))])
        .unwrap();
    assert_eq!(
        member.ends(&[outside]),
        [(0, 100)],
        "no gap, no double, no marker"
    );
    assert_eq!(member.values(outside, 0), expected);
}

pub(crate) fn a_producer_is_told_the_offset_of_every_record(lab: Lab) {
    let producer = lab.broker().producer().unwrap();
    let (tell, told) = channel();
    for n in 0..50_u16 {
        let tell = tell.clone();
        let written = Box::new(move |offset| tell.send((n, offset)).unwrap());
        producer.send(record(at(OUTPUT, n % 2), &n.to_string()), written);
    }
    let mut offsets: Vec<_> = (0..50)
        .map(|_| told.recv_timeout(PATIENCE).unwrap())
        .collect();
    offsets.sort_by_key(|(n, _)| *n);
    let mut reader = lab.broker().reader().unwrap();
    for shard in 0..2 {
        let mine = offsets.iter().filter(|(n, _)| n % 2 == shard);
        let told: Vec<i64> = mine.map(|(_, offset)| offset.clone().unwrap()).collect();
        assert!(told.iter().copied().eq(0..25), "{told:?}");
        let expected: Vec<_> = (0..25).map(|n| (n * 2 + shard).to_string()).collect();
        assert_eq!(values(reader.as_mut(), at(OUTPUT, shard)), expected);
    }
}

pub(crate) fn records_survive_a_restart(mut lab: Lab) {
    let output = at(OUTPUT, 0);
    let mut member = lab.member(Role::Planner, "one");
    member.write(output, &["a", "b"]);
    let all = member.read_all(output, 0);
    let ends = member.ends(&[output]);
    drop(member);
    lab.restart();
    let mut member = lab.member(Role::Planner, "one");
    assert_eq!(member.ends(&[output]), ends);
    assert_eq!(member.read_all(output, 0), all);
    member.write(output, &["c"]);
    assert_eq!(member.values(output, all[1].offset), ["b", "c"]);
}
