//! Options of the dispatcher, with their defaults.

use std::path::PathBuf;

/// How early the trigger lets fires go, ms: a hold longer than this and the clocks' skew is not a
/// hold but a mistake.
pub const LEAD_MS: u64 = 150;

/// Every option. Times in ms.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Config {
    /// Fires and recalls open at once in one lane partition. Its note tells of about 700 even when they
    /// lie a million offsets apart; where it cannot tell all, answers wait for the frontier.
    pub max_open: usize,
    /// Bytes of fires open at once in one lane partition.
    pub max_open_bytes: usize,
    /// Calls in flight at once for one shard.
    pub max_calls_per_shard: usize,
    /// Calls in flight at once for one worker.
    pub max_calls: usize,
    /// Threads that make calls.
    pub call_threads: usize,
    /// How early the trigger lets fires go.
    pub lead_ms: u64,
    /// How far the clocks of two machines may differ.
    pub skew_bound_ms: u64,
    /// Limit of connecting, name resolution and TLS included; a call's own timeout holds too.
    pub connect_timeout_ms: u64,
    /// An idle connection is kept so long. Shorter than the 5 s after which common servers close
    /// theirs, so that no call meets a connection that is just being closed.
    pub idle_timeout_ms: u64,
    /// Idle connections kept for each host: as many as there may be calls, or those of a burst would be
    /// closed and opened again by the next.
    pub idle_per_host: usize,
    /// Whether HTTP/2 may be negotiated over TLS.
    pub http2: bool,
    /// Whether loopback addresses may be called: for development.
    pub allow_loopback: bool,
    /// Whether private networks (RFC 1918, RFC 6598, RFC 4193) may be called. Link-local addresses
    /// and those of cloud metadata services never are.
    pub allow_private: bool,
    /// A file that gets a line for each call begun, before it is sent; for crash tests.
    pub journal: Option<PathBuf>,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            max_open: 1_500,
            max_open_bytes: 32 << 20,
            max_calls_per_shard: 1_024,
            max_calls: 4_096,
            call_threads: 1,
            lead_ms: LEAD_MS,
            skew_bound_ms: 1_000,
            connect_timeout_ms: 5_000,
            idle_timeout_ms: 4_000,
            idle_per_host: 4_096,
            http2: false,
            allow_loopback: false,
            allow_private: false,
            journal: None,
        }
    }
}

impl Config {
    /// The longest time a fire is held; what would be held longer goes back.
    #[must_use]
    pub fn longest_hold_ms(&self) -> u64 {
        self.lead_ms.saturating_add(self.skew_bound_ms)
    }

    /// Everything wrong with it, each as `option: problem`; empty when it can be used.
    #[must_use]
    pub fn validate(&self) -> Vec<String> {
        let mut problems = Vec::new();
        let mut between = |name: &str, value: usize, least: usize, most: usize| {
            if !(least..=most).contains(&value) {
                problems.push(format!("`{name}` is {value}, must be {least} to {most}"));
            }
        };
        between("max_open", self.max_open, 1, MOST_OPEN);
        between("max_open_bytes", self.max_open_bytes, 1 << 20, 4 << 30);
        between("max_calls_per_shard", self.max_calls_per_shard, 1, 65_536);
        between("max_calls", self.max_calls, 1, 65_536);
        between("call_threads", self.call_threads, 1, 256);
        if self.connect_timeout_ms == 0 {
            problems.push("`connect_timeout` is 0, no connection is that fast".to_owned());
        }
        problems
    }
}

/// More cannot be told in a note, even when all lie side by side.
const MOST_OPEN: usize = 10_000;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn defaults_are_valid_and_every_problem_is_named_at_once() {
        assert_eq!(Config::default().validate(), Vec::<String>::new());
        let bad = Config {
            max_open: 0,
            max_calls: 0,
            connect_timeout_ms: 0,
            ..Config::default()
        };
        let problems = bad.validate();
        for name in ["max_open", "max_calls", "connect_timeout"] {
            let quoted = format!("`{name}`");
            assert!(problems.iter().any(|p| p.starts_with(&quoted)), "{name}");
        }
        assert_eq!(problems.len(), 3);
    }
}
