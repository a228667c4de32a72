//! The door's options.

use std::net::SocketAddr;
use std::time::Duration;

use schemas::TenantId;
use serde::{Deserialize, Deserializer, de};

/// Every option of the door. Durations are text (`30s`), sizes bytes.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// Who may come in, and for which tenants. Without any the door refuses to start, unless
    /// [`Config::allow_anonymous_loopback`].
    pub keys: Vec<ApiKey>,
    /// Serve without keys on a loopback address, for development. With keys it has no effect.
    pub allow_anonymous_loopback: bool,
    /// Largest body of a single task.
    pub max_body: usize,
    /// Largest body of an array.
    pub max_array_body: usize,
    /// Most tasks in one array.
    pub max_items: usize,
    /// Bodies held at once by all requests together; beyond it callers get 429.
    pub max_bodies: usize,
    /// Largest request head (request line and headers).
    pub max_head: usize,
    /// Most connections at once; further ones wait to be accepted.
    pub max_connections: usize,
    /// A request's head must have come within this.
    #[serde(deserialize_with = "duration")]
    pub head_timeout: Duration,
    /// A body must have come within this.
    #[serde(deserialize_with = "duration")]
    pub body_timeout: Duration,
    /// Longest `?wait=`.
    #[serde(deserialize_with = "duration")]
    pub max_wait: Duration,
    /// What the log does not acknowledge within this is answered 503.
    #[serde(deserialize_with = "duration")]
    pub produce_timeout: Duration,
}

/// A static API key, known by its hash alone.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ApiKey {
    /// Whose key, for logs and problems.
    pub name: String,
    /// SHA-256 of the key, 64 hex digits: `printf %s "$KEY" | sha256sum`.
    pub sha256: String,
    /// The tenants it may act for; `*` for all.
    pub tenants: Vec<String>,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            keys: Vec::new(),
            allow_anonymous_loopback: false,
            max_body: 1 << 20,
            max_array_body: 8 << 20,
            max_items: 1_000,
            max_bodies: 256 << 20,
            max_head: 32 << 10,
            max_connections: 10_000,
            head_timeout: Duration::from_secs(10),
            body_timeout: Duration::from_secs(30),
            max_wait: Duration::from_secs(30),
            produce_timeout: Duration::from_secs(10),
        }
    }
}

impl Config {
    /// Everything that is wrong with these options for a door at `listen`, each named; empty where
    /// the door can open.
    #[must_use]
    pub fn validate(&self, listen: SocketAddr) -> Vec<String> {
        let mut problems = Vec::new();
        if self.keys.is_empty() && !(self.allow_anonymous_loopback && listen.ip().is_loopback()) {
            let problem = if self.allow_anonymous_loopback {
                format!(
                    "`keys` is empty and {listen} is no loopback address: add a key, or listen on \
                     127.0.0.1"
                )
            } else {
                "`keys` is empty: anybody could register; add a key".to_owned()
            };
            problems.push(problem);
        }
        for (index, key) in self.keys.iter().enumerate() {
            key.validate(index, &mut problems);
            let twice = |other: &ApiKey| other.name == key.name || other.sha256 == key.sha256;
            if self.keys.iter().take(index).any(twice) {
                problems.push(format!(
                    "`keys[{index}]` has the name or hash of an earlier one"
                ));
            }
        }
        let sizes = [
            ("max_body", self.max_body, 1_024..=16 << 20),
            (
                "max_array_body",
                self.max_array_body,
                self.max_body..=256 << 20,
            ),
            ("max_items", self.max_items, 1..=10_000),
            (
                "max_bodies",
                self.max_bodies,
                self.max_array_body..=64 << 30,
            ),
            // hyper's smallest read buffer is 8 KiB.
            ("max_head", self.max_head, 8 << 10..=1 << 20),
            ("max_connections", self.max_connections, 1..=1_000_000),
        ];
        for (name, value, allowed) in sizes {
            if !allowed.contains(&value) {
                let (low, high) = (allowed.start(), allowed.end());
                problems.push(format!("`{name}` must be from {low} to {high}, is {value}"));
            }
        }
        let times = [
            ("head_timeout", self.head_timeout, 300),
            ("body_timeout", self.body_timeout, 600),
            ("max_wait", self.max_wait, 300),
            ("produce_timeout", self.produce_timeout, 300),
        ];
        for (name, value, most) in times {
            if value.is_zero() || value > Duration::from_secs(most) {
                problems.push(format!(
                    "`{name}` must be from 1ms to {most}s, is {value:?}"
                ));
            }
        }
        problems
    }
}

impl ApiKey {
    fn validate(&self, index: usize, problems: &mut Vec<String>) {
        if self.name.is_empty() {
            problems.push(format!("`keys[{index}].name` is empty"));
        }
        if self.hash().is_none() {
            problems.push(format!("`keys[{index}].sha256` is not 64 hex digits"));
        }
        if self.tenants.is_empty() {
            problems.push(format!(
                "`keys[{index}].tenants` is empty, so the key could do nothing; name tenants or `*`"
            ));
        }
        for tenant in self.tenants.iter().filter(|it| *it != "*") {
            if let Err(error) = TenantId::new(tenant) {
                problems.push(format!("`keys[{index}].tenants`: `{tenant}`: {error}"));
            }
        }
    }

    /// The hash as bytes; `None` where it is not 64 hex digits.
    pub(crate) fn hash(&self) -> Option<[u8; 32]> {
        let digits = self.sha256.as_bytes();
        if digits.len() != 64 || !digits.iter().all(u8::is_ascii_hexdigit) {
            return None;
        }
        let mut hash = [0; 32];
        for (byte, pair) in hash.iter_mut().zip(digits.chunks_exact(2)) {
            *byte = u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok()?;
        }
        Some(hash)
    }
}

fn duration<'de, D: Deserializer<'de>>(from: D) -> Result<Duration, D::Error> {
    let text = String::deserialize(from)?;
    schemas::duration::parse(&text)
        .map(Duration::from_millis)
        .map_err(de::Error::custom)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_bad_option_is_named_at_once() {
        let listen: SocketAddr = ([0, 0, 0, 0], 7800).into();
        let bad = Config {
            keys: vec![
                ApiKey {
                    name: String::new(),
                    sha256: "12".to_owned(),
                    tenants: Vec::new(),
                },
                ApiKey {
                    name: "a".to_owned(),
                    sha256: "0".repeat(64),
                    tenants: vec!["A b".to_owned()],
                },
            ],
            max_items: 0,
            max_wait: Duration::ZERO,
            ..Config::default()
        };
        let problems = bad.validate(listen).join("\n");
        for piece in [
            "keys[0].name",
            "keys[0].sha256",
            "keys[0].tenants",
            "`A b`",
            "max_items",
            "max_wait",
        ] {
            assert!(problems.contains(piece), "{piece} in {problems}");
        }
        assert_eq!(bad.validate(listen).len(), 6, "{problems}");
    }

    #[test]
    fn without_keys_only_a_loopback_address_may_be_anonymous() {
        let anywhere: SocketAddr = ([0, 0, 0, 0], 7800).into();
        let loopback: SocketAddr = ([127, 0, 0, 1], 7800).into();
        let anonymous = Config {
            allow_anonymous_loopback: true,
            ..Config::default()
        };
        let cases = [
            (Config::default(), loopback, 1),
            (Config::default(), anywhere, 1),
            (anonymous.clone(), anywhere, 1),
            (anonymous, loopback, 0),
        ];
        for (config, listen, problems) in cases {
            assert_eq!(config.validate(listen).len(), problems, "{listen}");
        }
    }

    #[test]
    fn options_are_read_with_their_units() {
        let text =
            r#"{"max_wait": "1m", "keys": [{"name": "a", "sha256": "x", "tenants": ["*"]}]}"#;
        let config: Config = serde_json::from_str(text).expect(text);
        assert_eq!(config.max_wait, Duration::from_secs(60));
        assert_eq!(config.max_items, 1_000);
        for bad in [r#"{"max_wait": "1 minute"}"#, r#"{"max_waits": "1m"}"#] {
            assert!(serde_json::from_str::<Config>(bad).is_err(), "{bad}");
        }
    }
}
