//! How a calendar gets from its topic into every shard.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod world;

use planner::PlannerConfig;
use schemas::calendar::CalendarQuery;
use schemas::{CalendarKey, DeadLetter, Shard, Shards, TenantId, Topic};

use world::World;
use world::script::word;

const WEEKENDS: &str = r#"{"excluded": [{"weekdays": ["SAT", "SUN"]}]}"#;
const MONDAYS: &str = r#"{"excluded": [{"weekdays": ["MON"]}]}"#;

fn world(shard: u16) -> World {
    World::with(PlannerConfig::default(), Shard(shard), 2)
}

/// A calendar that shard 0 of 2 decides about, or shard 1.
fn name(shard: u16) -> CalendarKey {
    let shards = Shards::new(2).unwrap();
    let names = (0..).map(|n| CalendarKey::parse(format!("t/c{n}").as_bytes()).unwrap());
    names
        .into_iter()
        .find(|it| it.shard(shards) == Shard(shard))
        .unwrap()
}

fn told(world: &mut World) -> Vec<String> {
    world.pump();
    let told = std::mem::take(&mut world.answers);
    told.iter()
        .map(|(n, answer)| format!("{n} {}", word(answer)))
        .collect()
}

/// Hands what one shard sent outside of its turns to the other; what came twice comes twice.
fn hand_over(from: &mut World, to: &mut World) -> usize {
    from.pump();
    let sent = std::mem::take(&mut from.outside);
    let count = sent.len();
    for record in sent {
        assert_eq!(record.to.topic, Topic::Forwards);
        assert_eq!(record.to.shard, to.shard);
        to.append(Topic::Forwards, record.value, record.headers);
    }
    to.pump();
    count
}

fn known(world: &mut World, key: &CalendarKey) -> Option<(u64, String)> {
    world.pump();
    let view = world.core().get_calendar(key)?;
    Some((
        view.version,
        view.calendar["excluded"][0]["weekdays"][0].to_string(),
    ))
}

#[test]
fn a_calendar_is_decided_about_at_home_and_told_to_all() {
    let key = name(0);
    let (mut home, mut other) = (world(0), world(1));
    let text = key.to_string();
    home.calendar(&text, Some(WEEKENDS));
    assert_eq!(told(&mut home), ["1 created"]);
    assert_eq!(hand_over(&mut home, &mut other), 1);
    let first = known(&mut home, &key).unwrap();
    assert_eq!(known(&mut other, &key), Some(first.clone()));
    assert!(home.rows_of_index().iter().all(|row| !row.starts_with('y')));

    // The same in other words is no change.
    home.calendar(&text, Some(&WEEKENDS.replace(' ', "\n")));
    assert_eq!(told(&mut home), ["2 unchanged"]);
    assert_eq!(hand_over(&mut home, &mut other), 0);

    home.calendar(&text, Some(MONDAYS));
    assert_eq!(told(&mut home), ["3 changed"]);
    hand_over(&mut home, &mut other);
    let second = known(&mut other, &key).unwrap();
    assert!(second.0 > first.0 && second.1.contains("MON"), "{second:?}");

    home.calendar(&text, None);
    home.calendar(&text, None);
    assert_eq!(told(&mut home), ["4 removed", "5 unknown"]);
    hand_over(&mut home, &mut other);
    assert_eq!(
        (known(&mut home, &key), known(&mut other, &key)),
        (None, None)
    );
}

#[test]
fn one_that_came_in_elsewhere_is_passed_on_once_and_answered_at_home() {
    let key = name(0);
    let (mut home, mut other) = (world(0), world(1));
    other.calendar(&key.to_string(), Some(WEEKENDS));
    assert_eq!(told(&mut other), [""; 0]);
    let again = other.outside.clone();
    hand_over(&mut other, &mut home);
    other.outside = again;
    hand_over(&mut other, &mut home);
    assert_eq!(told(&mut home), ["1 created"]);
    assert_eq!(hand_over(&mut home, &mut other), 1);
    assert_eq!(known(&mut home, &key), known(&mut other, &key));
}

#[test]
fn all_are_told_whatever_fails_and_nothing_goes_back() {
    for lose in [false, true] {
        let key = name(0);
        let text = key.to_string();
        let (mut home, mut other) = (world(0), world(1));
        home.lose_stores = lose;
        home.calendar(&text, Some(WEEKENDS));
        home.pump();
        let early = home.outside.clone();
        // As if the turn that forgets were lost with the core: a core told before tells again.
        home.abort_all = true;
        home.calendar(&text, Some(MONDAYS));
        home.pump();
        hand_over(&mut home, &mut other);
        // Late, from one that was cut off.
        home.outside = early;
        hand_over(&mut home, &mut other);
        let now = known(&mut other, &key);
        assert!(now.as_ref().unwrap().1.contains("MON"), "{now:?}");
        assert_eq!(now, known(&mut home, &key));
    }
}

#[test]
fn a_core_that_was_not_sure_that_all_were_told_tells_them_again() {
    let key = name(0);
    let (mut home, mut other) = (world(0), world(1));
    home.calendar(&key.to_string(), Some(WEEKENDS));
    home.half_step();
    // Committed, and the core gone before it sent anything.
    home.crash();
    home.outside.clear();
    assert_eq!(hand_over(&mut home, &mut other), 1);
    assert_eq!(known(&mut home, &key), known(&mut other, &key));
}

#[test]
fn calendars_outlive_cores_stores_and_compaction() {
    let key = name(0);
    let mut home = world(0);
    home.calendar(&key.to_string(), Some(WEEKENDS));
    let before = known(&mut home, &key);
    assert!(before.is_some());
    home.compact();
    home.lose();
    assert_eq!(known(&mut home, &key), before);
}

#[test]
fn what_is_no_calendar_is_told_and_kept_for_people() {
    let mut home = world(0);
    let key = name(0).to_string();
    let bad = [
        (key.as_str(), Some("{"), "is not a JSON object"),
        (
            key.as_str(),
            Some(r#"{"excluded": [{"time": "9-5"}], "x": 1}"#),
            "`x`: is not known",
        ),
        (
            key.as_str(),
            Some(r#"{"excluded": [{"time": "9-5"}], "x": 1}"#),
            "excluded[0].time",
        ),
        ("no slash", Some(WEEKENDS), "`tenant/name`"),
        ("", None, "`tenant/name`"),
    ];
    for (key, json, _) in bad {
        home.calendar(key, json);
    }
    let answers = told(&mut home);
    assert_eq!(answers.len(), bad.len());
    assert!(
        answers.iter().all(|it| it.contains("refused")),
        "{answers:?}"
    );
    let letters = home.log[&Topic::DeadLetters].iter();
    let letters = letters.map(|it| DeadLetter::decode(it.value.as_ref().unwrap()).unwrap());
    for (letter, (_, json, piece)) in letters.zip(bad) {
        assert!(letter.reason.contains(piece), "{}: {piece}", letter.reason);
        assert_eq!(letter.original, json.unwrap_or_default().as_bytes());
        assert_eq!(letter.origin.topic, "calendars");
    }
    // It goes on.
    home.calendar(&key, Some(WEEKENDS));
    assert_eq!(told(&mut home), ["6 created"]);
}

#[test]
fn a_list_goes_page_by_page() {
    let mut home = World::new();
    for name in ["a", "b", "c"] {
        home.calendar(&format!("t/{name}"), Some(WEEKENDS));
        home.calendar(&format!("u/{name}"), Some(WEEKENDS));
    }
    home.pump();
    let mut query = CalendarQuery {
        tenant: TenantId::new("t").unwrap(),
        after: None,
        limit: 2,
    };
    let first = home.core().list_calendars(&query);
    query.after = first.next.clone();
    let second = home.core().list_calendars(&query);
    let pages = [first, second].map(|page| {
        let names = page.calendars.iter().map(|it| it.name.as_str().to_owned());
        (names.collect::<Vec<_>>().join(" "), page.next.is_some())
    });
    assert_eq!(pages, [("a b".to_owned(), true), ("c".to_owned(), false)]);
}
