//! A profile by `perf`, sorted into the parts that a task's time goes to.
//!
//! Samples carry the function that ran, not who called it: what a part makes others do for it (copying,
//! the allocator, the kernel) stands under its own name.

use crate::{repo, sys};
use anyhow::{Context, Result};
use std::collections::BTreeMap;
use std::process::{Command, Stdio};

/// Samples by process and part.
pub(super) type Profile = BTreeMap<String, BTreeMap<&'static str, u64>>;

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
        .args(["script", "-F", "pid,ip,sym,dso", "-i"])
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

/// Lines `PID ADDRESS FUNCTION (LIBRARY)`.
fn sort(text: &str, watched: &[(String, u32)]) -> Profile {
    let mut profile = Profile::new();
    for line in text.lines() {
        let Some((pid, function)) = line.trim_start().split_once(' ') else {
            continue;
        };
        // `PID/TID` by some versions.
        let pid = pid
            .split('/')
            .next()
            .and_then(|pid| pid.parse::<u32>().ok());
        let Some((role, _)) = watched.iter().find(|(_, of)| Some(*of) == pid) else {
            continue;
        };
        let parts = profile.entry(role.clone()).or_default();
        *parts.entry(part(function)).or_default() += 1;
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
        let text = "  12  55d0 planner::core::plant::try_plant (/x/tidewheel)\n\
                    \x20 12  ffff tcp_sendmsg ([kernel.kallsyms])\n\
                    \x20 12  7f00 rd_kafka_msgset_writer_write (/x/tidewheel)\n\
                    \x20 13  55d1 serde_json::de::from_slice (/x/tidewheel)\n\
                    \x20 14  55d2 whatever (/x/y)\n";
        let watched = [("planner".to_owned(), 12), ("trigger".to_owned(), 13)];
        let profile = sort(text, &watched);
        let planner = &profile["planner"];
        assert_eq!(planner["core"], 1);
        assert_eq!(planner["kernel: network"], 1);
        assert_eq!(planner["log: produce"], 1);
        assert_eq!(profile["trigger"]["decode and encode"], 1);
        assert_eq!(profile.len(), 2);
    }
}
