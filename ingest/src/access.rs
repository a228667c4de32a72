//! Who comes in, and for which tenants. Pure: hashes and names only.

use axum::http::{HeaderMap, header};
use schemas::TenantId;
use sha2::{Digest, Sha256};

use crate::config::Config;
use crate::problem::Problem;

/// The keys that open the door.
#[derive(Debug)]
pub(crate) enum Access {
    /// Everybody on this machine, for every tenant.
    Anonymous,
    /// Whoever holds one of these keys.
    Keys(Vec<Key>),
}

#[derive(Debug)]
pub(crate) struct Key {
    name: String,
    hash: [u8; 32],
    tenants: Vec<String>,
}

/// Whoever came in.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Caller<'a> {
    Anonymous,
    Key(&'a Key),
}

impl Access {
    /// From options that were validated; a hash that is none opens nothing.
    pub(crate) fn new(config: &Config) -> Self {
        if config.keys.is_empty() {
            return Self::Anonymous;
        }
        let keys = config.keys.iter().filter_map(|key| {
            Some(Key {
                name: key.name.clone(),
                hash: key.hash()?,
                tenants: key.tenants.clone(),
            })
        });
        Self::Keys(keys.collect())
    }

    /// Lets somebody in, or says 401; an anonymous door is closed to web pages (403).
    pub(crate) fn admit(&self, headers: &HeaderMap) -> Result<Caller<'_>, Problem> {
        match self {
            Self::Anonymous => {
                if is_from_a_web_page(headers) {
                    return Err(Problem::web_page());
                }
                Ok(Caller::Anonymous)
            }
            Self::Keys(keys) => {
                let given = bearer(headers).ok_or_else(|| {
                    Problem::unauthorized("send `Authorization: Bearer` and your API key")
                })?;
                find(keys, given)
                    .map(Caller::Key)
                    .ok_or_else(|| Problem::unauthorized("this API key is not known here"))
            }
        }
    }
}

impl Caller<'_> {
    /// Whether this caller may act for `tenant`; 403 where not.
    pub(crate) fn check(self, tenant: &TenantId) -> Result<(), Problem> {
        let may = match self {
            Self::Anonymous => true,
            Self::Key(key) => key
                .tenants
                .iter()
                .any(|it| it == "*" || it == tenant.as_str()),
        };
        if may {
            Ok(())
        } else {
            Err(Problem::forbidden(self.name(), tenant))
        }
    }

    fn name(self) -> String {
        match self {
            Self::Anonymous => "anonymous".to_owned(),
            Self::Key(key) => key.name.clone(),
        }
    }
}

/// Whether two secrets are equal, in a time that depends on their lengths only.
#[must_use]
pub fn same_secret(a: &[u8], b: &[u8]) -> bool {
    let differing = a.iter().zip(b).fold(0, |seen, (a, b)| seen | (a ^ b));
    // The hint keeps the fold from being cut short at the first difference.
    a.len() == b.len() && std::hint::black_box(differing) == 0
}

/// Looks at every key, so that the time tells nothing of which one it was.
fn find<'k>(keys: &'k [Key], given: &str) -> Option<&'k Key> {
    let hash: [u8; 32] = Sha256::digest(given.as_bytes()).into();
    keys.iter().fold(None, |found, key| {
        if same_secret(&key.hash, &hash) {
            Some(key)
        } else {
            found
        }
    })
}

fn bearer(headers: &HeaderMap) -> Option<&str> {
    let value = headers.get(header::AUTHORIZATION)?.to_str().ok()?;
    let (scheme, key) = value.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| key.trim())
}

/// A page in a browser on this machine must not register by way of the anonymous door: neither from
/// another origin, nor by a name that was made to lead to 127.0.0.1.
fn is_from_a_web_page(headers: &HeaderMap) -> bool {
    let text = |name| {
        headers
            .get(name)
            .map(|it: &axum::http::HeaderValue| it.to_str().unwrap_or(""))
    };
    let foreign = text(header::ORIGIN).is_some_and(|origin| {
        let host = origin.split_once("://").map_or(origin, |(_, host)| host);
        text(header::HOST) != Some(host)
    });
    foreign || text(header::HOST).is_some_and(|host| !is_this_machine(host))
}

fn is_this_machine(host: &str) -> bool {
    let name = match host.strip_prefix('[') {
        Some(rest) => rest.split(']').next().unwrap_or_default(),
        None => host.rsplit_once(':').map_or(host, |(name, _)| name),
    };
    name.eq_ignore_ascii_case("localhost")
        || name
            .parse()
            .is_ok_and(|ip: std::net::IpAddr| ip.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_are_the_same_only_when_equal() {
        let cases = [
            ("", "", true),
            ("a", "a", true),
            ("a", "b", false),
            ("a", "ab", false),
        ];
        for (a, b, same) in cases {
            assert_eq!(same_secret(a.as_bytes(), b.as_bytes()), same, "{a} {b}");
        }
    }

    #[test]
    fn an_anonymous_door_is_closed_to_web_pages() {
        let cases = [
            (None, None, false),
            (Some("127.0.0.1:7800"), None, false),
            (Some("localhost:7800"), None, false),
            (Some("[::1]:7800"), None, false),
            (Some("127.0.0.1:7800"), Some("http://127.0.0.1:7800"), false),
            (Some("127.0.0.1:7800"), Some("http://evil.example"), true),
            (Some("127.0.0.1:7800"), Some("null"), true),
            (Some("evil.example:7800"), None, true),
            (
                Some("evil.example:7800"),
                Some("http://evil.example:7800"),
                true,
            ),
        ];
        for (host, origin, page) in cases {
            let mut headers = HeaderMap::new();
            for (name, value) in [(header::HOST, host), (header::ORIGIN, origin)] {
                if let Some(value) = value {
                    headers.insert(name, value.parse().expect(value));
                }
            }
            assert_eq!(is_from_a_web_page(&headers), page, "{host:?} {origin:?}");
        }
    }
}
