//! A worker as it runs: driver, log, caller, and an endpoint on a socket.

mod world;

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::Duration;

use dispatcher::run::Caller;
use dispatcher::{Config, DispatcherFactory, Input};
use pipeline::clock::SystemClock;
use pipeline::driver::Driver;
use pipeline::inbox::Inbox;
use pipeline::memory::{MemoryBroker, MemoryConfig};
use pipeline::{Broker, Clock, LogEvent, Outgoing, TopicPartition};
use schemas::outcome::{End, Ended};
use schemas::{Fire, LaneRecord, Millis, OutcomeRecord, Role, Shard, Shards, Topic};
use world::{NORMAL, id, wish};

/// One call as the endpoint got it: `webhook-id` and body.
type Got = (String, String);

struct Rig {
    broker: MemoryBroker,
    clock: Arc<dyn Clock>,
    config: Config,
    url: String,
    got: Receiver<Got>,
}

impl Rig {
    fn new(config: Config) -> Self {
        let clock: Arc<dyn Clock> = Arc::new(SystemClock);
        let memory = MemoryConfig {
            shards: Shards::new(1).expect("one"),
            ..MemoryConfig::default()
        };
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let url = format!("http://{}/", listener.local_addr().expect("bound"));
        let (sender, got) = channel();
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let sender = sender.clone();
                std::thread::spawn(move || serve(&stream, &sender));
            }
        });
        Self {
            broker: MemoryBroker::new(memory, Arc::clone(&clock)),
            clock,
            config,
            url,
            got,
        }
    }

    fn write_fire(&self, number: u32, ahead: u64) -> Millis {
        let now = self.clock.now().wall;
        let due = now.plus(ahead);
        let fire = Fire {
            fire_id: id(number),
            leg: 1,
            due,
            expires_at: None,
            triggered_at: now,
        };
        let mut work = wish(number, 0).work();
        work.call.url.clone_from(&self.url);
        let value = LaneRecord::Fire(fire, work.encode(b"{\"order\":42}")).encode();
        let record = Outgoing {
            to: TopicPartition::new(NORMAL, Shard(0)),
            key: None,
            value: Some(value),
            headers: Vec::new(),
        };
        let producer = self.broker.producer().expect("a producer");
        producer.send(record, Box::new(|written| assert!(written.is_ok())));
        due
    }

    fn driver(&self, inbox: &Inbox<Input>) -> Driver<DispatcherFactory> {
        Driver::new(
            Role::Dispatcher,
            self.broker.shards(),
            self.broker.join(Role::Dispatcher, "d-1").expect("a member"),
            DispatcherFactory::new(self.config.clone(), 1),
            Arc::clone(&self.clock),
            inbox.clone(),
        )
    }

    /// Runs a worker until `count` outcomes were ever committed, then lets it hand over in order.
    fn run_until(&self, count: usize) -> Vec<Ended> {
        let inbox = Inbox::new();
        let caller = Caller::new(&self.config, &self.clock, &inbox).expect("a caller");
        let mut driver = self.driver(&inbox);
        let mut sink = |shard, effect| caller.run(shard, effect);
        let wait = Duration::from_millis(20);
        while self.outcomes().len() < count {
            driver.turn(wait, &mut sink).expect("the log works");
        }
        driver.drain();
        while !driver.owns_nothing() {
            driver.turn(wait, &mut sink).expect("the log works");
        }
        self.outcomes()
    }

    fn outcomes(&self) -> Vec<Ended> {
        let of = TopicPartition::new(Topic::Outcomes, Shard(0));
        let mut reader = self.broker.reader().expect("a reader");
        reader.read(of, 0).expect("the log works");
        let mut events = Vec::new();
        reader
            .poll(Duration::ZERO, &mut events)
            .expect("the log works");
        let records = events.into_iter().flat_map(|event| match event {
            LogEvent::Batch { records, .. } => records,
            _ => Vec::new(),
        });
        let outcome = |record: pipeline::Record| {
            let value = record.value.expect("a value");
            OutcomeRecord::decode(&value).expect("an outcome")
        };
        records
            .flat_map(|record| outcome(record).into_each())
            .map(|outcome| match outcome {
                OutcomeRecord::Ended(ended) => ended,
                other => panic!("{other:?}"),
            })
            .collect()
    }
}

fn serve(stream: &TcpStream, got: &Sender<Got>) {
    let mut reader = BufReader::new(stream);
    loop {
        let (mut id, mut length) = (String::new(), 0);
        loop {
            let mut line = String::new();
            match reader.read_line(&mut line) {
                Ok(0) | Err(_) => return,
                Ok(_) if line == "\r\n" => break,
                Ok(_) => {}
            }
            let (name, value) = line.trim().split_once(": ").unwrap_or_default();
            match name {
                "webhook-id" => value.clone_into(&mut id),
                "content-length" => length = value.parse().expect("a length"),
                _ => {}
            }
        }
        let mut body = vec![0; length];
        if reader.read_exact(&mut body).is_err() {
            return;
        }
        let _ = got.send((id, String::from_utf8_lossy(&body).into_owned()));
        let mut stream = stream;
        let _ = stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok");
    }
}

#[test]
fn fires_become_calls_and_outcomes_and_a_successor_makes_none_of_them_again() {
    let folder = tempfile::tempdir().expect("a folder");
    let journal = folder.path().join("begun");
    let rig = Rig::new(Config {
        allow_loopback: true,
        journal: Some(journal.clone()),
        ..Config::default()
    });
    let dues = [0, 60, 30].map(|ahead| (ahead, rig.write_fire(ahead, u64::from(ahead))));
    let outcomes = rig.run_until(3);
    assert_eq!(outcomes.len(), 3);
    for ended in &outcomes {
        assert_eq!(ended.end, End::Success);
        let answer = ended.answer.as_ref().expect("called");
        let body = answer.body.as_ref().map(|body| &body.bytes[..]);
        assert_eq!(body, Some(&b"ok"[..]));
        let due = dues.iter().find(|(n, _)| id(*n) == ended.fire_id);
        assert!(ended.phases.began_at >= due.map(|(_, due)| *due), "early");
    }
    let mut got: Vec<Got> = rig.got.try_iter().collect();
    got.sort();
    let expected = [0, 30, 60].map(|n| (id(n).to_string(), "{\"order\":42}".to_owned()));
    assert_eq!(got, expected);

    rig.write_fire(7, 0);
    assert_eq!(rig.run_until(4).len(), 4);
    assert_eq!(rig.got.try_iter().count(), 1, "only the new one is called");
    let lines = std::fs::read_to_string(journal).expect("a journal");
    let begun: Vec<&str> = lines.lines().collect();
    assert_eq!(begun.len(), 4);
    let beginning = format!("{} 1 1 ", id(7));
    assert!(begun[3].starts_with(&beginning), "{lines}");
}

#[test]
fn a_forbidden_endpoint_is_a_dead_outcome() {
    let rig = Rig::new(Config::default());
    rig.write_fire(1, 0);
    let outcomes = rig.run_until(1);
    let End::Dead { reason } = &outcomes[0].end else {
        panic!("{:?}", outcomes[0]);
    };
    assert!(reason.contains("a loopback address"), "{reason}");
    assert_eq!(rig.got.try_iter().count(), 0);
}

#[test]
fn a_journal_that_cannot_be_opened_is_named() {
    let rig = Rig::new(Config::default());
    let config = Config {
        journal: Some("/nowhere/at/all".into()),
        ..Config::default()
    };
    let error = Caller::new(&config, &rig.clock, &Inbox::new()).expect_err("no such folder");
    assert!(error.to_string().contains("/nowhere/at/all"), "{error}");
}
