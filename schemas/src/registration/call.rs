//! The `call` of a registration: whom to call, and with which headers.

use std::cell::RefCell;

use serde_json::value::RawValue;
use url::Url;

use super::object::{Complaints, Object, Path, quote, text, word};
use crate::call::Call;

/// Longest URL, bytes.
pub(crate) const LONGEST_URL: usize = 4_096;
/// Most headers of one call.
pub(crate) const MOST_HEADERS: usize = 32;
/// Longest header value, bytes; a call's headers must fit what servers commonly take.
pub(crate) const LONGEST_VALUE: usize = 4_096;
/// Longest header name, bytes.
pub(crate) const LONGEST_NAME: usize = 128;

/// The methods a call may have.
pub(crate) const METHODS: [(&str, &str); 7] = [
    ("POST", "POST"),
    ("PUT", "PUT"),
    ("PATCH", "PATCH"),
    ("GET", "GET"),
    ("DELETE", "DELETE"),
    ("HEAD", "HEAD"),
    ("OPTIONS", "OPTIONS"),
];
const DEFAULT_METHOD: &str = "POST";

/// Headers that belong to the connection or to the framing of the body, not to the caller.
pub(crate) const CONNECTION_HEADERS: [&str; 12] = [
    "connection",
    "content-length",
    "expect",
    "host",
    "keep-alive",
    "proxy-authenticate",
    "proxy-authorization",
    "proxy-connection",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
];
/// Headers we write ourselves begin with these.
pub(crate) const OUR_PREFIXES: [&str; 2] = ["webhook-", "tidewheel-"];

pub(super) fn call(raw: &RawValue, at: Path<'_>, complaints: &mut Complaints) -> Option<Call> {
    let known = ["url", "method", "headers", "endpoint", "topic"];
    let object = Object::read(raw, at, &known, complaints)?;
    for name in ["endpoint", "topic"] {
        if object.get(name).is_some() {
            let problem = "is not available in this release; give a `url`";
            complaints.add(at.field(name), problem);
        }
    }
    let url = match object.get("url") {
        Some(raw) => url(raw, at.field("url"), complaints),
        None => {
            if object.get("endpoint").is_none() && object.get("topic").is_none() {
                complaints.add(at.field("url"), "is missing");
            }
            None
        }
    };
    let method = match object.get("method") {
        Some(raw) => word(raw, at.field("method"), &METHODS, complaints),
        None => Some(DEFAULT_METHOD),
    };
    let headers = match object.get("headers") {
        Some(raw) => headers(raw, at.field("headers"), complaints),
        None => Some(Vec::new()),
    };
    Some(Call {
        url: url?,
        method: method?.to_owned(),
        headers: headers?,
    })
}

thread_local! {
    /// The last URL found to be good: most registrations name the one of those before them.
    static GOOD: RefCell<String> = const { RefCell::new(String::new()) };
}

fn url(raw: &RawValue, at: Path<'_>, complaints: &mut Complaints) -> Option<String> {
    let found = text(raw, at, complaints)?;
    if GOOD.with_borrow(|good| *good == found) {
        return Some(found.into_owned());
    }
    match url_problem(&found) {
        None => {
            GOOD.with_borrow_mut(|good| {
                good.clear();
                good.push_str(&found);
            });
            Some(found.into_owned())
        }
        Some(problem) => {
            complaints.add(at, problem);
            None
        }
    }
}

/// Browsers' rules forgive much (`http:\\x`, `http:///x`, tabs inside); what is forgiven there is
/// refused here, because a call would go somewhere else than the text seems to say.
fn url_problem(found: &str) -> Option<String> {
    if found.len() > LONGEST_URL {
        return Some(format!("is longer than {LONGEST_URL} bytes"));
    }
    if found.chars().any(|c| c.is_whitespace() || c.is_control()) {
        return Some("contains whitespace or control characters; percent-encode them".to_owned());
    }
    if found.contains('\\') {
        return Some("contains a backslash; write `/`, or `%5C` for the character".to_owned());
    }
    let lower = found.get(..8).unwrap_or(found).to_ascii_lowercase();
    let scheme = ["http://", "https://"]
        .iter()
        .find(|it| lower.starts_with(**it));
    let Some(scheme) = scheme else {
        let shape = "must be absolute and begin with `http://` or `https://`";
        return Some(format!("{shape}, is `{}`", quote(found)));
    };
    let rest = found.get(scheme.len()..).unwrap_or_default();
    let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
    if authority.contains('@') {
        return Some("contains user information; send credentials in a header".to_owned());
    }
    if authority.is_empty() || authority.starts_with(':') {
        return Some("has no host".to_owned());
    }
    match Url::parse(found) {
        Err(error) => Some(format!("is not a URL: {error}")),
        Ok(url) if url.port() == Some(0) => Some("has port 0".to_owned()),
        Ok(url) if url.fragment().is_some() => {
            Some("has a fragment, which is never sent; leave out what is behind `#`".to_owned())
        }
        Ok(_) => None,
    }
}

fn headers(
    raw: &RawValue,
    at: Path<'_>,
    complaints: &mut Complaints,
) -> Option<Vec<(String, String)>> {
    let object = Object::open(raw, at, complaints)?;
    if object.len() > MOST_HEADERS {
        complaints.add(at, format!("has more than {MOST_HEADERS} entries"));
        return None;
    }
    let mut headers: Vec<(String, String)> = Vec::with_capacity(object.len());
    for (name, raw) in object.iter() {
        let at = at.field(name);
        let lower = name.to_ascii_lowercase();
        if let Some(problem) = name_problem(&lower) {
            complaints.add(at, problem);
        } else if headers.iter().any(|(other, _)| *other == lower) {
            complaints.add(at, "is given twice; header names ignore case");
        }
        let Some(value) = text(raw, at, complaints) else {
            continue;
        };
        if let Some(problem) = value_problem(&value) {
            complaints.add(at, problem);
        }
        headers.push((lower, value.into_owned()));
    }
    Some(headers)
}

fn name_problem(lower: &str) -> Option<String> {
    let token = |b: u8| b.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&b);
    if lower.is_empty() || lower.len() > LONGEST_NAME || !lower.bytes().all(token) {
        return Some(format!(
            "is not a header name: 1-{LONGEST_NAME} letters, digits or any of !#$%&'*+-.^_`|~"
        ));
    }
    if lower == "content-type" {
        return Some("belongs in `content_type`, beside the payload".to_owned());
    }
    if CONNECTION_HEADERS.contains(&lower) {
        return Some("is the connection's own header and cannot be set".to_owned());
    }
    OUR_PREFIXES
        .iter()
        .find(|prefix| lower.starts_with(**prefix))
        .map(|prefix| format!("cannot be set; names that begin with `{prefix}` are ours"))
}

/// A header value is printable ASCII, spaces and tabs inside included.
pub(super) fn value_problem(value: &str) -> Option<String> {
    if value.len() > LONGEST_VALUE {
        return Some(format!("is longer than {LONGEST_VALUE} bytes"));
    }
    if !value.bytes().all(|b| matches!(b, b'\t' | b' '..=b'~')) {
        return Some("holds more than printable ASCII characters".to_owned());
    }
    if value.trim_matches([' ', '\t']).len() != value.len() {
        return Some("begins or ends with a space".to_owned());
    }
    None
}
