//! Memory and processor time of processes, from /proc: those under load, and this one's own parts.

use std::collections::BTreeMap;
use std::path::Path;

use crate::flags::Pid;

/// `utime` and `stime` are counted in hundredths of a second on every Linux that Rust runs on.
const TICK_US: u64 = 10_000;

/// What was seen of each watched process.
#[derive(Clone, Debug)]
pub(crate) struct Watch {
    pids: Vec<Pid>,
    most: BTreeMap<String, f64>,
    begun_us: BTreeMap<String, u64>,
    now_us: BTreeMap<String, u64>,
}

impl Watch {
    /// Begins to count now.
    pub(crate) fn new(pids: &[Pid]) -> Self {
        let mut watch = Self {
            pids: pids.to_vec(),
            most: BTreeMap::new(),
            begun_us: BTreeMap::new(),
            now_us: BTreeMap::new(),
        };
        watch.look();
        watch.begun_us.clone_from(&watch.now_us);
        watch
    }

    /// Looks once; a process that is gone keeps what was seen of it.
    pub(crate) fn look(&mut self) {
        for Pid { role, pid } in &self.pids {
            let of = |file: &str| std::fs::read_to_string(format!("/proc/{pid}/{file}"));
            if let Some(mib) = of("status").ok().and_then(|text| resident_mib(&text)) {
                let most = self.most.entry(role.clone()).or_default();
                *most = most.max(mib);
            }
            if let Some(us) = of("stat").ok().and_then(|text| processor_us(&text)) {
                self.now_us.insert(role.clone(), us);
            }
        }
    }

    /// Most resident memory by role, MiB.
    pub(crate) fn most(&self) -> &BTreeMap<String, f64> {
        &self.most
    }

    /// Processor time by role since the beginning, seconds.
    pub(crate) fn processor_s(&self) -> BTreeMap<String, f64> {
        let since = |(role, now): (&String, &u64)| {
            let begun = self.begun_us.get(role).copied().unwrap_or(*now);
            (role.clone(), now.saturating_sub(begun) as f64 / 1e6)
        };
        self.now_us.iter().map(since).collect()
    }
}

/// Processor time of this process since its start by the names of its threads, seconds; a number at
/// the end of a name counts as the same.
pub(crate) fn own_processor_s() -> BTreeMap<String, f64> {
    let mut all: BTreeMap<String, f64> = BTreeMap::new();
    let Ok(threads) = std::fs::read_dir("/proc/self/task") else {
        return all;
    };
    for thread in threads.flatten() {
        let of = |file: &str| std::fs::read_to_string(Path::join(&thread.path(), file));
        let (Ok(name), Ok(stat)) = (of("comm"), of("stat")) else {
            continue;
        };
        let us = processor_us(&stat).unwrap_or(0);
        *all.entry(part(name.trim_end())).or_default() += us as f64 / 1e6;
    }
    all
}

/// `receiver-3` is `receiver`, `rdk:broker1` is `kafka client`.
fn part(thread: &str) -> String {
    if thread.starts_with("rdk:") || thread.contains("client po") || thread.contains("polling") {
        return "kafka client".to_owned();
    }
    let name = thread.trim_end_matches(|c: char| c.is_ascii_digit());
    name.trim_end_matches('-').to_owned()
}

fn resident_mib(status: &str) -> Option<f64> {
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("VmRSS:"))?;
    let kib: f64 = line.split_whitespace().next()?.parse().ok()?;
    Some(kib / 1_024.0)
}

/// The sum of `utime` and `stime`, microseconds. The name before them may hold anything.
fn processor_us(stat: &str) -> Option<u64> {
    let mut rest = stat.rsplit_once(')')?.1.split_whitespace().skip(11);
    let (user, system): (u64, u64) = (rest.next()?.parse().ok()?, rest.next()?.parse().ok()?);
    Some((user + system) * TICK_US)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn resident_memory_is_read_from_a_status() {
        let status = "Name:\tx\nVmHWM:\t 4096 kB\nVmRSS:\t  2048 kB\n";
        assert_eq!(resident_mib(status), Some(2.0));
        assert_eq!(resident_mib("Name:\tzombie\n"), None);
    }

    #[test]
    fn processor_time_is_user_and_system_whatever_the_name() {
        let stat = "7 (a b) c) S 1 7 7 0 -1 4194560 1 2 3 4 150 50 9 9 20 0 3 0 99 1 1";
        assert_eq!(processor_us(stat), Some(2_000_000));
        assert_eq!(processor_us("7 (gone"), None);
    }

    #[test]
    fn threads_of_one_kind_are_counted_together() {
        for (thread, expected) in [
            ("receiver-12", "receiver"),
            ("rdk:broker1", "kafka client"),
            ("admin client po", "kafka client"),
            ("acceptor", "acceptor"),
        ] {
            assert_eq!(part(thread), expected);
        }
    }

    #[test]
    fn work_is_seen_as_processor_time() {
        let pid = std::process::id();
        let role = "own".to_owned();
        let mut watch = Watch::new(&[Pid { role, pid }]);
        let mut sum = 0_u64;
        // Until the kernel has counted a tick.
        while watch.processor_s()["own"] == 0.0 {
            sum = (0..1_000_000).fold(sum, |sum: u64, n| sum.wrapping_mul(31).wrapping_add(n));
            watch.look();
        }
        assert!(std::hint::black_box(sum) > 0);
    }
}
