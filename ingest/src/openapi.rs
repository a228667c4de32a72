//! The OpenAPI document.

/// As served.
pub(crate) const TEXT: &str = "{}";

/// The document.
#[must_use]
pub fn document() -> serde_json::Value {
    serde_json::Value::Null
}
