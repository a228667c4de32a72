//! The core's rules as tables: what is done to a shard, and what it says in its next turn.
//!
//! A line is a command, and behind `=>` what came of it. Instances are `i0` (the current one at the
//! start), `i1`, …; times are ms behind the start; a task is one letter.

mod world;

use std::fmt::Write;

use schemas::slot::WIDTH_MS;
use schemas::{FireId, Instance, Millis};
use trigger::Config;

use self::world::{Said, World};

const START: i64 = 1_796_086_800_000;

const TABLES: [(&str, &str); 15] = [
    (
        "fires leave in the order of due time and offset, a lead before they are due",
        "place a i0 2000
         place b i0 1000
         place c i0 1000
         read
         turn =>
         now 849
         wants a turn => no
         now 850
         wants a turn => yes
         turn => fire b, fire c
         now 5000
         turn => fire a
         turn =>",
    ),
    (
        "a turn takes along what is within its lead, and is wanted as soon as there is anything",
        "place a i0 1000
         place b i0 1040
         place c i0 1041
         read
         now 849
         wants a turn => no
         now 850
         wants a turn => yes
         now 890
         turn => fire a, fire b
         wants a turn => no
         now 891
         turn => fire c",
    ),
    (
        "what arrives behind the watermark leaves at once, in offset order",
        "place a i0 1000
         read
         now 1000
         turn => fire a
         place b i0 900
         place c i0 800
         place d i0 1100
         read
         turn => fire b, fire c, fire d",
    ),
    (
        "a backlog of another slot is taken by due time, not by slot",
        "place a i0 20000
         place b i1 31000
         place c i1 5000
         read
         now 31000
         turn => fire c, fire a, fire b",
    ),
    (
        "a revoke meets the wheel, or follows the fire",
        "place a i0 1000
         place b i0 2000
         read
         now 1000
         turn => fire a
         revoke a i0
         revoke b i0
         read
         turn => recall a, revoked b
         now 5000
         turn =>",
    ),
    (
        "a revoke that stands behind a late arrival follows its fire",
        "place a i0 1000
         read
         now 1000
         turn => fire a
         place b i0 500
         revoke b i0
         read
         turn => fire b, recall b",
    ),
    (
        "what is past its expiry ends as expired",
        "place a i0 1000 1500
         place b i0 1000 9000
         read
         now 3000
         turn => expired a, fire b",
    ),
    (
        "a sealed instance is drained once all of it was dealt with",
        "place a i0 1000
         place b i0 2000
         revoke b i0
         read
         seal i0 2 1
         now 500
         read
         turn => revoked b
         now 1000
         turn => fire a, drained i0 2=1+1+0
         crash
         read
         turn =>",
    ),
    (
        "an instance that held nothing is drained by its seal",
        "seal i0 0 0
         read
         turn => drained i0 0=0+0+0",
    ),
    (
        "a revoke behind the seal of a drained instance becomes a recall",
        "place a i0 1000
         seal i0 1 0
         read
         now 1000
         turn => fire a, drained i0 1=1+0+0
         revoke a i0
         free i0
         read
         turn => recall a",
    ),
    (
        "a revoke of what a freed slot held stands in the current slot",
        "place a i0 1000
         seal i0 1 0
         read
         now 1000
         turn => fire a, drained i0 1=1+0+0
         free i0
         read
         now 30000
         revoke a i0 in i1
         seal i1 0 1
         read
         turn => recall a, drained i1 0=0+0+0",
    ),
    (
        "what nobody can read is a dead letter, and counts as expired as far as it was a placement",
        "place a i0 1000
         junk i0
         tombstone i0
         seal i0 2 0
         read
         now 1000
         turn => dead, dead, fire a, drained i0 2=1+0+1",
    ),
    (
        "after a crash nothing fires before all that stood there is read",
        "place a i0 1000
         place b i0 1000
         revoke b i0
         read
         turn => revoked b
         place c i0 1000
         revoke c i0
         crash
         now 2000
         read 1
         turn =>
         read 1
         turn =>
         read 2
         turn =>
         read
         turn => revoked c, fire a",
    ),
    (
        "a turn that was not committed did not happen",
        "place a i0 1000
         place b i0 1000
         read
         now 1000
         lost turn
         read
         turn => fire a, fire b
         crash
         read
         turn =>",
    ),
    (
        "a slot far ahead is left in the log until its time is near",
        "reading => 24 slots
         place a i13 390000
         place b i2 61000
         read
         reading => 23 slots
         now 59999
         read
         reading => 23 slots
         now 60000
         reading => 24 slots
         read
         now 61000
         turn => fire b
         now 390000
         turn => fire a",
    ),
];

#[test]
fn a_shard_says_what_the_tables_say() {
    for (name, table) in TABLES {
        check(name, table, Config::default());
    }
}

#[test]
fn a_turn_is_cut_at_its_bound_and_the_next_goes_on() {
    let config = Config {
        max_fires_per_turn: 2,
        ..Config::default()
    };
    let herd = "place a i0 1000
         place b i0 1000
         place c i0 1000
         read
         now 1000
         turn => fire a, fire b
         place d i0 1000
         place e i0 500
         place f i0 400
         read
         turn => fire e, fire f
         crash
         read
         turn => fire c, fire d";
    check("a herd", herd, config);
}

fn check(name: &str, table: &str, config: Config) {
    let mut world = World::new(START, config);
    let mut seen = String::new();
    let mut wanted = String::new();
    for line in table.lines().map(str::trim) {
        let (command, _) = line.split_once("=>").unwrap_or((line, ""));
        let words: Vec<&str> = command.split_whitespace().collect();
        let came = run(&mut world, &words);
        let shown = if line.contains("=>") {
            format!("{command}=> {came}")
        } else {
            assert_eq!(came, "", "{name}: {line}");
            line.to_owned()
        };
        writeln!(seen, "{}", shown.trim()).expect("a string takes all");
        writeln!(wanted, "{line}").expect("a string takes all");
    }
    assert_eq!(seen, wanted, "{name}");
}

fn run(world: &mut World, words: &[&str]) -> String {
    match words {
        ["now", to] => world.advance(START + number(to)),
        ["place", name, of, due] => {
            world.place(instance(of), id(name), START + number(due), None);
        }
        ["place", name, of, due, expires] => {
            let expires = Some(START + number(expires));
            world.place(instance(of), id(name), START + number(due), expires);
        }
        ["revoke", name, of] => world.revoke(instance(of).slot(), instance(of), id(name)),
        ["revoke", name, of, "in", at] => {
            world.revoke(instance(at).slot(), instance(of), id(name));
        }
        ["seal", of, placements, revokes] => {
            let count = |text: &str| u64::try_from(number(text)).expect("a count");
            world.seal(instance(of), count(placements), count(revokes));
        }
        ["free", of] => world.free(instance(of)),
        ["junk", of] => world.append(instance(of).slot(), Some("junk".into())),
        ["tombstone", of] => world.append(instance(of).slot(), None),
        ["read"] => while world.deliver(1_000) {},
        ["read", most] => {
            world.deliver(usize::try_from(number(most)).expect("a count"));
        }
        ["wants", "a", "turn"] => {
            let wants = world.wants_turn();
            return if wants { "yes" } else { "no" }.to_owned();
        }
        ["reading"] => return format!("{} slots", world.reading().len()),
        ["crash"] => world.crash(),
        ["lost", "turn"] => {
            world.cut();
            world.crash();
        }
        ["turn"] => {
            let before = world.said.len();
            // As the driver does: time first, then the question.
            world.advance(world.now.0);
            let wanted = world.wants_turn();
            world.turn();
            let said: Vec<String> = world.said[before..].iter().map(show).collect();
            assert_eq!(wanted, !said.is_empty(), "wants_turn before {said:?}");
            return said.join(", ");
        }
        other => panic!("no such command: {other:?}"),
    }
    String::new()
}

fn show(said: &Said) -> String {
    let name = |id: &FireId| char::from(id.0[15]);
    match said {
        Said::Fire(id) => format!("fire {}", name(id)),
        Said::Recall(id) => format!("recall {}", name(id)),
        Said::Revoked(id) => format!("revoked {}", name(id)),
        Said::Expired(id) => format!("expired {}", name(id)),
        Said::Dead(_) => "dead".to_owned(),
        Said::Drained(it) => {
            let number = (it.instance.start().0 - START) / WIDTH_MS;
            let (placed, fired) = (it.placements, it.fired);
            format!(
                "drained i{number} {placed}={fired}+{}+{}",
                it.revoked, it.expired
            )
        }
    }
}

fn id(name: &str) -> FireId {
    FireId(u128::from(name.as_bytes()[0]).to_be_bytes())
}

fn instance(text: &str) -> Instance {
    Instance(Millis(START + number(&text[1..]) * WIDTH_MS))
}

fn number(text: &str) -> i64 {
    text.parse().expect("a number")
}
