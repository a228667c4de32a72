//! Who may not commit any more.

use std::io::{BufRead, BufReader, Write};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use pipeline::kafka::{KafkaBroker, KafkaConfig};
use pipeline::{Broker, LogError};
use rdkafka::ClientConfig;
use rdkafka::TopicPartitionList;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::producer::{BaseProducer, Producer};
use rdkafka::topic_partition_list::Offset;
use schemas::{Role, Shard, Shards};

use super::support::{Member, PATIENCE, World, at, position, record};
use super::{INPUT, OUTPUT};

const LIMIT: Duration = Duration::from_secs(20);

/// The rule of the brokers that everything rests on, without our own code in between.
#[test]
fn metadata_captured_before_a_second_static_member_joined_is_refused() {
    let Some(world) = World::new(2, &[INPUT, OUTPUT]) else {
        return;
    };
    let input = format!("{}registrations", world.config.prefix);
    let consumer = |name: &str| -> BaseConsumer {
        let consumer: BaseConsumer = ClientConfig::new()
            .set("bootstrap.servers", &world.config.bootstrap)
            .set("group.id", world.config.group(Role::Planner))
            .set("group.instance.id", name)
            .set("session.timeout.ms", "3000")
            .set("heartbeat.interval.ms", "200")
            .create()
            .unwrap();
        consumer.subscribe(&[&input]).unwrap();
        consumer
    };
    let assigned = |all: &[&BaseConsumer], counts: &[usize]| {
        let begun = Instant::now();
        while all
            .iter()
            .map(|one| one.assignment().unwrap().count())
            .ne(counts.iter().copied())
        {
            assert!(begun.elapsed() < PATIENCE);
            for one in all {
                drop(one.poll(Duration::from_millis(50)));
            }
        }
    };
    let first = consumer("first");
    assigned(&[&first], &[2]);
    let before = first.group_metadata().unwrap();
    let second = consumer("second");
    assigned(&[&first, &second], &[1, 1]);
    let producer: BaseProducer = ClientConfig::new()
        .set("bootstrap.servers", &world.config.bootstrap)
        .set("transactional.id", format!("{}first", world.config.prefix))
        .create()
        .unwrap();
    producer.init_transactions(LIMIT).unwrap();
    let mut list = TopicPartitionList::new();
    list.add_partition_offset(&input, 0, Offset::Offset(1))
        .unwrap();
    producer.begin_transaction().unwrap();
    let refused = producer
        .send_offsets_to_transaction(&list, &before, LIMIT)
        .unwrap_err();
    assert!(refused.to_string().contains("generation"), "{refused}");
    producer.abort_transaction(LIMIT).unwrap();
    producer.begin_transaction().unwrap();
    let fresh = first.group_metadata().unwrap();
    producer
        .send_offsets_to_transaction(&list, &fresh, LIMIT)
        .unwrap();
    producer.commit_transaction(LIMIT).unwrap();
}

#[test]
fn who_joins_again_under_its_name_takes_the_place_of_its_predecessor() {
    let Some(world) = World::new(2, &[INPUT, OUTPUT]) else {
        return;
    };
    let mut old = world.member(Role::Planner, "one");
    let driver = at(INPUT, 0);
    old.commit(Vec::new(), vec![(driver, position(1, ""))])
        .unwrap();
    let mut new = world.member(Role::Planner, "one");
    let begun = Instant::now();
    // Whatever the predecessor tries, nothing of it is committed; in the end it is told for good.
    let error = loop {
        assert!(begun.elapsed() < PATIENCE, "the predecessor was never told");
        let records = vec![record(at(OUTPUT, 0), "of the predecessor")];
        let positions = vec![(driver, position(2, ""))];
        let now = u64::try_from(begun.elapsed().as_millis()).unwrap();
        drop(old.log.commit(records, positions, now));
        let wait = Duration::from_millis(100);
        if let Err(error) = old.log.poll(wait, &mut |_| 0, &mut old.events) {
            break error;
        }
    };
    assert!(matches!(error, LogError::Fatal(_)), "{error}");
    assert_eq!(new.committed(&[driver]), [Some(position(1, ""))]);
    // Its producer may have been fenced off by the predecessor's last try; the next one is not.
    let commit = |new: &mut Member| new.commit(Vec::new(), vec![(driver, position(3, ""))]);
    commit(&mut new).or_else(|_| commit(&mut new)).unwrap();
    assert_eq!(new.committed(&[driver]), [Some(position(3, ""))]);
    let output = at(OUTPUT, 0);
    let (_, end) = new.ends(&[output])[0];
    new.log.read(output, 0).unwrap();
    if end > 0 {
        assert_eq!(new.values_until(output, end), Vec::<String>::new());
    }
}

const CHILD: &str = "TIDEWHEEL_TEST_ZOMBIE";

/// A member in another process, stopped like a machine that hangs until its session is over.
#[test]
fn a_member_that_hung_through_its_session_cannot_commit() {
    if let Ok(arguments) = std::env::var(CHILD) {
        return be_the_zombie(&arguments);
    }
    let Some(world) = World::new(2, &[INPUT, OUTPUT]) else {
        return;
    };
    let mut zombie = Zombie::start(&world.config);
    zombie.expect("assigned");
    zombie.say("commit 1");
    zombie.expect("committed");
    let mut heir = world.joining(Role::Planner, "heir");
    zombie.expect("revoked");
    // In the middle of the handover it hangs.
    zombie.signal("-STOP");
    assert_eq!(heir.assigned(), [0, 1].map(Shard));
    let driver = at(INPUT, 0);
    assert_eq!(heir.committed(&[driver]), [Some(position(1, ""))]);
    heir.commit(Vec::new(), vec![(driver, position(7, ""))])
        .unwrap();
    zombie.say("commit 2");
    zombie.signal("-CONT");
    zombie.expect("refused");
    assert_eq!(heir.committed(&[driver]), [Some(position(7, ""))]);
    heir.commit(Vec::new(), vec![(driver, position(8, ""))])
        .unwrap();
    assert_eq!(heir.committed(&[driver]), [Some(position(8, ""))]);
}

struct Zombie {
    child: Child,
    lines: std::io::Lines<BufReader<std::process::ChildStdout>>,
}

impl Zombie {
    fn start(config: &KafkaConfig) -> Self {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args([
                "--exact",
                "fencing::a_member_that_hung_through_its_session_cannot_commit",
            ])
            .arg("--nocapture")
            .env(CHILD, format!("{} {}", config.bootstrap, config.prefix))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        Self { child, lines }
    }

    fn say(&mut self, line: &str) {
        writeln!(self.child.stdin.as_mut().unwrap(), "{line}").unwrap();
    }

    fn expect(&mut self, word: &str) {
        for line in self.lines.by_ref() {
            let line = line.unwrap();
            if let Some(said) = line.split("zombie: ").nth(1) {
                assert!(said.starts_with(word), "expected {word}: {said}");
                return;
            }
        }
        panic!("the other process ended before it said {word}");
    }

    fn signal(&self, signal: &str) {
        let id = self.child.id().to_string();
        assert!(
            Command::new("kill")
                .args([signal, &id])
                .status()
                .unwrap()
                .success()
        );
    }
}

impl Drop for Zombie {
    fn drop(&mut self) {
        self.child.kill().ok();
        self.child.wait().ok();
    }
}

fn be_the_zombie(arguments: &str) {
    let (bootstrap, prefix) = arguments.split_once(' ').unwrap();
    let config = KafkaConfig {
        bootstrap: bootstrap.to_owned(),
        prefix: prefix.to_owned(),
        shards: Shards::new(2).unwrap(),
        session_timeout_ms: 3_000,
        ..KafkaConfig::default()
    };
    let broker = KafkaBroker::new(config).unwrap();
    let log = broker.join(Role::Planner, "zombie").unwrap();
    let mut member = Member {
        log,
        events: Vec::new(),
    };
    member.assigned();
    println!("\nzombie: assigned");
    for line in std::io::stdin().lock().lines() {
        let line = line.unwrap();
        let offset = line.strip_prefix("commit ").unwrap().parse().unwrap();
        let records = vec![record(at(OUTPUT, 0), "of the zombie")];
        match member.commit(records, vec![(at(INPUT, 0), position(offset, ""))]) {
            Ok(_) => println!("\nzombie: committed"),
            Err(error) => println!("\nzombie: refused {error}"),
        }
        if offset == 1 {
            member.revoked();
            println!("\nzombie: revoked");
        }
    }
}
