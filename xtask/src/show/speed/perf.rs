//! A profile by `perf`, sorted into the parts that a task's time goes to.
//!
//! Samples carry the function that ran, not who called it: what a part makes others do for it (copying,
//! the allocator, the kernel) stands under its own name.

use crate::{repo, sys};
use anyhow::{Context, Result};
use std::collections::BTreeMap;
use std::process::{Command, Stdio};

/// Samples by process and part.
pub(super) type Profile = BTreeMap<String, BTreeMap<String, u64>>;

/// Processes that are not ours.
const FOREIGN: [&str; 2] = ["kafka", "mariadb"];
/// Samples a second and processor.
const RATE: &str = "499";
/// Parts by what the library or the function's name contains; the first that fits. Both spellings of a
/// name: as written, and as the linker knows it.
const PARTS: [(&str, &[&str]); 15] = [
    (
        "kernel: network",
        &[
            "tcp_",
            "inet_",
            "ip_",
            "sock_",
            "skb",
            "net_rx",
            "loopback",
            "__dev_queue",
        ],
    ),
    (
        "kernel: files",
        &[
            "ext4",
            "xfs",
            "vfs_",
            "fsync",
            "jbd2",
            "page_cache",
            "filemap",
            "writeback",
        ],
    ),
    ("kernel: other", &["[kernel", "[unknown] ([k"]),
    (
        "memory",
        &[
            "malloc",
            "calloc",
            "realloc",
            "cfree",
            "_int_free",
            "mi_",
            "unlink_chunk",
        ],
    ),
    ("copying", &["memcpy", "memmove", "memset", "memcmp"]),
    (
        "store",
        &["fjall", "lsm_tree", "lz4_flex", "value_log", "sfa"],
    ),
    (
        "log: produce",
        &[
            "rd_kafka_msg",
            "msgset_writer",
            "rd_kafka_produce",
            "ProduceRequest",
            "rd_crc32c",
        ],
    ),
    (
        "log: consume",
        &["rd_kafka_fetch", "msgset_reader", "rd_kafka_op", "consume"],
    ),
    (
        "log: other",
        &["rd_kafka", "rd_buf", "rd_slice", "rdkafka", "rd_"],
    ),
    (
        "decode and encode",
        &["schemas", "serde", "postcard", "itoa", "ryu"],
    ),
    (
        "core",
        &["4core", "::core::lane", "planner", "trigger", "dispatcher"],
    ),
    ("archive", &["archive", "sqlx"]),
    (
        "call and door",
        &["hyper", "reqwest", "http", "tower", "axum", "ingest", "url"],
    ),
    ("driver", &["pipeline"]),
    (
        "runtime",
        &["tokio", "futures", "mio", "std::", "alloc::", "core::"],
    ),
];

/// Watches these processes for so many seconds.
pub(super) fn sample(watched: &[(String, u32)], seconds: u64) -> Result<Profile> {
    let file = repo::dir(repo::root().join("target/show"))?.join("perf.data");
    let pids: Vec<String> = watched.iter().map(|(_, pid)| pid.to_string()).collect();
    let mut record = Command::new("perf");
    record.args(["record", "-q", "-F", RATE, "-p", &pids.join(","), "-o"]);
    record
        .arg(&file)
        .args(["--", "sleep", &seconds.to_string()]);
    sys::capture(&mut record)?;
    let mut script = Command::new("perf");
    script
        .args(["script", "-F", "comm,pid,ip,sym,dso", "-i"])
        .arg(&file);
    let output = script
        .stderr(Stdio::null())
        .output()
        .context("start `perf script`")?;
    let text = String::from_utf8_lossy(&output.stdout);
    let mut profile = sort(&text, watched);
    profile.retain(|_, parts| !parts.is_empty());
    anyhow::ensure!(!profile.is_empty(), "perf took no samples");
    Ok(profile)
}

/// Lines `THREAD PID ADDRESS FUNCTION (LIBRARY)`; a thread's name may hold blanks.
fn sort(text: &str, watched: &[(String, u32)]) -> Profile {
    let mut profile = Profile::new();
    for line in text.lines() {
        let words: Vec<&str> = line.split_whitespace().collect();
        let is_of = |word: &str| watched.iter().find(|(_, pid)| word == pid.to_string());
        let found = words.iter().enumerate().skip(1);
        let Some((at, (role, _))) = found
            .filter_map(|(at, word)| Some((at, is_of(word)?)))
            .next()
        else {
            continue;
        };
        let (thread, function) = (words[..at].join(" "), words[at + 1..].join(" "));
        let part = if FOREIGN.contains(&role.as_str()) {
            // Their functions have no names here; their threads tell what they do.
            thread
                .trim_end_matches(|c: char| c.is_ascii_digit() || "-# ".contains(c))
                .to_owned()
        } else {
            part(&function).to_owned()
        };
        *profile
            .entry(role.clone())
            .or_default()
            .entry(part)
            .or_default() += 1;
    }
    profile
}

fn part(function: &str) -> &'static str {
    let in_kernel = function.contains("[kernel") || function.contains("([k");
    let found = PARTS.iter().find(|(name, words)| {
        name.starts_with("kernel") == in_kernel && words.iter().any(|word| function.contains(word))
    });
    match found {
        Some((name, _)) => name,
        None if in_kernel => "kernel: other",
        None => "other",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn samples_are_sorted_by_process_and_part() {
        let text = "planner  12  55d0 planner::core::plant::try_plant (/x/tidewheel)\n\
                    \x20tokio rt 12  ffff tcp_sendmsg ([kernel.kallsyms])\n\
                    rdk:broker1 12  7f00 rd_kafka_msgset_writer_write (/x/tidewheel)\n\
                    trigger 13  55d1 serde_json::de::from_slice (/x/tidewheel)\n\
                    C2 CompilerThre 15  55d1 [unknown] ([unknown])\n\
                    GC Thread#0 15  55d1 [unknown] (libjvm.so)\n\
                    other 14  55d2 whatever (/x/y)\n";
        let watched = [("planner", 12), ("trigger", 13), ("kafka", 15)];
        let watched = watched.map(|(role, pid)| (role.to_owned(), pid));
        let profile = sort(text, &watched);
        let planner = &profile["planner"];
        assert_eq!(planner["core"], 1);
        assert_eq!(planner["kernel: network"], 1);
        assert_eq!(planner["log: produce"], 1);
        assert_eq!(profile["trigger"]["decode and encode"], 1);
        assert_eq!(profile["kafka"]["C2 CompilerThre"], 1);
        assert_eq!(profile["kafka"]["GC Thread"], 1);
        assert_eq!(profile.len(), 3);
    }
}
