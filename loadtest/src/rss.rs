//! Memory of the processes under load, from /proc.

use std::collections::BTreeMap;

use crate::flags::Pid;

/// What was seen of each watched process.
#[derive(Clone, Debug)]
pub(crate) struct Watch {
    pids: Vec<Pid>,
    most: BTreeMap<String, f64>,
}

impl Watch {
    pub(crate) fn new(pids: &[Pid]) -> Self {
        Self {
            pids: pids.to_vec(),
            most: BTreeMap::new(),
        }
    }

    /// Looks once; a process that is gone keeps what was seen of it.
    pub(crate) fn look(&mut self) {
        for Pid { role, pid } in &self.pids {
            let Ok(status) = std::fs::read_to_string(format!("/proc/{pid}/status")) else {
                continue;
            };
            if let Some(mib) = resident_mib(&status) {
                let most = self.most.entry(role.clone()).or_default();
                *most = most.max(mib);
            }
        }
    }

    /// Most resident memory by role, MiB.
    pub(crate) fn most(&self) -> &BTreeMap<String, f64> {
        &self.most
    }
}

fn resident_mib(status: &str) -> Option<f64> {
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("VmRSS:"))?;
    let kib: f64 = line.split_whitespace().next()?.parse().ok()?;
    Some(kib / 1_024.0)
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
}
