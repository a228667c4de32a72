//! The most memory that watched processes were seen to use.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

const LOOK_EVERY: Duration = Duration::from_secs(1);

/// Peak resident memory by role, MiB. Clones share it.
#[derive(Clone, Debug, Default)]
pub(crate) struct Memory(Arc<Mutex<BTreeMap<String, f64>>>);

impl Memory {
    /// Watches `processes` until the program ends; a role of several processes counts their sum.
    pub(crate) fn watch(processes: Vec<(String, u32)>) -> Self {
        let memory = Self::default();
        if processes.is_empty() {
            return memory;
        }
        let watched = memory.clone();
        tokio::spawn(async move {
            let mut tick = tokio::time::interval(LOOK_EVERY);
            loop {
                tick.tick().await;
                watched.look(&processes);
            }
        });
        memory
    }

    /// What was seen.
    pub(crate) fn peaks(&self) -> BTreeMap<String, f64> {
        self.0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    fn look(&self, processes: &[(String, u32)]) {
        let mut now: BTreeMap<&str, f64> = BTreeMap::new();
        for (role, pid) in processes {
            // One that was killed uses none.
            let status = std::fs::read_to_string(format!("/proc/{pid}/status"));
            let mib = status.ok().and_then(|text| resident_mib(&text));
            *now.entry(role).or_default() += mib.unwrap_or(0.0);
        }
        let mut peaks = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        for (role, mib) in now {
            let peak = peaks.entry(role.to_owned()).or_default();
            *peak = peak.max(mib);
        }
    }
}

fn resident_mib(status: &str) -> Option<f64> {
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("VmRSS:"))?;
    let kib: f64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kib / 1_024.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn resident_memory_is_read_from_the_status() {
        let cases = [
            ("Name:\ttw\nVmRSS:\t    2048 kB\nThreads:\t3", Some(2.0)),
            ("Name:\ttw\n", None),
            ("VmRSS:\t many kB\n", None),
        ];
        for (status, mib) in cases {
            assert_eq!(resident_mib(status), mib, "{status}");
        }
    }
}
