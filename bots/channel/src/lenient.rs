//! Reading platform JSON field by field, so that one odd field does not cost a message.

use serde::{Deserialize, Deserializer, de::DeserializeOwned};

/// For `#[serde(deserialize_with = "lenient")]`: a value of an unexpected type counts as absent.
/// For fields of a struct marked `#[serde(default)]`.
pub fn lenient<'de, D, T>(deserializer: D) -> Result<T, D::Error>
where
    D: Deserializer<'de>,
    T: DeserializeOwned + Default,
{
    let value = serde_json::Value::deserialize(deserializer)?;
    Ok(serde_json::from_value(value).unwrap_or_default())
}

/// Declares structs whose every field is optional and [`lenient`](crate::lenient()), for the module
/// above. The caller depends on `serde`, with `derive`.
#[macro_export]
macro_rules! payload {
    ($($(#[$doc:meta])* struct $name:ident { $($(#[$attr:meta])* $field:ident: $type:ty,)* })*) => {$(
        $(#[$doc])*
        #[derive(Clone, Default, ::serde::Deserialize)]
        #[serde(default)]
        pub(super) struct $name {
            $(
                $(#[$attr])*
                #[serde(deserialize_with = "::zaki_channel::lenient")]
                pub(super) $field: $type,
            )*
        }
    )*};
}
