//! Flows: which other steps a step needs, how they must end, and what it takes over from them.
//!
//! The steps of a flow are tasks `group/step` of one tenant and group, so that they share a shard. A
//! step waits until its [`Needs`] are decided; then it is planted like any other task, or it ends as
//! not taken.

use bytes::Bytes;
use serde::{Deserialize, Serialize};

/// What a step needs before it is planted.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Needs {
    /// Of which steps, at least one, each once.
    pub of: Vec<Need>,
    /// How many of them.
    pub join: Join,
    /// The answer to this step's call becomes the payload; one of `of`.
    pub payload_from: Option<String>,
}

/// What is needed of one step.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Need {
    /// Its name within the group.
    pub step: String,
    /// How it must end.
    pub on: On,
    /// What it must have answered.
    pub when: Option<When>,
}

/// How a needed step must end.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum On {
    /// Its endpoint took it.
    #[default]
    Success,
    /// It was given up, or its time had passed.
    Failure,
    /// However: cancelled and not taken too.
    Always,
}

/// How many needs must be met.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Join {
    /// Every one.
    #[default]
    All,
    /// The first that is.
    Any,
}

/// A value in the answer's body.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct When {
    /// JSON pointer (RFC 6901); empty for the whole body.
    pub pointer: String,
    /// JSON text that the value there must equal; numbers by their value.
    pub equals: String,
}

/// The body of an endpoint's answer.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct AnswerBody {
    /// The bytes, or their beginning.
    pub bytes: Bytes,
    /// The answer's `content-type`, where it had one.
    pub content_type: Option<String>,
    /// There was more than is kept, or the connection broke before the end.
    pub cut: bool,
}

impl Need {
    /// Success of that step.
    #[must_use]
    pub fn success(step: &str) -> Self {
        Self {
            step: step.to_owned(),
            on: On::Success,
            when: None,
        }
    }
}

impl When {
    /// Whether a body holds that value. A body that is not JSON, or was cut, holds none.
    #[must_use]
    pub fn holds(&self, body: &AnswerBody) -> bool {
        let parse = |text: &[u8]| serde_json::from_slice::<serde_json::Value>(text).ok();
        if body.cut {
            return false;
        }
        match (parse(&body.bytes), parse(self.equals.as_bytes())) {
            (Some(found), Some(wanted)) => found
                .pointer(&self.pointer)
                .is_some_and(|found| same(found, &wanted)),
            _ => false,
        }
    }
}

/// Whether two JSON values say the same: `1` and `1.0` do.
fn same(a: &serde_json::Value, b: &serde_json::Value) -> bool {
    use serde_json::Value::{Array, Number, Object};
    match (a, b) {
        (Number(a), Number(b)) => a == b || (a.is_f64() || b.is_f64()) && a.as_f64() == b.as_f64(),
        (Array(a), Array(b)) => a.len() == b.len() && a.iter().zip(b).all(|(a, b)| same(a, b)),
        (Object(a), Object(b)) => {
            let in_b = |(name, a): (&String, _)| b.get(name).is_some_and(|b| same(a, b));
            a.len() == b.len() && a.iter().all(in_b)
        }
        _ => a == b,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_condition_looks_at_one_value_of_the_answer() {
        let cases = [
            ("/status", r#""paid""#, r#"{"status": "paid"}"#, true),
            ("/status", r#""paid""#, r#"{"status": "open"}"#, false),
            ("/status", r#""paid""#, "{}", false),
            ("/status", "null", "{}", false),
            ("/status", "null", r#"{"status": null}"#, true),
            (
                "/lines/1/n",
                "2",
                r#"{"lines": [{"n": 1}, {"n": 2.0}]}"#,
                true,
            ),
            ("/a~1b/m~0n", "true", r#"{"a/b": {"m~n": true}}"#, true),
            ("", r#"{"a": 1, "b": 2}"#, r#"{"b": 2, "a": 1.0}"#, true),
            ("", r#"{"a": 1}"#, r#"{"b": 2, "a": 1}"#, false),
            ("", "[1, 2]", "[1, 2, 3]", false),
            ("", "9007199254740993", "9007199254740992", false),
            ("", r#""yes""#, "yes", false),
            ("", "\"\"", "", false),
        ];
        for (pointer, equals, body, holds) in cases {
            let when = When {
                pointer: pointer.to_owned(),
                equals: equals.to_owned(),
            };
            let mut body = AnswerBody {
                bytes: Bytes::from_static(body.as_bytes()),
                ..AnswerBody::default()
            };
            assert_eq!(when.holds(&body), holds, "{pointer} = {equals} in {body:?}");
            body.cut = true;
            assert!(!when.holds(&body), "a part of {body:?} says nothing");
        }
    }
}
