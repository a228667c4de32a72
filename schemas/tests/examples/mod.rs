//! Registrations that are accepted, and ones that are refused with the fields complained of; one in a
//! line, in `accepted.jsonl` and `refused.jsonl`.

use serde::Deserialize;

/// Whole objects, each good; the contract's own example first.
pub(crate) fn accepted() -> Vec<&'static str> {
    include_str!("accepted.jsonl").lines().collect()
}

/// What [`Refused::over`] is put over.
pub(crate) const GOOD: &str =
    r#"{"tenant": "shop", "id": "a", "schedule": {"after": "1s"}, "call": {"url": "http://h/x"}}"#;

/// A registration that is refused.
#[derive(Deserialize)]
pub(crate) struct Refused {
    /// Fields put over [`GOOD`]; `null` removes one.
    over: serde_json::Map<String, serde_json::Value>,
    /// Every field complained of, with a piece of what is said.
    pub(crate) complaints: Vec<(String, String)>,
    /// A JSON Schema cannot tell.
    #[serde(default)]
    pub(crate) only_parser: bool,
}

impl Refused {
    /// All of them.
    pub(crate) fn all() -> Vec<Self> {
        include_str!("refused.jsonl")
            .lines()
            .map(|line| serde_json::from_str(line).expect(line))
            .collect()
    }

    /// The whole object.
    pub(crate) fn whole(&self) -> serde_json::Value {
        let mut whole: serde_json::Value = serde_json::from_str(GOOD).expect("GOOD is JSON");
        let fields = whole.as_object_mut().expect("an object");
        for (name, value) in &self.over {
            if value.is_null() {
                fields.remove(name);
            } else {
                fields.insert(name.clone(), value.clone());
            }
        }
        whole
    }
}
