//! The JSON Schema of the envelope, for people who build on it.

use crate::Inbound;

/// JSON Schema (2020-12) of [`Inbound`].
pub fn inbound_schema() -> serde_json::Value {
    schemars::schema_for!(Inbound).to_value()
}
