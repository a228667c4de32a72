use super::*;

fn settings(words: &str) -> Result<Settings> {
    let words = ["tidewheel-load"].into_iter().chain(words.split(' '));
    Settings::from_flags(Flags::try_parse_from(words)?)
}

#[test]
fn flags_say_what_the_profile_leaves_open() {
    let all = settings(
        "steady --via kafka --rate 10 --for 5s --ahead 500ms..2s --target 127.0.0.1:19092 \
         --prefix p. --seed 9 --pids planner=12,trigger=13 --raw-http --json a.json",
    )
    .expect("good flags");
    assert_eq!(all.extent, Extent::Millis(5_000));
    assert_eq!(
        all.ahead,
        Span {
            min: 500,
            max: 2_000
        }
    );
    assert_eq!(all.pids[1].pid, 13);
    assert!(all.raw && all.door.is_none());
    let herd = settings("herd --tasks 70").expect("good flags");
    assert_eq!(herd.extent, Extent::Tasks(70));
    assert_eq!(herd.door.as_deref(), Some("http://127.0.0.1:7800"));
}

#[test]
fn loads_go_to_this_machine_only() {
    let cases = [
        ("steady --target http://127.0.0.1:7800/", true),
        ("steady --target http://localhost:7800", true),
        ("steady --target http://[::1]:7800", true),
        ("steady --target https://127.0.0.1:7800", false),
        ("steady --target http://10.0.0.1:7800", false),
        ("steady --target http://example.com:80", false),
        ("steady --target http://127.0.0.1", false),
        (
            "steady --via kafka --target 127.0.0.1:1,192.168.0.1:1",
            false,
        ),
        ("steady --ahead 3s..2s", false),
        ("steady --rate 0", false),
        ("steady --pids planner", false),
        ("steady --for 1s --tasks 3", false),
        ("steady --via kafka --commands 3", false),
        ("steady --harm kill:planner@1s", false),
        ("steady --harm kill:planner@1s --pids planner=7", true),
        (
            "steady --via kafka --commands 3 --door http://127.0.0.1:1",
            true,
        ),
    ];
    for (words, good) in cases {
        assert_eq!(settings(words).is_ok(), good, "{words}");
    }
}

#[test]
fn a_directory_is_for_the_raw_log_alone_and_a_lag_for_brokers() {
    for (words, good) in [
        ("raw-log --via embedded --target /tmp/x", true),
        ("steady --via embedded --target /tmp/x", false),
        ("steady --via kafka --lag", true),
        ("steady --via http --lag", false),
        ("steady --cancels 100 --bulk", false),
    ] {
        assert_eq!(settings(words).is_ok(), good, "{words}");
    }
}
