//! Columns that hold more than SQL knows, whichever database they are in.

use std::fmt;

/// A value stored as the text it prints, read back by parsing.
pub struct Text<T>(pub T);

/// A value stored as JSON, in a column of text.
pub struct Json<T>(pub T);

/// Where stored JSON stops making sense. Never its content: that may be somebody's message.
#[derive(Debug, thiserror::Error)]
#[error("stored JSON does not fit ({category:?} at line {line}, column {column})")]
pub(crate) struct JsonError {
    category: serde_json::error::Category,
    line: usize,
    column: usize,
}

impl From<&serde_json::Error> for JsonError {
    fn from(error: &serde_json::Error) -> Self {
        Self { category: error.classify(), line: error.line(), column: error.column() }
    }
}

/// Says nothing of the value: it may be somebody's message.
impl<T> fmt::Debug for Text<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Text(..)")
    }
}

/// Says nothing of the value: it may be somebody's message.
impl<T> fmt::Debug for Json<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Json(..)")
    }
}
