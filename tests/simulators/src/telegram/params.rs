//! Parameters, which come as JSON values or, in forms, written out.

use serde_json::Value;

/// A whole number, given as one or written out.
pub(super) fn int(params: &Value, name: &str) -> Option<i64> {
    let value = &params[name];
    value.as_i64().or_else(|| value.as_str()?.parse().ok())
}

/// A string; a number is written out. Empty if absent.
pub(super) fn string(params: &Value, name: &str) -> String {
    match &params[name] {
        Value::String(text) => text.clone(),
        Value::Null => String::new(),
        other => other.to_string(),
    }
}

pub(super) fn boolean(params: &Value, name: &str) -> bool {
    matches!(string(params, name).to_lowercase().as_str(), "true" | "1" | "yes")
}

/// An object or array, given as one or, in a form, as JSON text.
pub(super) fn decoded(params: &Value, name: &str) -> Option<Value> {
    match &params[name] {
        Value::Null => None,
        Value::String(text) => serde_json::from_str(text).ok(),
        other => Some(other.clone()),
    }
}
