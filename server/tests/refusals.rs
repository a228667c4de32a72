//! What the binary says, and that it ends, when it cannot do what it was told.

use std::io::{BufRead, BufReader};
use std::net::TcpListener;
use std::path::Path;
use std::process::{Command, Stdio};

const ALL: &str = "ingest,planner,trigger,dispatcher,archive";

/// A server of all roles over the embedded log in `data`.
fn server(data: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_tidewheel"));
    command
        .args(["server", "--role", ALL])
        .env("TIDEWHEEL__LOG__KIND", "embedded")
        .env("TIDEWHEEL__LOG__SHARDS", "1")
        .env("TIDEWHEEL__EMBEDDED__DATA", data)
        .env("TIDEWHEEL__PLANNER__DATA", data.join("planner"))
        .env("TIDEWHEEL__HTTP__LISTEN", "127.0.0.1:0")
        .env("TIDEWHEEL__INGEST__ALLOW_ANONYMOUS_LOOPBACK", "true");
    command
}

/// What it says on its way out.
fn refused(data: &Path, settings: &[(&str, &str)]) -> String {
    let mut command = server(data);
    for (name, value) in settings {
        command.env(name, value);
    }
    let output = command.output().expect("it runs");
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(!output.status.success(), "{said}");
    said
}

#[test]
fn what_cannot_be_served_ends_the_process_and_names_the_option() {
    let taken = TcpListener::bind("127.0.0.1:0").expect("a port");
    let taken = taken.local_addr().expect("its address").to_string();
    let data = tempfile::tempdir().expect("a directory");
    let file = data.path().join("file");
    std::fs::write(&file, b"").expect("a file");
    let below = file.join("planner").display().to_string();
    let cases: [(&str, &str, [&str; 2]); 4] = [
        ("TIDEWHEEL__HTTP__LISTEN", &taken, [&taken, "http.listen"]),
        (
            "TIDEWHEEL__INTERNAL__LISTEN",
            &taken,
            [&taken, "internal.listen"],
        ),
        (
            "TIDEWHEEL__INGEST__ALLOW_ANONYMOUS_LOOPBACK",
            "false",
            ["ingest", "`keys` is empty"],
        ),
        ("TIDEWHEEL__PLANNER__DATA", &below, [&below, "planner.data"]),
    ];
    for (option, value, words) in cases {
        let said = refused(&data.path().join("log"), &[(option, value)]);
        for word in words {
            assert!(
                said.contains(word),
                "{option}={value}: no `{word}` in {said}"
            );
        }
    }
}

#[cfg(feature = "kafka")]
#[test]
fn a_broker_that_does_not_answer_is_named() {
    let gone = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = gone.local_addr().expect("its address").to_string();
    drop(gone);
    let output = Command::new(env!("CARGO_BIN_EXE_tidewheel"))
        .args(["topics", "check"])
        .env("TIDEWHEEL__KAFKA__BOOTSTRAP", &address)
        .output()
        .expect("it runs");
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(!output.status.success(), "{said}");
    for word in [address.as_str(), "kafka.bootstrap"] {
        assert!(said.contains(word), "no `{word}` in {said}");
    }
}

/// A signal that comes before it listens is heard as well: it drains, and is not killed by it.
#[test]
fn a_process_that_is_told_to_end_while_it_starts_ends_in_order() {
    let data = tempfile::tempdir().expect("a directory");
    let mut child = server(&data.path().join("log"))
        .stderr(Stdio::piped())
        .spawn()
        .expect("it starts");
    let mut log = BufReader::new(child.stderr.take().expect("its log"));
    let mut said = String::new();
    log.read_line(&mut said).expect("its first line");
    let pid = child.id().to_string();
    let told = Command::new("kill").args(["-TERM", &pid]).status();
    assert!(told.expect("a kill").success());
    for line in log.lines() {
        said.push_str(&line.expect("text"));
        said.push('\n');
    }
    let status = child.wait().expect("it ends");
    assert!(status.success(), "{status}: {said}");
    assert!(said.contains("SIGTERM: draining"), "{said}");
}
