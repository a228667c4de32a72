//! Records of `calendars`: when work may not begin, for the recurring tasks that name it.
//!
//! The topic is public: whoever may write it registers calendars there, as the door does. The key is
//! `tenant/name` in UTF-8, with the murmur2 partitioner (another costs one forward), the value is the
//! calendar as one JSON object, and a record without value removes it. A planner passes what it took
//! on to the others as a [`CalendarRecord`] in `forwards`.

use std::fmt;
use std::sync::Arc;

use bytes::Bytes;
use serde::{Deserialize, Serialize};
use timetable::Calendar;

use crate::codec::{self, DecodeError, Kind};
use crate::id::TenantId;
use crate::registration::{Complaint, Refusal, check_depth};
use crate::shard::{Shard, Shards};

/// Bytes of a calendar's JSON at most.
pub const LARGEST_CALENDAR: usize = 64 << 10;

/// What a calendar is called: the same characters as a tenant.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct CalendarName(Arc<str>);

/// Not 1-64 of `[a-z0-9._-]`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a calendar is 1-64 characters of a-z, 0-9, `.`, `_`, `-`")]
pub struct CalendarNameError;

/// A calendar everywhere: tenant and name.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct CalendarKey {
    /// Whose it is.
    pub tenant: TenantId,
    /// Its name there.
    pub name: CalendarName,
}

/// A calendar that was taken, or removed, on its way to other shards; its JSON stands behind it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CalendarRecord {
    /// Which.
    pub key: CalendarKey,
    /// There is none any more.
    pub removed: bool,
}

/// `GET /v1/calendars/{tenant}/{name}`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CalendarView {
    /// Whose.
    pub tenant: TenantId,
    /// Its name there.
    pub name: CalendarName,
    /// The number its last change got.
    pub version: u64,
    /// As registered.
    pub calendar: serde_json::Value,
}

/// Which of a tenant's calendars.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CalendarQuery {
    /// Whose.
    pub tenant: TenantId,
    /// Those behind this name.
    pub after: Option<CalendarName>,
    /// At most so many.
    pub limit: usize,
}

/// Some of a tenant's calendars, by name.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct CalendarPage {
    /// Each as [`CalendarView`].
    pub calendars: Vec<CalendarView>,
    /// The last name looked at, where more may follow.
    pub next: Option<CalendarName>,
}

impl CalendarName {
    /// Takes a name that follows the rule of the type.
    ///
    /// # Errors
    /// [`CalendarNameError`] where it does not.
    pub fn new(name: &str) -> Result<Self, CalendarNameError> {
        let good = TenantId::new(name).map_err(|_| CalendarNameError);
        good.map(|_| Self(name.into()))
    }

    /// The name as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for CalendarName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl TryFrom<String> for CalendarName {
    type Error = CalendarNameError;

    fn try_from(name: String) -> Result<Self, Self::Error> {
        Self::new(&name)
    }
}

impl From<CalendarName> for String {
    fn from(name: CalendarName) -> Self {
        name.0.as_ref().to_owned()
    }
}

impl CalendarKey {
    /// Reads the key of a record: `tenant/name`.
    #[must_use]
    pub fn parse(key: &[u8]) -> Option<Self> {
        let (tenant, name) = std::str::from_utf8(key).ok()?.split_once('/')?;
        Some(Self {
            tenant: TenantId::new(tenant).ok()?,
            name: CalendarName::new(name).ok()?,
        })
    }

    /// The key of its records.
    #[must_use]
    pub fn routing_key(&self) -> String {
        self.to_string()
    }

    /// The shard whose planner decides about it.
    #[must_use]
    pub fn shard(&self, shards: Shards) -> Shard {
        shards.of_key(self.routing_key().as_bytes())
    }
}

impl fmt::Display for CalendarKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.tenant, self.name)
    }
}

impl CalendarRecord {
    /// As bytes, with the calendar's JSON behind it as it came.
    #[must_use]
    pub fn encode(&self, json: &[u8]) -> Bytes {
        codec::encode(Kind::Calendar, self, json)
    }

    /// From bytes; the JSON shares their memory.
    ///
    /// # Errors
    /// [`DecodeError`] says what was not understood.
    pub fn decode(bytes: &Bytes) -> Result<(Self, Bytes), DecodeError> {
        codec::decode(Kind::Calendar, bytes)
    }
}

/// Reads a calendar's JSON.
///
/// # Errors
/// [`Refusal`] holds everything that is wrong, not only the first.
pub fn read_calendar(json: &[u8]) -> Result<Calendar, Refusal> {
    let malformed = |problem: String| Refusal {
        malformed: true,
        complaints: vec![Complaint::new("", problem)],
    };
    if json.len() > LARGEST_CALENDAR {
        let problem = format!("a calendar has at most {LARGEST_CALENDAR} bytes");
        return Err(malformed(problem));
    }
    check_depth(json)?;
    let value: serde_json::Value = serde_json::from_slice(json)
        .map_err(|error| malformed(format!("is not a JSON object: {error}")))?;
    Calendar::parse(&value).map_err(|problems| {
        let complaint = |problem: timetable::Problem| Complaint::new(problem.field, problem.reason);
        Refusal {
            malformed: !value.is_object(),
            complaints: problems.into_iter().map(complaint).collect(),
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_names_a_tenant_and_a_calendar() {
        let key = CalendarKey::parse(b"shop/bank-holidays").unwrap();
        assert_eq!(key.tenant.as_str(), "shop");
        assert_eq!(CalendarKey::parse(key.routing_key().as_bytes()), Some(key));
        for bad in ["shop", "shop/", "/x", "shop/a/b", "Shop/a", "shop/A b", ""] {
            assert_eq!(CalendarKey::parse(bad.as_bytes()), None, "{bad}");
        }
    }

    #[test]
    fn every_bad_field_is_told_at_once() {
        let json = br#"{"zone": "Nowhere", "excluded": [{"time": "9-5"}, {"dates": 1}], "x": 1}"#;
        let refusal = read_calendar(json).unwrap_err();
        let fields: Vec<&str> = refusal
            .complaints
            .iter()
            .map(|it| it.field.as_str())
            .collect();
        assert_eq!(
            fields,
            ["x", "zone", "excluded[0].time", "excluded[1].dates"]
        );
        assert!(!refusal.malformed);
        for bad in [
            &b"[]"[..],
            b"",
            b"{",
            &[b'['; 200],
            &[b' '; LARGEST_CALENDAR + 1],
        ] {
            assert!(read_calendar(bad).unwrap_err().malformed);
        }
    }
}
