//! What stands behind the `?`: every name known, every problem told at once.

use std::time::Duration;

use axum::extract::Query;
use axum::http::Uri;
use schemas::registration::Complaint;
use schemas::{Millis, duration};

use crate::door::Lane;
use crate::problem::Problem;

/// The names and values of a query, as far as they are not empty.
pub(crate) struct Pairs {
    pairs: Vec<(String, String)>,
    pub(crate) complaints: Vec<Complaint>,
}

impl Pairs {
    /// Reads them, and complains of names that are not `known` and of ones given twice.
    pub(crate) fn read(uri: &Uri, known: &[&str]) -> Result<Self, Problem> {
        let Query(all) = Query::<Vec<(String, String)>>::try_from_uri(uri)
            .map_err(|error| Problem::malformed(format!("the query is not understood: {error}")))?;
        let mut it = Self {
            pairs: Vec::new(),
            complaints: Vec::new(),
        };
        for (name, value) in all {
            if !known.contains(&name.as_str()) {
                let names = if known.is_empty() {
                    "none".to_owned()
                } else {
                    known.join(", ")
                };
                it.complain(&name, format!("is unknown; known here: {names}"));
            } else if it.pairs.iter().any(|(other, _)| *other == name) {
                it.complain(&name, "is given twice".to_owned());
            } else if !value.is_empty() {
                it.pairs.push((name, value));
            }
        }
        Ok(it)
    }

    pub(crate) fn get(&self, name: &str) -> Option<&str> {
        self.pairs
            .iter()
            .find(|(key, _)| key == name)
            .map(|(_, value)| value.as_str())
    }

    /// Reads one value, or complains of it.
    pub(crate) fn take<T>(
        &mut self,
        name: &str,
        read: impl FnOnce(&str) -> Result<T, String>,
    ) -> Option<T> {
        match self.get(name).map(read)? {
            Ok(value) => Some(value),
            Err(problem) => {
                self.complain(name, problem);
                None
            }
        }
    }

    pub(crate) fn complain(&mut self, field: &str, problem: String) {
        let field: String = field.chars().take(64).collect();
        self.complaints.push(Complaint::new(field, problem));
    }
}

/// How a command is to be written and answered.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Manner {
    pub(crate) lane: Lane,
    pub(crate) wait: Option<Duration>,
}

impl Manner {
    /// `?lane=bulk&wait=2s`, both optional, and what is wrong with them.
    pub(crate) fn read(uri: &Uri, longest: Duration) -> Result<(Self, Vec<Complaint>), Problem> {
        let mut pairs = Pairs::read(uri, &["lane", "wait"])?;
        let lane = pairs.take("lane", |value| match value {
            "normal" => Ok(Lane::Normal),
            "bulk" => Ok(Lane::Bulk),
            _ => Err("is one of normal, bulk".to_owned()),
        });
        let wait = pairs.take("wait", |value| wait(value, longest));
        let wait = wait.filter(|wait| !wait.is_zero());
        Ok((
            Self {
                lane: lane.unwrap_or_default(),
                wait,
            },
            pairs.complaints,
        ))
    }
}

/// How long to wait for an answer, no longer than `longest`.
pub(crate) fn wait(value: &str, longest: Duration) -> Result<Duration, String> {
    let wait = duration::parse(value).map(Duration::from_millis);
    let wait = wait.map_err(|error| error.to_string())?;
    if wait <= longest {
        Ok(wait)
    } else {
        Err(format!("is at most {longest:?}"))
    }
}

/// Epoch ms or RFC 3339, as in a registration's `at`.
pub(crate) fn time(value: &str) -> Result<Millis, String> {
    if let Ok(ms) = value.parse() {
        return Ok(Millis(ms));
    }
    schemas::time::parse_rfc3339(value)
        .ok_or_else(|| "is neither epoch ms nor a time such as 2026-12-01T09:00:00Z".to_owned())
}
