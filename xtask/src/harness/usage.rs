//! Processor time of processes, from /proc.

use std::collections::BTreeMap;

/// `utime` and `stime` are counted in hundredths of a second on every Linux that Rust runs on.
const TICKS_A_SECOND: f64 = 100.0;

/// Seconds of processor time by role so far; those that are gone are left out.
pub(crate) fn all(watched: &[(String, u32)]) -> BTreeMap<String, f64> {
    let mut sums = BTreeMap::new();
    for (role, pid) in watched {
        let stat = std::fs::read_to_string(format!("/proc/{pid}/stat"));
        if let Some(seconds) = stat.ok().and_then(|stat| seconds(&stat)) {
            *sums.entry(role.clone()).or_insert(0.0) += seconds;
        }
    }
    sums
}

/// The sum of `utime` and `stime`. The name before them may hold anything.
fn seconds(stat: &str) -> Option<f64> {
    let mut rest = stat.rsplit_once(')')?.1.split_whitespace().skip(11);
    let (user, system): (f64, f64) = (rest.next()?.parse().ok()?, rest.next()?.parse().ok()?);
    Some((user + system) / TICKS_A_SECOND)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn processor_time_is_user_and_system_whatever_the_name() {
        let stat = "7 (a b) c) S 1 7 7 0 -1 4194560 1 2 3 4 150 50 9 9 20 0 3 0 99 1 1";
        assert_eq!(seconds(stat), Some(2.0));
        assert_eq!(seconds("7 (gone"), None);
    }
}
